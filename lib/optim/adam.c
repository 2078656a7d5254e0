/* SPDX-License-Identifier: BSD-3-Clause */
/* Adam (Kingma and Ba, arXiv:1412.6980), as torch.optim.Adam: the decay is
 * added to the gradient, epsilon to the corrected root.
 *
 *     g  = g + decay * w
 *     m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2
 *     w -= rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
#include <math.h>
#include <string.h>

#include "optim/optim.h"

void hnas_adam_opts_init(hnas_adam_opts *opts, size_t size)
{
    hnas_adam_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.beta1 = 0.5;
    o.beta2 = 0.999;
    o.epsilon = 1e-8;
    o.weight_decay = 1e-3;
    memcpy(opts, &o, o.size);
}

/* The equations' constants at one step. */
struct factors {
    real keep1, beta2, keep2, eps, decay, scale, root;
};

/* The step's count is raised before its updates: t = n_steps. */
static struct factors factors_of(const struct hn_update *update)
{
    const hnas_adam_opts *o = &update->optim->adam;
    const double t = (double)update->optim->n_steps;
    const struct factors f = {(real)(1 - o->beta1),
                              (real)o->beta2,
                              (real)(1 - o->beta2),
                              (real)o->epsilon,
                              (real)o->weight_decay,
                              (real)(update->rate / (1 - pow(o->beta1, t))),
                              (real)sqrt(1 - pow(o->beta2, t))};

    return f;
}

static void adam_one(real *w, real *m, real *v, real grad,
                     const struct factors *f)
{
    const real g = grad + f->decay * *w;

    *m += f->keep1 * (g - *m);
    *v = f->beta2 * *v + f->keep2 * g * g;
    *w -= f->scale * (*m / ((real)sqrt((double)*v) / f->root + f->eps));
}

static void adam_update(const struct hn_update *update, int64_t index,
                        const real *grad)
{
    const hnas_optim *optim = update->optim;
    const struct factors f = factors_of(update);
    const int64_t count = hn_tensor_extent(optim->param[index]);
    real *w = hn_real(optim->param[index]);
    real *m = hn_real(optim->state[0][index]);
    real *v = hn_real(optim->state[1][index]);

    for (int64_t i = 0; i < count; i++)
        adam_one(&w[i], &m[i], &v[i], grad ? grad[i] : 0, &f);
}

static int adam_leaves_finite(const struct hn_update *update, int64_t index,
                              const real *grad)
{
    const hnas_optim *optim = update->optim;
    const struct factors f = factors_of(update);
    const int64_t count = hn_tensor_extent(optim->param[index]);

    for (int64_t i = 0; i < count; i++) {
        real w = hn_real(optim->param[index])[i];
        real m = hn_real(optim->state[0][index])[i];
        real v = hn_real(optim->state[1][index])[i];

        adam_one(&w, &m, &v, grad ? grad[i] : 0, &f);
        if (!isfinite(w) || !isfinite(m) || !isfinite(v))
            return 0;
    }
    return 1;
}

static double adam_reach(const struct hn_update *update, double grad,
                         double param, double state[HN_OPTIM_MAX_STATES])
{
    const hnas_adam_opts *o = &update->optim->adam;
    const struct factors f = factors_of(update);
    const double g = grad + o->weight_decay * param, before = state[0];
    const double m = o->beta1 * state[0] + (1 - o->beta1) * g;
    const double v = o->beta2 * state[1] + (1 - o->beta2) * g * g;

    state[0] = m * HN_OPTIM_ROUNDED;
    state[1] = v * HN_OPTIM_ROUNDED;
    return g + before + state[0] + state[1] + param + o->weight_decay +
           (double)f.scale + (1 + (double)f.scale) * state[0] / (double)f.eps;
}

static const struct hn_optim_rule adam_rule = {
    .name = "adam",
    .n_states = 2,
    .state_names = {"m", "v"},
    .update = adam_update,
    .leaves_finite = adam_leaves_finite,
    .reach = adam_reach,
};

static hnas_status check_opts(struct hnas_context *ctx, const hnas_adam_opts *o)
{
    if (!(o->beta1 >= 0 && o->beta1 < 1))
        return hn_fail(ctx, HNAS_E_RANGE, "beta1: %g, want 0 <= b < 1",
                       o->beta1);
    if (!(o->beta2 >= 0 && o->beta2 < 1))
        return hn_fail(ctx, HNAS_E_RANGE, "beta2: %g, want 0 <= b < 1",
                       o->beta2);
    /* zero in float too: 0 / 0 where a gradient never came */
    if (!((real)o->epsilon > 0) || isinf(o->epsilon))
        return hn_fail(ctx, HNAS_E_RANGE, "epsilon: %g, want > 0", o->epsilon);
    if (!(o->weight_decay >= 0) || isinf(o->weight_decay))
        return hn_fail(ctx, HNAS_E_RANGE, "weight_decay: %g, want >= 0",
                       o->weight_decay);
    return hn_check_reserved(ctx, "hnas_adam_opts", o->reserved);
}

hnas_status hnas_adam_create(hnas_optim **out, hnas_context *ctx,
                             hnas_tensor *const *params, int64_t n,
                             const hnas_adam_opts *opts)
{
    hnas_adam_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || (n > 0 && !params))
        return hn_fail_null(ctx, "adam: out or params");
    hnas_adam_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "opts: size not set");
    st = check_opts(ctx, &o);
    if (st < 0)
        return st;
    st = hn_optim_create(out, ctx, &adam_rule, params, n);
    if (st == HNAS_OK)
        (*out)->adam = o;
    return st;
}
