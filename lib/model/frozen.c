/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/frozen.h"

#include <stdint.h>

hnas_status hn_context_like(struct hnas_context **out,
                            const struct hnas_context *from, int32_t n_threads)
{
    hnas_context_opts o;
    hnas_status st;

    *out = NULL;
    hnas_context_opts_init(&o, sizeof o);
    o.alloc = from->alloc.alloc;
    o.free = from->alloc.free;
    o.alloc_user = from->alloc.user;
    o.n_threads = n_threads;
    if (from->alloc.limit_bytes != SIZE_MAX)
        o.memory_limit = from->alloc.limit_bytes;
    st = hn_context_open(out, &o);
    if (st < 0)
        return st;
    (*out)->k = from->k;
    (*out)->gemm = from->gemm;
    (*out)->seed = from->seed;
    for (int64_t i = 0; i < hnas_op_get_count(from) && st == HNAS_OK; i++)
        st = hnas_op_register(*out, hnas_op_get(from, i));
    if (st < 0) {
        hn_context_close(*out);
        *out = NULL;
    }
    return st;
}

hnas_status hn_frozen_create(struct hn_frozen **out,
                             const struct hnas_context *from, int32_t n,
                             int32_t n_threads)
{
    struct hnas_context *ctx;
    struct hn_frozen *f;
    hnas_status st = hn_context_like(&ctx, from, n_threads);

    *out = NULL;
    if (st < 0)
        return st;
    f = hn_zalloc(&ctx->alloc, sizeof *f);
    if (f)
        f->model = hn_alloc_array(&ctx->alloc, (size_t)n, sizeof *f->model);
    if (!f || !f->model) {
        hn_free(&ctx->alloc, f);
        hn_context_close(ctx);
        return HNAS_E_NOMEM;
    }
    atomic_init(&f->refs, 1);
    f->ctx = ctx;
    f->n = n;
    *out = f;
    return HNAS_OK;
}

struct hn_frozen *hn_frozen_ref(struct hn_frozen *frozen)
{
    atomic_fetch_add(&frozen->refs, 1);
    return frozen;
}

void hn_frozen_unref(struct hn_frozen *frozen)
{
    struct hnas_context *ctx;

    if (!frozen || atomic_fetch_sub(&frozen->refs, 1) > 1)
        return;
    ctx = frozen->ctx;
    for (int32_t i = 0; i < frozen->n; i++)
        hnas_model_destroy(frozen->model[i]);
    hn_free(&ctx->alloc, frozen->model);
    hn_free(&ctx->alloc, frozen);
    hn_context_close(ctx);
}
