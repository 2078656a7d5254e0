/* SPDX-License-Identifier: BSD-3-Clause */
#define _DEFAULT_SOURCE
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_BLOCK = 256 << 10, LARGEST_BLOCK = 64 << 20, HUGE_PAGE = 2 << 20 };
enum { LARGE = 64 << 10 }; /* pieces that are cut and joined */
enum { PAGE = 4096, SHIFT = 17 * HN_ALIGN, BLOCK_SHIFT = 37 * SHIFT };

struct hn_arena_block {
    struct hn_arena_block *next;
    unsigned char *start; /* aligned, inside this allocation */
    size_t size_bytes, used_bytes;
};

struct hn_arena_free {
    struct hn_arena_free *next;
};

/* At the start of a large piece that was given back. */
struct hn_arena_gap {
    struct hn_arena_gap *next; /* at a higher address */
    size_t size_bytes;
    size_t given; /* when: the last one is likely still in cache */
};

void hn_arena_init(struct hn_arena *arena, struct hn_allocator *alloc)
{
    memset(arena, 0, sizeof *arena);
    arena->alloc = alloc;
    arena->block_bytes = FIRST_BLOCK;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* What a piece takes.  Neighbours among large ones, and the first of blocks,
 * begin at different places of a page: kernels go through several images at
 * once, and streams whose addresses are equal modulo a page hinder each other
 * in the caches. */
static size_t piece_bytes(size_t size_bytes)
{
    if (size_bytes >= LARGE)
        return round_up(size_bytes, PAGE) + SHIFT;
    return round_up(size_bytes ? size_bytes : 1, HN_ALIGN);
}

/* Large blocks begin on a huge page and ask for more of them; if the system
 * has none, nothing is lost. */
static unsigned char *place(unsigned char *memory, size_t size_bytes)
{
    if (size_bytes < HUGE_PAGE)
        return memory;
    memory = (unsigned char *)round_up((uintptr_t)memory, HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size_bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

static struct hn_arena_block *add_block(struct hn_arena *arena, size_t need)
{
    struct hn_arena_block *b;
    const size_t shift = arena->n_blocks * BLOCK_SHIFT % PAGE;
    size_t size = arena->held_bytes / 2, total;

    size = size < arena->block_bytes ? arena->block_bytes : size;
    size = size > LARGEST_BLOCK ? LARGEST_BLOCK : size;
    size = size < need + PAGE ? need + PAGE : size;
    if (size >= HUGE_PAGE)
        size = round_up(size, HUGE_PAGE);
    if (hn_size_add(&total, size, size >= HUGE_PAGE ? HUGE_PAGE : 0) ||
        hn_size_add(&total, total, HN_ALIGN))
        return NULL;
    b = hn_alloc(arena->alloc, total);
    if (!b)
        return NULL;
    b->next = NULL;
    b->start = place((unsigned char *)b + HN_ALIGN, size) + shift;
    b->size_bytes = size - shift;
    b->used_bytes = 0;
    arena->held_bytes += size;
    arena->n_blocks++;
    return b;
}

/* The first block from the current one on that has room. */
static struct hn_arena_block *find_room(struct hn_arena *arena, size_t need)
{
    struct hn_arena_block *b = arena->current, *last = NULL;

    for (; b; last = b, b = b->next)
        if (b->size_bytes - b->used_bytes >= need)
            return b;
    b = add_block(arena, need);
    if (!b)
        return NULL;
    if (last)
        last->next = b;
    else
        arena->first = arena->current = b;
    return b;
}

static void *take_again(struct hn_arena *arena, size_t bytes)
{
    for (int i = 0; i < HN_ARENA_SIZES && arena->sizes[i].bytes; i++) {
        struct hn_arena_free *f = arena->sizes[i].head;

        if (arena->sizes[i].bytes == bytes && f) {
            arena->sizes[i].head = f->next;
            return f;
        }
    }
    return NULL;
}

/* The smallest gap that fits, of equal ones the last given; what is left of
 * it stays a gap. */
static void *take_gap(struct hn_arena *arena, size_t bytes)
{
    struct hn_arena_gap **best = NULL, *gap, *rest;

    for (struct hn_arena_gap **at = &arena->gaps; *at; at = &(*at)->next) {
        if ((*at)->size_bytes < bytes)
            continue;
        if (!best || (*at)->size_bytes < (*best)->size_bytes ||
            ((*at)->size_bytes == (*best)->size_bytes &&
             (*at)->given > (*best)->given))
            best = at;
    }
    if (!best)
        return NULL;
    gap = *best;
    if (gap->size_bytes == bytes) {
        *best = gap->next;
        return gap;
    }
    rest = (struct hn_arena_gap *)(void *)((unsigned char *)gap + bytes);
    rest->next = gap->next;
    rest->size_bytes = gap->size_bytes - bytes;
    rest->given = gap->given;
    *best = rest;
    return gap;
}

/* Join a gap with the one behind it where they touch. */
static void join_next(struct hn_arena_gap *gap)
{
    struct hn_arena_gap *next = gap->next;

    if ((unsigned char *)gap + gap->size_bytes != (unsigned char *)next)
        return;
    gap->size_bytes += next->size_bytes;
    gap->next = next->next;
    gap->given = gap->given > next->given ? gap->given : next->given;
}

static void give_gap(struct hn_arena *arena, void *piece, size_t bytes)
{
    struct hn_arena_gap *gap = piece, *before = NULL;
    struct hn_arena_gap **at = &arena->gaps;

    for (; *at && (uintptr_t)*at < (uintptr_t)piece; at = &(*at)->next)
        before = *at;
    gap->next = *at;
    gap->size_bytes = bytes;
    gap->given = ++arena->n_given;
    *at = gap;
    join_next(gap);
    if (before)
        join_next(before);
}

void *hn_arena_take(struct hn_arena *arena, size_t size_bytes)
{
    struct hn_arena_block *b;
    unsigned char *p;

    if (size_bytes > SIZE_MAX / 2)
        return NULL;
    size_bytes = piece_bytes(size_bytes);
    p = size_bytes < LARGE ? take_again(arena, size_bytes)
                           : take_gap(arena, size_bytes);
    if (!p) {
        b = find_room(arena, size_bytes);
        if (!b)
            return NULL;
        p = b->start + b->used_bytes;
        b->used_bytes += size_bytes;
        /* skip blocks that are nearly full from now on */
        while (arena->current->next &&
               arena->current->size_bytes - arena->current->used_bytes <
                   arena->current->size_bytes / 64)
            arena->current = arena->current->next;
    }
    arena->now_bytes += size_bytes;
    if (arena->now_bytes > arena->peak_bytes)
        arena->peak_bytes = arena->now_bytes;
    return p;
}

void *hn_arena_take_zero(struct hn_arena *arena, size_t size_bytes)
{
    void *p = hn_arena_take(arena, size_bytes);

    if (p)
        memset(p, 0, size_bytes);
    return p;
}

void hn_arena_give(struct hn_arena *arena, void *piece, size_t size_bytes)
{
    struct hn_arena_free *f = piece;

    if (!piece)
        return;
    size_bytes = piece_bytes(size_bytes);
    arena->now_bytes -= size_bytes;
    if (size_bytes >= LARGE) {
        give_gap(arena, piece, size_bytes);
        return;
    }
    /* one size too many stays taken until the reset */
    for (int i = 0; i < HN_ARENA_SIZES; i++) {
        if (arena->sizes[i].bytes && arena->sizes[i].bytes != size_bytes)
            continue;
        arena->sizes[i].bytes = size_bytes;
        f->next = arena->sizes[i].head;
        arena->sizes[i].head = f;
        return;
    }
}

void hn_arena_reset(struct hn_arena *arena)
{
    for (struct hn_arena_block *b = arena->first; b; b = b->next)
        b->used_bytes = 0;
    arena->current = arena->first;
    memset(arena->sizes, 0, sizeof arena->sizes);
    arena->gaps = NULL;
    arena->now_bytes = 0;
}

void hn_arena_finish(struct hn_arena *arena)
{
    while (arena->first) {
        struct hn_arena_block *b = arena->first;

        arena->first = b->next;
        hn_free(arena->alloc, b);
    }
    arena->current = NULL;
    arena->held_bytes = 0;
}
