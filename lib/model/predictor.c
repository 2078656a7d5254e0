/* SPDX-License-Identifier: BSD-3-Clause */
/* Predictions from frozen networks.  Through running statistics no image
 * depends on another, so every worker has a tape of one image, recorded once
 * and replayed: its buffers stay in cache and nothing is allocated.  The tapes
 * of a worker, one a network, lie in the same memory. */
#include <stdatomic.h>
#include <string.h>

#include "base/fpmode.h"
#include "hnas/set.h"
#include "model/frozen.h"
#include "tape/image.h"

struct worker {
    hnas_tensor *image; /* [1, C, H, W], a leaf */
    void *memory;       /* of all values between image and logits */
};

/* What a worker computes a network with. */
struct plan {
    hnas_tape *tape;
    hnas_tensor *logits; /* [1, classes] */
    int32_t calls_host;
};

struct hnas_predictor {
    struct hnas_context *ctx; /* its own */
    struct hn_frozen *frozen;
    struct worker *worker; /* [n_threads] */
    struct plan *plan;     /* [networks][n_threads] */
    int32_t current;       /* network */
};

static struct plan *plan_of(const struct hnas_predictor *p, int32_t network,
                            int32_t worker)
{
    return &p->plan[(int64_t)network * p->ctx->n_threads + worker];
}

/* ---- making ---- */

static hnas_status copy_model(struct hn_frozen *frozen,
                              const struct hnas_model *from)
{
    struct hnas_model **m = &frozen->model[0];
    hnas_model_opts o = from->opts;
    hnas_status st;

    o.auxiliary = 0;
    st = hn_model_make(m, frozen->ctx, from->kind, &o);
    if (st == HNAS_OK)
        st = hnas_model_inherit(*m, &from->params);
    for (int64_t i = 0; st == HNAS_OK && i < (*m)->params.n; i++)
        (*m)->params.entry[i].tensor->wanted = 0;
    return st;
}

/* Record a network for a worker; *bytes is what its values need. */
static hnas_status make_plan(size_t *bytes, struct hnas_predictor *p,
                             int32_t network, int32_t worker)
{
    struct hnas_model *m = p->frozen->model[network];
    struct hn_network_pass pass = {m->ones, NULL, 0, 0, NULL, NULL, 0};
    struct plan *plan = plan_of(p, network, worker);
    hnas_status st = hnas_tape_create(&plan->tape, p->ctx);

    *bytes = 0;
    if (st == HNAS_OK)
        st = hnas_tape_reset(plan->tape, HNAS_TAPE_RUNNING_STATS);
    if (st < 0)
        return st;
    hn_tape_record_late(plan->tape);
    st = hn_network_apply(&plan->logits, plan->tape, &m->net,
                          p->worker[worker].image, &pass);
    plan->calls_host = hn_tape_calls_host(plan->tape);
    return st < 0 ? st : hn_tape_lay_out(bytes, plan->tape, plan->logits);
}

static hnas_status make_worker(struct hnas_predictor *p, int32_t worker)
{
    struct worker *w = &p->worker[worker];
    const int64_t *d = p->frozen->model[0]->opts.image;
    const int64_t dims[4] = {1, d[0], d[1], d[2]};
    size_t most = 0, bytes;
    hnas_status st = hn_tensor_new(&w->image, p->ctx, HN_STRIDED, 4, dims);

    for (int32_t i = 0; i < p->frozen->n && st == HNAS_OK; i++) {
        st = make_plan(&bytes, p, i, worker);
        most = bytes > most ? bytes : most;
    }
    if (st < 0)
        return st;
    w->memory = hn_alloc(&p->ctx->alloc, most);
    if (!w->memory)
        return hn_fail_nomem(p->ctx, "predictor");
    for (int32_t i = 0; i < p->frozen->n; i++)
        hn_tape_place(plan_of(p, i, worker)->tape, w->memory);
    return HNAS_OK;
}

/* Equal scratch for all tapes, so that nothing is laid anew after a switch. */
static hnas_status reserve_scratch(struct hnas_predictor *p)
{
    const int32_t n = p->frozen->n * p->ctx->n_threads;
    struct hn_need need = {0};
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < n; i++)
        hn_need_max(&need, &p->plan[i].tape->need);
    for (int32_t i = 0; i < n && st == HNAS_OK; i++)
        st = hn_workers_reserve(p->plan[i].tape, &need);
    return st;
}

/* Compute every network once: a host's operation may refuse. */
static hnas_status try_all(struct hnas_predictor *p)
{
    const uint64_t mode = hn_fp_enter();
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < p->frozen->n && st == HNAS_OK; i++)
        st = hn_tape_replay(plan_of(p, i, 0)->tape, 0);
    hn_fp_leave(mode);
    return st;
}

static hnas_status fill(struct hnas_predictor *p)
{
    struct hn_allocator *alloc = &p->ctx->alloc;
    const size_t n = (size_t)p->ctx->n_threads;
    hnas_status st = HNAS_OK;

    p->worker = hn_alloc_array(alloc, n, sizeof *p->worker);
    p->plan =
        hn_alloc_dims(alloc, 2, (int64_t[]){p->ctx->n_threads, p->frozen->n},
                      sizeof *p->plan);
    if (!p->worker || !p->plan)
        return hn_fail_nomem(p->ctx, "predictor");
    for (int32_t i = 0; i < p->ctx->n_threads && st == HNAS_OK; i++)
        st = make_worker(p, i);
    if (st == HNAS_OK)
        st = reserve_scratch(p);
    return st == HNAS_OK ? try_all(p) : st;
}

hnas_status hn_predictor_make(hnas_predictor **out, struct hn_frozen *frozen,
                              int32_t n_threads, struct hnas_context *report)
{
    struct hnas_context *ctx;
    struct hnas_predictor *p;
    hnas_status st;

    *out = NULL;
    if (n_threads < 1 || n_threads > HN_MOST_THREADS)
        return hn_fail(report, HNAS_E_RANGE,
                       "predictor: %d threads, want 1..%d", (int)n_threads,
                       HN_MOST_THREADS);
    st = hn_context_like(&ctx, frozen->ctx, n_threads);
    if (st < 0)
        return hn_fail(report, st, "predictor: no context of its own");
    p = hn_zalloc(&ctx->alloc, sizeof *p);
    if (!p) {
        hn_context_close(ctx);
        return hn_fail_nomem(report, "predictor");
    }
    p->ctx = ctx;
    p->frozen = hn_frozen_ref(frozen);
    st = fill(p);
    if (st < 0) {
        hn_fail(report, st, "%s", ctx->message);
        hnas_predictor_destroy(p);
        return st;
    }
    *out = p;
    return HNAS_OK;
}

hnas_status hnas_predictor_create(hnas_predictor **out, const hnas_model *model,
                                  int32_t n_threads)
{
    struct hn_frozen *frozen;
    struct hnas_context *ctx;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !model)
        return hn_fail_null(model ? model->ctx : NULL, "predictor create: out");
    ctx = model->ctx;
    st = hn_frozen_create(&frozen, ctx, 1, 1);
    if (st < 0)
        return hn_fail(ctx, st, "predictor: no context for its network");
    st = copy_model(frozen, model);
    if (st < 0)
        hn_fail(ctx, st, "%s", frozen->ctx->message);
    else
        st = hn_predictor_make(out, frozen, n_threads, ctx);
    hn_frozen_unref(frozen); /* the predictor holds it */
    return st;
}

hnas_status hnas_predictor_share(hnas_predictor **out,
                                 hnas_predictor *predictor, int32_t n_threads)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !predictor)
        return hn_fail_null(predictor ? predictor->ctx : NULL,
                            "predictor share: out");
    st = hn_predictor_make(out, predictor->frozen, n_threads, predictor->ctx);
    if (st == HNAS_OK)
        (*out)->current = predictor->current;
    return st;
}

void hnas_predictor_destroy(hnas_predictor *predictor)
{
    struct hnas_predictor *p = predictor;
    struct hnas_context *ctx;

    if (!p || hn_expect_idle(p->ctx, "hnas_predictor_destroy") < 0)
        return;
    ctx = p->ctx;
    for (int32_t i = 0; p->plan && i < p->frozen->n * ctx->n_threads; i++) {
        hnas_tensor_unref(p->plan[i].logits);
        hnas_tape_destroy(p->plan[i].tape);
    }
    for (int32_t i = 0; p->worker && i < ctx->n_threads; i++) {
        hnas_tensor_unref(p->worker[i].image);
        hn_free(&ctx->alloc, p->worker[i].memory);
    }
    hn_free(&ctx->alloc, p->plan);
    hn_free(&ctx->alloc, p->worker);
    hn_frozen_unref(p->frozen);
    hn_free(&ctx->alloc, p);
    hn_context_close(ctx);
}

hnas_status hnas_predictor_switch(hnas_predictor *predictor, int32_t index)
{
    hnas_status st;

    if (!predictor)
        return HNAS_E_ARG;
    st = hn_expect_idle(predictor->ctx, "hnas_predictor_switch");
    if (st < 0)
        return st;
    if (index < 0 || index >= predictor->frozen->n)
        return hn_fail(predictor->ctx, HNAS_E_RANGE,
                       "predictor: network %d, want 0..%d", (int)index,
                       (int)predictor->frozen->n - 1);
    predictor->current = index;
    return HNAS_OK;
}

int32_t hnas_predictor_get_current(const hnas_predictor *predictor)
{
    return predictor->current;
}

/* ---- running ---- */

struct run {
    struct hnas_predictor *p;
    const float *images;
    int64_t dim[4], stride[4];
    float *logits;
    atomic_int status;
};

static void run_image(void *user, int64_t index, int32_t worker)
{
    struct run *r = user;
    const struct plan *plan = plan_of(r->p, r->p->current, worker);
    const int64_t n = plan->logits->dim[1];
    const int64_t one[4] = {1, r->dim[1], r->dim[2], r->dim[3]};
    hnas_status st;

    hn_copy_out(r->p->worker[worker].image->data, HN_REAL,
                r->images + index * r->stride[0], HNAS_FLOAT32, one, r->stride);
    st = hn_tape_replay(plan->tape, worker);
    if (st < 0)
        atomic_store(&r->status, st);
    for (int64_t k = 0; k < n; k++)
        r->logits[index * n + k] = (float)hn_real(plan->logits)[k];
}

static hnas_status check(struct hnas_predictor *p, const hnas_array *a,
                         int64_t count)
{
    const hnas_model_opts *o = &p->frozen->model[0]->opts;

    if (a->size < sizeof *a || !a->data)
        return hn_fail(p->ctx, HNAS_E_ARG, "predictor: size or data not set");
    if (a->dtype != HNAS_FLOAT32)
        return hn_fail(p->ctx, HNAS_E_TYPE,
                       "predictor: images of type %d, want HNAS_FLOAT32",
                       (int)a->dtype);
    if (a->rank != 4)
        return hn_fail(p->ctx, HNAS_E_SHAPE,
                       "predictor: images of %d axes, want 4 [N, C, H, W]",
                       (int)a->rank);
    if (a->dims[0] < 1 || a->dims[1] != o->image[0] ||
        a->dims[2] != o->image[1] || a->dims[3] != o->image[2])
        return hn_fail(p->ctx, HNAS_E_SHAPE,
                       "predictor: images [%lld, %lld, %lld, %lld], want "
                       "[N, %lld, %lld, %lld]",
                       (long long)a->dims[0], (long long)a->dims[1],
                       (long long)a->dims[2], (long long)a->dims[3],
                       (long long)o->image[0], (long long)o->image[1],
                       (long long)o->image[2]);
    if (count / o->classes != a->dims[0] || count % o->classes)
        return hn_fail(
            p->ctx, HNAS_E_SHAPE, "predictor: %lld logits, want %lld x %lld",
            (long long)count, (long long)a->dims[0], (long long)o->classes);
    return HNAS_OK;
}

static void set_strides(struct run *r, const hnas_array *a)
{
    int64_t step = 1;
    int given = 0;

    for (int i = 3; i >= 0; i--) {
        r->dim[i] = a->dims[i];
        r->stride[i] = step;
        step *= a->dims[i];
        given |= a->strides[i] != 0;
    }
    if (given)
        memcpy(r->stride, a->strides, sizeof r->stride);
}

/* All images; those of a network with code of the host on this thread. */
static void run_images(struct run *r)
{
    if (!plan_of(r->p, r->p->current, 0)->calls_host) {
        hn_parallel(r->p->ctx, r->dim[0], run_image, r);
        return;
    }
    for (int64_t i = 0; i < r->dim[0] && r->status == HNAS_OK; i++)
        run_image(r, i, 0);
}

hnas_status hnas_predictor_run(hnas_predictor *predictor,
                               const hnas_array *images, float *logits,
                               int64_t count)
{
    struct run r = {.p = predictor, .logits = logits};
    uint64_t mode;
    hnas_status st;

    if (!predictor || !images || !logits)
        return hn_fail_null(predictor ? predictor->ctx : NULL,
                            "predictor run: images or logits");
    st = hn_expect_idle(predictor->ctx, "hnas_predictor_run");
    if (st == HNAS_OK)
        st = check(predictor, images, count);
    if (st < 0)
        return st;
    r.images = images->data;
    set_strides(&r, images);
    atomic_init(&r.status, HNAS_OK);
    mode = hn_fp_enter();
    run_images(&r);
    hn_fp_leave(mode);
    return atomic_load(&r.status);
}

const char *hnas_predictor_message(const hnas_predictor *predictor)
{
    return predictor ? predictor->ctx->message : "";
}
