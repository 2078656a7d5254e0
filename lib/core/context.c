/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/context.h"

#include <assert.h>
#include <string.h>

#include "base/cpu.h"
#include "base/fpmode.h"

/* A task in the default floating-point mode, on whatever thread. */
struct moded {
    hnas_task_fn task;
    void *user;
};

static void moded_task(void *user, int64_t index, int32_t worker)
{
    const struct moded *m = user;
    const uint64_t mode = hn_fp_enter();

    m->task(m->user, index, worker);
    hn_fp_leave(mode);
}

void hn_parallel(struct hnas_context *ctx, int64_t n_tasks, hnas_task_fn task,
                 void *user)
{
    struct moded m = {task, user};

    if (ctx->pool)
        hn_pool_run(ctx->pool, n_tasks, moded_task, &m);
    else
        ctx->parallel(ctx->parallel_user, n_tasks, moded_task, &m);
}

hnas_status hn_scratch_reserve(struct hnas_context *ctx, size_t size_bytes)
{
    if (size_bytes <= ctx->scratch_bytes)
        return HNAS_OK;
    if (ctx->scratch_bytes)
        size_bytes += size_bytes / 4; /* the next need may be a little more */
    for (int32_t i = 0; i < ctx->n_threads; i++) {
        void *p = hn_zalloc(&ctx->alloc, size_bytes);

        if (!p)
            return hn_fail_nomem(ctx, "scratch of a worker");
        hn_free(&ctx->alloc, ctx->scratch[i]);
        ctx->scratch[i] = p;
    }
    ctx->scratch_bytes = size_bytes;
    return HNAS_OK;
}

hnas_status hn_opts_merge(void *mine, size_t mine_bytes, const void *given)
{
    size_t bytes;

    if (!given)
        return HNAS_OK;
    memcpy(&bytes, given, sizeof bytes);
    if (bytes < sizeof bytes)
        return HNAS_E_ARG;
    memcpy(mine, given, bytes < mine_bytes ? bytes : mine_bytes);
    memcpy(mine, &mine_bytes, sizeof mine_bytes);
    return HNAS_OK;
}

hnas_status hn_check_reserved(struct hnas_context *ctx, const char *name,
                              const int64_t reserved[8])
{
    for (int i = 0; i < 8; i++)
        if (reserved[i])
            return hn_fail(ctx, HNAS_E_RANGE,
                           "%s: reserved[%d] is %lld, want 0 as %s_init "
                           "writes it",
                           name, i, (long long)reserved[i], name);
    return HNAS_OK;
}

void hnas_context_opts_init(hnas_context_opts *opts, size_t size)
{
    hnas_context_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.log_level = HNAS_LOG_WARNING;
    o.n_threads = 1;
    o.cpu_mask = HNAS_CPU_ALL;
    o.poll_ms = 20;
    memcpy(opts, &o, o.size);
}

static hnas_status check_opts(const hnas_context_opts *o)
{
    if (!o->alloc != !o->free)
        return HNAS_E_ARG;
    if (o->n_threads < 0 || o->n_threads > HN_MOST_THREADS)
        return HNAS_E_RANGE;
    if (o->gemm < HNAS_GEMM_AUTO || o->gemm > HNAS_GEMM_BLIS || o->poll_ms < 0)
        return HNAS_E_RANGE;
    if (!hn_gemm_name(o->gemm))
        return HNAS_E_UNSUPPORTED;
    return HNAS_OK;
}

_Static_assert((int)HN_CPU_AVX2 == (int)HNAS_CPU_AVX2 &&
                   (int)HN_CPU_AVX512 == (int)HNAS_CPU_AVX512,
               "cpu_mask goes to the kernels as it is");
_Static_assert((int)HN_GEMM_BUILTIN == (int)HNAS_GEMM_BUILTIN &&
                   (int)HN_GEMM_BLIS == (int)HNAS_GEMM_BLIS,
               "gemm goes to the product as it is");

static void set_opts(struct hnas_context *ctx, const hnas_context_opts *o)
{
    const int32_t cores = hn_cpu_cores();

    ctx->n_threads = o->n_threads              ? o->n_threads
                     : cores < HN_MOST_THREADS ? cores
                                               : HN_MOST_THREADS;
    ctx->seed = o->seed;
    ctx->gemm = o->gemm;
    ctx->parallel = o->parallel;
    ctx->parallel_user = o->parallel_user;
    ctx->log = o->log;
    ctx->log_user = o->log_user;
    ctx->log_level = o->log_level;
    ctx->poll = o->poll;
    ctx->poll_user = o->poll_user;
    ctx->poll_ms = o->poll_ms;
    hn_kernels_init(&ctx->k, hn_cpu_flags() & o->cpu_mask);
    ctx->ahead_reals = hn_cpu_cache_bytes() / 4 / (int64_t)sizeof(real);
}

hnas_status hn_context_open(struct hnas_context **out,
                            const hnas_context_opts *opts)
{
    hnas_context_opts o;
    struct hn_allocator alloc;
    struct hnas_context *ctx;
    hnas_status st;

    hnas_context_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st == HNAS_OK)
        st = check_opts(&o);
    if (st < 0)
        return st;
    hn_allocator_init(&alloc);
    if (o.alloc) {
        alloc.alloc = o.alloc;
        alloc.free = o.free;
        alloc.user = o.alloc_user;
    }
    if (o.memory_limit)
        alloc.limit_bytes = alloc.most_bytes = o.memory_limit;
    ctx = hn_zalloc(&alloc, sizeof *ctx);
    if (!ctx)
        return HNAS_E_NOMEM;
    ctx->alloc = alloc;
    set_opts(ctx, &o);
    ctx->scratch = hn_alloc_array(&ctx->alloc, (size_t)ctx->n_threads,
                                  sizeof *ctx->scratch);
    st = ctx->scratch ? HNAS_OK : HNAS_E_NOMEM;
    if (st == HNAS_OK && !ctx->parallel)
        st = hn_pool_create(&ctx->pool, &ctx->alloc, ctx->n_threads);
    if (st < 0) {
        hn_context_close(ctx);
        return st;
    }
    *out = ctx;
    return HNAS_OK;
}

void hn_context_close(struct hnas_context *ctx)
{
    struct hn_allocator alloc;

    if (ctx->loose_tape)
        ctx->destroy_loose_tape(ctx->loose_tape);
    while (ctx->spare_tensors) {
        void *next = *(void **)ctx->spare_tensors;

        hn_free(&ctx->alloc, ctx->spare_tensors);
        ctx->spare_tensors = next;
    }
    hn_comm_close(ctx);
    hn_pool_destroy(ctx->pool);
    if (ctx->scratch)
        for (int32_t i = 0; i < ctx->n_threads; i++)
            hn_free(&ctx->alloc, ctx->scratch[i]);
    hn_free(&ctx->alloc, ctx->scratch);
    hn_free(&ctx->alloc, (void *)ctx->ops);
    alloc = ctx->alloc;
    hn_free(&alloc, ctx);
}

const char *hnas_context_message(const hnas_context *ctx)
{
    return ctx ? ctx->message : "";
}

int32_t hnas_context_get_threads(const hnas_context *ctx)
{
    return ctx->n_threads;
}

uint64_t hnas_context_get_seed(const hnas_context *ctx)
{
    return ctx->seed;
}

const char *hnas_context_get_kernels(const hnas_context *ctx)
{
    return ctx->k.level;
}

const char *hnas_context_get_gemm(const hnas_context *ctx)
{
    return hn_gemm_name(ctx->gemm);
}

int64_t hnas_context_get_moved(const hnas_context *ctx)
{
    return ctx->moved_bytes;
}

void hnas_context_get_memory(const hnas_context *ctx, size_t *now_bytes,
                             size_t *peak_bytes)
{
    if (now_bytes)
        *now_bytes = ctx->alloc.now_bytes;
    if (peak_bytes)
        *peak_bytes = ctx->alloc.peak_bytes;
}
