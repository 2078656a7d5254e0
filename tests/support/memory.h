/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocators that count and fail on request, and the bytes a context holds
 * beside what it keeps: tensor handles for the next tensors, and the workers'
 * scratch. */
#ifndef HN_TESTS_SUPPORT_MEMORY_H
#define HN_TESTS_SUPPORT_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/context.h"
#include "tensor/tensor.h"

/* Bytes held beside kept handles and scratch. */
static inline size_t held_bytes(const struct hnas_context *context)
{
    const size_t line = HN_ALIGN;
    const size_t handle =
        (sizeof(struct hnas_tensor) + 2 * line - 1) / line * line;
    size_t bytes = context->alloc.now_bytes;

    bytes -= (size_t)context->n_spare_tensors * handle;
    if (context->scratch_bytes)
        bytes -= (size_t)context->n_threads *
                 ((context->scratch_bytes + 2 * line - 1) / line * line);
    return bytes;
}

/* An allocator that fails at the n-th call from now. */
struct countdown {
    int64_t left;           /* allocations that still succeed; -1: all */
    _Atomic int64_t n_live; /* blocks not released, on any thread */
    int64_t n_failed;
    int32_t once; /* only one fails, the next ones succeed */
};

static inline void *countdown_alloc(void *user, size_t size_bytes,
                                    size_t alignment)
{
    struct countdown *c = user;

    if (c->left == 0) {
        c->n_failed++;
        c->left = c->once ? -1 : 0;
        return NULL;
    }
    if (c->left > 0) /* unarmed, it is only read: any thread may */
        c->left--;
    atomic_fetch_add(&c->n_live, 1);
    return aligned_alloc(alignment, size_bytes);
}

static inline void countdown_free(void *user, void *memory, size_t size_bytes)
{
    struct countdown *c = user;

    (void)size_bytes;
    atomic_fetch_sub(&c->n_live, 1);
    free(memory);
}

/* Context options that allocate through c. */
static inline void countdown_opts(hnas_context_opts *o, struct countdown *c)
{
    c->left = -1;
    c->n_live = c->n_failed = 0;
    c->once = 0;
    hnas_context_opts_init(o, sizeof *o);
    o->alloc = countdown_alloc;
    o->free = countdown_free;
    o->alloc_user = c;
}

#endif
