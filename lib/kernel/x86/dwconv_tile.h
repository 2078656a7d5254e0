/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions over any vector type.  The including file has chosen
 * the vectors (vec16.h, vec8.h), and with them the tiles. */
#ifndef HN_KERNEL_X86_DWCONV_TILE_H
#define HN_KERNEL_X86_DWCONV_TILE_H

#include "kernel/reference.h"

/* Pixels of the widest tile; the largest window with code here. */
enum { WIDEST = LANES, MAX_K = 7 };

/* One channel block of dw_rows. */
struct rows_job {
    struct hn_plane dst;
    struct hn_cplane src;
    const float *w;
    int64_t cp, rows, cols;
    int add;
};

/* Load pixel j of a row, j = 0, 1, 2 ... in turn; *p moves by four pixels. */
INLINE vec next_pixel(const float **p, int j, int64_t pix, int lanes)
{
    const vec v = load(*p + j % 4 * pix, lanes);

    if (j % 4 == 3)
        *p = opaque(*p + 4 * pix);
    return v;
}

/* sum[i] += one row of taps, P neighbouring outputs: the k weights in
 * registers, each input loaded once and used by every output that sees it. */
INLINE void rows_taps(vec *sum, const float *src, int64_t pix, const float *w,
                      int64_t cp, const int k, const int d, const int s,
                      const int P, const int lanes)
{
    vec tap[MAX_K];

    UNROLL
    for (int x = 0; x < k; x++)
        tap[x] = load(w + x * cp, lanes);
    UNROLL
    for (int j = 0; j <= (P - 1) * s + (k - 1) * d; j++) {
        const vec in = next_pixel(&src, j, pix, lanes);

        UNROLL
        for (int x = 0; x < k; x++) {
            const int at = j - x * d;

            if (at >= 0 && at % s == 0 && at / s < P)
                sum[at / s] = fma_(in, tap[x], sum[at / s]);
        }
    }
}

INLINE void rows_tile(float *dst, const float *src, const struct rows_job *job,
                      const int k, const int d, const int s, const int P,
                      const int lanes)
{
    const int64_t dpix = job->dst.pix, cp = job->cp;
    const float *w = opaque(job->w);
    const float *old = opaque(dst);
    float *to = opaque_out(dst);
    vec sum[WIDEST];

    UNROLL
    for (int i = 0; i < P; i++)
        sum[i] = zero();
    if (job->add) {
        UNROLL
        for (int i = 0; i < P; i++)
            sum[i] = next_pixel(&old, i, dpix, lanes);
    }
    ROLLED
    for (int y = 0; y < k; y++) {
        rows_taps(sum, src, job->src.pix, w, cp, k, d, s, P, lanes);
        w = opaque(w + k * cp);
        src = opaque(src + d * job->src.row);
    }
    UNROLL
    for (int i = 0; i < P; i++) {
        store(to + i % 4 * dpix, sum[i], lanes);
        if (i % 4 == 3)
            to = opaque_out(to + 4 * dpix);
    }
}

/* The width of the next tile, of 16 14 8 7 4 2 1, for `left` pixels. */
INLINE int tile_width(int64_t left)
{
    if (WIDEST >= 16 && left >= 16 && (left % 14 != 0 || left % 16 == 0))
        return 16;
    if (WIDEST >= 16 && left >= 14 && left != 15)
        return 14;
    if (left >= 8 && (left % 7 != 0 || left % 8 == 0))
        return 8;
    if (left >= 7)
        return 7;
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

INLINE void rows_next(float *dst, const float *src, const struct rows_job *job,
                      const int k, const int d, const int s, const int lanes,
                      int width)
{
    switch (width) {
    case 16:
        if (WIDEST >= 16)
            rows_tile(dst, src, job, k, d, s, 16, lanes);
        break;
    case 14:
        if (WIDEST >= 16)
            rows_tile(dst, src, job, k, d, s, 14, lanes);
        break;
    case 8:
        rows_tile(dst, src, job, k, d, s, 8, lanes);
        break;
    case 7:
        rows_tile(dst, src, job, k, d, s, 7, lanes);
        break;
    case 4:
        rows_tile(dst, src, job, k, d, s, 4, lanes);
        break;
    case 2:
        rows_tile(dst, src, job, k, d, s, 2, lanes);
        break;
    default:
        rows_tile(dst, src, job, k, d, s, 1, lanes);
    }
}

INLINE void rows_block(const struct rows_job *job, const int k, const int d,
                       const int s, const int lanes)
{
    for (int64_t r = 0; r < job->rows; r++) {
        const float *src = job->src.p + r * job->src.row * s;
        float *dst = job->dst.p + r * job->dst.row;

        for (int64_t x = 0, n; x < job->cols; x += n) {
            n = tile_width(job->cols - x);
            rows_next(dst, src, job, k, d, s, lanes, (int)n);
            src += n * job->src.pix * s;
            dst += n * job->dst.pix;
        }
    }
}

/* Every channel block for one window. */
INLINE void rows_window(struct rows_job job, const int k, const int d,
                        const int s)
{
    for (int64_t left = job.cp; left > 0; left -= LANES) {
        if (left >= LANES)
            rows_block(&job, k, d, s, LANES);
        else
            rows_block(&job, k, d, s, HALF);
        job.dst.p += LANES;
        job.src.p += LANES;
        job.w += LANES;
    }
}

/* One channel block of dw_wgrad. */
struct wgrad_job {
    float *dw;
    struct hn_cplane src, g;
    int64_t cp, rows, cols, stride;
};

/* Tap rows from..to-1: their sums stay in registers over all pixels.  spix
 * is the distance of source pixels, a constant where it is a usual one: taps
 * at constant distances take no register and no arithmetic. */
INLINE void wgrad_taps(const struct wgrad_job *job, const int64_t spix,
                       const int k, const int d, const int from, const int to,
                       const int lanes)
{
    const int64_t gpix = job->g.pix, row = job->src.row * d, cp = job->cp;
    float *dw = job->dw + from * k * cp, *out = opaque_out(dw);
    vec sum[MAX_SUMS];

    UNROLL
    for (int t = 0; t < (to - from) * k; t++, dw = opaque_out(dw + cp))
        sum[t] = load(dw, lanes);
    for (int64_t r = 0; r < job->rows; r++) {
        const float *g = job->g.p + r * job->g.row, *s[MAX_K];
        const float *end = opaque(g + job->cols * gpix);

        s[0] = job->src.p + r * job->src.row * job->stride + from * row;
        UNROLL
        for (int y = 1; y < to - from; y++)
            s[y] = opaque(s[y - 1] + row);
        const int64_t gstep = opaque_step(gpix);
        const int64_t sstep = opaque_step(spix * job->stride);

        ROLLED
        for (; g != end; g += gstep) {
            const vec gv = load(g, lanes);

            UNROLL
            for (int y = 0; y < to - from; y++) {
                UNROLL
                for (int j = 0; j < k; j++)
                    sum[y * k + j] = fma_(gv, load(s[y] + j * d * spix, lanes),
                                          sum[y * k + j]);
                s[y] = opaque(s[y] + sstep);
            }
        }
    }
    UNROLL
    for (int t = 0; t < (to - from) * k; t++)
        store(out, sum[t], lanes), out = opaque_out(out + cp);
}

/* As many tap rows at a time as there are registers for. */
INLINE void wgrad_block(const struct wgrad_job *job, const int64_t spix,
                        const int k, const int d, const int lanes)
{
    const int step = MAX_SUMS / k < k ? MAX_SUMS / k : k;
    const int rest = k % step;

    UNROLL
    for (int y = 0; y + step <= k; y += step)
        wgrad_taps(job, spix, k, d, y, y + step, lanes);
    if (rest)
        wgrad_taps(job, spix, k, d, k - rest, k, lanes);
}

INLINE void wgrad_window(struct wgrad_job job, const int k, const int d)
{
    for (int64_t left = job.cp; left > 0; left -= LANES) {
        if (left < LANES)
            wgrad_block(&job, job.src.pix, k, d, HALF);
        else if (job.src.pix == 16)
            wgrad_block(&job, 16, k, d, LANES);
        else if (job.src.pix == 32)
            wgrad_block(&job, 32, k, d, LANES);
        else if (job.src.pix == 64)
            wgrad_block(&job, 64, k, d, LANES);
        else
            wgrad_block(&job, job.src.pix, k, d, LANES);
        job.dw += LANES;
        job.src.p += LANES;
        job.g.p += LANES;
    }
}

#endif
