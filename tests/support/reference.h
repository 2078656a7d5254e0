/* SPDX-License-Identifier: BSD-3-Clause */
/* Image funcs written once more, straightforwardly, in double: dense NCHW
 * arrays, one loop an axis. */
#ifndef HN_TESTS_SUPPORT_REFERENCE_H
#define HN_TESTS_SUPPORT_REFERENCE_H

#include "hnas/hnas.h"

/* Rows and columns of a convolution's output. */
void ref_conv_size(int64_t out[2], const int64_t x[4], const int64_t w[4],
                   const hnas_conv_opts *o);

/* y [N, O, out]; depthwise: channel c by window c alone. */
void ref_conv(double *y, const double *x, const int64_t xd[4], const double *w,
              const int64_t wd[4], const hnas_conv_opts *o, int depthwise);

/* Moments over N, H, W; weight and bias may be NULL; mean and variance are
 * those of x where NULL. */
void ref_batch_norm(double *y, const double *x, const int64_t d[4],
                    const double *weight, const double *bias,
                    const double *mean, const double *variance);

/* 3x3 windows, border of one. */
void ref_pool(double *y, const double *x, const int64_t d[4], int64_t stride,
              int average);

/* Copy x's channels to those from `first` on of y, which has n. */
void ref_put_channels(double *y, int64_t n, int64_t first, const double *x,
                      const int64_t d[4]);

#endif
