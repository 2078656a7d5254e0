/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "base/cpu.h"

#include <sched.h>
#include <unistd.h>

#include "hnas/context.h"

uint32_t hn_cpu_flags(void)
{
    uint32_t flags = 0;

#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        flags |= HNAS_CPU_AVX2;
    if (flags && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        flags |= HNAS_CPU_AVX512;
#endif
    return flags;
}

int32_t hn_cpu_cores(void)
{
    cpu_set_t set;
    int n = 0;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    if (n < 1)
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n;
}

int64_t hn_cpu_cache_bytes(void)
{
    const int64_t guess = 256 << 10;
#ifdef _SC_LEVEL2_CACHE_SIZE
    const int64_t found = sysconf(_SC_LEVEL2_CACHE_SIZE);

    return found > 0 ? found : guess;
#else
    return guess;
#endif
}
