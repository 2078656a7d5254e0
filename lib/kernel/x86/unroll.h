/* SPDX-License-Identifier: BSD-3-Clause */
/* How tiles are written: functions that are always inlined into callers that
 * pass constants, and loops over constants that are unrolled whole, so that
 * small arrays of vectors become registers. */
#ifndef HN_KERNEL_X86_UNROLL_H
#define HN_KERNEL_X86_UNROLL_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) /* registers of its own */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#define ROLLED _Pragma("GCC unroll 1")
#endif

/* Hide from the optimiser how a value was computed: it stays in a register
 * of its own, and addresses are not computed early and kept (spilled) across
 * the loop that needs every register. */
INLINE const float *opaque(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

INLINE float *opaque_out(float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

INLINE int64_t opaque_step(int64_t n)
{
    __asm__("" : "+r"(n));
    return n;
}

#endif
