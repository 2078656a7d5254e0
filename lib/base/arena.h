/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of one step: taken piece by piece, given back piece by piece or all
 * at once, kept for the next step.  Blocks are on huge pages where the system
 * offers them. */
#ifndef HN_BASE_ARENA_H
#define HN_BASE_ARENA_H

#include "base/alloc.h"

enum { HN_ARENA_SIZES = 64 };

struct hn_arena_block;
struct hn_arena_free;
struct hn_arena_gap;

struct hn_arena {
    struct hn_allocator *alloc;
    struct hn_arena_block *first, *current;
    struct {
        size_t bytes;
        struct hn_arena_free *head;
    } sizes[HN_ARENA_SIZES];   /* small pieces given back, by size */
    struct hn_arena_gap *gaps; /* large ones, by address, neighbours joined */
    size_t n_given, n_blocks;
    size_t now_bytes, peak_bytes, held_bytes;
    size_t block_bytes; /* of the smallest block */
};

void hn_arena_init(struct hn_arena *arena, struct hn_allocator *alloc);

/* A piece aligned to HN_ALIGN, contents undefined, or NULL. */
void *hn_arena_take(struct hn_arena *arena, size_t size_bytes);
void *hn_arena_take_zero(struct hn_arena *arena, size_t size_bytes);

/* Give a piece back for a later take: of the same size, or, if large, of any
 * size that fits. */
void hn_arena_give(struct hn_arena *arena, void *piece, size_t size_bytes);

/* All pieces are gone; the memory stays. */
void hn_arena_reset(struct hn_arena *arena);

/* All memory is gone. */
void hn_arena_finish(struct hn_arena *arena);

#endif
