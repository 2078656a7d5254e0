/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of an option struct as JSON: one table serves both ways. */
#ifndef HN_IO_FIELDS_H
#define HN_IO_FIELDS_H

#include <stddef.h>

#include "hnas/status.h"
#include "io/json.h"

enum hn_field_type { HN_I32, HN_I64, HN_F64 };

struct hn_field {
    const char *name; /* NULL ends a table */
    enum hn_field_type type;
    size_t offset;
};

/* Write a key and a number a field. */
void hn_fields_write(struct hn_json_writer *w, const struct hn_field *fields,
                     const void *opts);

/* Read all fields of a member of an object, or of the object itself where
 * `section` is NULL.  HNAS_E_FORMAT names what is missing. */
hnas_status hn_fields_read(struct hnas_context *ctx, const char *path,
                           const struct hn_json_value *object,
                           const char *section, const struct hn_field *fields,
                           void *opts);

/* Whether a file's count of steps is one that can still be counted on. */
int hn_is_count(int64_t n);

/* HNAS_E_FORMAT about a setting of a file. */
hnas_status hn_fields_bad(struct hnas_context *ctx, const char *path,
                          const char *name);

#endif
