/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions over any vector type: a small matrix product per tap. */
#ifndef HN_KERNEL_X86_CONV_TILE_H
#define HN_KERNEL_X86_CONV_TILE_H

#include <stddef.h>

#include "kernel/x86/ahead_tile.h"

/* Pixels of the widest tile (half for two vectors), inputs of the widest
 * weight-gradient tile, and the pixels whose products a weight gradient adds
 * before it stores them. */
enum {
    MAX_PIXELS = LANES == 16 ? 28 : 12,
    MAX_INPUTS = LANES == 16 ? 16 : 8,
    GRAD_PIXELS = 128
};

struct conv_job {
    float *dst;
    int64_t dst_pix;
    const float *src;
    int64_t src_pix;
    const float *w;
    struct hn_taps taps;
    float *sums;
    int add, stream;
};

/* The lanes of vector v of V, where the last holds `last`. */
INLINE int lanes_of(int v, const int V, const int last)
{
    return v == V - 1 ? last : LANES;
}

/* Where pixel q of a group of five is, from the middle one. */
INLINE int64_t in_group(int q, int64_t pix, int64_t back)
{
    return q < 2 ? (2 - q) * back : (q - 2) * pix;
}

/* sum[q * V + v] += one tap: P pixels times V vectors of outputs.  A pointer
 * for every fifth pixel: the others are a step or two away. */
INLINE void conv_tap(vec *sum, const float *src, int64_t pix, const float *w,
                     int64_t cp, int64_t n_in, const int P, const int V,
                     const int last)
{
    const float *p[(MAX_PIXELS + 4) / 5], *end = opaque(w + n_in * cp);
    const int64_t wstep = opaque_step(cp), back = opaque_step(-pix);
    const int groups = (P + 4) / 5;
    vec wv[2];

    p[0] = opaque(src + 2 * pix);
    UNROLL
    for (int m = 1; m < groups; m++)
        p[m] = opaque(p[m - 1] + 5 * pix);
    ROLLED
    for (; w != end; w += wstep) {
        UNROLL
        for (int v = 0; v < V; v++)
            wv[v] = load(w + v * LANES, lanes_of(v, V, last));
        UNROLL
        for (int q = 0; q < P; q++) {
            const vec x = splat(p[q / 5][in_group(q % 5, pix, back)]);

            UNROLL
            for (int v = 0; v < V; v++)
                sum[q * V + v] = fma_(x, wv[v], sum[q * V + v]);
        }
        UNROLL
        for (int m = 0; m < groups; m++)
            p[m] = opaque(p[m] + 1);
    }
}

/* sums[0] += the P values of vector v, sums[1] += their squares. */
INLINE void conv_sums(float *sums, int64_t cp, const vec *sum, const int P,
                      const int V, const int lanes)
{
    vec s[2] = {load(sums, lanes), zero()};
    vec s2[2] = {load(sums + cp, lanes), zero()};

    UNROLL
    for (int q = 0; q < P; q++) {
        s[q % 2] = add(s[q % 2], sum[q * V]);
        s2[q % 2] = fma_(sum[q * V], sum[q * V], s2[q % 2]);
    }
    store(sums, add(s[0], s[1]), lanes);
    store(sums + cp, add(s2[0], s2[1]), lanes);
}

/* Write P pixels of V vectors. */
INLINE void conv_store(float *dst, int64_t pix, const vec *sum, int past,
                       const int P, const int V, const int last)
{
    UNROLL
    for (int q = 0; q < P; q++) {
        UNROLL
        for (int v = 0; v < V; v++) {
            if (past && last == LANES)
                stream(dst + v * LANES, sum[q * V + v]);
            else
                store(dst + v * LANES, sum[q * V + v], lanes_of(v, V, last));
        }
        dst = opaque_out(dst + pix);
    }
}

INLINE void conv_tile(const struct conv_job *job, int64_t o, const int P,
                      const int V, const int last)
{
    const int64_t cp = job->taps.cp_out, pix = job->dst_pix;
    const int64_t n_in = job->taps.n_in;
    const float *old = opaque(job->dst + o);
    const float *w = opaque(job->w + o);
    vec sum[MAX_PIXELS];

    fetch_ahead(job->taps.ahead, P * V * LANES);
    UNROLL
    for (int q = 0; q < P * V; q++)
        sum[q] = zero();
    if (job->add) {
        UNROLL
        for (int q = 0; q < P; q++, old = opaque(old + pix)) {
            UNROLL
            for (int v = 0; v < V; v++)
                sum[q * V + v] = load(old + v * LANES, lanes_of(v, V, last));
        }
    }
    ROLLED
    for (int64_t t = 0; t < job->taps.n_taps; t++) {
        conv_tap(sum, job->src + job->taps.offset[t], job->src_pix, w, cp, n_in,
                 P, V, last);
        w = opaque(w + n_in * cp);
    }
    if (job->stream)
        conv_store(job->dst + o, pix, sum, 1, P, V, last);
    else
        conv_store(job->dst + o, pix, sum, 0, P, V, last);
    if (job->sums) {
        UNROLL
        for (int v = 0; v < V; v++)
            conv_sums(job->sums + o + v * LANES, cp, sum + v, P, V,
                      lanes_of(v, V, last));
    }
}

/* Every output channel of P neighbouring pixels. */
INLINE void conv_pixels(const struct conv_job *job, const int P)
{
    int64_t o = 0, left = job->taps.cp_out;

    for (; left >= 2 * LANES; left -= 2 * LANES, o += 2 * LANES)
        conv_tile(job, o, P, 2, LANES);
    if (left > LANES)
        conv_tile(job, o, P, 2, HALF);
    else if (left == LANES)
        conv_tile(job, o, P, 1, LANES);
    else if (left > 0)
        conv_tile(job, o, P, 1, HALF);
}

/* dw[i][v] over some rows: I inputs times V vectors of outputs. */
INLINE void wgrad_tile(float *dw, struct hn_cplane src, struct hn_cplane g,
                       int64_t cp, int64_t rows, int64_t cols, const int I,
                       const int V, const int last)
{
    const int64_t gpix = g.pix, spix = src.pix;
    float *out = opaque_out(dw);
    vec sum[MAX_INPUTS], gv[2];

    UNROLL
    for (int i = 0; i < I; i++, dw = opaque_out(dw + cp)) {
        UNROLL
        for (int v = 0; v < V; v++)
            sum[i * V + v] = load(dw + v * LANES, lanes_of(v, V, last));
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *s = src.p + r * src.row, *gp = g.p + r * g.row;
        const float *end = opaque(gp + cols * gpix);
        const int64_t gstep = opaque_step(gpix), sstep = opaque_step(spix);

        ROLLED
        for (; gp != end; gp += gstep, s += sstep) {
            UNROLL
            for (int v = 0; v < V; v++)
                gv[v] = load(gp + v * LANES, lanes_of(v, V, last));
            UNROLL
            for (int i = 0; i < I; i++) {
                const vec x = splat(s[i]);

                UNROLL
                for (int v = 0; v < V; v++)
                    sum[i * V + v] = fma_(x, gv[v], sum[i * V + v]);
            }
        }
    }
    conv_store(out, cp, sum, 0, I, V, last);
}

/* One tap's weights for V vectors of outputs, every input. */
INLINE void wgrad_inputs(float *dw, struct hn_cplane src, struct hn_cplane g,
                         const struct hn_taps *taps, int64_t rows, int64_t cols,
                         const int V, const int last)
{
    const int I = MAX_INPUTS / V;
    const int64_t cp = taps->cp_out;
    int64_t i = 0;

    for (; i + I <= taps->n_in; i += I, src.p += I)
        wgrad_tile(dw + i * cp, src, g, cp, rows, cols, I, V, last);
    for (; I > 8 && i + 8 <= taps->n_in; i += 8, src.p += 8)
        wgrad_tile(dw + i * cp, src, g, cp, rows, cols, 8, V, last);
    for (; i + 4 <= taps->n_in; i += 4, src.p += 4)
        wgrad_tile(dw + i * cp, src, g, cp, rows, cols, 4, V, last);
    for (; i < taps->n_in; i++, src.p++)
        wgrad_tile(dw + i * cp, src, g, cp, rows, cols, 1, V, last);
}

#endif
