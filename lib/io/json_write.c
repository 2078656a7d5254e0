/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void hn_json_writer_init(struct hn_json_writer *w, struct hnas_context *ctx)
{
    hn_text_init(&w->text, ctx);
    w->comma = 0;
}

void hn_json_writer_finish(struct hn_json_writer *w)
{
    hn_text_finish(&w->text);
}

static void put(struct hn_json_writer *w, const char *text, size_t bytes)
{
    hn_text_bytes(&w->text, text, bytes);
}

/* What stands between two values. */
static void put_comma(struct hn_json_writer *w)
{
    if (w->comma)
        put(w, ", ", 2);
    w->comma = 1;
}

void hn_json_open(struct hn_json_writer *w, char bracket)
{
    put_comma(w);
    put(w, &bracket, 1);
    w->comma = 0;
}

void hn_json_close(struct hn_json_writer *w, char bracket)
{
    put(w, &bracket, 1);
    w->comma = 1;
}

static void put_escaped(struct hn_json_writer *w, char c)
{
    static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *found = strchr(values, c);
    char text[8];

    if (found)
        snprintf(text, sizeof text, "\\%c", names[found - values]);
    else
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    put(w, text, strlen(text));
}

static void put_quoted(struct hn_json_writer *w, const char *text)
{
    const char *end = text + strlen(text);

    put(w, "\"", 1);
    while (text < end && w->text.status == HNAS_OK) {
        const int n = hn_utf8_length(text, end);

        if (n == 0)
            w->text.status = hn_fail(w->text.ctx, HNAS_E_FORMAT,
                                     "text: byte 0x%02x, want UTF-8",
                                     (unsigned)(unsigned char)*text);
        else if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
            put_escaped(w, *text);
        else
            put(w, text, (size_t)n);
        text += n;
    }
    put(w, "\"", 1);
}

void hn_json_key(struct hn_json_writer *w, const char *key)
{
    put_comma(w);
    put_quoted(w, key);
    put(w, ": ", 2);
    w->comma = 0;
}

void hn_json_string(struct hn_json_writer *w, const char *text)
{
    put_comma(w);
    put_quoted(w, text);
}

void hn_json_integer(struct hn_json_writer *w, int64_t value)
{
    char text[24];

    put_comma(w);
    snprintf(text, sizeof text, "%lld", (long long)value);
    put(w, text, strlen(text));
}

void hn_json_null(struct hn_json_writer *w)
{
    put_comma(w);
    put(w, "null", 4);
}

void hn_json_space(struct hn_json_writer *w)
{
    put(w, " ", 1);
}

void hn_json_number(struct hn_json_writer *w, double value)
{
    char text[HN_NUMBER_BYTES];

    if (!isfinite(value)) {
        hn_json_null(w);
        return;
    }
    put_comma(w);
    if (hn_number_format(text, value) != 0)
        w->text.status = hn_fail_nomem(w->text.ctx, "number as text");
    else
        put(w, text, strlen(text));
}
