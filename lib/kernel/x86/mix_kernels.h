/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions: the kernels of the level whose
 * vectors the including file has chosen. */
#ifndef HN_KERNEL_X86_MIX_KERNELS_H
#define HN_KERNEL_X86_MIX_KERNELS_H

#include "kernel/x86/mix_tile.h"

static void mix(real *y, struct hn_terms terms, const real *shift,
                int64_t n_pix, int64_t cp)
{
    const int64_t step = cp < MIX_REALS ? MIX_REALS / cp : 1;

    for (int64_t p = 0, n; p < n_pix; p += n) {
        int64_t c = 0;

        n = n_pix - p < step ? n_pix - p : step;
        for (; c + LANES <= cp; c += LANES)
            mix_block(y, &terms, shift, p, n, cp, c, LANES);
        if (c < cp)
            mix_block(y, &terms, shift, p, n, cp, c, HALF);
    }
}

static void mix_sums(real *sg, real *sgz, const real *g, struct hn_terms terms,
                     int64_t n_pix, int64_t cp)
{
    int64_t c = 0;

    for (; c + LANES <= cp; c += LANES)
        sums_block(sg, sgz, g, &terms, c, n_pix, cp, LANES);
    if (c < cp)
        sums_block(sg, sgz, g, &terms, c, n_pix, cp, HALF);
}

static void lay_mix(struct hn_kernels *k)
{
    k->mix = mix;
    k->mix_sums = mix_sums;
}

#endif
