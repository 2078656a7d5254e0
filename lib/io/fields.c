/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/fields.h"

#include <string.h>

void hn_fields_write(struct hn_json_writer *w, const struct hn_field *f,
                     const void *opts)
{
    for (; f->name; f++) {
        const char *p = (const char *)opts + f->offset;
        int32_t i32;
        int64_t i64;
        double f64;

        hn_json_key(w, f->name);
        switch (f->type) {
        case HN_I32:
            memcpy(&i32, p, sizeof i32);
            hn_json_integer(w, i32);
            break;
        case HN_I64:
            memcpy(&i64, p, sizeof i64);
            hn_json_integer(w, i64);
            break;
        case HN_F64:
            memcpy(&f64, p, sizeof f64);
            hn_json_number(w, f64);
            break;
        }
    }
}

int hn_is_count(int64_t n)
{
    return n >= 0 && n <= INT64_C(1) << 53;
}

hnas_status hn_fields_bad(struct hnas_context *ctx, const char *path,
                          const char *name)
{
    return hn_fail(ctx, HNAS_E_FORMAT,
                   "%.200s: setting %s is missing or of the wrong kind", path,
                   name);
}

static hnas_status read_number(struct hnas_context *ctx, const char *path,
                               const struct hn_json_value *object,
                               const struct hn_field *f, void *opts)
{
    const struct hn_json_value *v = hn_json_get(object, f->name);
    char *p = (char *)opts + f->offset;
    int32_t i32;

    if (!v || v->type != HN_JSON_NUMBER)
        return hn_fields_bad(ctx, path, f->name);
    if (f->type == HN_F64) {
        memcpy(p, &v->number, sizeof v->number);
        return HNAS_OK;
    }
    if (!v->is_integer || (f->type == HN_I32 &&
                           (v->integer < INT32_MIN || v->integer > INT32_MAX)))
        return hn_fields_bad(ctx, path, f->name);
    i32 = (int32_t)v->integer;
    if (f->type == HN_I32)
        memcpy(p, &i32, sizeof i32);
    else
        memcpy(p, &v->integer, sizeof v->integer);
    return HNAS_OK;
}

hnas_status hn_fields_read(struct hnas_context *ctx, const char *path,
                           const struct hn_json_value *object,
                           const char *section, const struct hn_field *f,
                           void *opts)
{
    const struct hn_json_value *in =
        section ? hn_json_get(object, section) : object;
    hnas_status st = HNAS_OK;

    if (!in || in->type != HN_JSON_OBJECT)
        return hn_fields_bad(ctx, path, section ? section : "settings");
    for (; f->name && st == HNAS_OK; f++)
        st = read_number(ctx, path, in, f, opts);
    return st;
}
