/* SPDX-License-Identifier: BSD-3-Clause */
/* A step of training.  The weights move last, after nothing can fail. */
#include <math.h>
#include <string.h>

#include "base/fpmode.h"
#include "func/func.h"
#include "model/model.h"

void hnas_train_opts_init(hnas_train_opts *opts, size_t size)
{
    hnas_train_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    hnas_sgd_opts_init(&o.sgd, sizeof o.sgd);
    o.rate = 0.025;
    o.rate_steps = 1;
    o.aux_weight = 0.4;
    o.norm_momentum = 0.1;
    memcpy(opts, &o, o.size);
}

static hnas_status check_opts(struct hnas_context *ctx,
                              const hnas_train_opts *o)
{
    if (!(o->rate >= 0 && o->rate_last >= 0 && o->aux_weight >= 0 &&
          isfinite(o->rate + o->rate_last + o->aux_weight)))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "train: rates %g, %g, aux_weight %g, want finite and "
                       ">= 0",
                       o->rate, o->rate_last, o->aux_weight);
    if (o->total_steps < 0 || o->rate_steps < 1)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "train: total_steps %lld, rate_steps %lld",
                       (long long)o->total_steps, (long long)o->rate_steps);
    if (!(o->drop_path >= 0 && o->drop_path < 1) ||
        !(o->label_smoothing >= 0 && o->label_smoothing < 1))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "train: drop_path %g, label_smoothing %g, want 0 <= x "
                       "< 1",
                       o->drop_path, o->label_smoothing);
    if (!(o->average >= 0 && o->average < 1))
        return hn_fail(ctx, HNAS_E_RANGE, "train: average %g, want 0 <= x < 1",
                       o->average);
    if (!(o->norm_momentum >= 0 && o->norm_momentum <= 1))
        return hn_fail(ctx, HNAS_E_RANGE, "train: norm_momentum %g, want 0..1",
                       o->norm_momentum);
    return HNAS_OK;
}

/* ---- beginning ---- */

static void destroy(struct hnas_context *ctx, struct hn_training *t)
{
    if (!t)
        return;
    for (int64_t i = 0; t->average && i < t->sgd->n; i++)
        hnas_tensor_unref(t->average[i]);
    hn_free(&ctx->alloc, t->average);
    hnas_optim_destroy(t->sgd);
    hn_free(&ctx->alloc, t);
}

void hn_training_destroy(struct hnas_model *m)
{
    destroy(m->ctx, m->training);
    m->training = NULL;
}

/* An optimizer of all weights, whose gradients are reserved now. */
static hnas_status make_optimizer(struct hn_training *t, struct hnas_model *m)
{
    hnas_tensor **w =
        hn_alloc_array(&m->ctx->alloc, (size_t)m->params.n, sizeof *w);
    hnas_status st = HNAS_OK;
    int64_t n = 0;

    if (!w)
        return hn_fail_nomem(m->ctx, "training");
    n = hn_params_select(w, &m->params, HNAS_PARAM_WEIGHT);
    for (int64_t i = 0; i < n && st == HNAS_OK; i++)
        if (!hn_tensor_grad(w[i]))
            st = hn_fail_nomem(m->ctx, "gradient");
    if (st == HNAS_OK)
        st = hnas_sgd_create(&t->sgd, m->ctx, w, n, &t->opts.sgd);
    hn_free(&m->ctx->alloc, w);
    return st;
}

/* The average of weights that came from elsewhere is these. */
void hn_training_average_anew(struct hnas_model *m)
{
    struct hn_training *t = m->training;

    for (int64_t i = 0; t && t->average && i < t->sgd->n; i++)
        memcpy(t->average[i]->data, t->sgd->param[i]->data,
               (size_t)hn_tensor_extent(t->average[i]) * sizeof(real));
    if (t)
        t->is_swapped = 0;
}

/* An average that starts at the weights. */
static hnas_status make_average(struct hn_training *t, struct hnas_context *ctx)
{
    hnas_status st = HNAS_OK;

    if (t->opts.average == 0)
        return HNAS_OK;
    t->average =
        hn_alloc_array(&ctx->alloc, (size_t)t->sgd->n, sizeof *t->average);
    if (!t->average)
        return hn_fail_nomem(ctx, "average");
    for (int64_t i = 0; i < t->sgd->n && st == HNAS_OK; i++) {
        const hnas_tensor *w = t->sgd->param[i];

        st = hn_tensor_new(&t->average[i], ctx, (enum hn_layout)w->layout,
                           w->rank, w->dim);
        if (st == HNAS_OK)
            memcpy(t->average[i]->data, w->data,
                   (size_t)hn_tensor_extent(w) * sizeof(real));
    }
    return st;
}

hnas_status hnas_model_train(hnas_model *model, const hnas_train_opts *opts)
{
    struct hn_training *t;
    hnas_train_opts o;
    hnas_status st;

    if (!model)
        return HNAS_E_ARG;
    st = hn_expect_idle(model->ctx, "hnas_model_train");
    if (st == HNAS_OK && model->training && model->training->is_swapped)
        st = hn_fail(model->ctx, HNAS_E_STATE,
                     "train: the weights are swapped with their average");
    if (st < 0)
        return st;
    hnas_train_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(model->ctx, st, "train: opts.size is not set");
    st = check_opts(model->ctx, &o);
    if (st < 0)
        return st;
    t = hn_zalloc(&model->ctx->alloc, sizeof *t);
    if (!t)
        return hn_fail_nomem(model->ctx, "training");
    t->opts = o;
    st = make_optimizer(t, model);
    if (st == HNAS_OK)
        st = make_average(t, model->ctx);
    if (st < 0) {
        destroy(model->ctx, t);
        return st;
    }
    hn_training_destroy(model);
    model->training = t;
    return HNAS_OK;
}

/* ---- the step ---- */

static hnas_status check_batch(struct hnas_model *m, const hnas_batch *b)
{
    if (!b || !b->images || !b->labels)
        return hn_fail(m->ctx, HNAS_E_ARG, "model: no images or no labels");
    return hn_network_check_images(&m->net, b->images, "model");
}

/* The step whose schedules count: they change every rate_steps. */
static int64_t schedule_step(const struct hn_training *t)
{
    return t->step / t->opts.rate_steps * t->opts.rate_steps;
}

static double rate_of(const struct hn_training *t)
{
    const hnas_train_opts *o = &t->opts;

    return hnas_schedule_cosine(o->rate, o->rate_last, schedule_step(t),
                                o->total_steps);
}

static double drop_path_of(const struct hn_training *t)
{
    const hnas_train_opts *o = &t->opts;
    const double done =
        o->total_steps ? (double)schedule_step(t) / (double)o->total_steps : 1;

    return o->drop_path * fmin(done, 1);
}

/* Add the auxiliary head's loss. */
static hnas_status add_auxiliary(hnas_tensor **loss, struct hnas_model *m,
                                 hnas_tensor *features, hnas_tensor *labels)
{
    const hnas_train_opts *o = &m->training->opts;
    hnas_tensor *logits = NULL, *ce = NULL, *part = NULL, *sum = NULL;
    hnas_status st = hn_auxiliary_apply(&logits, m->tape, &m->aux, features);

    if (st == HNAS_OK)
        st = hn_cross_entropy(&ce, m->tape, logits, labels, o->label_smoothing);
    if (st == HNAS_OK)
        st = hnas_affine(&part, m->tape, ce, o->aux_weight, 0);
    if (st == HNAS_OK)
        st = hnas_add(&sum, m->tape, *loss, part);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(ce);
    hnas_tensor_unref(part);
    if (st == HNAS_OK) {
        hnas_tensor_unref(*loss);
        *loss = sum;
    }
    return st;
}

static hnas_status record_loss(hnas_tensor **out, struct hnas_model *m,
                               const hnas_batch *batch, double drop_path)
{
    struct hn_network_pass pass = {m->ones, NULL, 0, m->opts.auxiliary,
                                   NULL,    NULL, 0};
    const hnas_train_opts *o = &m->training->opts;
    hnas_tensor *logits = NULL;
    hnas_status st = HNAS_OK;

    if (drop_path > 0) {
        const int64_t n = batch->images->dim[0];

        st = hn_model_draw_paths(m, n, hn_comm_rank(m->ctx) * n, drop_path,
                                 m->training->step);
        pass.cell_gates = m->drop;
    }
    hn_auxiliary_clear_norms(&m->aux);
    hnas_tape_defer(m->tape);
    if (st == HNAS_OK)
        st = hn_network_apply(&logits, m->tape, &m->net, batch->images, &pass);
    if (st == HNAS_OK)
        st = hn_cross_entropy(out, m->tape, logits, batch->labels,
                              o->label_smoothing);
    if (st == HNAS_OK && pass.tapped)
        st = add_auxiliary(out, m, pass.tapped, batch->labels);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(pass.tapped);
    return st == HNAS_OK ? hnas_tape_run(m->tape) : st;
}

static hnas_status find_gradient(struct hnas_model *m, const hnas_batch *batch,
                                 hnas_train_info *info)
{
    const int32_t is_shared = hn_comm_ranks(m->ctx) > 1;
    hnas_tensor *loss = NULL;
    hnas_status st = hnas_tape_reset(m->tape, is_shared ? HNAS_TAPE_RANKS : 0);

    for (int64_t i = 0; i < m->params.n; i++)
        hnas_tensor_clear_gradient(m->params.entry[i].tensor);
    if (st == HNAS_OK)
        st = record_loss(&loss, m, batch, info->drop_path);
    if (st == HNAS_OK)
        st = hnas_tensor_get(loss, HNAS_FLOAT64, &info->loss, 1);
    if (st == HNAS_OK && !isfinite(info->loss))
        st = hn_fail(m->ctx, HNAS_E_NAN, "step %lld: the training loss is %g",
                     (long long)m->training->step + 1, info->loss);
    if (st == HNAS_OK)
        st = hnas_tape_backward(m->tape, loss);
    hnas_tensor_unref(loss);
    return st;
}

static void move_average(struct hn_training *t)
{
    const real keep = (real)t->opts.average, take = 1 - keep;

    for (int64_t i = 0; t->average && i < t->sgd->n; i++) {
        const real *w = hn_real(t->sgd->param[i]);
        real *a = hn_real(t->average[i]);
        const int64_t n = hn_tensor_extent(t->average[i]);

        for (int64_t k = 0; k < n; k++)
            a[k] = keep * a[k] + take * w[k];
    }
}

hnas_status hnas_model_swap_average(hnas_model *model)
{
    struct hn_training *t;
    hnas_status st;

    if (!model)
        return HNAS_E_ARG;
    st = hn_expect_idle(model->ctx, "hnas_model_swap_average");
    if (st < 0)
        return st;
    t = model->training;
    if (!t || !t->average)
        return hn_fail(model->ctx, HNAS_E_STATE,
                       "swap: no average of the weights is kept");
    for (int64_t i = 0; i < t->sgd->n; i++) {
        real *w = hn_real(t->sgd->param[i]), *a = hn_real(t->average[i]);

        for (int64_t k = hn_tensor_extent(t->average[i]) - 1; k >= 0; k--) {
            const real kept = w[k];

            w[k] = a[k];
            a[k] = kept;
        }
    }
    t->is_swapped = !t->is_swapped;
    model->is_calibrated = 0;
    return HNAS_OK;
}

static hnas_status do_step(struct hnas_model *m, const hnas_batch *batch,
                           hnas_train_info *info)
{
    struct hn_training *t = m->training;
    char who[HN_STEP_BYTES];
    hnas_status st;

    hn_step_text(who, t->step);
    info->rate = rate_of(t);
    info->drop_path = drop_path_of(t);
    st = find_gradient(m, batch, info);
    if (st == HNAS_OK)
        st = hn_network_check_norms(&m->net, t->opts.norm_momentum, who);
    if (st == HNAS_OK)
        st = hn_auxiliary_check_norms(&m->aux, t->opts.norm_momentum, who);
    if (st == HNAS_OK)
        st = hnas_optim_step(t->sgd, info->rate);
    if (st < 0)
        return st;
    info->norm = hn_optim_get_norm(t->sgd);
    hn_network_update_norms(&m->net, t->opts.norm_momentum);
    hn_auxiliary_update_norms(&m->aux, t->opts.norm_momentum);
    move_average(t);
    m->is_calibrated = 0;
    info->step = ++t->step;
    return HNAS_OK;
}

hnas_status hnas_model_step(hnas_model *model, const hnas_batch *batch,
                            hnas_train_info *info)
{
    hnas_train_info done;
    uint64_t mode;
    hnas_status st;

    if (!model)
        return HNAS_E_ARG;
    st = hn_expect_idle(model->ctx, "hnas_model_step");
    if (st == HNAS_OK)
        st = check_batch(model, batch);
    if (st < 0)
        return st;
    if (!model->training)
        return hn_fail(model->ctx, HNAS_E_STATE,
                       "step: hnas_model_train was not called");
    if (model->training->is_swapped)
        return hn_fail(model->ctx, HNAS_E_STATE,
                       "step: the weights are swapped with their average");
    mode = hn_fp_enter();
    model->runs = 1;
    st = do_step(model, batch, &done);
    model->runs = 0;
    hn_fp_leave(mode);
    if (st == HNAS_OK && info)
        *info = done;
    return st;
}

int64_t hnas_model_get_steps(const hnas_model *model)
{
    return model->training ? model->training->step : 0;
}
