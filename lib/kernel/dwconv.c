/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions, plain C. */
#include "kernel/reference.h"

/* y[c] += a[c] * b[c] */
static void add_product(real *restrict y, const real *restrict a,
                        const real *restrict b, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++)
        y[c] += a[c] * b[c];
}

void hn_dw_rows_c(struct hn_plane dst, struct hn_cplane src, const real *w,
                  struct hn_dwindow win, int64_t rows, int64_t cols, int64_t cp,
                  int flags)
{
    const int64_t row = src.row * win.dilation, pix = src.pix * win.dilation;

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t x = 0; x < cols; x++) {
            const real *s = src.p + (r * src.row + x * src.pix) * win.stride;
            real *y = dst.p + r * dst.row + x * dst.pix;

            for (int64_t c = 0; c < cp && !(flags & HN_ACCUMULATE); c++)
                y[c] = 0;
            for (int i = 0; i < win.k; i++)
                for (int j = 0; j < win.k; j++)
                    add_product(y, w + (i * win.k + j) * cp,
                                s + i * row + j * pix, cp);
        }
    }
}

void hn_dw_wgrad_c(real *dw, struct hn_cplane src, struct hn_cplane g,
                   struct hn_dwindow win, int64_t rows, int64_t cols,
                   int64_t cp)
{
    const int64_t row = src.row * win.dilation, pix = src.pix * win.dilation;

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t x = 0; x < cols; x++) {
            const real *s = src.p + (r * src.row + x * src.pix) * win.stride;
            const real *gp = g.p + r * g.row + x * g.pix;

            for (int i = 0; i < win.k; i++)
                for (int j = 0; j < win.k; j++)
                    add_product(dw + (i * win.k + j) * cp, gp,
                                s + i * row + j * pix, cp);
        }
    }
}

void hn_kernels_add_dwconv(struct hn_kernels *k)
{
    k->dw_rows = hn_dw_rows_c;
    k->dw_wgrad = hn_dw_wgrad_c;
}
