/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolutions, plain C: a matrix product per tap, channels inside. */
#include "kernel/kernel.h"

/* y[o] += a * w[o] */
static void add_scaled(real *restrict y, real a, const real *restrict w,
                       int64_t n)
{
    for (int64_t o = 0; o < n; o++)
        y[o] += a * w[o];
}

/* sums[0] += y, sums[1] += y^2 */
static void add_moments(real *restrict sums, const real *restrict y, int64_t n)
{
    for (int64_t o = 0; o < n; o++) {
        sums[o] += y[o];
        sums[n + o] += y[o] * y[o];
    }
}

static void conv_rows(struct hn_plane dst, struct hn_cplane src, const real *w,
                      struct hn_taps taps, int64_t rows, int64_t cols,
                      real *sums, int flags)
{
    const int64_t co = taps.cp_out;

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t x = 0; x < cols; x++) {
            const real *s = src.p + r * src.row + x * src.pix;
            real *y = dst.p + r * dst.row + x * dst.pix;

            for (int64_t o = 0; o < co && !(flags & HN_ACCUMULATE); o++)
                y[o] = 0;
            for (int64_t t = 0; t < taps.n_taps; t++)
                for (int64_t i = 0; i < taps.n_in; i++)
                    add_scaled(y, s[taps.offset[t] + i],
                               w + (t * taps.n_in + i) * co, co);
            if (sums)
                add_moments(sums, y, co);
        }
    }
}

static void conv_wgrad(real *dw, struct hn_cplane src, struct hn_cplane g,
                       struct hn_taps taps, int64_t rows, int64_t cols)
{
    const int64_t co = taps.cp_out;

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t x = 0; x < cols; x++) {
            const real *s = src.p + r * src.row + x * src.pix;
            const real *gp = g.p + r * g.row + x * g.pix;

            for (int64_t t = 0; t < taps.n_taps; t++)
                for (int64_t i = 0; i < taps.n_in; i++)
                    add_scaled(dw + (t * taps.n_in + i) * co,
                               s[taps.offset[t] + i], gp, co);
        }
    }
}

void hn_kernels_add_conv(struct hn_kernels *k)
{
    k->conv_rows = conv_rows;
    k->conv_wgrad = conv_wgrad;
}
