/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/conv_kernels.h"
#include "kernel/x86/x86.h"

APART void pixels_6(const struct conv_job *job)
{
    conv_pixels(job, 6);
}

APART void pixels_5(const struct conv_job *job)
{
    conv_pixels(job, 5);
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
APART void pixels_12(const struct conv_job *job)
{
    conv_tile(job, 0, 12, 1, LANES);
}

/* The next few pixels of `left`; returns how many. */
static int64_t conv_next(const struct conv_job *job, int64_t left)
{
    if (left >= 12 && job->taps.cp_out <= LANES) {
        pixels_12(job);
        return 12;
    }
    if (left == 6 || left >= 10) {
        pixels_6(job);
        return 6;
    }
    if (left == 5 || left == 9) {
        pixels_5(job);
        return 5;
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
    for (int64_t r = 0; r < rows; r++) {
        conv_row(job, cols);
        job.dst += dst.row;
        job.src += src.row;
    }
}

void hn_kernels_add_conv_avx2(struct hn_kernels *k)
{
    k->conv_rows = conv_rows;
    k->conv_wgrad = conv_wgrad;
    k->drain = drain;
}
