/* SPDX-License-Identifier: BSD-3-Clause */
/* The safetensors layout: named arrays and a map of texts in one file.
 *
 *     8 bytes       length of the header, little-endian, a multiple of 8
 *     header        JSON, padded with spaces:
 *                     {"__metadata__": {"crc32": "...", key: text, ...},
 *                      name: {"dtype", "shape", "data_offsets"}, ...}
 *     buffer        the arrays, without gaps, wide elements first
 *
 * crc32 is zlib's over the whole file with its own 8 digits as "00000000".
 * A file without it, or that differs anywhere, is refused. */
#ifndef HN_IO_SAFETENSORS_H
#define HN_IO_SAFETENSORS_H

#include "tensor/tensor.h"

/* One more element type than tensors have. */
enum { HN_ST_INT64 = 100 };

/* An array, dense and row-major. */
struct hn_st_entry {
    const char *name;
    int32_t dtype; /* HNAS_FLOAT32 ... or HN_ST_INT64 */
    int32_t rank;
    int64_t dims[HNAS_MAX_RANK];
    const void *data;
};

struct hn_st_pair {
    const char *key, *value;
};

/* Replace the file at `path`, all or nothing.  The bytes depend on nothing
 * but the arguments.  Names and keys must be new and UTF-8. */
hnas_status hn_st_write(struct hnas_context *ctx, const char *path,
                        const struct hn_st_entry *entries, int64_t n_entries,
                        const struct hn_st_pair *pairs, int64_t n_pairs);

/* A file in memory, checked from end to end. */
struct hn_st_file;
hnas_status hn_st_open(struct hn_st_file **out, struct hnas_context *ctx,
                       const char *path);
void hn_st_close(struct hn_st_file *file);

/* Arrays in the order of their names; borrowed, aligned for their type. */
int64_t hn_st_count(const struct hn_st_file *file);
const struct hn_st_entry *hn_st_get(const struct hn_st_file *file, int64_t i);

/* The array or text of a name; NULL: there is none. */
const struct hn_st_entry *hn_st_find(const struct hn_st_file *file,
                                     const char *name);
const char *hn_st_meta(const struct hn_st_file *file, const char *key);

/* Where it was opened. */
const char *hn_st_path(const struct hn_st_file *file);

/* Copy an array of equal dims and any type but I64 into a tensor.  E_FORMAT:
 * it is missing; E_MISMATCH: other dims. */
hnas_status hn_st_load(struct hnas_tensor *tensor,
                       const struct hn_st_file *file, const char *name);

/* What both directions share.  0: unknown. */
int32_t hn_st_type(const char *name);
size_t hn_st_type_bytes(int32_t dtype);

/* Bytes of an entry's data; nonzero: bad rank, dims or type. */
int hn_st_entry_bytes(size_t *bytes, const struct hn_st_entry *entry);

/* zlib's crc32 continued over bytes of any number. */
uint32_t hn_st_crc(uint32_t crc, const void *data, size_t bytes);

enum { HN_ST_CRC_DIGITS = 8 };

#endif
