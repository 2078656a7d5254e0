/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 pools and their gradients: the kernels of the level whose vectors the
 * including file has chosen. */
#ifndef HN_KERNEL_X86_POOL_KERNELS_H
#define HN_KERNEL_X86_POOL_KERNELS_H

#include "kernel/x86/pool_tile.h"

static void max_pool(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride)
{
    const struct pool_shape n = {h, w, cp, stride};

    for (int64_t c = 0; c < cp; c += LANES, dst += LANES, src.p += LANES) {
        if (c + LANES <= cp)
            max_block(dst, src, n, LANES);
        else
            max_block(dst, src, n, HALF);
    }
}

static void avg_pool(real *dst, struct hn_cplane src, int64_t h, int64_t w,
                     int64_t cp, int64_t stride)
{
    const struct pool_shape n = {h, w, cp, stride};

    for (int64_t c = 0; c < cp; c += LANES, dst += LANES, src.p += LANES) {
        if (c + LANES <= cp)
            avg_block(dst, src, n, LANES);
        else
            avg_block(dst, src, n, HALF);
    }
}

static void max_pool_grad(real *dx, const real *g, struct hn_cplane src,
                          real *tmp, int64_t h, int64_t w, int64_t cp,
                          int64_t stride)
{
    const struct pool_shape n = {h, w, cp, stride};

    (void)tmp;
    for (int64_t c = 0; c < cp; c += LANES, src.p += LANES) {
        if (c + LANES <= cp)
            max_grad_block(dx + c, g + c, src, n, LANES);
        else
            max_grad_block(dx + c, g + c, src, n, HALF);
    }
}

/* One channel block. */
INLINE void avg_grad_block(real *dx, const real *g, struct pool_shape n,
                           const int lanes)
{
    if (n.stride == 1)
        avg_grad_gather(dx, g, n, lanes);
    else
        avg_grad_scatter(dx, g, n, lanes);
}

static void avg_pool_grad(real *dx, const real *g, real *tmp, int64_t h,
                          int64_t w, int64_t cp, int64_t stride)
{
    const struct pool_shape n = {h, w, cp, stride};

    (void)tmp;
    for (int64_t c = 0; c < cp; c += LANES) {
        if (c + LANES <= cp)
            avg_grad_block(dx + c, g + c, n, LANES);
        else
            avg_grad_block(dx + c, g + c, n, HALF);
    }
}

static void lay_pool(struct hn_kernels *k)
{
    k->max_pool = max_pool;
    k->avg_pool = avg_pool;
    k->max_pool_grad = max_pool_grad;
    k->avg_pool_grad = avg_pool_grad;
}

#endif
