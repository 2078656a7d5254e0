/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions, AVX2 and FMA. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/mix_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_mix_avx2(struct hn_kernels *k)
{
    lay_mix(k);
}
