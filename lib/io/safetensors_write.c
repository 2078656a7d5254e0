/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/safetensors.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "io/file.h"
#include "io/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "arrays are written as they lie in memory, little-endian");

static const struct {
    const char *name;
    int32_t dtype;
    size_t bytes;
} types[] = {{"F32", HNAS_FLOAT32, 4},
             {"F64", HNAS_FLOAT64, 8},
             {"I32", HNAS_INT32, 4},
             {"I64", HN_ST_INT64, 8},
             {"U8", HNAS_UINT8, 1}};
enum { N_TYPES = sizeof types / sizeof types[0] };

static const char *type_name(int32_t dtype)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].name;
    return NULL;
}

int32_t hn_st_type(const char *name)
{
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(types[i].name, name))
            return types[i].dtype;
    return 0;
}

size_t hn_st_type_bytes(int32_t dtype)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].bytes;
    return 0;
}

int hn_st_entry_bytes(size_t *bytes, const struct hn_st_entry *entry)
{
    *bytes = hn_st_type_bytes(entry->dtype);
    if (*bytes == 0 || entry->rank < 0 || entry->rank > HNAS_MAX_RANK)
        return -1;
    for (int32_t i = 0; i < entry->rank; i++)
        if (entry->dims[i] < 1 || (uint64_t)entry->dims[i] > SIZE_MAX ||
            hn_size_mul(bytes, *bytes, (size_t)entry->dims[i]))
            return -1;
    return *bytes > INT64_MAX ? -1 : 0;
}

uint32_t hn_st_crc(uint32_t crc, const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(crc, data, bytes);
}

/* One file under construction. */
struct writing {
    struct hnas_context *ctx;
    const char *path;
    struct hn_json_writer w;
    struct hn_part *parts; /* length, header, arrays in file order */
    int64_t n_parts;
    size_t offset;     /* where the next array begins in the buffer */
    size_t crc_offset; /* of the digits in the header */
    unsigned char length[8];
};

static hnas_status put_entry(struct writing *f, const struct hn_st_entry *e)
{
    struct hn_json_writer *w = &f->w;
    size_t bytes, end;

    if (hn_st_entry_bytes(&bytes, e) || hn_size_add(&end, f->offset, bytes) ||
        end > INT64_MAX)
        return hn_fail(f->ctx, HNAS_E_SHAPE,
                       "%.200s: array \"%.100s\": type %d, rank %d, want a "
                       "known type, rank 0..4, every axis >= 1",
                       f->path, e->name, (int)e->dtype, (int)e->rank);
    hn_json_key(w, e->name);
    hn_json_open(w, '{');
    hn_json_key(w, "dtype");
    hn_json_string(w, type_name(e->dtype));
    hn_json_key(w, "shape");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < e->rank; i++)
        hn_json_integer(w, e->dims[i]);
    hn_json_close(w, ']');
    hn_json_key(w, "data_offsets");
    hn_json_open(w, '[');
    hn_json_integer(w, (int64_t)f->offset);
    hn_json_integer(w, (int64_t)end);
    hn_json_close(w, ']');
    hn_json_close(w, '}');
    f->parts[f->n_parts].data = e->data;
    f->parts[f->n_parts++].bytes = bytes;
    f->offset = end;
    return w->text.status;
}

static void put_metadata(struct writing *f, const struct hn_st_pair *pairs,
                         int64_t n_pairs)
{
    hn_json_key(&f->w, "__metadata__");
    hn_json_open(&f->w, '{');
    hn_json_key(&f->w, "crc32");
    f->crc_offset = f->w.text.length + 1;
    hn_json_string(&f->w, "00000000");
    for (int64_t i = 0; i < n_pairs; i++) {
        hn_json_key(&f->w, pairs[i].key);
        hn_json_string(&f->w, pairs[i].value);
    }
    hn_json_close(&f->w, '}');
}

/* The header: wide elements first, so that all arrays are aligned. */
static hnas_status put_header(struct writing *f,
                              const struct hn_st_entry *entries,
                              int64_t n_entries, const struct hn_st_pair *pairs,
                              int64_t n_pairs)
{
    static const size_t widths[] = {8, 4, 1};
    hnas_status st = HNAS_OK;

    f->n_parts = 2;
    hn_json_open(&f->w, '{');
    put_metadata(f, pairs, n_pairs);
    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < n_entries && st == HNAS_OK; i++) {
            const size_t width = hn_st_type_bytes(entries[i].dtype);

            if (width == widths[k] || (width == 0 && k == 0))
                st = put_entry(f, &entries[i]);
        }
    hn_json_close(&f->w, '}');
    while (f->w.text.status == HNAS_OK && f->w.text.length % 8)
        hn_json_space(&f->w);
    return st < 0 ? st : f->w.text.status;
}

/* Read the header as a reader would: finds doubled names and limits. */
static hnas_status check_header(struct writing *f)
{
    struct hn_json *json;
    hnas_status st =
        hn_json_parse(&json, f->ctx, f->path, f->w.text.data, f->w.text.length);

    hn_json_destroy(json);
    return st == HNAS_E_FORMAT ? HNAS_E_NAME : st;
}

static void seal(struct writing *f)
{
    char digits[HN_ST_CRC_DIGITS + 1];
    uint32_t crc = 0;

    for (int i = 0; i < 8; i++)
        f->length[i] = (unsigned char)((uint64_t)f->w.text.length >> 8 * i);
    f->parts[0].data = f->length;
    f->parts[0].bytes = sizeof f->length;
    f->parts[1].data = f->w.text.data;
    f->parts[1].bytes = f->w.text.length;
    for (int64_t i = 0; i < f->n_parts; i++)
        crc = hn_st_crc(crc, f->parts[i].data, f->parts[i].bytes);
    snprintf(digits, sizeof digits, "%08x", (unsigned)crc);
    memcpy(f->w.text.data + f->crc_offset, digits, HN_ST_CRC_DIGITS);
}

hnas_status hn_st_write(struct hnas_context *ctx, const char *path,
                        const struct hn_st_entry *entries, int64_t n_entries,
                        const struct hn_st_pair *pairs, int64_t n_pairs)
{
    struct writing f = {.ctx = ctx, .path = path};
    hnas_status st;

    hn_json_writer_init(&f.w, ctx);
    f.parts =
        hn_alloc_array(&ctx->alloc, (size_t)n_entries + 2, sizeof *f.parts);
    st = f.parts ? put_header(&f, entries, n_entries, pairs, n_pairs)
                 : hn_fail_nomem(ctx, path);
    if (st == HNAS_OK)
        st = check_header(&f);
    if (st == HNAS_OK) {
        seal(&f);
        st = hn_file_replace(ctx, path, f.parts, f.n_parts);
    }
    hn_free(&ctx->alloc, f.parts);
    hn_json_writer_finish(&f.w);
    return st;
}
