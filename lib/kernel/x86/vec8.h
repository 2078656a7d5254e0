/* SPDX-License-Identifier: BSD-3-Clause */
/* Eight channels in a register (AVX2 and FMA): vec16.h in a smaller size.
 * Pixels hold a multiple of eight channels, so every vector is whole. */
#ifndef HN_KERNEL_X86_VEC8_H
#define HN_KERNEL_X86_VEC8_H

#include <immintrin.h>

#include "kernel/x86/unroll.h"

/* MAX_SUMS: sums that fit in registers beside a few operands. */
enum { LANES = 8, HALF = 8, MAX_SUMS = 10 };

typedef __m256 vec;
typedef __m256 mask;

INLINE vec load(const float *p, int lanes)
{
    (void)lanes;
    return _mm256_load_ps(p);
}

INLINE void store(float *p, vec v, int lanes)
{
    (void)lanes;
    _mm256_store_ps(p, v);
}

/* A whole vector past the caches; p aligned to the vector. */
INLINE void stream(float *p, vec v)
{
    _mm256_stream_ps(p, v);
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
    return _mm256_setzero_ps();
}

INLINE vec splat(float x)
{
    return _mm256_set1_ps(x);
}

INLINE vec add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

INLINE vec mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

/* a * b + c */
INLINE vec fma_(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* *sum += a * b, without leaving its register: of many sums in an unrolled
 * loop, gcc copies one for every few products. */
INLINE void fma_to(vec *sum, vec a, vec b)
{
#ifdef __clang__
    *sum = fma_(a, b, *sum);
#else
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
#endif
}

/* a > b ? a : b, which is b where one is NaN */
INLINE vec max_(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

/* r > 0 ? g : 0 */
INLINE vec where_positive(vec r, vec g)
{
    return _mm256_and_ps(_mm256_cmp_ps(r, _mm256_setzero_ps(), _CMP_GT_OQ), g);
}

INLINE mask no_lane(void)
{
    return _mm256_setzero_ps();
}

/* a == b */
INLINE mask equal(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

INLINE mask either(mask a, mask b)
{
    return _mm256_or_ps(a, b);
}

/* of & ~m */
INLINE mask without(mask of, mask m)
{
    return _mm256_andnot_ps(m, of);
}

/* a + (m ? b : 0) */
INLINE vec add_where(vec a, mask m, vec b)
{
    return _mm256_add_ps(a, _mm256_and_ps(m, b));
}

#endif
