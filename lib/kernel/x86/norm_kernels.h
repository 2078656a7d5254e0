/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch norm and rectifier: the kernels of the level whose vectors the
 * including file has chosen. */
#ifndef HN_KERNEL_X86_NORM_KERNELS_H
#define HN_KERNEL_X86_NORM_KERNELS_H

#include "kernel/x86/norm_tile.h"

static void affine_pad(struct hn_plane dst, const real *src, int64_t h,
                       int64_t w, int64_t cp, const real *scale,
                       const real *shift, int relu)
{
    const vec lowest = relu ? zero() : splat(-INFINITY);

    for (int64_t c = 0; c < cp; c += LANES, dst.p += LANES, src += LANES) {
        const int whole = c + LANES <= cp;
        vec a, b;

        load_map(&a, &b, scale, shift, c, whole);
        if (whole)
            affine_block(dst, src, h, w, cp, a, b, lowest, LANES);
        else
            affine_block(dst, src, h, w, cp, a, b, lowest, HALF);
    }
}

static void bn_grad_rows(struct hn_plane dst, struct hn_terms terms,
                         const real *z, const real *b, const real *k,
                         int64_t rows, int64_t cols, int64_t cp)
{
    const real *const zbk[3] = {z, b, k};
    struct bn_row row = {dst.p, dst.pix, 0, cols, cp};

    if (dst.row == cols * dst.pix) {
        row.cols = rows * cols;
        rows = 1;
    }
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = 0;

        for (; c + LANES <= cp; c += LANES)
            bn_block(row, &terms, zbk, c, LANES);
        if (c < cp)
            bn_block(row, &terms, zbk, c, HALF);
        row.dst += dst.row;
        row.at += cols * cp;
    }
}

static void moments(real *sums, const real *z, int64_t n_pix, int64_t cp)
{
    int64_t c = 0;

    for (; c + LANES <= cp; c += LANES)
        moments_block(sums + c, z + c, n_pix, cp, LANES);
    if (c < cp)
        moments_block(sums + c, z + c, n_pix, cp, HALF);
}

static void relu_grad(real *dx, struct hn_cplane g, struct hn_mask where,
                      const real *z, real *sums, int64_t h, int64_t w,
                      int64_t cp, int flags)
{
    const int acc = flags & HN_ACCUMULATE;

    for (int64_t c = 0; c < cp; c += LANES) {
        const struct hn_cplane xc = {where.x.p + c, where.x.row, where.x.pix};
        const struct hn_cplane gc = {g.p + c, g.row, g.pix};
        const real *zc = sums ? z + c : NULL;
        const int whole = c + LANES <= cp;
        real *sc = sums ? sums + c : NULL;
        vec a, b;

        load_map(&a, &b, where.scale, where.shift, c, whole);
        if (whole)
            relu_block(dx + c, gc, xc, a, b, zc, sc, h, w, cp, acc, LANES);
        else
            relu_block(dx + c, gc, xc, a, b, zc, sc, h, w, cp, acc, HALF);
    }
}

static void lay_norm(struct hn_kernels *k)
{
    k->affine_pad = affine_pad;
    k->bn_grad_rows = bn_grad_rows;
    k->moments = moments;
    k->relu_grad = relu_grad;
}

#endif
