/* SPDX-License-Identifier: BSD-3-Clause */
/* The context's kernels and what they reach. */
#include "hnas/kernels.h"

#include <string.h>

#include "core/context.h"
#include "kernel/measure.h"

int32_t hnas_kernels_get_count(const hnas_context *ctx)
{
    (void)ctx;
    return hn_measure_count();
}

hnas_status hnas_kernels_measure(hnas_kernel_rate *rate, size_t size,
                                 hnas_context *ctx, int32_t index)
{
    hnas_kernel_rate mine = {.size = size < sizeof mine ? size : sizeof mine};
    struct hn_rate found;
    real *scratch;

    if (!rate || !ctx)
        return hn_fail_null(ctx, "kernels measure: rate");
    if (index < 0 || index >= hn_measure_count())
        return hn_fail(ctx, HNAS_E_RANGE, "kernels: index %d, want 0..%d",
                       (int)index, (int)hn_measure_count() - 1);
    scratch = hn_alloc_array(&ctx->alloc, (size_t)hn_measure_reals(),
                             sizeof *scratch);
    if (!scratch)
        return hn_fail_nomem(ctx, "kernels: images to measure with");
    hn_measure(&found, &ctx->k, index, scratch);
    hn_free(&ctx->alloc, scratch);
    memcpy(mine.name, found.name, sizeof mine.name);
    memcpy(mine.shape, found.shape, sizeof mine.shape);
    mine.gflops = found.gflops;
    mine.gbs = found.gbs;
    mine.roofline = found.roofline;
    memcpy(rate, &mine, mine.size);
    return HNAS_OK;
}
