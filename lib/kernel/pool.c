/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 pools and their gradients, plain C.  Output (r, x) looks at the input
 * pixels (r*stride + i - 1, x*stride + j - 1), i and j in 0..2. */
#include "kernel/kernel.h"

/* The part of a window 0..2 around `at` that lies inside 0..n-1. */
struct span {
    int64_t from, to;
};

static struct span inside(int64_t at, int64_t n)
{
    struct span s = {at == 0, at + 1 == n ? 2 : 3};

    return s;
}

/* The true number of taps of the window (i, j). */
static int64_t area(struct span i, struct span j)
{
    return (i.to - i.from) * (j.to - j.from);
}

static void max_into(real *restrict y, const real *restrict x, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

static void max_pool(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride)
{
    for (int64_t r = 0; r < h; r += stride) {
        for (int64_t x = 0; x < w; x += stride, dst += cp) {
            const real *s = src.p + r * src.row + x * src.pix;

            for (int64_t c = 0; c < cp; c++)
                dst[c] = s[c];
            for (int t = 1; t < 9; t++)
                max_into(dst, s + t / 3 * src.row + t % 3 * src.pix, cp);
        }
    }
}

/* Where s is larger than top, take s and its t. */
static void pick_into(real *restrict top, real *restrict y,
                      const real *restrict s, const real *restrict t,
                      int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        const int more = s[c] > top[c];

        y[c] = more ? t[c] : y[c];
        top[c] = more ? s[c] : top[c];
    }
}

/* A block of channels of one output pixel. */
static void pick_pixel(real *dst, struct hn_cplane src, struct hn_cplane t,
                       int64_t n)
{
    enum { BLOCK = 64 };
    real top[BLOCK];

    for (int64_t c0 = 0; c0 < n; c0 += BLOCK) {
        const int64_t width = n - c0 < BLOCK ? n - c0 : BLOCK;

        for (int64_t c = 0; c < width; c++) {
            top[c] = src.p[c0 + c];
            dst[c0 + c] = t.p[c0 + c];
        }
        for (int k = 1; k < 9; k++)
            pick_into(top, dst + c0,
                      src.p + c0 + k / 3 * src.row + k % 3 * src.pix,
                      t.p + c0 + k / 3 * t.row + k % 3 * t.pix, width);
    }
}

static void max_pool_pick(real *dst, struct hn_cplane src, struct hn_cplane t,
                          int64_t h, int64_t w, int64_t cp, int64_t stride)
{
    for (int64_t r = 0; r < h; r += stride)
        for (int64_t x = 0; x < w; x += stride, dst += cp) {
            struct hn_cplane s0 = src, t0 = t;

            s0.p += r * src.row + x * src.pix;
            t0.p += r * t.row + x * t.pix;
            pick_pixel(dst, s0, t0, cp);
        }
}

/* y[c] += a * x[c] */
static void add_scaled(real *restrict y, real a, const real *restrict x,
                       int64_t cp)
{
    for (int64_t c = 0; c < cp; c++)
        y[c] += a * x[c];
}

static void avg_pool(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride)
{
    for (int64_t r = 0; r < h; r += stride) {
        for (int64_t x = 0; x < w; x += stride, dst += cp) {
            const real *s = src.p + r * src.row + x * src.pix;
            struct span rows = inside(r, h), cols = inside(x, w);
            real share = (real)1 / (real)area(rows, cols);

            for (int64_t c = 0; c < cp; c++)
                dst[c] = 0;
            for (int64_t i = rows.from; i < rows.to; i++)
                for (int64_t j = cols.from; j < cols.to; j++)
                    add_scaled(dst, 1, s + i * src.row + j * src.pix, cp);
            for (int64_t c = 0; c < cp; c++)
                dst[c] *= share;
        }
    }
}

/* The index of the first largest tap per channel; best is scratch [cp]. */
static void first_largest(real *restrict index, real *restrict best,
                          struct hn_cplane src, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        index[c] = 0;
        best[c] = src.p[c];
    }
    for (int t = 1; t < 9; t++) {
        const real *restrict x = src.p + t / 3 * src.row + t % 3 * src.pix;

        for (int64_t c = 0; c < cp; c++) {
            const real v = x[c], b = best[c], old = index[c];

            index[c] = v > b ? (real)t : old;
            best[c] = v > b ? v : b;
        }
    }
}

/* dx[c] += index[c] == t ? g[c] : 0 */
static void add_where(real *restrict dx, const real *restrict g,
                      const real *restrict index, int64_t t, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++) {
        const real v = g[c];

        dx[c] += index[c] == (real)t ? v : 0;
    }
}

static void max_pool_grad(real *dx, const real *g, struct hn_cplane src,
                          real *tmp, int64_t h, int64_t w, int64_t cp,
                          int64_t stride)
{
    for (int64_t r = 0; r < h; r += stride) {
        for (int64_t x = 0; x < w; x += stride, g += cp) {
            struct span rows = inside(r, h), cols = inside(x, w);
            struct hn_cplane window = src;

            window.p += r * src.row + x * src.pix;
            first_largest(tmp, tmp + cp, window, cp);
            for (int64_t i = rows.from; i < rows.to; i++)
                for (int64_t j = cols.from; j < cols.to; j++)
                    add_where(dx + ((r + i - 1) * w + x + j - 1) * cp, g, tmp,
                              i * 3 + j, cp);
        }
    }
}

static void avg_pool_grad(real *dx, const real *g, real *tmp, int64_t h,
                          int64_t w, int64_t cp, int64_t stride)
{
    (void)tmp;
    for (int64_t r = 0; r < h; r += stride) {
        for (int64_t x = 0; x < w; x += stride, g += cp) {
            struct span rows = inside(r, h), cols = inside(x, w);
            real share = (real)1 / (real)area(rows, cols);

            for (int64_t i = rows.from; i < rows.to; i++)
                for (int64_t j = cols.from; j < cols.to; j++)
                    add_scaled(dx + ((r + i - 1) * w + x + j - 1) * cp, share,
                               g, cp);
        }
    }
}

void hn_kernels_add_pool(struct hn_kernels *k)
{
    k->max_pool = max_pool;
    k->max_pool_pick = max_pool_pick;
    k->avg_pool = avg_pool;
    k->max_pool_grad = max_pool_grad;
    k->avg_pool_grad = avg_pool_grad;
}
