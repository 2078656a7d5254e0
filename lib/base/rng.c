/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rng.h"

#include <math.h>

void hn_philox(uint32_t out[4], const uint32_t counter[4],
               const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3],
             k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = UINT64_C(0xD2511F53) * c0;
        const uint64_t p1 = UINT64_C(0xCD9E8D57) * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void draw(uint32_t out[4], const struct hn_rng *rng, uint64_t element)
{
    const uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
    const uint32_t counter[4] = {
        (uint32_t)element,
        (uint32_t)(element >> 32) ^ (rng->stream << 8),
        (uint32_t)rng->step,
        (uint32_t)(rng->step >> 32) ^ (rng->purpose << 16),
    };

    hn_philox(out, counter, key);
}

uint64_t hn_random_bits(const struct hn_rng *rng, uint64_t element)
{
    uint32_t r[4];

    draw(r, rng, element);
    return (uint64_t)r[1] << 32 | r[0];
}

/* 52 bits and a half: exact in double, never 0, never 1. */
static double open_unit(uint32_t lo, uint32_t hi)
{
    const uint64_t bits = ((uint64_t)hi << 32 | lo) >> 12;

    return ((double)bits + 0.5) * 0x1p-52;
}

double hn_random_uniform(const struct hn_rng *rng, uint64_t element)
{
    uint32_t r[4];

    draw(r, rng, element);
    return open_unit(r[0], r[1]);
}

double hn_random_normal(const struct hn_rng *rng, uint64_t element)
{
    const double two_pi = 6.283185307179586477;
    uint32_t r[4];

    draw(r, rng, element);
    return sqrt(-2 * log(open_unit(r[0], r[1]))) *
           cos(two_pi * open_unit(r[2], r[3]));
}

double hn_random_gumbel(const struct hn_rng *rng, uint64_t element)
{
    return -log(-log(hn_random_uniform(rng, element)));
}
