/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions, AVX-512. */
#include "kernel/x86/vec16.h"
#include "kernel/x86/mix_kernels.h"
#include "kernel/x86/x86.h"

void hn_kernels_add_mix_avx512(struct hn_kernels *k)
{
    lay_mix(k);
}
