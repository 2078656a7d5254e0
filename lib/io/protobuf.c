/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/protobuf.h"

#include <string.h>

enum { VARINT = 0, LENGTH = 2, FIXED32 = 5, VARINT_BYTES = 10 };

/* Seven bits a byte, lowest first. */
static size_t encode(unsigned char out[VARINT_BYTES], uint64_t value)
{
    size_t n = 0;

    for (; value > 127; value >>= 7)
        out[n++] = (unsigned char)(value | 128);
    out[n++] = (unsigned char)value;
    return n;
}

static void put_varint(struct hn_text *t, uint64_t value)
{
    unsigned char bytes[VARINT_BYTES];

    hn_text_bytes(t, bytes, encode(bytes, value));
}

static void put_key(struct hn_text *t, int field, int type)
{
    put_varint(t, (uint64_t)field << 3 | (uint64_t)type);
}

void hn_pb_integer(struct hn_text *t, int field, int64_t value)
{
    put_key(t, field, VARINT);
    put_varint(t, (uint64_t)value);
}

void hn_pb_float(struct hn_text *t, int field, float value)
{
    unsigned char bytes[4];
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(bits >> 8 * i);
    put_key(t, field, FIXED32);
    hn_text_bytes(t, bytes, sizeof bytes);
}

void hn_pb_head(struct hn_text *t, int field, size_t bytes)
{
    put_key(t, field, LENGTH);
    put_varint(t, bytes);
}

static void put_bytes(struct hn_text *t, int field, const void *data,
                      size_t bytes)
{
    hn_pb_head(t, field, bytes);
    hn_text_bytes(t, data, bytes);
}

void hn_pb_string(struct hn_text *t, int field, const char *text)
{
    put_bytes(t, field, text, strlen(text));
}

size_t hn_pb_begin(const struct hn_text *t)
{
    return t->length;
}

/* The length is known only now: it is put in before the message. */
void hn_pb_end(struct hn_text *t, int field, size_t begin)
{
    unsigned char head[2 * VARINT_BYTES];
    size_t n = encode(head, (uint64_t)field << 3 | LENGTH);

    if (t->status < 0)
        return;
    n += encode(head + n, t->length - begin);
    hn_text_insert(t, begin, head, n);
}
