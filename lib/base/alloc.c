/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Kept in front of each block, one alignment unit long. */
struct header {
    size_t total_bytes;
};

static void *c_alloc(void *user, size_t size_bytes, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, size_bytes);
}

static void c_free(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(memory);
}

void hn_allocator_init(struct hn_allocator *a)
{
    a->alloc = c_alloc;
    a->free = c_free;
    a->user = NULL;
    a->now_bytes = a->peak_bytes = 0;
    a->limit_bytes = a->most_bytes = SIZE_MAX;
    a->is_over = 0;
}

int hn_size_mul(size_t *out, size_t a, size_t b)
{
    return __builtin_mul_overflow(a, b, out);
}

int hn_size_add(size_t *out, size_t a, size_t b)
{
    return __builtin_add_overflow(a, b, out);
}

void *hn_alloc(struct hn_allocator *a, size_t size_bytes)
{
    size_t total;
    unsigned char *block;

    if (hn_size_add(&total, size_bytes, 2 * HN_ALIGN - 1))
        return NULL;
    total -= total % HN_ALIGN;
    if (total > a->most_bytes || a->now_bytes > a->most_bytes - total) {
        a->is_over = 1;
        return NULL;
    }
    block = a->alloc(a->user, total, HN_ALIGN);
    if (!block)
        return NULL;
    ((struct header *)block)->total_bytes = total;
    a->now_bytes += total;
    if (a->now_bytes > a->peak_bytes)
        a->peak_bytes = a->now_bytes;
    return block + HN_ALIGN;
}

void *hn_zalloc(struct hn_allocator *a, size_t size_bytes)
{
    void *p = hn_alloc(a, size_bytes);

    if (p)
        memset(p, 0, size_bytes);
    return p;
}

void *hn_alloc_array(struct hn_allocator *a, size_t count, size_t size_bytes)
{
    size_t bytes;

    if (hn_size_mul(&bytes, count, size_bytes))
        return NULL;
    return hn_zalloc(a, bytes);
}

void *hn_alloc_dims(struct hn_allocator *a, int32_t n_dims, const int64_t *dims,
                    size_t size_bytes)
{
    size_t count = 1;

    for (int32_t i = 0; i < n_dims; i++)
        if (dims[i] < 0 || hn_size_mul(&count, count, (size_t)dims[i]))
            return NULL;
    return hn_alloc_array(a, count, size_bytes);
}

char *hn_strdup(struct hn_allocator *a, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = hn_alloc(a, bytes);

    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void hn_free(struct hn_allocator *a, void *memory)
{
    unsigned char *block;
    size_t total;

    if (!memory)
        return;
    block = (unsigned char *)memory - HN_ALIGN;
    total = ((struct header *)block)->total_bytes;
    a->now_bytes -= total;
    a->free(a->user, block, total);
}
