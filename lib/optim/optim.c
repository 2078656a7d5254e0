/* SPDX-License-Identifier: BSD-3-Clause */
/* What all optimizers share: the handle, the norm, the step, the snapshot. */
#include "optim/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fpmode.h"

/* Whether the elements lie side by side in row-major order. */
static int is_dense(const struct hnas_tensor *t)
{
    int64_t step = 1;

    if (t->layout != HN_STRIDED)
        return 1;
    for (int i = HNAS_MAX_RANK - 1; i >= 0; i--) {
        if (t->dim[i] > 1 && t->stride[i] != step)
            return 0;
        step *= t->dim[i];
    }
    return 1;
}

static int compare(const void *a, const void *b)
{
    const uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

    return (x > y) - (x < y);
}

/* A tensor that is listed twice would move twice a step. */
static hnas_status check_repeats(struct hnas_context *ctx,
                                 struct hnas_tensor *const *params, int64_t n)
{
    uintptr_t *sorted = hn_alloc_array(&ctx->alloc, (size_t)n, sizeof *sorted);
    hnas_status st = HNAS_OK;

    if (!sorted)
        return hn_fail_nomem(ctx, "optimizer");
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (uintptr_t)params[i];
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    for (int64_t i = 1; i < n && st == HNAS_OK; i++)
        if (sorted[i] == sorted[i - 1])
            st = hn_fail(ctx, HNAS_E_ARG,
                         "params: a tensor twice, want each once");
    hn_free(&ctx->alloc, sorted);
    return st;
}

static hnas_status check_params(struct hnas_context *ctx,
                                struct hnas_tensor *const *params, int64_t n)
{
    if (n < 0)
        return hn_fail(ctx, HNAS_E_RANGE, "n: %lld, want >= 0", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        hnas_status st;

        if (!params[i])
            return hn_fail(ctx, HNAS_E_ARG, "params[%lld]: NULL", (long long)i);
        if (params[i]->ctx != ctx)
            return hn_fail(ctx, HNAS_E_ARG, "params[%lld]: of another context",
                           (long long)i);
        st = hn_expect(params[i], -1, "params");
        if (st < 0)
            return st;
        if (params[i]->record)
            return hn_fail(ctx, HNAS_E_STATE, "params[%lld]: not a leaf",
                           (long long)i);
        if (!is_dense(params[i]))
            return hn_fail(ctx, HNAS_E_SHAPE,
                           "params[%lld]: strides, want contiguous elements",
                           (long long)i);
    }
    return check_repeats(ctx, params, n);
}

static hnas_status add_state(hnas_optim *optim, int32_t state)
{
    optim->state[state] = hn_alloc_array(&optim->ctx->alloc, (size_t)optim->n,
                                         sizeof *optim->state[state]);
    if (!optim->state[state])
        return hn_fail_nomem(optim->ctx, "optimizer");
    for (int64_t i = 0; i < optim->n; i++) {
        const struct hnas_tensor *p = optim->param[i];
        hnas_status st =
            hn_tensor_new(&optim->state[state][i], optim->ctx,
                          (enum hn_layout)p->layout, p->rank, p->dim);

        if (st < 0)
            return st;
    }
    return HNAS_OK;
}

hnas_status hn_optim_create(hnas_optim **out, struct hnas_context *ctx,
                            const struct hn_optim_rule *rule,
                            struct hnas_tensor *const *params, int64_t n)
{
    hnas_optim *optim = NULL;
    hnas_status st = check_params(ctx, params, n);

    if (st < 0)
        return st;
    optim = hn_zalloc(&ctx->alloc, sizeof *optim);
    if (!optim)
        return hn_fail_nomem(ctx, "optimizer");
    optim->ctx = ctx;
    optim->rule = rule;
    optim->param = hn_alloc_array(&ctx->alloc, (size_t)n, sizeof *optim->param);
    optim->told =
        hn_alloc_array(&ctx->alloc, 2 * (size_t)n, sizeof *optim->told);
    if (!optim->param || !optim->told) {
        st = hn_fail_nomem(ctx, "optimizer");
        goto done;
    }
    optim->n = n;
    for (int64_t i = 0; i < n; i++)
        optim->param[i] = hnas_tensor_ref(params[i]);
    for (int32_t s = 0; s < rule->n_states; s++) {
        st = add_state(optim, s);
        if (st < 0)
            goto done;
    }
    *out = optim;
    optim = NULL;
done:
    hnas_optim_destroy(optim);
    return st;
}

void hnas_optim_destroy(hnas_optim *optim)
{
    if (!optim)
        return;
    for (int32_t s = 0; s < HN_OPTIM_MAX_STATES; s++) {
        for (int64_t i = 0; optim->state[s] && i < optim->n; i++)
            hnas_tensor_unref(optim->state[s][i]);
        hn_free(&optim->ctx->alloc, optim->state[s]);
    }
    for (int64_t i = 0; optim->param && i < optim->n; i++)
        hnas_tensor_unref(optim->param[i]);
    hn_free(&optim->ctx->alloc, optim->param);
    hn_free(&optim->ctx->alloc, optim->told);
    hn_free(&optim->ctx->alloc, optim->saved);
    hn_free(&optim->ctx->alloc, optim);
}

static void square_task(void *user, int64_t index, int32_t worker)
{
    const hnas_optim *optim = user;
    const struct hnas_tensor *t = optim->param[index];

    (void)worker;
    optim->told[index] =
        t->grad ? optim->ctx->k.dot(t->grad, t->grad, hn_tensor_extent(t)) : 0;
    optim->told[optim->n + index] =
        optim->ctx->k.dot(t->data, t->data, hn_tensor_extent(t));
}

/* The norms of all gradients and of all parameters. */
static hnas_status find_norms(double *grad, double *param,
                              const hnas_optim *optim)
{
    double sum = 0, own = 0;

    hn_parallel(optim->ctx, optim->n, square_task, (void *)optim);
    for (int64_t i = 0; i < optim->n; i++) {
        sum += optim->told[i];
        own += optim->told[optim->n + i];
    }
    /* a rectifier turns NaN into 0: neither loss nor gradient need tell */
    if (!isfinite(own))
        return hn_fail(optim->ctx, HNAS_E_NAN,
                       "parameters: norm %g, want a finite number", sqrt(own));
    if (!isfinite(sum))
        return hn_fail(optim->ctx, HNAS_E_NAN,
                       "gradient: norm %g, want a finite number", sqrt(sum));
    *grad = sqrt(sum);
    *param = sqrt(own);
    return HNAS_OK;
}

hnas_status hn_optim_norm(double *norm, const hnas_optim *optim)
{
    double param;

    return find_norms(norm, &param, optim);
}

/* ---- whether a step stays finite ---- */

static void measure_states(hnas_optim *optim)
{
    for (int32_t s = 0; s < optim->rule->n_states; s++) {
        double sum = 0;

        for (int64_t i = 0; i < optim->n; i++) {
            const struct hnas_tensor *t = optim->state[s][i];

            sum += optim->ctx->k.dot(t->data, t->data, hn_tensor_extent(t));
        }
        optim->state_norm[s] = sqrt(sum);
    }
}

static int is_within(double after[HN_OPTIM_MAX_STATES],
                     const struct hn_update *u, double grad, double param)
{
    memcpy(after, u->optim->state_norm, sizeof u->optim->state_norm);
    return u->optim->rule->reach(u, grad, param, after) <=
           (double)HN_REAL_MAX / 4;
}

static void finite_task(void *user, int64_t index, int32_t worker)
{
    const struct hn_update *u = user;

    (void)worker;
    u->optim->told[index] =
        u->optim->rule->leaves_finite(u, index, u->optim->param[index]->grad);
}

/* Refuse a step that would leave a weight or a state that is not finite.
 * Norms tell nearly always that it can't; else it is computed in vain.
 * after: the states' norms behind the step. */
static hnas_status check_reach(double after[HN_OPTIM_MAX_STATES],
                               hnas_optim *optim, struct hn_update *update,
                               double grad, double param)
{
    if (optim->state_norm[0] >= 0 && is_within(after, update, grad, param))
        return HNAS_OK;
    measure_states(optim);
    if (is_within(after, update, grad, param))
        return HNAS_OK;
    for (int32_t s = 0; s < HN_OPTIM_MAX_STATES; s++)
        after[s] = -1;
    hn_parallel(optim->ctx, optim->n, finite_task, update);
    for (int64_t i = 0; i < optim->n; i++)
        if (optim->told[i] == 0)
            return hn_fail(optim->ctx, HNAS_E_NAN,
                           "params[%lld]: the step leaves no finite number",
                           (long long)i);
    return HNAS_OK;
}

static void update_task(void *user, int64_t index, int32_t worker)
{
    const struct hn_update *update = user;

    (void)worker;
    update->optim->rule->update(update, index,
                                update->optim->param[index]->grad);
}

static hnas_status do_step(hnas_optim *optim, double rate)
{
    struct hn_update update = {optim, rate, 1};
    double norm = 0, param = 0, after[HN_OPTIM_MAX_STATES];
    hnas_status st = find_norms(&norm, &param, optim);

    if (st < 0)
        return st;
    update.kappa = hn_sgd_kappa(optim, norm); /* 1 for Adam: no clip */
    optim->n_steps++;
    st = check_reach(after, optim, &update, norm, param);
    if (st < 0) {
        optim->n_steps--;
        return st;
    }
    optim->norm = norm;
    hn_parallel(optim->ctx, optim->n, update_task, &update);
    memcpy(optim->state_norm, after, sizeof after);
    return HNAS_OK;
}

hnas_status hnas_optim_step(hnas_optim *optim, double rate)
{
    uint64_t mode;
    hnas_status st;

    if (!optim)
        return HNAS_E_ARG;
    if (!(rate >= 0) || isinf(rate))
        return hn_fail(optim->ctx, HNAS_E_RANGE, "rate: %g, want >= 0", rate);
    st = hn_expect_idle(optim->ctx, "hnas_optim_step");
    if (st < 0)
        return st;
    mode = hn_fp_enter();
    st = do_step(optim, rate);
    hn_fp_leave(mode);
    return st;
}

int64_t hnas_optim_get_steps(const hnas_optim *optim)
{
    return optim ? optim->n_steps : 0;
}

double hn_optim_get_norm(const hnas_optim *optim)
{
    return optim->norm;
}

int32_t hn_optim_get_state_count(const hnas_optim *optim)
{
    return optim->rule->n_states;
}

const char *hn_optim_get_state_name(const hnas_optim *optim, int32_t state)
{
    return optim->rule->state_names[state];
}

struct hnas_tensor *hn_optim_get_state(const hnas_optim *optim, int32_t state,
                                       int64_t index)
{
    return optim->state[state][index];
}

void hn_optim_set_steps(hnas_optim *optim, int64_t n_steps)
{
    optim->n_steps = n_steps;
    optim->state_norm[0] = -1;
}

/* Copy all reals of a list of tensors to (or from) memory; gives what
 * follows. */
static real *copy_all(real *memory, struct hnas_tensor *const *list, int64_t n,
                      int to_memory)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t count = hn_tensor_extent(list[i]);
        const size_t bytes = (size_t)count * sizeof(real);

        if (to_memory)
            memcpy(memory, list[i]->data, bytes);
        else
            memcpy(list[i]->data, memory, bytes);
        memory += count;
    }
    return memory;
}

static void copy_snapshot(const hnas_optim *optim, int to_memory)
{
    real *at = copy_all(optim->saved, optim->param, optim->n, to_memory);

    for (int32_t s = 0; s < optim->rule->n_states; s++)
        at = copy_all(at, optim->state[s], optim->n, to_memory);
}

hnas_status hn_optim_snapshot(hnas_optim *optim)
{
    if (!optim->saved) {
        int64_t count = 0;

        for (int64_t i = 0; i < optim->n; i++)
            count += hn_tensor_extent(optim->param[i]);
        count *= 1 + optim->rule->n_states;
        optim->saved =
            hn_alloc_array(&optim->ctx->alloc, (size_t)count, sizeof(real));
        if (!optim->saved)
            return hn_fail_nomem(optim->ctx, "snapshot of an optimizer");
    }
    copy_snapshot(optim, 1);
    optim->saved_steps = optim->n_steps;
    optim->saved_norm = optim->norm;
    return HNAS_OK;
}

void hn_optim_restore(hnas_optim *optim)
{
    if (!optim->saved)
        return;
    copy_snapshot(optim, 0);
    optim->n_steps = optim->saved_steps;
    optim->norm = optim->saved_norm;
    optim->state_norm[0] = -1;
}
