/* SPDX-License-Identifier: BSD-3-Clause */
/* The mixed product without differences: the training loss's tangent along v,
 * swept for u.  One pass, and no radius to choose. */
#include <string.h>

#include "bilevel/bilevel.h"

static hnas_status reserve(struct hnas_bilevel *b)
{
    const int64_t n = b->problem.n_w;
    hnas_status st = HNAS_OK;

    if (b->along)
        return HNAS_OK;
    b->along = hn_alloc_array(&b->ctx->alloc, (size_t)n, sizeof *b->along);
    if (!b->along)
        return hn_fail_nomem(b->ctx, "second order");
    for (int64_t i = 0; i < n && st == HNAS_OK; i++)
        st = hn_tensor_new(&b->along[i], b->ctx, b->w[i]->layout, b->w[i]->rank,
                           b->w[i]->dim);
    if (st == HNAS_OK)
        return st;
    for (int64_t i = 0; i < n; i++)
        hnas_tensor_unref(b->along[i]);
    hn_free(&b->ctx->alloc, b->along);
    b->along = NULL;
    return st;
}

hnas_status hn_product_exact(struct hnas_bilevel *b,
                             const struct hn_pass *train)
{
    struct hn_pass pass = *train;
    double ignored;
    hnas_status st = reserve(b);

    if (st != HNAS_OK)
        return st;
    hn_copies_bring_back(&b->w_saved, b->w);
    for (int64_t i = 0; i < b->problem.n_w; i++)
        memcpy(b->along[i]->data, b->v.copy[i],
               (size_t)hn_tensor_extent(b->w[i]) * sizeof(real));
    pass.along = b->along;
    return hn_bilevel_pass(b, &pass, &ignored);
}
