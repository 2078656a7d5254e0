/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/x86/x86.h"

void hn_kernels_add_pool_avx2(struct hn_kernels *k)
{
    (void)k;
}
