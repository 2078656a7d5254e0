/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bilevel/bilevel.h"

static size_t bytes_of(const hnas_tensor *t)
{
    return (size_t)hn_tensor_extent(t) * sizeof(real);
}

hnas_status hn_copies_init(struct hn_copies *c, struct hnas_context *ctx,
                           hnas_tensor *const *t, int64_t n)
{
    c->copy = hn_alloc_array(&ctx->alloc, (size_t)n, sizeof *c->copy);
    if (!c->copy)
        return hn_fail_nomem(ctx, "bilevel optimizer");
    c->n = n;
    for (int64_t i = 0; i < n; i++) {
        c->copy[i] = hn_zalloc(&ctx->alloc, bytes_of(t[i]));
        if (!c->copy[i]) {
            hn_copies_finish(c, ctx); /* half a list is none */
            return hn_fail_nomem(ctx, "bilevel optimizer");
        }
    }
    return HNAS_OK;
}

void hn_copies_finish(struct hn_copies *c, struct hnas_context *ctx)
{
    for (int64_t i = 0; i < c->n; i++)
        hn_free(&ctx->alloc, c->copy[i]);
    hn_free(&ctx->alloc, c->copy);
    c->copy = NULL;
    c->n = 0;
}

void hn_copies_keep(struct hn_copies *c, hnas_tensor *const *t)
{
    for (int64_t i = 0; i < c->n; i++)
        memcpy(c->copy[i], t[i]->data, bytes_of(t[i]));
}

void hn_copies_bring_back(const struct hn_copies *c, hnas_tensor *const *t)
{
    for (int64_t i = 0; i < c->n; i++)
        memcpy(t[i]->data, c->copy[i], bytes_of(t[i]));
}

void hn_copies_keep_grad(struct hn_copies *c, hnas_tensor *const *t)
{
    for (int64_t i = 0; i < c->n; i++) {
        if (t[i]->grad)
            memcpy(c->copy[i], t[i]->grad, bytes_of(t[i]));
        else
            memset(c->copy[i], 0, bytes_of(t[i]));
    }
}
