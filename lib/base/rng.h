/* SPDX-License-Identifier: BSD-3-Clause */
/* Counter-based random numbers: every draw is a pure function of (seed, step,
 * purpose, element), so nothing depends on threads or on a resume. */
#ifndef HN_BASE_RNG_H
#define HN_BASE_RNG_H

#include <stdint.h>

/* What a draw is for.  Values are part of the results: never renumber. */
enum hn_purpose {
    HN_DRAW_WEIGHT = 1,   /* step: index of the tensor */
    HN_DRAW_HYPER = 2,    /* step: table */
    HN_DRAW_GUMBEL = 3,   /* step: step; purposes +kind */
    HN_DRAW_LAMBDA = 8,   /* step: step */
    HN_DRAW_SHUFFLE = 9,  /* step: epoch; element: position */
    HN_DRAW_EVAL = 12,    /* Gumbel noise of evaluations; +kind */
    HN_DRAW_DROP = 16,    /* step: step; element: cell, edge, image */
    HN_DRAW_AUGMENT = 17, /* step: epoch; element: position, what */
    HN_DRAW_HESSIAN = 24  /* step: step; element: of alpha */
};

struct hn_rng {
    uint64_t seed, step;
    uint32_t purpose;
    uint32_t stream;
};

/* Philox4x32-10 (Salmon et al., SC11). */
void hn_philox(uint32_t out[4], const uint32_t counter[4],
               const uint32_t key[2]);

/* 64 random bits of an element. */
uint64_t hn_random_bits(const struct hn_rng *rng, uint64_t element);

/* Uniform in the open interval (0, 1); standard normal; Gumbel(0, 1). */
double hn_random_uniform(const struct hn_rng *rng, uint64_t element);
double hn_random_normal(const struct hn_rng *rng, uint64_t element);
double hn_random_gumbel(const struct hn_rng *rng, uint64_t element);

#endif
