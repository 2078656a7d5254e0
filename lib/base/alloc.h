/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory through the host's hooks, aligned to a cache line and counted. */
#ifndef HN_BASE_ALLOC_H
#define HN_BASE_ALLOC_H

#include <stddef.h>

#include "hnas/context.h"

enum { HN_ALIGN = 64 };

struct hn_allocator {
    hnas_alloc_fn alloc;
    hnas_free_fn free;
    void *user;
    size_t now_bytes, peak_bytes;
    size_t limit_bytes; /* the host's; SIZE_MAX: none */
    size_t most_bytes;  /* now: more fails, as if there were no memory … */
    int is_over;        /* … and leaves this set */
};

/* Start with the C library's allocator. */
void hn_allocator_init(struct hn_allocator *a);

/* size_bytes aligned to HN_ALIGN, or NULL; hn_zalloc zero-fills. */
void *hn_alloc(struct hn_allocator *a, size_t size_bytes);
void *hn_zalloc(struct hn_allocator *a, size_t size_bytes);

/* A zero-filled array; NULL on overflow too. */
void *hn_alloc_array(struct hn_allocator *a, size_t count, size_t size_bytes);

/* The same of dims[0] * ... elements; NULL for a negative size too. */
void *hn_alloc_dims(struct hn_allocator *a, int32_t n_dims, const int64_t *dims,
                    size_t size_bytes);

/* A copy of a string, or NULL. */
char *hn_strdup(struct hn_allocator *a, const char *text);

/* Release; NULL is allowed. */
void hn_free(struct hn_allocator *a, void *memory);

/* a * b and a + b; nonzero result says that they overflow. */
int hn_size_mul(size_t *out, size_t a, size_t b);
int hn_size_add(size_t *out, size_t a, size_t b);

#endif
