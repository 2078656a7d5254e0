/* SPDX-License-Identifier: BSD-3-Clause */
/* Overlays for x86-64: each replaces the entries it has faster code for. */
#ifndef HN_KERNEL_X86_X86_H
#define HN_KERNEL_X86_X86_H

#include "kernel/kernel.h"

void hn_kernels_add_conv_avx2(struct hn_kernels *k);
void hn_kernels_add_dwconv_avx2(struct hn_kernels *k);
void hn_kernels_add_half_avx2(struct hn_kernels *k);
void hn_kernels_add_mix_avx2(struct hn_kernels *k);
void hn_kernels_add_norm_avx2(struct hn_kernels *k);
void hn_kernels_add_pool_avx2(struct hn_kernels *k);

void hn_kernels_add_conv_avx512(struct hn_kernels *k);
void hn_kernels_add_dwconv_avx512(struct hn_kernels *k);
void hn_kernels_add_mix_avx512(struct hn_kernels *k);
void hn_kernels_add_norm_avx512(struct hn_kernels *k);
void hn_kernels_add_pool_avx512(struct hn_kernels *k);

#endif
