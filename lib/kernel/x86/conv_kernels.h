/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions: what the levels share of their kernels, over any vector
 * type.  Tiles of pixels differ with the number of registers. */
#ifndef HN_KERNEL_X86_CONV_KERNELS_H
#define HN_KERNEL_X86_CONV_KERNELS_H

#include "kernel/x86/conv_tile.h"

/* Whole vectors at addresses that are multiples of theirs. */
static int may_stream(struct hn_plane dst, int64_t cp)
{
    return (uintptr_t)dst.p % sizeof(vec) == 0 && dst.row % LANES == 0 &&
           dst.pix % LANES == 0 && cp % LANES == 0;
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

APART void wgrad_2_half(float *dw, struct hn_cplane src, struct hn_cplane g,
                        const struct hn_taps *taps, int64_t rows, int64_t cols)
{
    wgrad_inputs(dw, src, g, taps, rows, cols, 2, HALF);
}

APART void wgrad_1_half(float *dw, struct hn_cplane src, struct hn_cplane g,
                        const struct hn_taps *taps, int64_t rows, int64_t cols)
{
    wgrad_inputs(dw, src, g, taps, rows, cols, 1, HALF);
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
        if (HALF < LANES && left > LANES)
            wgrad_2_half(w, src, gv, taps, rows, cols);
        else if (left == LANES)
            wgrad_1(w, src, gv, taps, rows, cols);
        else if (HALF < LANES && left > 0)
            wgrad_1_half(w, src, gv, taps, rows, cols);
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

#endif
