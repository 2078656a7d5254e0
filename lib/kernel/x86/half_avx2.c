/* SPDX-License-Identifier: BSD-3-Clause */
/* Half precision by F16C, which every CPU with AVX2 has. */
#include <immintrin.h>

#include "kernel/x86/x86.h"

enum { LANES = 8 };

static void narrow(uint16_t *dst, const real *src, int64_t n, int flags)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(src + i),
                                          _MM_FROUND_TO_NEAREST_INT);

        if (flags & HN_STREAM)
            _mm_stream_si128((__m128i *)(void *)(dst + i), h);
        else
            _mm_storeu_si128((__m128i *)(void *)(dst + i), h);
    }
}

static void widen(real *dst, const uint16_t *src, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        _mm256_storeu_ps(dst + i,
                         _mm256_cvtph_ps(_mm_loadu_si128(
                             (const __m128i *)(const void *)(src + i))));
}

void hn_kernels_add_half_avx2(struct hn_kernels *k)
{
    k->narrow = narrow;
    k->widen = widen;
}
