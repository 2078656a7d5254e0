/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions: the kernels of the level whose vectors the
 * including file has chosen. */
#ifndef HN_KERNEL_X86_DWCONV_KERNELS_H
#define HN_KERNEL_X86_DWCONV_KERNELS_H

#include "kernel/x86/dwconv_tile.h"

/* Whether usual windows have code of their own: it needs registers. */
enum { USUAL = LANES == 16 };

APART void rows_2_1_1(struct rows_job job)
{
    rows_window(job, 2, 1, 1, 0);
}

APART void rows_3_1_1(struct rows_job job)
{
    rows_window(job, 3, 1, 1, USUAL);
}

APART void rows_3_2_1(struct rows_job job)
{
    rows_window(job, 3, 2, 1, USUAL);
}

APART void rows_4_1_1(struct rows_job job)
{
    rows_window(job, 4, 1, 1, 0);
}

APART void rows_5_1_1(struct rows_job job)
{
    rows_window(job, 5, 1, 1, USUAL);
}

APART void rows_5_2_1(struct rows_job job)
{
    rows_window(job, 5, 2, 1, USUAL);
}

APART void rows_7_1_1(struct rows_job job)
{
    rows_window(job, 7, 1, 1, 0);
}

APART void rows_3_1_2(struct rows_job job)
{
    rows_window(job, 3, 1, 2, USUAL);
}

APART void rows_3_2_2(struct rows_job job)
{
    rows_window(job, 3, 2, 2, USUAL);
}

APART void rows_5_1_2(struct rows_job job)
{
    rows_window(job, 5, 1, 2, USUAL);
}

APART void rows_5_2_2(struct rows_job job)
{
    rows_window(job, 5, 2, 2, USUAL);
}

static void dw_rows(struct hn_plane dst, struct hn_cplane src, const real *w,
                    struct hn_dwindow win, int64_t rows, int64_t cols,
                    int64_t cp, int flags)
{
    const struct rows_job job = {
        dst, src, w, cp, rows, cols, flags & HN_ACCUMULATE, win.ahead};

    switch (win.k * 100 + win.dilation * 10 + win.stride) {
    case 211: /* data gradients of 3x3 and 7x7 at stride 2 */
        rows_2_1_1(job);
        break;
    case 411:
        rows_4_1_1(job);
        break;
    case 311:
        rows_3_1_1(job);
        break;
    case 321:
        rows_3_2_1(job);
        break;
    case 511:
        rows_5_1_1(job);
        break;
    case 521:
        rows_5_2_1(job);
        break;
    case 711:
        rows_7_1_1(job);
        break;
    case 312:
        rows_3_1_2(job);
        break;
    case 322:
        rows_3_2_2(job);
        break;
    case 512:
        rows_5_1_2(job);
        break;
    case 522:
        rows_5_2_2(job);
        break;
    default:
        hn_dw_rows_c(dst, src, w, win, rows, cols, cp, flags);
    }
}

APART void wgrad_3_1_1(struct wgrad_job job)
{
    wgrad_window(job, 3, 1, 1, USUAL);
}

APART void wgrad_3_2_1(struct wgrad_job job)
{
    wgrad_window(job, 3, 2, 1, USUAL);
}

APART void wgrad_5_1_1(struct wgrad_job job)
{
    wgrad_window(job, 5, 1, 1, USUAL);
}

APART void wgrad_5_2_1(struct wgrad_job job)
{
    wgrad_window(job, 5, 2, 1, USUAL);
}

APART void wgrad_7_1_1(struct wgrad_job job)
{
    wgrad_window(job, 7, 1, 1, 0);
}

APART void wgrad_3_1_2(struct wgrad_job job)
{
    wgrad_window(job, 3, 1, 2, USUAL);
}

APART void wgrad_3_2_2(struct wgrad_job job)
{
    wgrad_window(job, 3, 2, 2, USUAL);
}

APART void wgrad_5_1_2(struct wgrad_job job)
{
    wgrad_window(job, 5, 1, 2, USUAL);
}

APART void wgrad_5_2_2(struct wgrad_job job)
{
    wgrad_window(job, 5, 2, 2, USUAL);
}

static void dw_wgrad(real *dw, struct hn_cplane src, struct hn_cplane g,
                     struct hn_dwindow win, int64_t rows, int64_t cols,
                     int64_t cp)
{
    const struct wgrad_job job = {dw, src, g, cp, rows, cols};

    switch (win.k * 100 + win.dilation * 10 + win.stride) {
    case 311:
        wgrad_3_1_1(job);
        break;
    case 321:
        wgrad_3_2_1(job);
        break;
    case 511:
        wgrad_5_1_1(job);
        break;
    case 521:
        wgrad_5_2_1(job);
        break;
    case 711:
        wgrad_7_1_1(job);
        break;
    case 312:
        wgrad_3_1_2(job);
        break;
    case 322:
        wgrad_3_2_2(job);
        break;
    case 512:
        wgrad_5_1_2(job);
        break;
    case 522:
        wgrad_5_2_2(job);
        break;
    default:
        hn_dw_wgrad_c(dw, src, g, win, rows, cols, cp);
    }
}

static void lay_dwconv(struct hn_kernels *k)
{
    k->dw_rows = dw_rows;
    k->dw_wgrad = dw_wgrad;
}

#endif
