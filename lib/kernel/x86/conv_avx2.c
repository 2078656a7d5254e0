/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/conv_tile.h"
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

/* Whole vectors at addresses that are multiples of theirs. */
static int may_stream(struct hn_plane dst, int64_t cp)
{
    return (uintptr_t)dst.p % sizeof(vec) == 0 && dst.row % LANES == 0 &&
           dst.pix % LANES == 0 && cp % LANES == 0;
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

APART void wgrad_2(float *dw, struct hn_cplane src, struct hn_cplane g,
                   const struct hn_taps *taps, int64_t rows, int64_t cols)
{
    wgrad_inputs(dw, src, g, taps, rows, cols, 2, LANES);
}

APART void wgrad_1(float *dw, struct hn_cplane src, struct hn_cplane g,
                   const struct hn_taps *taps, int64_t rows, int64_t cols)
{
    wgrad_inputs(dw, src, g, taps, rows, cols, 1, LANES);
}

/* Some rows: every tap and channel. */
static void wgrad_rows(float *dw, struct hn_cplane src, struct hn_cplane g,
                       const struct hn_taps *taps, int64_t rows, int64_t cols)
{
    const float *at = src.p;

    for (int64_t t = 0; t < taps->n_taps; t++) {
        float *w = dw + t * taps->n_in * taps->cp_out;
        struct hn_cplane gv = g;
        int64_t left = taps->cp_out;

        src.p = at + taps->offset[t];
        for (; left >= 2 * LANES; left -= 2 * LANES) {
            wgrad_2(w, src, gv, taps, rows, cols);
            w += 2 * LANES;
            gv.p += 2 * LANES;
        }
        if (left > 0)
            wgrad_1(w, src, gv, taps, rows, cols);
    }
}

static void conv_wgrad(real *dw, struct hn_cplane src, struct hn_cplane g,
                       struct hn_taps taps, int64_t rows, int64_t cols)
{
    int64_t step, n;

    if (g.row == cols * g.pix && src.row == cols * src.pix) {
        cols *= rows;
        rows = 1;
        g.row = g.pix; /* rows of one pixel: cut anywhere */
        src.row = src.pix;
        for (int64_t x = 0; x < cols; x += n) {
            n = cols - x < 3 * GRAD_PIXELS / 2 ? cols - x : GRAD_PIXELS;
            wgrad_rows(dw, src, g, &taps, 1, n);
            g.p += n * g.pix;
            src.p += n * src.pix;
        }
        return;
    }
    step = cols < GRAD_PIXELS ? GRAD_PIXELS / (cols > 0 ? cols : 1) : 1;
    for (int64_t r = 0; r < rows; r += n) {
        n = rows - r < step ? rows - r : step;
        wgrad_rows(dw, src, g, &taps, n, cols);
        g.p += n * g.row;
        src.p += n * src.row;
    }
}

/* Streamed stores are weakly ordered. */
static void drain(void)
{
    _mm_sfence();
}

void hn_kernels_add_conv_avx2(struct hn_kernels *k)
{
    k->conv_rows = conv_rows;
    k->conv_wgrad = conv_wgrad;
    k->drain = drain;
}
