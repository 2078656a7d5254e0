/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch norm and rectifier over any vector type, one channel block a call. */
#ifndef HN_KERNEL_X86_NORM_TILE_H
#define HN_KERNEL_X86_NORM_TILE_H

#include <math.h>
#include <stddef.h>

#include "kernel/x86/mix_tile.h"

/* The affine map of a channel block at c; scale NULL: 1 and 0. */
INLINE void load_map(vec *a, vec *b, const float *scale, const float *shift,
                     int64_t c, int whole)
{
    *a = splat(1);
    *b = zero();
    if (scale) {
        *a = whole ? load(scale + c, LANES) : load(scale + c, HALF);
        *b = whole ? load(shift + c, LANES) : load(shift + c, HALF);
    }
}

/* dst = max(scale * src + shift, floor) at channel c; a NaN passes. */
INLINE void affine_block(struct hn_plane dst, const float *src, int64_t h,
                         int64_t w, int64_t cp, vec scale, vec shift,
                         vec floor_, const int lanes)
{
    for (int64_t r = 0; r < h; r++) {
        float *to = dst.p + r * dst.row;
        int64_t left = w;

        for (; left >= 4; left -= 4, src += 4 * cp, to += 4 * dst.pix) {
            UNROLL
            for (int q = 0; q < 4; q++) {
                const vec v = load(src + q * cp, lanes);

                fetch(src + q * cp + AHEAD);
                store(to + q * dst.pix, max_(floor_, fma_(scale, v, shift)),
                      lanes);
            }
        }
        for (; left > 0; left--, src += cp, to += dst.pix)
            store(to, max_(floor_, fma_(scale, load(src, lanes), shift)),
                  lanes);
    }
}

/* Where bn_grad_rows works: a row of `dst`, and the dense place of it. */
struct bn_row {
    float *dst;
    int64_t pix, at, cols, cp;
};

/* One channel block at c of a row: dst = a g + b z + k. */
INLINE void bn_single(struct bn_row row, const struct hn_terms *terms,
                      const float *const *zbk, int64_t c, const int lanes)
{
    const vec a = load(terms->scale[0] + c, lanes);
    const vec b = load(zbk[1] + c, lanes), k = load(zbk[2] + c, lanes);
    const float *g = terms->z[0] + row.at + c, *z = zbk[0] + row.at + c;
    const int64_t cp = row.cp, pix = row.pix;
    float *to = row.dst + c;
    int64_t left = row.cols;

    for (; left >= 4; left -= 4, g += 4 * cp, z += 4 * cp, to += 4 * pix) {
        UNROLL
        for (int q = 0; q < 4; q++) {
            fetch(z + q * cp + AHEAD);
            store(to + q * pix,
                  fma_(a, load(g + q * cp, lanes),
                       fma_(b, load(z + q * cp, lanes), k)),
                  lanes);
        }
    }
    for (; left > 0; left--, g += cp, z += cp, to += pix)
        store(to, fma_(a, load(g, lanes), fma_(b, load(z, lanes), k)), lanes);
}

/* The same of any number of terms, with or without z; P pixels at x. */
INLINE void bn_tile(struct bn_row row, const struct hn_terms *terms,
                    const float *const *zbk, int64_t x, int64_t c, const int P,
                    const int lanes)
{
    const int64_t at = row.at + x * row.cp;
    vec acc[4];

    UNROLL
    for (int q = 0; q < P; q++)
        acc[q] = zero();
    if (zbk[0]) {
        const vec b = load(zbk[1] + c, lanes), k = load(zbk[2] + c, lanes);

        UNROLL
        for (int q = 0; q < P; q++)
            acc[q] = fma_(b, load(zbk[0] + at + c + q * row.cp, lanes), k);
    }
    add_terms(acc, terms, at, row.cp, c, P, lanes);
    UNROLL
    for (int q = 0; q < P; q++)
        store(row.dst + c + (x + q) * row.pix, acc[q], lanes);
}

INLINE void bn_block(struct bn_row row, const struct hn_terms *terms,
                     const float *const *zbk, int64_t c, const int lanes)
{
    int64_t x = 0;

    if (terms->n_terms == 1 && zbk[0]) {
        bn_single(row, terms, zbk, c, lanes);
        return;
    }
    for (; x + 4 <= row.cols; x += 4)
        bn_tile(row, terms, zbk, x, c, 4, lanes);
    for (; x < row.cols; x++)
        bn_tile(row, terms, zbk, x, c, 1, lanes);
}

/* Sums of a channel block and of its squares: four of each, by pixel. */
INLINE void moments_block(float *sums, const float *z, int64_t n_pix,
                          int64_t cp, const int lanes)
{
    vec s[4], s2[4];

    UNROLL
    for (int q = 0; q < 4; q++)
        s[q] = s2[q] = zero();
    for (; n_pix >= 4; n_pix -= 4, z += 4 * cp) {
        UNROLL
        for (int q = 0; q < 4; q++) {
            const vec v = load(z + q * cp, lanes);

            s[q] = add(s[q], v);
            s2[q] = fma_(v, v, s2[q]);
        }
    }
    for (; n_pix > 0; n_pix--, z += cp) {
        const vec v = load(z, lanes);

        s[0] = add(s[0], v);
        s2[0] = fma_(v, v, s2[0]);
    }
    store(sums, add(add(s[0], s[1]), add(s[2], s[3])), lanes);
    store(sums + cp, add(add(s2[0], s2[1]), add(s2[2], s2[3])), lanes);
}

/* m = scale * x + shift > 0 ? g : 0 over an image, to dx and to the sums. */
INLINE void relu_block(float *dx, struct hn_cplane g, struct hn_cplane x,
                       vec scale, vec shift, const float *z, float *sums,
                       int64_t h, int64_t w, int64_t cp, int accumulate,
                       const int lanes)
{
    vec s = zero(), sz = zero();

    for (int64_t r = 0; r < h; r++) {
        const float *xp = x.p + r * x.row, *gp = g.p + r * g.row;

        for (int64_t i = 0; i < w; i++, xp += x.pix, gp += g.pix, dx += cp) {
            const vec v = fma_(scale, load(xp, lanes), shift);
            const vec m = where_positive(v, load(gp, lanes));

            fetch(xp + AHEAD);
            fetch(dx + AHEAD);
            store(dx, accumulate ? add(load(dx, lanes), m) : m, lanes);
            if (sums) {
                s = add(s, m);
                sz = fma_(m, load(z, lanes), sz);
                z += cp;
            }
        }
    }
    if (sums) {
        store(sums, add(load(sums, lanes), s), lanes);
        store(sums + cp, add(load(sums + cp, lanes), sz), lanes);
    }
}

#endif
