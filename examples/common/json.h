/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON out, on one line; and the members of an object that we wrote. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *file;
    int needs_comma;
};

void json_begin(struct json *j, FILE *file);
void json_open(struct json *j, char bracket);
void json_close(struct json *j, char bracket);
void json_key(struct json *j, const char *key);
void json_string(struct json *j, const char *text);
void json_int(struct json *j, int64_t value);
void json_bool(struct json *j, int value);
void json_raw(struct json *j, const char *text);

/* 17 digits; NaN and infinities as null. */
void json_real(struct json *j, double value);

/* Copy the raw value of a member of the outermost object.  0, or -1 where
 * there is none or it does not fit. */
int json_member(const char *object, const char *key, char *value, size_t size);

/* Turn a raw string value into its text, in place.  0, or -1: no string. */
int json_unquote(char *value);

#endif
