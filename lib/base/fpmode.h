/* SPDX-License-Identifier: BSD-3-Clause */
/* The floating-point mode.  Computing calls run in the default one, whatever
 * the host's thread is in, and leave the host's as it was. */
#ifndef HN_BASE_FPMODE_H
#define HN_BASE_FPMODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

enum { HN_X87_PLAIN = 0x37f, HN_MXCSR_PLAIN = 0x1f80 };

/* Round to nearest, denormals kept, exceptions masked.  The C library rounds
 * numbers in text by the x87's mode. */
static inline uint64_t hn_fp_enter(void)
{
    const unsigned short plain = HN_X87_PLAIN;
    const unsigned saved = _mm_getcsr();
    unsigned short x87 = plain; /* MemorySanitizer can't see fnstcw write */

    __asm__ volatile("fnstcw %0" : "=m"(x87));
    if (x87 != plain)
        __asm__ volatile("fldcw %0" : : "m"(plain));
    _mm_setcsr(HN_MXCSR_PLAIN);
    return (uint64_t)x87 << 32 | saved;
}

/* Sticky exception flags that we raised are not the host's either. */
static inline void hn_fp_leave(uint64_t saved)
{
    const unsigned short x87 = (unsigned short)(saved >> 32);

    if (x87 != HN_X87_PLAIN)
        __asm__ volatile("fldcw %0" : : "m"(x87));
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
