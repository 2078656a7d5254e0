/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolutions, AVX-512. */
#include "kernel/x86/vec16.h"
#include "kernel/x86/dwconv_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_dwconv_avx512(struct hn_kernels *k)
{
    lay_dwconv(k);
}
