/* SPDX-License-Identifier: BSD-3-Clause */
/* Reproducible numbers for tests, apart from the library's own. */
#ifndef HN_TESTS_SUPPORT_RANDOM_H
#define HN_TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline double random_unit(struct random *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (double)(r->state >> 33) / 2147483648.0;
}

/* Uniform in lo .. hi. */
static inline double random_in(struct random *r, double lo, double hi)
{
    return lo + (hi - lo) * random_unit(r);
}

static inline int64_t random_int(struct random *r, int64_t n)
{
    return (int64_t)(random_unit(r) * (double)n);
}

#endif
