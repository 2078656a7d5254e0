/* SPDX-License-Identifier: BSD-3-Clause */
/* Half precision (IEEE 754 binary16) as storage, plain C: round to nearest,
 * ties to even; too large becomes infinity, NaN stays NaN. */
#include <string.h>

#include "kernel/kernel.h"

static uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* Magnitudes below 2^-14: multiples of 2^-24.  Adding 0.5 makes the last bit
 * of a float worth just that, and rounds. */
static uint16_t narrow_small(uint32_t magnitude)
{
    return (uint16_t)(bits_of(of_bits(magnitude) + 0.5f) - bits_of(0.5f));
}

static uint16_t narrow_one(float x)
{
    const uint32_t u = bits_of(x), magnitude = u & 0x7fffffff;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    uint32_t rounded;

    if (magnitude > 0x7f800000)
        return sign | 0x7e00;
    if (magnitude < 0x38800000)
        return sign | narrow_small(magnitude);
    rounded = magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1);
    rounded >>= 13;
    return sign | (uint16_t)(rounded > 0x7c00 ? 0x7c00 : rounded);
}

static float widen_one(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t magnitude = h & 0x7fff;

    if (magnitude >= 0x7c00) /* infinity and NaN */
        return of_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude < 0x0400) { /* multiples of 2^-24 */
        const float x = (float)magnitude * 0x1p-24f;

        return sign ? -x : x;
    }
    return of_bits(sign | ((magnitude << 13) + 0x38000000));
}

static void narrow(uint16_t *dst, const real *src, int64_t n, int flags)
{
    (void)flags;
    for (int64_t i = 0; i < n; i++)
        dst[i] = narrow_one((float)src[i]);
}

static void widen(real *dst, const uint16_t *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = widen_one(src[i]);
}

void hn_kernels_add_half(struct hn_kernels *k)
{
    k->narrow = narrow;
    k->widen = widen;
}
