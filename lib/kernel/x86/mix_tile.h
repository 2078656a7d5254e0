/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions over any vector type. */
#ifndef HN_KERNEL_X86_MIX_TILE_H
#define HN_KERNEL_X86_MIX_TILE_H

#include "kernel/kernel.h"

/* P pixels, one channel block at c: acc[q] += sum_t scale[t] * z[t]. */
INLINE void add_terms(vec *acc, const struct hn_terms *terms, int64_t at,
                      int64_t cp, int64_t c, const int P, const int lanes)
{
    for (int64_t t = 0; t < terms->n_terms; t++) {
        const vec a = load(terms->scale[t] + c, lanes);
        const float *z = terms->z[t] + at + c;

        UNROLL
        for (int q = 0; q < P; q++)
            acc[q] = fma_(a, load(z + q * cp, lanes), acc[q]);
    }
}

INLINE void mix_tile(float *y, const struct hn_terms *terms, const float *shift,
                     int64_t at, int64_t cp, int64_t c, const int P,
                     const int lanes)
{
    vec acc[4];

    UNROLL
    for (int q = 0; q < P; q++)
        acc[q] = shift ? load(shift + c, lanes) : zero();
    add_terms(acc, terms, at, cp, c, P, lanes);
    UNROLL
    for (int q = 0; q < P; q++)
        store(y + at + c + q * cp, acc[q], lanes);
}

/* Every channel of P pixels. */
INLINE void mix_pixels(float *y, const struct hn_terms *terms,
                       const float *shift, int64_t at, int64_t cp, const int P)
{
    int64_t c = 0;

    for (; c + LANES <= cp; c += LANES)
        mix_tile(y, terms, shift, at, cp, c, P, LANES);
    if (c < cp)
        mix_tile(y, terms, shift, at, cp, c, P, HALF);
}

/* One channel block: T terms in a pass over the pixels, two at a time, each
 * with sums of its own. */
INLINE void sums_pass(float *sg, float *sgz, const float *g,
                      const float *const *z, int64_t n_pix, int64_t cp,
                      const int T, const int lanes)
{
    vec s[2] = {zero(), zero()}, sz[2][4];
    int64_t at = 0;

    UNROLL
    for (int t = 0; t < T; t++)
        sz[0][t] = sz[1][t] = zero();
    for (; at + cp < n_pix * cp; at += 2 * cp) {
        UNROLL
        for (int q = 0; q < 2; q++) {
            const vec gv = load(g + at + q * cp, lanes);

            s[q] = add(s[q], gv);
            UNROLL
            for (int t = 0; t < T; t++)
                sz[q][t] = fma_(gv, load(z[t] + at + q * cp, lanes), sz[q][t]);
        }
    }
    if (at < n_pix * cp) {
        const vec gv = load(g + at, lanes);

        s[0] = add(s[0], gv);
        UNROLL
        for (int t = 0; t < T; t++)
            sz[0][t] = fma_(gv, load(z[t] + at, lanes), sz[0][t]);
    }
    store(sg, add(s[0], s[1]), lanes);
    UNROLL
    for (int t = 0; t < T; t++)
        store(sgz + t * cp, add(sz[0][t], sz[1][t]), lanes);
}

/* One channel block at c, four terms a pass; sg is written by each pass. */
INLINE void sums_block(float *sg, float *sgz, const float *g,
                       const struct hn_terms *terms, int64_t c, int64_t n_pix,
                       int64_t cp, const int lanes)
{
    int64_t t = 0;

    do {
        const int64_t n = terms->n_terms - t < 4 ? terms->n_terms - t : 4;
        float *to = sgz + t * cp + c;
        const float *z[4] = {g, g, g, g};

        for (int64_t i = 0; i < n; i++)
            z[i] = terms->z[t + i] + c;
        if (n == 4)
            sums_pass(sg + c, to, g + c, z, n_pix, cp, 4, lanes);
        else if (n == 3)
            sums_pass(sg + c, to, g + c, z, n_pix, cp, 3, lanes);
        else if (n == 2)
            sums_pass(sg + c, to, g + c, z, n_pix, cp, 2, lanes);
        else if (n == 1)
            sums_pass(sg + c, to, g + c, z, n_pix, cp, 1, lanes);
        else
            sums_pass(sg + c, to, g + c, z, n_pix, cp, 0, lanes);
        t += n;
    } while (t < terms->n_terms);
}

#endif
