/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/reference.h"

#include <math.h>
#include <string.h>

void ref_conv_size(int64_t out[2], const int64_t x[4], const int64_t w[4],
                   const hnas_conv_opts *o)
{
    for (int a = 0; a < 2; a++)
        out[a] = o->out[a] ? o->out[a]
                           : (x[2 + a] + 2 * o->pad[a] -
                              o->dilation[a] * (w[2 + a] - 1) - 1) /
                                     o->stride[a] +
                                 1;
}

/* x[n][c][h][w], 0 outside. */
static double pixel(const double *x, const int64_t d[4], int64_t n, int64_t c,
                    int64_t h, int64_t w)
{
    if (h < 0 || w < 0 || h >= d[2] || w >= d[3])
        return 0;
    return x[((n * d[1] + c) * d[2] + h) * d[3] + w];
}

/* One output pixel. */
static double conv_at(const double *x, const int64_t xd[4], const double *w,
                      const int64_t wd[4], const hnas_conv_opts *o,
                      int depthwise, const int64_t at[4])
{
    double sum = 0;

    for (int64_t i = 0; i < wd[1]; i++)
        for (int64_t a = 0; a < wd[2]; a++)
            for (int64_t b = 0; b < wd[3]; b++) {
                double v = pixel(
                    x, xd, at[0], depthwise ? at[1] : i,
                    at[2] * o->stride[0] - o->pad[0] + a * o->dilation[0],
                    at[3] * o->stride[1] - o->pad[1] + b * o->dilation[1]);

                if (o->relu && v < 0)
                    v = 0;
                sum += v * w[((at[1] * wd[1] + i) * wd[2] + a) * wd[3] + b];
            }
    return sum;
}

void ref_conv(double *y, const double *x, const int64_t xd[4], const double *w,
              const int64_t wd[4], const hnas_conv_opts *o, int depthwise)
{
    int64_t out[2];

    ref_conv_size(out, xd, wd, o);
    for (int64_t n = 0; n < xd[0]; n++)
        for (int64_t c = 0; c < wd[0]; c++)
            for (int64_t h = 0; h < out[0]; h++)
                for (int64_t v = 0; v < out[1]; v++) {
                    const int64_t at[4] = {n, c, h, v};

                    *y++ = conv_at(x, xd, w, wd, o, depthwise, at);
                }
}

/* Mean of x, or of its squared distance from m, over one channel. */
static double moment(const double *x, const int64_t d[4], int64_t c,
                     const double *m)
{
    const int64_t n_pix = d[2] * d[3];
    double sum = 0;

    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t p = 0; p < n_pix; p++) {
            const double v = x[(n * d[1] + c) * n_pix + p];

            sum += m ? (v - *m) * (v - *m) : v;
        }
    return sum / (double)(d[0] * n_pix);
}

void ref_batch_norm(double *y, const double *x, const int64_t d[4],
                    const double *weight, const double *bias,
                    const double *mean, const double *variance)
{
    const int64_t n_pix = d[2] * d[3];

    for (int64_t c = 0; c < d[1]; c++) {
        const double m = mean ? mean[c] : moment(x, d, c, NULL);
        const double v = variance ? variance[c] : moment(x, d, c, &m);
        const double scale = (weight ? weight[c] : 1) / sqrt(v + 1e-5);

        for (int64_t n = 0; n < d[0]; n++)
            for (int64_t p = 0; p < n_pix; p++) {
                const int64_t i = (n * d[1] + c) * n_pix + p;

                y[i] = (x[i] - m) * scale + (bias ? bias[c] : 0);
            }
    }
}

static double pool_at(const double *x, const int64_t d[4], int64_t h, int64_t w,
                      int average)
{
    double top = -HUGE_VAL, sum = 0;
    int count = 0;

    for (int64_t i = h - 1; i <= h + 1; i++)
        for (int64_t j = w - 1; j <= w + 1; j++) {
            if (i < 0 || j < 0 || i >= d[2] || j >= d[3])
                continue;
            sum += x[i * d[3] + j];
            top = fmax(top, x[i * d[3] + j]);
            count++;
        }
    return average ? sum / count : top;
}

void ref_pool(double *y, const double *x, const int64_t d[4], int64_t stride,
              int average)
{
    for (int64_t p = 0; p < d[0] * d[1]; p++, x += d[2] * d[3])
        for (int64_t h = 0; h < d[2]; h += stride)
            for (int64_t w = 0; w < d[3]; w += stride)
                *y++ = pool_at(x, d, h, w, average);
}

void ref_put_channels(double *y, int64_t n, int64_t first, const double *x,
                      const int64_t d[4])
{
    const int64_t plane = d[1] * d[2] * d[3];

    for (int64_t i = 0; i < d[0]; i++)
        memcpy(y + (i * n + first) * d[2] * d[3], x + i * plane,
               (size_t)plane * sizeof *y);
}
