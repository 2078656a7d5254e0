/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/dwconv_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_dwconv_avx2(struct hn_kernels *k)
{
    lay_dwconv(k);
}
