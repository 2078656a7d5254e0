/* SPDX-License-Identifier: BSD-3-Clause */
/* What later calls read, fetched while this one computes. */
#ifndef HN_KERNEL_X86_AHEAD_TILE_H
#define HN_KERNEL_X86_AHEAD_TILE_H

#include "kernel/kernel.h"

enum { LINE_REALS = 64 / sizeof(float) };

/* Fetch the share of n reals that are about to be written. */
INLINE void fetch_ahead(struct hn_ahead *a, int64_t n)
{
    const float *p, *end;

    if (!a)
        return;
    p = a->p;
    end = p + n * a->halves / 2;
    if (end > a->end)
        end = a->end;
    ROLLED
    for (; p < end; p += LINE_REALS)
        fetch_early(p);
    a->p = p < a->end ? p : a->end;
    a->written += n;
}

#endif
