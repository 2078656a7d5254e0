/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions, AVX-512. */
#include "kernel/x86/vec16.h"
#include "kernel/x86/conv_kernels.h"
#include "kernel/x86/x86.h"

APART void pixels_14(const struct conv_job *job)
{
    conv_pixels(job, 14);
}

APART void pixels_8(const struct conv_job *job)
{
    conv_pixels(job, 8);
}

APART void pixels_7(const struct conv_job *job)
{
    conv_pixels(job, 7);
}

APART void pixels_4(const struct conv_job *job)
{
    conv_pixels(job, 4);
}

APART void pixels_2(const struct conv_job *job)
{
    conv_pixels(job, 2);
}

APART void pixels_1(const struct conv_job *job)
{
    conv_pixels(job, 1);
}

/* A wide tile where there is but one vector of outputs. */
APART void pixels_28(const struct conv_job *job)
{
    if (job->taps.cp_out == LANES)
        conv_tile(job, 0, 28, 1, LANES);
    else
        conv_tile(job, 0, 28, 1, HALF);
}

/* The next few pixels of `left`; returns how many. */
static int64_t conv_next(const struct conv_job *job, int64_t left)
{
    if (left >= 28 && job->taps.cp_out <= LANES) {
        pixels_28(job);
        return 28;
    }
    if (left == 14 || left >= 17) {
        pixels_14(job);
        return 14;
    }
    if (left >= 8) {
        pixels_8(job);
        return 8;
    }
    if (left == 7) {
        pixels_7(job);
        return 7;
    }
    if (left >= 4) {
        pixels_4(job);
        return 4;
    }
    if (left >= 2) {
        pixels_2(job);
        return 2;
    }
    pixels_1(job);
    return 1;
}

/* One row of pixels, however long. */
static void conv_row(struct conv_job job, int64_t cols)
{
    for (int64_t n; cols > 0; cols -= n) {
        n = conv_next(&job, cols);
        job.dst += n * job.dst_pix;
        job.src += n * job.src_pix;
    }
}

/* P pixels of a 1x1 convolution between 16 channels, the weights in registers:
 * the widest tile that leaves room for them. */
INLINE void square_tile(const struct conv_job *job, const vec *w, vec *s,
                        const int P)
{
    float *to = opaque_out(job->dst), *old = to;
    vec sum[14];

    fetch_ahead(job->taps.ahead, P * LANES);
    UNROLL
    for (int q = 0; q < P; q++)
        sum[q] = mul(splat(job->src[q * LANES]), w[0]);
    UNROLL
    for (int i = 1; i < LANES; i++) {
        UNROLL
        for (int q = 0; q < P; q++)
            sum[q] = fma_(splat(job->src[q * LANES + i]), w[i], sum[q]);
    }
    if (job->add) {
        UNROLL
        for (int q = 0; q < P; q++, old = opaque_out(old + job->dst_pix))
            sum[q] = add(load(old, LANES), sum[q]);
    }
    if (job->stream)
        conv_store(to, job->dst_pix, sum, 1, P, 1, LANES);
    else
        conv_store(to, job->dst_pix, sum, 0, P, 1, LANES);
    if (job->sums) {
        UNROLL
        for (int q = 0; q < P; q++) {
            s[q % 2] = add(s[q % 2], sum[q]);
            s[2 + q % 2] = fma_(sum[q], sum[q], s[2 + q % 2]);
        }
    }
}

INLINE void square_pixels(struct conv_job *job, const vec *w, vec *s,
                          int64_t *left, const int P)
{
    for (; *left >= P; *left -= P) {
        square_tile(job, w, s, P);
        job->src += P * LANES;
        job->dst += P * job->dst_pix;
    }
}

/* Rows of such pixels, neighbours in src; rows of fewer inputs are 0. */
APART void square_rows(struct conv_job job, struct hn_plane dst,
                       struct hn_cplane src, int64_t rows, int64_t cols)
{
    vec w[LANES], s[4];

    UNROLL
    for (int i = 0; i < LANES; i++)
        w[i] = i < job.taps.n_in ? load(job.w + i * LANES, LANES) : zero();
    UNROLL
    for (int i = 0; i < 4; i++)
        s[i] = zero();
    for (int64_t r = 0; r < rows; r++) {
        int64_t left = cols;

        job.dst = dst.p + r * dst.row;
        job.src = src.p + r * src.row;
        square_pixels(&job, w, s, &left, 14);
        square_pixels(&job, w, s, &left, 4);
        square_pixels(&job, w, s, &left, 1);
    }
    if (job.sums) {
        float *to = job.sums;

        store(to, add(load(to, LANES), add(s[0], s[1])), LANES);
        to += LANES;
        store(to, add(load(to, LANES), add(s[2], s[3])), LANES);
    }
}

static int is_square(const struct conv_job *job)
{
    return job->taps.cp_out == LANES && job->src_pix == LANES &&
           job->taps.n_taps == 1 && job->taps.n_in > LANES / 2;
}

static void conv_rows(struct hn_plane dst, struct hn_cplane src, const real *w,
                      struct hn_taps taps, int64_t rows, int64_t cols,
                      real *sums, int flags)
{
    struct conv_job job = {dst.p, dst.pix, src.p, src.pix,
                           w,     taps,    sums,  flags & HN_ACCUMULATE,
                           0};

    job.stream = (flags & HN_STREAM) && may_stream(dst, taps.cp_out);
    if (dst.row == cols * dst.pix && src.row == cols * src.pix) {
        cols *= rows;
        rows = 1;
    }
    if (is_square(&job)) {
        src.p += taps.offset[0];
        square_rows(job, dst, src, rows, cols);
        rows = 0;
    }
    for (int64_t r = 0; r < rows; r++) {
        conv_row(job, cols);
        job.dst += dst.row;
        job.src += src.row;
    }
}

void hn_kernels_add_conv_avx512(struct hn_kernels *k)
{
    k->conv_rows = conv_rows;
    k->conv_wgrad = conv_wgrad;
    k->drain = drain;
}
