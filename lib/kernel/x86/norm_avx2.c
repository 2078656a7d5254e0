/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch norm and rectifier, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/norm_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_norm_avx2(struct hn_kernels *k)
{
    lay_norm(k);
}
