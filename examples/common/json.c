/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void json_begin(struct json *j, FILE *file)
{
    j->file = file;
    j->needs_comma = 0;
}

static void before_value(struct json *j)
{
    if (j->needs_comma)
        fputs(", ", j->file);
    j->needs_comma = 1;
}

void json_open(struct json *j, char bracket)
{
    before_value(j);
    fputc(bracket, j->file);
    j->needs_comma = 0;
}

void json_close(struct json *j, char bracket)
{
    fputc(bracket, j->file);
    j->needs_comma = 1;
}

static void put_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(f, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(f, "\\u%04x", *p);
        else
            fputc(*p, f);
    }
    fputc('"', f);
}

void json_key(struct json *j, const char *key)
{
    before_value(j);
    put_text(j->file, key);
    fputs(": ", j->file);
    j->needs_comma = 0;
}

void json_string(struct json *j, const char *text)
{
    before_value(j);
    put_text(j->file, text);
}

void json_int(struct json *j, int64_t value)
{
    before_value(j);
    fprintf(j->file, "%lld", (long long)value);
}

void json_bool(struct json *j, int value)
{
    json_raw(j, value ? "true" : "false");
}

void json_raw(struct json *j, const char *text)
{
    before_value(j);
    fputs(text, j->file);
}

void json_real(struct json *j, double value)
{
    before_value(j);
    if (isfinite(value))
        fprintf(j->file, "%.17g", value);
    else
        fputs("null", j->file);
}

/* ---- reading ---- */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Past a string that begins at p; NULL if it does not end. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : NULL;
}

/* Past any value; NULL if it does not end. */
static const char *skip_value(const char *p)
{
    int depth = 0;

    do {
        if (*p == '"') {
            p = skip_string(p);
            if (!p)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (depth > 0 && *p) {
            p++;
        } else {
            p += strcspn(p, ",}]");
        }
    } while (depth > 0 && *p);
    return depth == 0 ? p : NULL;
}

int json_member(const char *object, const char *key, char *value, size_t size)
{
    const char *p = skip_space(object);
    const size_t n = strlen(key);

    if (*p != '{')
        return -1;
    p = skip_space(p + 1);
    while (*p == '"') {
        const char *name = p + 1, *end = skip_string(p), *from;

        if (!end)
            return -1;
        from = skip_space(end);
        if (*from != ':')
            return -1;
        from = skip_space(from + 1);
        p = skip_value(from);
        if (!p)
            return -1;
        if ((size_t)(end - 1 - name) == n && !strncmp(name, key, n)) {
            if ((size_t)(p - from) >= size)
                return -1;
            memcpy(value, from, (size_t)(p - from));
            value[p - from] = '\0';
            return 0;
        }
        p = skip_space(p);
        p = skip_space(p + (*p == ','));
    }
    return -1;
}

int json_unquote(char *value)
{
    char *to = value;
    const char *p = value;

    if (*p++ != '"')
        return -1;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1] == 'u' && strlen(p) >= 6) {
            const char digits[5] = {p[2], p[3], p[4], p[5], '\0'};

            *to++ = (char)strtol(digits, NULL, 16);
            p += 5;
            continue;
        }
        if (*p == '\\' && p[1])
            p++;
        *to++ = *p;
    }
    *to = '\0';
    return 0;
}
