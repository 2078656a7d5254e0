/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 pools and their gradients, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/pool_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_pool_avx2(struct hn_kernels *k)
{
    lay_pool(k);
}
