/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel table: plain C, then the overlays the mask allows. */
#include "kernel/kernel.h"

#if defined(HN_X86) && !defined(HN_REAL_DOUBLE)
#include "kernel/x86/x86.h"

static void overlay(struct hn_kernels *k, uint32_t cpu_flags)
{
    if (cpu_flags & HN_CPU_AVX2) {
        hn_kernels_add_conv_avx2(k);
        hn_kernels_add_dwconv_avx2(k);
        hn_kernels_add_half_avx2(k);
        hn_kernels_add_mix_avx2(k);
        hn_kernels_add_norm_avx2(k);
        hn_kernels_add_pool_avx2(k);
        k->level = "avx2";
    }
    if (cpu_flags & HN_CPU_AVX512) {
        hn_kernels_add_conv_avx512(k);
        hn_kernels_add_dwconv_avx512(k);
        hn_kernels_add_mix_avx512(k);
        hn_kernels_add_norm_avx512(k);
        hn_kernels_add_pool_avx512(k);
        k->level = "avx512";
    }
}
#else
static void overlay(struct hn_kernels *k, uint32_t cpu_flags)
{
    (void)k;
    (void)cpu_flags;
}
#endif

void hn_kernels_init(struct hn_kernels *k, uint32_t cpu_flags)
{
    k->level = "c";
    hn_kernels_add_conv(k);
    hn_kernels_add_dwconv(k);
    hn_kernels_add_half(k);
    hn_kernels_add_mix(k);
    hn_kernels_add_norm(k);
    hn_kernels_add_pool(k);
    hn_kernels_add_vector(k);
    overlay(k, cpu_flags);
}
