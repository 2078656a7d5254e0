/* SPDX-License-Identifier: BSD-3-Clause */
/* The floating-point mode.  Computing calls run in the default one, whatever
 * the host's thread is in, and leave the host's as it was. */
#ifndef HN_BASE_FPMODE_H
#define HN_BASE_FPMODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

/* Round to nearest, denormals kept, exceptions masked. */
static inline uint64_t hn_fp_enter(void)
{
    const unsigned saved = _mm_getcsr();

    _mm_setcsr(0x1f80);
    return saved;
}

/* Sticky exception flags that we raised are not the host's either. */
static inline void hn_fp_leave(uint64_t saved)
{
    _mm_setcsr((unsigned)saved);
}

#elif defined(__aarch64__)

static inline uint64_t hn_fp_enter(void)
{
    uint64_t saved;

    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return saved;
}

static inline void hn_fp_leave(uint64_t saved)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(saved));
}

#else

static inline uint64_t hn_fp_enter(void)
{
    return 0;
}

static inline void hn_fp_leave(uint64_t saved)
{
    (void)saved;
}

#endif

#endif
