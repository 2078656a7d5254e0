/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions over any vector type.  The including file has chosen
 * the vectors (vec16.h, vec8.h), and with them the tiles. */
#ifndef HN_KERNEL_X86_DWCONV_TILE_H
#define HN_KERNEL_X86_DWCONV_TILE_H

#include "kernel/reference.h"
#include "kernel/x86/ahead_tile.h"

/* Pixels of the widest tile; the largest window with code here. */
enum { WIDEST = LANES, MAX_K = 7 };

/* One channel block of dw_rows. */
struct rows_job {
    struct hn_plane dst;
    struct hn_cplane src;
    const float *w;
    int64_t cp, rows, cols;
    int add;
    struct hn_ahead *ahead;
};

/* Distances of neighbouring pixels are passed down as constants where they
 * are usual ones: taps then sit at constant offsets, which take neither
 * registers nor arithmetic.  STEPS pixels are reached from one pointer, which
 * moves where offsets would grow long or are not constants. */
enum { STEPS = 4 };

/* Load pixel j of a row, j = 0, 1, 2 ... in turn. */
INLINE vec next_pixel(const float **p, int j, const int64_t pix, int lanes)
{
    const vec v = load(*p + j % STEPS * pix, lanes);

    if (j % STEPS == STEPS - 1) {
        *p += STEPS * pix;
        if (!__builtin_constant_p(pix))
            *p = opaque(*p);
    }
    return v;
}

/* Store P pixels. */
INLINE void store_pixels(float *to, const vec *v, const int64_t pix,
                         const int P, const int lanes)
{
    UNROLL
    for (int i = 0; i < P; i++) {
        store(to + i % STEPS * pix, v[i], lanes);
        if (i % STEPS == STEPS - 1)
            to = opaque_out(to + STEPS * pix);
    }
}

/* What the destination holds, or zeros. */
INLINE void open_sums(vec *sum, const float *old, const int64_t pix, int add_to,
                      const int P, const int lanes)
{
    UNROLL
    for (int i = 0; i < P; i++)
        sum[i] = zero();
    if (add_to) {
        UNROLL
        for (int i = 0; i < P; i++)
            sum[i] = next_pixel(&old, i, pix, lanes);
    }
}

/* sum[i] += one row of taps, P neighbouring outputs: the k weights in
 * registers, each input loaded once and used by every output that sees it. */
INLINE void rows_taps(vec *sum, const float *src, const int64_t pix,
                      const float *w, int64_t cp, const int k, const int d,
                      const int s, const int P, const int lanes)
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
                fma_to(&sum[at / s], in, tap[x]);
        }
    }
}

INLINE void rows_tile(float *dst, const float *src, const struct rows_job *job,
                      const int64_t pix, const int k, const int d, const int s,
                      const int P, const int lanes)
{
    const int64_t dpix = job->dst.pix, cp = job->cp;
    const float *w = opaque(job->w);
    vec sum[WIDEST];

    open_sums(sum, opaque(dst), dpix, job->add, P, lanes);
    ROLLED
    for (int y = 0; y < k; y++) {
        rows_taps(sum, src, pix, w, cp, k, d, s, P, lanes);
        w = opaque(w + k * cp);
        src = opaque(src + d * job->src.row);
    }
    store_pixels(opaque_out(dst), sum, dpix, P, lanes);
}

/* One row of inputs for two rows of outputs, d rows apart: `low` are the taps
 * of the nearer one, `high` those of the other; NULL: none. */
INLINE void pair_taps(vec *near, vec *far, const float *src, const int64_t pix,
                      const vec *low, const vec *high, const int k, const int d,
                      const int P, const int lanes)
{
    UNROLL
    for (int j = 0; j <= P - 1 + (k - 1) * d; j++) {
        const vec in = next_pixel(&src, j, pix, lanes);

        UNROLL
        for (int x = 0; x < k; x++) {
            const int at = j - x * d;

            if (at >= 0 && at < P && low)
                fma_to(&near[at], in, low[x]);
            if (at >= 0 && at < P && high)
                fma_to(&far[at], in, high[x]);
        }
    }
}

INLINE void load_taps(vec *tap, const float *w, int64_t cp, const int k,
                      const int lanes)
{
    UNROLL
    for (int x = 0; x < k; x++)
        tap[x] = load(w + x * cp, lanes);
}

/* P outputs of two rows, d apart, at stride 1: inputs between serve both, and
 * twice the sums hide the latency of narrow tiles. */
INLINE void pair_tile(float *dst, const float *src, const struct rows_job *job,
                      const int64_t pix, const int k, const int d, const int P,
                      const int lanes)
{
    const int64_t dpix = job->dst.pix, cp = job->cp;
    const int64_t step = d * job->src.row;
    const float *w = opaque(job->w);
    float *other = opaque_out(dst + d * job->dst.row);
    vec near[WIDEST / 2], far[WIDEST / 2], tap[2][MAX_K];

    open_sums(near, opaque(dst), dpix, job->add, P, lanes);
    open_sums(far, opaque(other), dpix, job->add, P, lanes);
    load_taps(tap[0], w, cp, k, lanes);
    pair_taps(near, far, src, pix, tap[0], NULL, k, d, P, lanes);
    UNROLL
    for (int y = 1; y < k; y++) {
        w = opaque(w + k * cp);
        src = opaque(src + step);
        load_taps(tap[y % 2], w, cp, k, lanes);
        pair_taps(near, far, src, pix, tap[y % 2], tap[(y - 1) % 2], k, d, P,
                  lanes);
    }
    pair_taps(near, far, src + step, pix, NULL, tap[(k - 1) % 2], k, d, P,
              lanes);
    store_pixels(opaque_out(dst), near, dpix, P, lanes);
    store_pixels(other, far, dpix, P, lanes);
}

/* One row in tiles of two widths, whose smaller one divides it. */
INLINE void even_row(const struct rows_job *job, int64_t r, const int64_t pix,
                     const int k, const int d, const int s, const int P)
{
    const float *src = job->src.p + r * job->src.row * s;
    float *dst = job->dst.p + r * job->dst.row;
    int64_t left = job->cols;

    for (; LANES == 16 && left >= 2 * P; left -= 2 * P) {
        fetch_ahead(job->ahead, 2 * P * LANES);
        rows_tile(dst, src, job, pix, k, d, s, LANES == 16 ? 2 * P : P, LANES);
        src += 2 * P * pix * s;
        dst += 2 * P * job->dst.pix;
    }
    for (; left >= P; left -= P) {
        fetch_ahead(job->ahead, P * LANES);
        rows_tile(dst, src, job, pix, k, d, s, P, LANES);
        src += P * pix * s;
        dst += P * job->dst.pix;
    }
}

/* Rows r and r + d, likewise. */
INLINE void even_pair(const struct rows_job *job, int64_t r, const int64_t pix,
                      const int k, const int d, const int P)
{
    const float *src = job->src.p + r * job->src.row;
    float *dst = job->dst.p + r * job->dst.row;

    for (int64_t left = job->cols; left >= P; left -= P) {
        fetch_ahead(job->ahead, 2 * P * LANES);
        pair_tile(dst, src, job, pix, k, d, P, LANES);
        src += P * pix;
        dst += P * job->dst.pix;
    }
}

/* Rows whose width is a multiple of P.  Two rows at a time are faster where
 * there are registers for it and weights are few, or a row is too short for
 * enough sums. */
INLINE void even_rows(const struct rows_job *job, const int64_t pix,
                      const int k, const int d, const int s, const int P)
{
    const int in_pairs =
        LANES == 16 && s == 1 && (k <= 3 || (k == 5 && job->cols < 2 * P));
    int64_t r = 0;

    if (in_pairs)
        for (; r + 2 * d <= job->rows; r += 2 * d)
            for (int i = 0; i < d; i++)
                even_pair(job, r + i, pix, k, d, P);
    for (; r < job->rows; r++)
        even_row(job, r, pix, k, d, s, P);
}

/* One row of any width. */
INLINE void any_row(const struct rows_job *job, int64_t r, const int k,
                    const int d, const int s, const int lanes)
{
    const float *src = job->src.p + r * job->src.row * s;
    float *dst = job->dst.p + r * job->dst.row;
    const int64_t pix = job->src.pix;

    for (int64_t x = 0, n; x < job->cols; x += n) {
        const int64_t left = job->cols - x;

        n = left >= WIDEST ? WIDEST : left >= 8 ? 8 : left >= 4 ? 4 : 1;
        fetch_ahead(job->ahead, n * LANES);
        if (n == WIDEST)
            rows_tile(dst, src, job, pix, k, d, s, WIDEST, lanes);
        else if (n == 8)
            rows_tile(dst, src, job, pix, k, d, s, 8, lanes);
        else if (n == 4)
            rows_tile(dst, src, job, pix, k, d, s, 4, lanes);
        else
            rows_tile(dst, src, job, pix, k, d, s, 1, lanes);
        src += n * pix * s;
        dst += n * job->dst.pix;
    }
}

INLINE void any_rows(const struct rows_job *job, const int k, const int d,
                     const int s, const int lanes)
{
    for (int64_t r = 0; r < job->rows; r++)
        any_row(job, r, k, d, s, lanes);
}

/* A channel block in one of the shapes with code of their own: usual pixel
 * distances, and widths of which 7 or 8 are a factor.  0: it has none. */
INLINE int usual_rows(const struct rows_job *job, const int k, const int d,
                      const int s)
{
    const int64_t pix = job->src.pix;
    const int by_7 = job->cols % 7 == 0, by_8 = job->cols % 8 == 0;

    if (pix == 16 && by_7)
        even_rows(job, 16, k, d, s, 7);
    else if (pix == 32 && by_7)
        even_rows(job, 32, k, d, s, 7);
    else if (pix == 64 && by_7)
        even_rows(job, 64, k, d, s, 7);
    else if (pix == 16 && by_8)
        even_rows(job, 16, k, d, s, 8);
    else if (pix == 32 && by_8)
        even_rows(job, 32, k, d, s, 8);
    else if (pix == 64 && by_8)
        even_rows(job, 64, k, d, s, 8);
    else
        return 0;
    return 1;
}

/* Every channel block for one window; `usual`: it is worth code of its own. */
INLINE void rows_window(struct rows_job job, const int k, const int d,
                        const int s, const int usual)
{
    for (int64_t left = job.cp; left > 0; left -= LANES) {
        if (left < LANES)
            any_rows(&job, k, d, s, HALF);
        else if (!usual || !usual_rows(&job, k, d, s))
            any_rows(&job, k, d, s, LANES);
        job.dst.p += LANES;
        job.src.p += LANES;
        job.w += LANES;
    }
}

/* One channel block of dw_wgrad. */
struct wgrad_job {
    float *dw;
    struct hn_cplane src, g;
    int64_t cp, rows, cols;
};

/* Neighbouring pixels whose gradients are in registers at a time. */
enum { RUN = LANES == 16 ? 7 : 4 };

/* Q pixels of R rows (a row of inputs serves both where R is 2): products with
 * every tap of n_rows tap rows.  An input is loaded once for all its taps. */
INLINE void wgrad_run(vec (*sum)[MAX_SUMS], const float *g, int64_t grow,
                      const float *src, int64_t row, const int64_t pix,
                      const int64_t gpix, const int k, const int d,
                      const int stride, const int n_rows, const int R,
                      const int Q, const int lanes)
{
    vec gv[2][RUN];

    UNROLL
    for (int q = 0; q < Q; q++) {
        gv[0][q] = load(g + q * gpix, lanes);
        if (R == 2)
            gv[1][q] = load(g + grow + q * gpix, lanes);
    }
    UNROLL
    for (int y = 0; y < n_rows + R - 1; y++, src = opaque(src + row)) {
        UNROLL
        for (int j = 0; j <= (Q - 1) * stride + (k - 1) * d; j++) {
            const vec in = load(src + j * pix, lanes);

            UNROLL
            for (int x = 0; x < k; x++) {
                const int at = j - x * d, q = at / stride, t = y * k + x;

                if (at < 0 || at % stride != 0 || q >= Q)
                    continue;
                if (y < n_rows)
                    fma_to(&sum[0][t], gv[0][q], in);
                if (R == 2 && y > 0)
                    fma_to(&sum[1][t - k], gv[1][q], in);
            }
        }
    }
}

/* R rows of pixels. */
INLINE void wgrad_rows(vec (*sum)[MAX_SUMS], const struct wgrad_job *job,
                       int64_t r, const int64_t pix, const int64_t gpix,
                       const int k, const int d, const int stride,
                       const int from, const int to, const int R,
                       const int lanes)
{
    const int64_t row = job->src.row * d, grow = job->g.row;
    const float *g = job->g.p + r * grow;
    const float *s = job->src.p + r * job->src.row * stride + from * row;
    int64_t left = job->cols;

    ROLLED
    for (; left >= RUN; left -= RUN, g += RUN * gpix) {
        wgrad_run(sum, g, grow, s, row, pix, gpix, k, d, stride, to - from, R,
                  RUN, lanes);
        s += RUN * stride * pix;
    }
    ROLLED
    for (; left > 0; left--, g += gpix, s += stride * pix)
        wgrad_run(sum, g, grow, s, row, pix, gpix, k, d, stride, to - from, R,
                  1, lanes);
}

/* Tap rows from..to-1: their sums stay in registers over all pixels. */
INLINE void wgrad_taps(const struct wgrad_job *job, const int64_t pix,
                       const int64_t gpix, const int k, const int d,
                       const int stride, const int from, const int to,
                       const int lanes)
{
    const int n = (to - from) * k;
    const int pairs = LANES == 16 && k == 3 && d == 1 && stride == 1;
    const int64_t cp = job->cp;
    float *dw = job->dw + from * k * cp, *out = opaque_out(dw);
    vec sum[2][MAX_SUMS];
    int64_t r = 0;

    UNROLL
    for (int t = 0; t < n; t++, dw = opaque_out(dw + cp)) {
        sum[0][t] = load(dw, lanes);
        sum[1][t] = zero();
    }
    if (pairs)
        for (; r + 2 <= job->rows; r += 2)
            wgrad_rows(sum, job, r, pix, gpix, k, d, stride, from, to, 2,
                       lanes);
    for (; r < job->rows; r++)
        wgrad_rows(sum, job, r, pix, gpix, k, d, stride, from, to, 1, lanes);
    UNROLL
    for (int t = 0; t < n; t++, out = opaque_out(out + cp))
        store(out, pairs ? add(sum[0][t], sum[1][t]) : sum[0][t], lanes);
}

/* As many tap rows at a time as there are registers for. */
INLINE void wgrad_block(const struct wgrad_job *job, const int64_t pix,
                        const int64_t gpix, const int k, const int d,
                        const int stride, const int lanes)
{
    const int step = MAX_SUMS / k < k ? MAX_SUMS / k : k;
    const int rest = k % step;

    UNROLL
    for (int y = 0; y + step <= k; y += step)
        wgrad_taps(job, pix, gpix, k, d, stride, y, y + step, lanes);
    if (rest)
        wgrad_taps(job, pix, gpix, k, d, stride, k - rest, k, lanes);
}

INLINE void wgrad_window(struct wgrad_job job, const int k, const int d,
                         const int stride, const int usual)
{
    const int64_t pix = job.src.pix, gpix = job.g.pix;

    for (int64_t left = job.cp; left > 0; left -= LANES) {
        if (left < LANES)
            wgrad_block(&job, pix, gpix, k, d, stride, HALF);
        else if (usual && pix == 16 && gpix == 16)
            wgrad_block(&job, 16, 16, k, d, stride, LANES);
        else if (usual && pix == 32 && gpix == 32)
            wgrad_block(&job, 32, 32, k, d, stride, LANES);
        else if (usual && pix == 64 && gpix == 64)
            wgrad_block(&job, 64, 64, k, d, stride, LANES);
        else
            wgrad_block(&job, pix, gpix, k, d, stride, LANES);
        job.dw += LANES;
        job.src.p += LANES;
        job.g.p += LANES;
    }
}

#endif
