/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense matrix product, row-major.  gemm.c is the only file that includes
 * blis.h: BLIS serves products large enough to gain by it where it has kernels
 * for this CPU; else, and always with HN_GEMM_BUILTIN, our own C product (no
 * allocation, no abort). */
#ifndef HN_KERNEL_GEMM_H
#define HN_KERNEL_GEMM_H

#include <stdint.h>

#include "base/real.h"

enum { HN_GEMM_AUTO = 0, HN_GEMM_BUILTIN = 1, HN_GEMM_BLIS = 2 };

/* A matrix operand: element (i, j) is p[i * row + j * col]; one of row and
 * col is 1. */
struct hn_matrix {
    const real *p;
    int64_t row, col;
};

/* c[i][j] = beta * c[i][j] + sum_l a[i][l] * b[l][j], c rows ldc apart;
 * beta is 0 (c is not read) or 1.  The result depends on the sizes and the
 * backend only. */
void hn_gemm(int32_t backend, real *c, int64_t ldc, struct hn_matrix a,
             struct hn_matrix b, int64_t m, int64_t n, int64_t k, real beta);

/* What a backend uses here, as "builtin" or "blis zen3"; NULL: this build
 * does not have it.  Static text. */
const char *hn_gemm_name(int32_t backend);

/* The version that BLIS tells, as "0.9.0"; NULL: built without. */
const char *hn_blis_version(void);

#endif
