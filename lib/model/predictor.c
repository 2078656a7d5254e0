/* SPDX-License-Identifier: BSD-3-Clause */
/* Predictions from a frozen copy.  Through running statistics no image depends
 * on another, so every worker has a tape of one image, recorded once and
 * replayed: its buffers stay in cache and nothing is allocated. */
#include <stdatomic.h>
#include <string.h>

#include "base/fpmode.h"
#include "core/context.h"
#include "model/model.h"
#include "tape/tape.h"

/* What a worker computes an image with. */
struct plan {
    hnas_tape *tape;
    hnas_tensor *image;  /* [1, C, H, W], a leaf */
    hnas_tensor *logits; /* [1, classes] */
};

struct hnas_predictor {
    struct hnas_context *owner; /* the model's */
    struct hnas_context *ctx;   /* its own */
    struct hnas_model *model;   /* a copy without anything to train */
    struct plan *plan;          /* [n_threads] */
};

/* A context like the model's, with its operations. */
static hnas_status open_context(struct hnas_context **out,
                                struct hnas_context *from, int32_t n_threads)
{
    hnas_context_opts o;
    hnas_status st;

    hnas_context_opts_init(&o, sizeof o);
    o.alloc = from->alloc.alloc;
    o.free = from->alloc.free;
    o.alloc_user = from->alloc.user;
    o.n_threads = n_threads;
    st = hn_context_open(out, &o);
    if (st < 0)
        return hn_fail(from, st, "predictor: no context of its own");
    (*out)->k = from->k;
    (*out)->gemm = from->gemm;
    (*out)->seed = from->seed;
    for (int64_t i = 0; i < hnas_op_get_count(from) && st == HNAS_OK; i++)
        st = hnas_op_register(*out, hnas_op_get(from, i));
    return st < 0 ? hn_fail_nomem(from, "predictor") : HNAS_OK;
}

static hnas_status copy_model(struct hnas_predictor *p,
                              const struct hnas_model *from)
{
    hnas_model_opts o = from->opts;
    hnas_status st;

    o.auxiliary = 0;
    st = hn_model_make(&p->model, p->ctx, from->kind, &o);
    if (st == HNAS_OK)
        st = hnas_model_inherit(p->model, &from->params);
    for (int64_t i = 0; st == HNAS_OK && i < p->model->params.n; i++)
        p->model->params.entry[i].tensor->wanted = 0;
    return st;
}

/* Record and compute once, which reserves all that a replay needs. */
static hnas_status make_plan(struct plan *plan, struct hnas_predictor *p)
{
    struct hn_network_pass pass = {p->model->ones, NULL, 0, 0, NULL};
    const int64_t *d = p->model->opts.image;
    const int64_t dims[4] = {1, d[0], d[1], d[2]};
    hnas_status st;

    st = hn_tensor_new(&plan->image, p->ctx, HN_STRIDED, 4, dims);
    if (st == HNAS_OK)
        st = hnas_tape_create(&plan->tape, p->ctx);
    if (st == HNAS_OK)
        st = hnas_tape_reset(plan->tape, HNAS_TAPE_RUNNING_STATS);
    if (st == HNAS_OK)
        st = hn_network_apply(&plan->logits, plan->tape, &p->model->net,
                              plan->image, &pass);
    return st;
}

hnas_status hnas_predictor_create(hnas_predictor **out, const hnas_model *model,
                                  int32_t n_threads)
{
    struct hnas_context *ctx;
    struct hnas_predictor *p;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !model)
        return HNAS_E_ARG;
    ctx = model->ctx;
    if (n_threads < 1 || n_threads > 256)
        return hn_fail(ctx, HNAS_E_RANGE, "predictor: %d threads, want 1..256",
                       (int)n_threads);
    p = hn_zalloc(&ctx->alloc, sizeof *p);
    if (!p)
        return hn_fail_nomem(ctx, "predictor");
    p->owner = ctx;
    st = open_context(&p->ctx, ctx, n_threads);
    if (st == HNAS_OK) {
        p->plan =
            hn_alloc_array(&p->ctx->alloc, (size_t)n_threads, sizeof *p->plan);
        st = p->plan ? copy_model(p, model) : HNAS_E_NOMEM;
        for (int32_t i = 0; i < n_threads && st == HNAS_OK; i++)
            st = make_plan(&p->plan[i], p);
        if (st < 0)
            hn_fail(ctx, st, "%s", p->ctx->message);
    }
    if (st < 0) {
        hnas_predictor_destroy(p);
        return st;
    }
    *out = p;
    return HNAS_OK;
}

void hnas_predictor_destroy(hnas_predictor *predictor)
{
    struct hnas_predictor *p = predictor;

    if (!p)
        return;
    for (int32_t i = 0; p->plan && i < p->ctx->n_threads; i++) {
        hnas_tensor_unref(p->plan[i].logits);
        hnas_tape_destroy(p->plan[i].tape);
        hnas_tensor_unref(p->plan[i].image);
    }
    if (p->ctx) {
        hn_free(&p->ctx->alloc, p->plan);
        hnas_model_destroy(p->model);
        hn_context_close(p->ctx);
    }
    hn_free(&p->owner->alloc, p);
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
    const struct plan *plan = &r->p->plan[worker];
    const int64_t n = r->p->model->opts.classes;
    const int64_t one[4] = {1, r->dim[1], r->dim[2], r->dim[3]};
    hnas_status st;

    hn_copy_out(plan->image->data, HN_REAL, r->images + index * r->stride[0],
                HNAS_FLOAT32, one, r->stride);
    st = hn_tape_replay(plan->tape, worker);
    if (st < 0)
        atomic_store(&r->status, st);
    for (int64_t k = 0; k < n; k++)
        r->logits[index * n + k] = (float)hn_real(plan->logits)[k];
}

static hnas_status check(struct hnas_predictor *p, const hnas_array *a,
                         int64_t count)
{
    const hnas_model_opts *o = &p->model->opts;

    if (a->size < sizeof *a || !a->data)
        return hn_fail(p->ctx, HNAS_E_ARG, "predictor: size or data not set");
    if (a->dtype != HNAS_FLOAT32)
        return hn_fail(p->ctx, HNAS_E_TYPE,
                       "predictor: images of type %d, want HNAS_FLOAT32",
                       (int)a->dtype);
    if (a->rank != 4 || a->dims[0] < 1 || a->dims[1] != o->image[0] ||
        a->dims[2] != o->image[1] || a->dims[3] != o->image[2])
        return hn_fail(p->ctx, HNAS_E_SHAPE,
                       "predictor: images of rank %d, want [N, %lld, %lld, "
                       "%lld]",
                       (int)a->rank, (long long)o->image[0],
                       (long long)o->image[1], (long long)o->image[2]);
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

hnas_status hnas_predictor_run(hnas_predictor *predictor,
                               const hnas_array *images, float *logits,
                               int64_t count)
{
    struct run r = {.p = predictor, .logits = logits};
    uint64_t mode;
    hnas_status st;

    if (!predictor || !images || !logits)
        return HNAS_E_ARG;
    st = check(predictor, images, count);
    if (st < 0)
        return st;
    r.images = images->data;
    set_strides(&r, images);
    atomic_init(&r.status, HNAS_OK);
    mode = hn_fp_enter();
    hn_parallel(predictor->ctx, r.dim[0], run_image, &r);
    hn_fp_leave(mode);
    return atomic_load(&r.status);
}

const char *hnas_predictor_message(const hnas_predictor *predictor)
{
    return predictor ? predictor->ctx->message : "";
}
