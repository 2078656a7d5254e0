/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON, strictly: one value in UTF-8, no key twice, at most 64 levels, every
 * string free of NUL, every number in the range of double.  Nothing depends
 * on the process's locale. */
#ifndef HN_IO_JSON_H
#define HN_IO_JSON_H

#include "base/utf8.h"
#include "base/arena.h"
#include "io/text.h"

enum hn_json_type {
    HN_JSON_NULL,
    HN_JSON_BOOL, /* integer is 0 or 1 */
    HN_JSON_NUMBER,
    HN_JSON_STRING,
    HN_JSON_ARRAY,
    HN_JSON_OBJECT
};

enum {
    HN_JSON_MAX_DEPTH = 64,
    HN_JSON_MAX_BYTES = 16 << 20,
    HN_JSON_MAX_VALUES = 1 << 20
};

struct hn_json_value {
    int32_t type;
    int32_t is_integer; /* NUMBER: written as one and fits `integer` */
    int64_t integer;
    double number;
    const char *text; /* STRING */
    const char *key;  /* of a member of an object, else NULL */
    size_t count;     /* ARRAY, OBJECT: elements */
    struct hn_json_value *first, *next; /* members are sorted by key */
};

struct hn_json {
    struct hnas_context *ctx;
    struct hn_arena arena; /* all values */
    char *text;            /* a copy of the input; strings decoded in place */
    size_t length;
    struct hn_json_value *root;
};

/* Read a text; `name` begins the message of a failure.  E_FORMAT; E_RANGE: a
 * number; E_LIMIT: one of the limits above. */
hnas_status hn_json_parse(struct hn_json **out, struct hnas_context *ctx,
                          const char *name, const char *text, size_t length);
void hn_json_destroy(struct hn_json *json);

/* The member of an object; NULL: none, or not an object. */
const struct hn_json_value *hn_json_get(const struct hn_json_value *object,
                                        const char *key);

/* Where in the input a string's first byte stands. */
size_t hn_json_offset(const struct hn_json *json,
                      const struct hn_json_value *string);

/* A value under construction. */
struct hn_json_writer {
    struct hn_text text;
    int comma; /* the next value or key follows another */
};

void hn_json_writer_init(struct hn_json_writer *w, struct hnas_context *ctx);
void hn_json_writer_finish(struct hn_json_writer *w);
void hn_json_open(struct hn_json_writer *w, char bracket);  /* '[' or '{' */
void hn_json_close(struct hn_json_writer *w, char bracket); /* ']' or '}' */
void hn_json_key(struct hn_json_writer *w, const char *key);
void hn_json_string(struct hn_json_writer *w, const char *text);
void hn_json_integer(struct hn_json_writer *w, int64_t value);
void hn_json_null(struct hn_json_writer *w);
void hn_json_space(struct hn_json_writer *w); /* a blank, where one may be */

/* The shortest of 15, 16 or 17 digits that reads back as the same number;
 * NaN and infinities are null. */
void hn_json_number(struct hn_json_writer *w, double value);

/* Decimal to double and back in the C locale.  Nonzero: out of memory. */
enum { HN_NUMBER_BYTES = 32 };
int hn_number_parse(double *out, const char *text);
int hn_number_format(char text[HN_NUMBER_BYTES], double value);

#endif
