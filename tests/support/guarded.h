/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays between two pages that may not be touched, random contents, the
 * levels this CPU has, and comparison by a bound. */
#ifndef HN_TESTS_SUPPORT_GUARDED_H
#define HN_TESTS_SUPPORT_GUARDED_H

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/kernel.h"

enum { MAX_LEVELS = 3, MAX_ARRAYS = 64 };

/* Everything one case allocates, freed together. */
struct guarded {
    void *map[MAX_ARRAYS];
    size_t size[MAX_ARRAYS];
    int n, at_end;
    uint64_t seed;
};

/* n reals that end at a forbidden page, or begin after one, in turn. */
static inline real *guarded_array(struct guarded *g, int64_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (size_t)n * sizeof(real);
    const size_t body = (bytes + page) / page * page;
    char *p = mmap(NULL, body + 2 * page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED && g->n < MAX_ARRAYS);
    ck_assert(mprotect(p, page, PROT_NONE) == 0);
    ck_assert(mprotect(p + page + body, page, PROT_NONE) == 0);
    g->map[g->n] = p;
    g->size[g->n++] = body + 2 * page;
    g->at_end = !g->at_end;
    return (real *)(void *)(p + page + (g->at_end ? body - bytes : 0));
}

static inline uint64_t random_bits(struct guarded *g)
{
    g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
    return g->seed >> 33;
}

static inline int64_t random_below(struct guarded *g, int64_t n)
{
    return (int64_t)(random_bits(g) % (uint64_t)n);
}

/* Uniform in -1..1. */
static inline real *random_array(struct guarded *g, int64_t n)
{
    real *p = guarded_array(g, n);

    for (int64_t i = 0; i < n; i++)
        p[i] = (real)random_below(g, 20001) / 10000 - 1;
    return p;
}

static inline real *copy_array(struct guarded *g, const real *from, int64_t n)
{
    real *p = guarded_array(g, n);

    memcpy(p, from, (size_t)n * sizeof *p);
    return p;
}

/* n zeros to add up in; the caller frees them. */
static inline double *zeros(int64_t n)
{
    double *p = n >= 0 && n < INT32_MAX ? calloc((size_t)n + 1, 8) : NULL;

    ck_assert_ptr_nonnull(p);
    return p;
}

static inline void guarded_free(struct guarded *g)
{
    for (int i = 0; i < g->n; i++)
        munmap(g->map[i], g->size[i]);
    g->n = 0;
}

/* A kernel that fetched ahead beside its n results, as not every level does,
 * stayed inside the array; returns whether it did. */
static inline int has_fetched(const struct hn_ahead *a, const real *array,
                              int64_t n)
{
    ck_assert(a->p >= array && a->p <= a->end);
    ck_assert(a->written == 0 || (a->written >= n && a->p > array));
    return a->written != 0;
}

/* How many shapes a case draws: n, and as many times that as HNAS_SHAPES says
 * in a campaign.  tests/reliability/measure.py adds the lines up. */
static inline uint64_t count_shapes(uint64_t n)
{
    const char *times = getenv("HNAS_SHAPES");

    if (times)
        n *= strtoull(times, NULL, 10);
    printf("%llu shapes\n", (unsigned long long)n);
    return n;
}

/* One level more, unless the build left it out. */
static inline int add_level(struct hn_kernels *k, int n, uint32_t flags)
{
    hn_kernels_init(&k[n], flags);
    return n + (strcmp(k[n].level, "c") != 0);
}

/* Plain C and every overlay this CPU can run; returns how many. */
static inline int all_levels(struct hn_kernels *k)
{
    int n = 0;

    hn_kernels_init(&k[n++], 0);
#if defined(__x86_64__) && !defined(HN_REAL_DOUBLE)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        n = add_level(k, n, HN_CPU_AVX2);
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        n = add_level(k, n, HN_CPU_AVX512);
#endif
    return n;
}

/* |got - want| <= bound * (1 + largest |want|), everywhere. */
static inline void expect_near(const real *got, const double *want, int64_t n,
                               double bound, const char *what)
{
    double top = 1;

    for (int64_t i = 0; i < n; i++)
        top = fmax(top, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= bound * top,
                      "%s: element %lld is %g, want %g", what, (long long)i,
                      (double)got[i], want[i]);
}

#endif
