/* SPDX-License-Identifier: BSD-3-Clause */
/* Long vectors, plain C. */
#include "kernel/kernel.h"

static void axpy(real *restrict y, real a, const real *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static double dot(const real *x, const real *y, int64_t n)
{
    double s[4] = {0, 0, 0, 0};
    int64_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            s[j] += (double)x[i + j] * y[i + j];
    for (int j = 0; i + j < n; j++)
        s[j] += (double)x[i + j] * y[i + j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void drain(void)
{
}

void hn_kernels_add_vector(struct hn_kernels *k)
{
    k->drain = drain;
    k->axpy = axpy;
    k->dot = dot;
}
