/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 1024, PIECE_BYTES = 512 };

void hn_text_init(struct hn_text *t, struct hnas_context *ctx)
{
    memset(t, 0, sizeof *t);
    t->ctx = ctx;
}

void hn_text_finish(struct hn_text *t)
{
    hn_free(&t->ctx->alloc, t->data);
    t->data = NULL;
    t->length = t->capacity = 0;
}

/* Room for `bytes` more and a NUL. */
static int reserve(struct hn_text *t, size_t bytes)
{
    size_t need, capacity = t->capacity ? t->capacity : FIRST_BYTES;
    char *larger;

    if (t->status < 0)
        return -1;
    if (hn_size_add(&need, t->length, bytes) || hn_size_add(&need, need, 1))
        need = SIZE_MAX;
    if (need <= t->capacity)
        return 0;
    while (capacity < need)
        if (hn_size_mul(&capacity, capacity, 2))
            capacity = need;
    larger = hn_alloc(&t->ctx->alloc, capacity);
    if (!larger) {
        t->status = hn_fail_nomem(t->ctx, "text");
        return -1;
    }
    if (t->data)
        memcpy(larger, t->data, t->length);
    hn_free(&t->ctx->alloc, t->data);
    t->data = larger;
    t->capacity = capacity;
    return 0;
}

void hn_text_insert(struct hn_text *t, size_t offset, const void *data,
                    size_t bytes)
{
    if (reserve(t, bytes) != 0)
        return;
    memmove(t->data + offset + bytes, t->data + offset, t->length - offset);
    if (bytes)
        memcpy(t->data + offset, data, bytes);
    t->length += bytes;
    t->data[t->length] = '\0';
}

void hn_text_bytes(struct hn_text *t, const void *data, size_t bytes)
{
    hn_text_insert(t, t->length, data, bytes);
}

void hn_text_put(struct hn_text *t, const char *format, ...)
{
    char piece[PIECE_BYTES];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (n >= 0 && n < PIECE_BYTES)
        hn_text_bytes(t, piece, (size_t)n);
    else if (t->status == HNAS_OK)
        t->status = hn_fail(t->ctx, HNAS_E_LIMIT,
                            "text: a piece of %d bytes, want at most %d", n,
                            PIECE_BYTES - 1);
}

hnas_status hn_text_copy(char *buffer, size_t capacity, size_t *length,
                         const struct hn_text *t)
{
    if (t->status < 0)
        return t->status;
    *length = t->length;
    if (capacity > 0) {
        const size_t n = t->length < capacity ? t->length : capacity - 1;

        if (n)
            memcpy(buffer, t->data, n);
        buffer[n] = '\0';
    }
    return HNAS_OK;
}
