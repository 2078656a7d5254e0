/* SPDX-License-Identifier: BSD-3-Clause */
/* The one number type of kernels, funcs and tape.  The library computes in
 * float; the test build compiles the same sources with HN_REAL_DOUBLE, so
 * that gradients can be checked against central differences to 1e-6. */
#ifndef HN_BASE_REAL_H
#define HN_BASE_REAL_H

#include <stdint.h>

#ifdef HN_REAL_DOUBLE
typedef double real;
#define HN_REAL_MAX 1.7976931348623157e308
#else
typedef float real;
#define HN_REAL_MAX 3.402823466e38f
#endif

/* Channels of an image are padded with zeros to a multiple of this. */
enum { HN_LANES = 8 };

static inline int64_t hn_pad_channels(int64_t n_channels)
{
    return (n_channels + HN_LANES - 1) / HN_LANES * HN_LANES;
}

#endif
