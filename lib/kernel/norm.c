/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch norm and rectifier: the affine maps and the sums, plain C. */
#include <stddef.h>

#include "kernel/kernel.h"

/* One pixel of affine_pad.  A NaN passes the rectifier. */
static void affine(real *restrict y, const real *restrict x,
                   const real *restrict scale, const real *restrict shift,
                   int64_t cp, int relu)
{
    for (int64_t c = 0; c < cp; c++) {
        real v = scale ? scale[c] * x[c] + shift[c] : x[c];

        y[c] = relu && v < 0 ? 0 : v;
    }
}

static void affine_pad(struct hn_plane dst, const real *src, int64_t h,
                       int64_t w, int64_t cp, const real *scale,
                       const real *shift, int relu)
{
    for (int64_t r = 0; r < h; r++)
        for (int64_t x = 0; x < w; x++)
            affine(dst.p + r * dst.row + x * dst.pix, src + (r * w + x) * cp,
                   scale, shift, cp, relu);
}

static void bn_grad_rows(struct hn_plane dst, struct hn_terms terms,
                         const real *z, const real *b, const real *k,
                         int64_t rows, int64_t cols, int64_t cp)
{
    for (int64_t p = 0; p < rows * cols; p++) {
        real *d = dst.p + p / cols * dst.row + p % cols * dst.pix;

        /* a whole sum before the store: dst may be one of the terms */
        for (int64_t c = 0; c < cp; c++) {
            real v = z ? b[c] * z[p * cp + c] + k[c] : 0;

            for (int64_t t = 0; t < terms.n_terms; t++)
                v += terms.scale[t][c] * terms.z[t][p * cp + c];
            d[c] = v;
        }
    }
}

/* sums[0] += v, sums[1] += v * z */
static void add_sums(real *restrict sums, const real *restrict v,
                     const real *restrict z, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        sums[c] += v[c];
        sums[cp + c] += v[c] * z[c];
    }
}

static void moments(real *sums, const real *z, int64_t n_pix, int64_t cp)
{
    for (int64_t c = 0; c < 2 * cp; c++)
        sums[c] = 0;
    for (int64_t p = 0; p < n_pix; p++)
        add_sums(sums, z + p * cp, z + p * cp, cp);
}

/* One pixel: m = g where the rectifier let x through, to dx and to the sums. */
static void relu_grad_pixel(real *restrict dx, const real *restrict g,
                            const struct hn_mask *mask, const real *restrict x,
                            const real *restrict z, real *restrict sums,
                            int64_t cp, int accumulate)
{
    for (int64_t c = 0; c < cp; c++) {
        const real r =
            mask->scale ? mask->scale[c] * x[c] + mask->shift[c] : x[c];
        const real m = r > 0 ? g[c] : 0;

        dx[c] = accumulate ? dx[c] + m : m;
        if (sums) {
            sums[c] += m;
            sums[cp + c] += m * z[c];
        }
    }
}

static void relu_grad(real *dx, struct hn_cplane g, struct hn_mask mask,
                      const real *z, real *sums, int64_t h, int64_t w,
                      int64_t cp, int flags)
{
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t at = (y * w + x) * cp;

            relu_grad_pixel(dx + at, g.p + y * g.row + x * g.pix, &mask,
                            mask.x.p + y * mask.x.row + x * mask.x.pix,
                            sums ? z + at : NULL, sums, cp,
                            flags & HN_ACCUMULATE);
        }
}

void hn_kernels_add_norm(struct hn_kernels *k)
{
    k->affine_pad = affine_pad;
    k->bn_grad_rows = bn_grad_rows;
    k->moments = moments;
    k->relu_grad = relu_grad;
}
