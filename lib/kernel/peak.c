/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peak.h"

#include <string.h>

enum { CHAINS = 32 };

static double multiply_add(real *sink, int64_t n)
{
    const real a = (real)0.5, b = (real)0.25;
    real x[CHAINS];

    for (int i = 0; i < CHAINS; i++)
        x[i] = (real)i;
    for (int64_t r = 0; r < n; r++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = x[i] * a + b;
    for (int i = 0; i < CHAINS; i++)
        sink[i % 16] += x[i];
    return 2.0 * CHAINS * (double)n;
}

static void triad(real *y, real a, const real *x, const real *z, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a * x[i] + z[i];
}

static const struct hn_peak plain = {"c", multiply_add, triad};

static const struct hn_peak *const peaks[] = {
    &plain,
#if defined(HN_X86) && !defined(HN_REAL_DOUBLE)
    &hn_peak_avx2,
    &hn_peak_avx512,
#endif
};

const struct hn_peak *hn_peak_find(const char *level)
{
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++)
        if (!strcmp(peaks[i]->level, level))
            return peaks[i];
    return &plain;
}
