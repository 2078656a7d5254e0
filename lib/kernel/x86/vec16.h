/* SPDX-License-Identifier: BSD-3-Clause */
/* Sixteen channels in a register (AVX-512).  Loads and stores name their
 * number of lanes, a constant: LANES, or HALF for the last channels of a
 * pixel; the other lanes then read as zero. */
#ifndef HN_KERNEL_X86_VEC16_H
#define HN_KERNEL_X86_VEC16_H

#include <immintrin.h>

#include "kernel/x86/unroll.h"

/* MAX_SUMS: sums that fit in registers beside a few operands. */
enum { LANES = 16, HALF = 8, MAX_SUMS = 25 };

typedef __m512 vec;
typedef __mmask16 mask;

INLINE vec load(const float *p, int lanes)
{
    if (lanes == HALF)
        return _mm512_zextps256_ps512(_mm256_loadu_ps(p));
    return _mm512_loadu_ps(p);
}

INLINE void store(float *p, vec v, int lanes)
{
    if (lanes == HALF)
        _mm256_storeu_ps(p, _mm512_castps512_ps256(v));
    else
        _mm512_storeu_ps(p, v);
}

/* A whole vector past the caches; p aligned to the vector. */
INLINE void stream(float *p, vec v)
{
    _mm512_stream_ps(p, v);
}

/* Bring a line into the cache; fetch_early: into the larger one behind it. */
INLINE void fetch(const float *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

INLINE void fetch_early(const float *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}

INLINE vec zero(void)
{
    return _mm512_setzero_ps();
}

INLINE vec splat(float x)
{
    return _mm512_set1_ps(x);
}

INLINE vec add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

INLINE vec mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

/* a * b + c */
INLINE vec fma_(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* *sum += a * b, without leaving its register: of many sums in an unrolled
 * loop, gcc copies one for every few products. */
INLINE void fma_to(vec *sum, vec a, vec b)
{
#ifdef __clang__
    *sum = fma_(a, b, *sum);
#else
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#endif
}

/* a > b ? a : b, which is b where one is NaN */
INLINE vec max_(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

/* r > 0 ? g : 0 */
INLINE vec where_positive(vec r, vec g)
{
    return _mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask(r, _mm512_setzero_ps(), _CMP_GT_OQ), g);
}

INLINE mask no_lane(void)
{
    return 0;
}

/* a == b */
INLINE mask equal(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

INLINE mask either(mask a, mask b)
{
    return _kor_mask16(a, b);
}

/* of & ~m */
INLINE mask without(mask of, mask m)
{
    return _kandn_mask16(m, of);
}

/* a + (m ? b : 0) */
INLINE vec add_where(vec a, mask m, vec b)
{
    return _mm512_mask_add_ps(a, m, a, b);
}

#endif
