/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions over any vector type. */
#ifndef HN_KERNEL_X86_MIX_TILE_H
#define HN_KERNEL_X86_MIX_TILE_H

#include "kernel/kernel.h"

/* Reals that a stream from memory, or to it, is fetched ahead of its use, and
 * reals of a sum that stay in L1 while all its terms pass. */
enum { AHEAD = 512, MIX_REALS = 1792 };

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

/* y (+)= T terms, from term t on, n pixels from p; the first pass begins with
 * the shift.  Few terms a pass: memory is read in few, long streams. */
INLINE void mix_pass(float *y, const struct hn_terms *terms, int64_t t,
                     const float *shift, int64_t p, int64_t n, int64_t cp,
                     int64_t c, const int T, const int lanes)
{
    const vec begin = shift ? load(shift + c, lanes) : zero();
    const float *z[4];
    vec a[4];

    UNROLL
    for (int i = 0; i < T; i++) {
        a[i] = load(terms->scale[t + i] + c, lanes);
        z[i] = terms->z[t + i] + c;
    }
    for (int64_t at = p * cp; at < (p + n) * cp; at += cp) {
        vec acc = t ? load(y + at + c, lanes) : begin;

        if (!t)
            fetch(y + at + AHEAD);
        UNROLL
        for (int i = 0; i < T; i++) {
            acc = fma_(a[i], load(z[i] + at, lanes), acc);
            fetch(z[i] + at + AHEAD);
        }
        store(y + at + c, acc, lanes);
    }
}

/* All terms of some pixels, one channel block. */
INLINE void mix_block(float *y, const struct hn_terms *terms,
                      const float *shift, int64_t p, int64_t n, int64_t cp,
                      int64_t c, const int lanes)
{
    int64_t t = 0;

    do {
        const int64_t left = terms->n_terms - t;

        if (left >= 4)
            mix_pass(y, terms, t, shift, p, n, cp, c, 4, lanes);
        else if (left == 3)
            mix_pass(y, terms, t, shift, p, n, cp, c, 3, lanes);
        else if (left == 2)
            mix_pass(y, terms, t, shift, p, n, cp, c, 2, lanes);
        else if (left == 1)
            mix_pass(y, terms, t, shift, p, n, cp, c, 1, lanes);
        else
            mix_pass(y, terms, t, shift, p, n, cp, c, 0, lanes);
        t += 4;
    } while (t < terms->n_terms);
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
            UNROLL
            for (int t = 0; t < T; t++)
                fetch(z[t] + at + q * cp + AHEAD);
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
