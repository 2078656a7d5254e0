/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file kernels.h
 * What the inner loops reach on this machine, measured on the spot.
 *
 * An entry is a kernel of the context's level on one image (28x28 of 16
 * channels, 14x14 of 32, 7x7 of 64), a matrix product, or the machine itself:
 * "multiply-add" in registers, "triad" through the caches.  The set of
 * entries may change from version to version.
 */
#ifndef HNAS_KERNELS_H
#define HNAS_KERNELS_H

#include "context.h"

HNAS_BEGIN_DECLS

/** What an entry reached, on one thread with its data in cache. */
typedef struct hnas_kernel_rate {
    size_t size;     /**< sizeof the struct */
    char name[32];   /**< of the kernel and its case, as "dw_rows 3x3" */
    char shape[32];  /**< HxWxC, or MxNxK of a product */
    double gflops;   /**< 1e9 floating-point operations a second */
    double gbs;      /**< 1e9 bytes a second, each operand counted once */
    double roofline; /**< least time by peak and bandwidth over the time */
} hnas_kernel_rate;

/**
 * Tell how many entries can be measured.
 *
 * Shapes     ctx: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_kernels_get_count(const hnas_context *ctx);

/**
 * Measure one entry, which takes some 20 milliseconds.
 *
 *     roofline = max(flops / peak, bytes / bandwidth) / time
 *
 * Shapes     rate: at least `size` bytes.
 * Units      index: 0..count - 1.  size: sizeof(hnas_kernel_rate).  peak and
 *            bandwidth are measured beside it: multiply-adds of the same
 *            level, and y = a x + z over as many bytes.  What only reads can
 *            exceed 1.
 * Ownership  rate is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    one context, one thread at a time; measures the calling one.
 * Errors     E_ARG NULL argument; E_RANGE index; E_NOMEM.  On error *rate is
 *            unchanged.
 * Source     own; the bound: Williams et al., Roofline, CACM 52(4), 2009.
 * Since      0.1
 */
HNAS_API hnas_status hnas_kernels_measure(hnas_kernel_rate *rate, size_t size,
                                          hnas_context *ctx, int32_t index);

HNAS_END_DECLS

#endif
