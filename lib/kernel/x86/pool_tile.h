/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 pools over any vector type, one channel block a call. */
#ifndef HN_KERNEL_X86_POOL_TILE_H
#define HN_KERNEL_X86_POOL_TILE_H

#include <stddef.h>

#include "kernel/x86/mix_tile.h"

struct pool_shape {
    int64_t h, w, cp, stride;
};

/* ---- max ---- */

INLINE vec max_column(const float *s, int64_t row, const int lanes)
{
    return max_(max_(load(s, lanes), load(s + row, lanes)),
                load(s + 2 * row, lanes));
}

INLINE void max_block(float *dst, struct hn_cplane src, struct pool_shape n,
                      const int lanes)
{
    for (int64_t r = 0; r < n.h; r += n.stride) {
        const float *s = src.p + r * src.row;
        vec left = max_column(s, src.row, lanes);
        vec mid = max_column(s + src.pix, src.row, lanes), right;

        for (int64_t x = 0; x < n.w; x += n.stride, dst += n.cp) {
            right = max_column(s + 2 * src.pix, src.row, lanes);
            fetch(dst + AHEAD);
            store(dst, max_(max_(left, mid), right), lanes);
            s += n.stride * src.pix;
            left = n.stride == 1 ? mid : right;
            mid = right;
            if (n.stride != 1 && x + n.stride < n.w) {
                left = max_column(s, src.row, lanes);
                mid = max_column(s + src.pix, src.row, lanes);
            }
        }
    }
}

INLINE vec largest(const vec *tap)
{
    vec m[3];

    UNROLL
    for (int i = 0; i < 3; i++)
        m[i] = max_(max_(tap[i], tap[i + 3]), tap[i + 6]);
    return max_(max_(m[0], m[1]), m[2]);
}

/* Where this tap is the first to hold the largest value m. */
INLINE mask is_first(mask *seen, vec tap, vec m)
{
    const mask here = equal(tap, m), first = without(here, *seen);

    *seen = either(*seen, here);
    return first;
}

INLINE void load_window(vec *tap, const float *s, int64_t row, int64_t pix,
                        const int lanes)
{
    UNROLL
    for (int t = 0; t < 9; t++)
        tap[t] = load(s + t / 3 * row + t % 3 * pix, lanes);
}

INLINE void add_to(float *p, vec v, const int lanes)
{
    store(p, add(load(p, lanes), v), lanes);
}

/* Add a finished column of three sums to the rows of dx that are inside (to),
 * `line` apart, and move the next columns up. */
INLINE void shift_column(float *d, int64_t line, const int *to, vec *sum,
                         const int lanes)
{
    UNROLL
    for (int i = 0; i < 3; i++) {
        if (to[i])
            add_to(d + i * line, sum[i * 3], lanes);
        sum[i * 3] = sum[i * 3 + 1];
        sum[i * 3 + 1] = sum[i * 3 + 2];
        sum[i * 3 + 2] = zero();
    }
}

/* One row of outputs at stride 1.  sum holds what the three rows of dx get
 * in the columns x-1, x, x+1; a column is stored when x has passed it.  d is
 * the first of the rows. */
INLINE void max_grad_row(float *d, const int *to, const float *g,
                         const float *s, struct hn_cplane src,
                         struct pool_shape n, const int lanes)
{
    const int none[3] = {0, 0, 0};
    vec sum[9], tap[9];

    UNROLL
    for (int t = 0; t < 9; t++)
        sum[t] = zero();
    for (int64_t x = 0; x < n.w; x++, s += src.pix) {
        const vec gv = load(g + x * n.cp, lanes);

        load_window(tap, s, src.row, src.pix, lanes);
        const vec m = largest(tap);
        mask seen = no_lane();

        UNROLL
        for (int t = 0; t < 9; t++)
            sum[t] = add_where(sum[t], is_first(&seen, tap[t], m), gv);
        shift_column(d + (x - 1) * n.cp, n.w * n.cp, x ? to : none, sum, lanes);
    }
    shift_column(d + (n.w - 1) * n.cp, n.w * n.cp, to, sum, lanes);
}

/* One output at any stride: a look at each of the nine places. */
INLINE void max_grad_pixel(float *dx, const float *g, const float *s,
                           struct hn_cplane src, struct pool_shape n, int64_t r,
                           int64_t x, const int lanes)
{
    const vec gv = load(g, lanes);
    mask seen = no_lane();
    vec tap[9], m;

    load_window(tap, s, src.row, src.pix, lanes);
    m = largest(tap);
    UNROLL
    for (int t = 0; t < 9; t++) {
        const int64_t i = r + t / 3 - 1, j = x + t % 3 - 1;
        const vec v = add_where(zero(), is_first(&seen, tap[t], m), gv);

        if (i >= 0 && i < n.h && j >= 0 && j < n.w)
            add_to(dx + (i * n.w + j) * n.cp, v, lanes);
    }
}

INLINE void max_grad_block(float *dx, const float *g, struct hn_cplane src,
                           struct pool_shape n, const int lanes)
{
    const int64_t line = n.w * n.cp;

    for (int64_t r = 0; r < n.h; r += n.stride) {
        const float *s = src.p + r * src.row;

        if (n.stride == 1) {
            const int to[3] = {r > 0, 1, r + 1 < n.h};

            max_grad_row(dx + (r - 1) * line, to, g, s, src, n, lanes);
            g += line;
            continue;
        }
        for (int64_t x = 0; x < n.w; x += n.stride, g += n.cp)
            max_grad_pixel(dx, g, s + x * src.pix, src, n, r, x, lanes);
    }
}

/* ---- average ---- */

/* How many of the places at-1, at, at+1 are inside 0..n-1. */
INLINE int64_t n_inside(int64_t at, int64_t n)
{
    return 3 - (at == 0) - (at + 1 == n);
}

/* The sum of n_rows pixels, a row apart. */
INLINE vec column(const float *s, int64_t row, int64_t n_rows, const int lanes)
{
    vec v = load(s, lanes);

    if (n_rows > 1)
        v = add(v, load(s + row, lanes));
    if (n_rows > 2)
        v = add(v, load(s + 2 * row, lanes));
    return v;
}

INLINE void avg_block(float *dst, struct hn_cplane src, struct pool_shape n,
                      const int lanes)
{
    for (int64_t r = 0; r < n.h; r += n.stride) {
        const int64_t m = n_inside(r, n.h);
        const float *s = src.p + (r + (r == 0)) * src.row + src.pix;
        vec left = zero(), mid = column(s, src.row, m, lanes), right;

        for (int64_t x = 0; x < n.w; x += n.stride, dst += n.cp) {
            const float share = 1.0f / (float)(m * n_inside(x, n.w));
            const float *at = s + x * src.pix;

            if (n.stride != 1 && x > 0) {
                left = column(at - src.pix, src.row, m, lanes);
                mid = column(at, src.row, m, lanes);
            }
            right =
                x + 1 < n.w ? column(at + src.pix, src.row, m, lanes) : zero();
            fetch(dst + AHEAD);
            store(dst, mul(splat(share), add(add(left, mid), right)), lanes);
            left = mid;
            mid = right;
        }
    }
}

/* What column x of the outputs r-1..r+1 gives to each of its neighbours. */
INLINE vec grad_column(const float *g, struct pool_shape n, int64_t r,
                       int64_t x, const vec *share, const int lanes)
{
    const float *p = g + (r * n.w + x) * n.cp;
    vec v = mul(share[1], load(p, lanes));

    if (r > 0)
        v = fma_(share[0], load(p - n.w * n.cp, lanes), v);
    if (r + 1 < n.h)
        v = fma_(share[2], load(p + n.w * n.cp, lanes), v);
    if (x == 0 || x + 1 == n.w)
        v = mul(splat(3.0f / (float)n_inside(x, n.w)), v);
    return v;
}

/* Stride 1: gather, three columns of three outputs for each input. */
INLINE void avg_grad_gather(float *dx, const float *g, struct pool_shape n,
                            const int lanes)
{
    for (int64_t r = 0; r < n.h; r++) {
        vec share[3], left = zero(), mid, right;

        UNROLL
        for (int i = 0; i < 3; i++)
            share[i] = splat(1.0f / (3.0f * (float)n_inside(r + i - 1, n.h)));
        mid = grad_column(g, n, r, 0, share, lanes);
        for (int64_t x = 0; x < n.w; x++, dx += n.cp) {
            right = x + 1 < n.w ? grad_column(g, n, r, x + 1, share, lanes)
                                : zero();
            add_to(dx, add(add(left, mid), right), lanes);
            left = mid;
            mid = right;
        }
    }
}

/* Any stride: scatter. */
INLINE void avg_grad_scatter(float *dx, const float *g, struct pool_shape n,
                             const int lanes)
{
    for (int64_t r = 0; r < n.h; r += n.stride) {
        for (int64_t x = 0; x < n.w; x += n.stride, g += n.cp) {
            const float share =
                1.0f / (float)(n_inside(r, n.h) * n_inside(x, n.w));
            const vec v = mul(splat(share), load(g, lanes));

            for (int64_t i = r - (r > 0); i <= r + 1 && i < n.h; i++)
                for (int64_t j = x - (x > 0); j <= x + 1 && j < n.w; j++)
                    add_to(dx + (i * n.w + j) * n.cp, v, lanes);
        }
    }
}

#endif
