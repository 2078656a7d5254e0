/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine itself can do at a kernel level: what kernels are judged
 * by.  Loops without any other purpose. */
#ifndef HN_KERNEL_PEAK_H
#define HN_KERNEL_PEAK_H

#include "kernel/kernel.h"

struct hn_peak {
    const char *level; /* as in struct hn_kernels */

    /* n rounds of independent multiply-adds in registers; sink[16], aligned
     * to 64 bytes, takes their sum.  Returns the floating-point operations
     * done. */
    double (*multiply_add)(real *sink, int64_t n);

    /* y[i] = a * x[i] + z[i], n a multiple of 16, aligned to 64 bytes. */
    void (*triad)(real *y, real a, const real *x, const real *z, int64_t n);
};

/* The loops of a level; those in plain C where it has none. */
const struct hn_peak *hn_peak_find(const char *level);

#if defined(HN_X86) && !defined(HN_REAL_DOUBLE)
extern const struct hn_peak hn_peak_avx2, hn_peak_avx512;
#endif

#endif
