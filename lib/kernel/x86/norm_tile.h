/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch norm and rectifier over any vector type, one channel block a call. */
#ifndef HN_KERNEL_X86_NORM_TILE_H
#define HN_KERNEL_X86_NORM_TILE_H

#include <math.h>
#include <stddef.h>

#include "kernel/x86/mix_tile.h"

/* dst = max(scale * src + shift, floor) at channel c; a NaN passes. */
INLINE void affine_block(struct hn_plane dst, const float *src, int64_t h,
                         int64_t w, int64_t cp, vec scale, vec shift,
                         vec floor_, const int lanes)
{
    for (int64_t r = 0; r < h; r++) {
        float *to = dst.p + r * dst.row;

        for (int64_t x = 0; x < w; x++, to += dst.pix, src += cp)
            store(to, max_(floor_, fma_(scale, load(src, lanes), shift)),
                  lanes);
    }
}

/* P pixels of bn_grad_rows, one channel block at c; `at` is the dense place
 * of the first. */
INLINE void bn_tile(float *dst, int64_t pix, const struct hn_terms *terms,
                    const float *const *zbk, int64_t at, int64_t cp, int64_t c,
                    const int P, const int lanes)
{
    vec acc[4];

    UNROLL
    for (int q = 0; q < P; q++)
        acc[q] = zero();
    if (zbk[0]) {
        const vec b = load(zbk[1] + c, lanes), k = load(zbk[2] + c, lanes);

        UNROLL
        for (int q = 0; q < P; q++)
            acc[q] = fma_(b, load(zbk[0] + at + c + q * cp, lanes), k);
    }
    add_terms(acc, terms, at, cp, c, P, lanes);
    UNROLL
    for (int q = 0; q < P; q++)
        store(dst + c + q * pix, acc[q], lanes);
}

INLINE void bn_pixels(float *dst, int64_t pix, const struct hn_terms *terms,
                      const float *const *zbk, int64_t at, int64_t cp,
                      const int P)
{
    int64_t c = 0;

    for (; c + LANES <= cp; c += LANES)
        bn_tile(dst, pix, terms, zbk, at, cp, c, P, LANES);
    if (c < cp)
        bn_tile(dst, pix, terms, zbk, at, cp, c, P, HALF);
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

/* m = r > 0 ? g : 0 over an image, to dx and to the sums. */
INLINE void relu_block(float *dx, const float *g, struct hn_cplane r,
                       const float *z, float *sums, int64_t h, int64_t w,
                       int64_t cp, int accumulate, const int lanes)
{
    vec s = zero(), sz = zero();

    for (int64_t y = 0; y < h; y++) {
        const float *rp = r.p + y * r.row;

        for (int64_t x = 0; x < w; x++, rp += r.pix, g += cp, dx += cp) {
            const vec m = where_positive(load(rp, lanes), load(g, lanes));

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
