/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/mix_tile.h"
#include "kernel/x86/x86.h"

static void mix(real *y, struct hn_terms terms, const real *shift,
                int64_t n_pix, int64_t cp)
{
    int64_t p = 0;

    for (; p + 4 <= n_pix; p += 4)
        mix_pixels(y, &terms, shift, p * cp, cp, 4);
    for (; p < n_pix; p++)
        mix_pixels(y, &terms, shift, p * cp, cp, 1);
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

void hn_kernels_add_mix_avx2(struct hn_kernels *k)
{
    k->mix = mix;
    k->mix_sums = mix_sums;
}
