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

/* The step's count is raised before its updates: t = n_steps. */
static void adam_update(const struct hn_update *update, int64_t index,
                        const real *grad)
{
    const hnas_optim *optim = update->optim;
    const hnas_adam_opts *o = &optim->adam;
    const double t = (double)optim->n_steps;
    const real keep1 = (real)(1 - o->beta1), beta2 = (real)o->beta2;
    const real keep2 = (real)(1 - o->beta2), eps = (real)o->epsilon;
    const real decay = (real)o->weight_decay;
    const real scale = (real)(update->rate / (1 - pow(o->beta1, t)));
    const real root = (real)sqrt(1 - pow(o->beta2, t));
    const int64_t count = hn_tensor_extent(optim->param[index]);
    real *w = hn_real(optim->param[index]);
    real *m = hn_real(optim->state[0][index]);
    real *v = hn_real(optim->state[1][index]);

    for (int64_t i = 0; i < count; i++) {
        const real g = (grad ? grad[i] : 0) + decay * w[i];

        m[i] += keep1 * (g - m[i]);
        v[i] = beta2 * v[i] + keep2 * g * g;
        w[i] -= scale * (m[i] / ((real)sqrt((double)v[i]) / root + eps));
    }
}

static const struct hn_optim_rule adam_rule = {
    .name = "adam",
    .n_states = 2,
    .state_names = {"m", "v"},
    .update = adam_update,
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
    return HNAS_OK;
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
        return HNAS_E_ARG;
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
