/* SPDX-License-Identifier: BSD-3-Clause */
/* The peak of a machine over any vector type. */
#ifndef HN_KERNEL_X86_PEAK_TILE_H
#define HN_KERNEL_X86_PEAK_TILE_H

#include "kernel/peak.h"

enum { CHAINS = 12 }; /* more than latency times ports; fits 16 registers */

static double multiply_add(real *sink, int64_t n)
{
    const vec a = splat(0.5f), b = splat(0.25f);
    vec x[CHAINS];

    UNROLL
    for (int i = 0; i < CHAINS; i++)
        x[i] = splat((float)i);
    for (int64_t r = 0; r < n; r++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            x[i] = fma_(x[i], a, b);
    }
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        x[0] = add(x[0], x[i]);
    store(sink, add(x[0], load(sink, LANES)), LANES);
    return 2.0 * CHAINS * LANES * (double)n;
}

static void triad(real *y, real a, const real *x, const real *z, int64_t n)
{
    const vec s = splat(a);

    for (int64_t i = 0; i < n; i += 16) {
        UNROLL
        for (int j = 0; j < 16; j += LANES)
            store(y + i + j,
                  fma_(s, load(x + i + j, LANES), load(z + i + j, LANES)),
                  LANES);
    }
}

#endif
