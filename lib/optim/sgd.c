/* SPDX-License-Identifier: BSD-3-Clause */
/* Stochastic gradient descent, as torch.optim.SGD after clip_grad_norm_:
 *
 *     d    = kappa * g + decay * w,  kappa = min(1, clip / (|g| + 1e-6))
 *     buf  = momentum * buf + d      (buf is zero before the first step)
 *     step = nesterov ? d + momentum * buf : buf
 *     w   -= rate * step */
#include <math.h>
#include <string.h>

#include "optim/optim.h"

void hnas_sgd_opts_init(hnas_sgd_opts *opts, size_t size)
{
    hnas_sgd_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.momentum = 0.9;
    o.weight_decay = 3e-4;
    o.clip = 5;
    memcpy(opts, &o, o.size);
}

enum { CHUNK = 512 };

/* The equations of the head for at most CHUNK elements: the step, and the
 * buffer that follows. */
static void sgd_chunk(real *restrict step, real *restrict next,
                      const real *restrict w, const real *restrict buf,
                      const real *restrict grad, int64_t count,
                      const struct hn_update *u)
{
    const hnas_sgd_opts *o = &u->optim->sgd;
    const real momentum = (real)o->momentum, decay = (real)o->weight_decay;
    const real kappa = (real)u->kappa;

    for (int64_t i = 0; i < count; i++)
        step[i] = (grad ? kappa * grad[i] : 0) + decay * w[i];
    for (int64_t i = 0; i < count; i++)
        next[i] = momentum * buf[i] + step[i];
    if (o->nesterov)
        for (int64_t i = 0; i < count; i++)
            step[i] += momentum * next[i];
    else
        memcpy(step, next, (size_t)count * sizeof *step);
}

/* Chunk by chunk, so that every loop runs over arrays that do not overlap
 * although dst may be w.  next_buf may be buf, or NULL: not kept. */
static void sgd_span(real *dst, real *next_buf, const real *w, const real *buf,
                     const real *grad, int64_t count, const struct hn_update *u)
{
    const real rate = (real)u->rate;
    real step[CHUNK], next[CHUNK];

    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t n = count - at < CHUNK ? count - at : CHUNK;
        const size_t bytes = (size_t)n * sizeof(real);
        real *restrict d = dst + at;

        sgd_chunk(step, next, w + at, buf + at, grad ? grad + at : NULL, n, u);
        if (dst != w)
            memcpy(d, w + at, bytes);
        for (int64_t i = 0; i < n; i++)
            d[i] -= rate * step[i];
        if (next_buf)
            memcpy(next_buf + at, next, bytes);
    }
}

static void sgd_update(const struct hn_update *update, int64_t index,
                       const real *grad)
{
    const struct hnas_tensor *w = update->optim->param[index];
    real *buf = hn_real(update->optim->state[0][index]);

    sgd_span(hn_real(w), buf, hn_real(w), buf, grad, hn_tensor_extent(w),
             update);
}

static int sgd_leaves_finite(const struct hn_update *update, int64_t index,
                             const real *grad)
{
    const struct hnas_tensor *t = update->optim->param[index];
    const real *w = hn_real(t), *buf = hn_real(update->optim->state[0][index]);
    const int64_t count = hn_tensor_extent(t);
    const real rate = (real)update->rate;
    real step[CHUNK], next[CHUNK];

    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t n = count - at < CHUNK ? count - at : CHUNK;

        sgd_chunk(step, next, w + at, buf + at, grad ? grad + at : NULL, n,
                  update);
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(w[at + i] - rate * step[i]) || !isfinite(next[i]))
                return 0;
    }
    return 1;
}

static double sgd_reach(const struct hn_update *update, double grad,
                        double param, double state[HN_OPTIM_MAX_STATES])
{
    const hnas_sgd_opts *o = &update->optim->sgd;
    const double d = update->kappa * grad + o->weight_decay * param;
    const double buf = (o->momentum * state[0] + d) * HN_OPTIM_ROUNDED;
    const double step = o->nesterov ? d + o->momentum * buf : buf;

    state[0] = buf;
    return d + buf + step + param + o->weight_decay + update->rate +
           update->rate * step;
}

static const struct hn_optim_rule sgd_rule = {
    .name = "sgd",
    .n_states = 1,
    .state_names = {"momentum"},
    .update = sgd_update,
    .leaves_finite = sgd_leaves_finite,
    .reach = sgd_reach,
};

static hnas_status check_opts(struct hnas_context *ctx, const hnas_sgd_opts *o)
{
    if (!(o->momentum >= 0 && o->momentum < 1))
        return hn_fail(ctx, HNAS_E_RANGE, "momentum: %g, want 0 <= m < 1",
                       o->momentum);
    if (!(o->weight_decay >= 0) || isinf(o->weight_decay))
        return hn_fail(ctx, HNAS_E_RANGE, "weight_decay: %g, want >= 0",
                       o->weight_decay);
    if (!(o->clip >= 0) || isinf(o->clip))
        return hn_fail(ctx, HNAS_E_RANGE, "clip: %g, want >= 0", o->clip);
    return hn_check_reserved(ctx, "hnas_sgd_opts", o->reserved);
}

hnas_status hnas_sgd_create(hnas_optim **out, hnas_context *ctx,
                            hnas_tensor *const *params, int64_t n,
                            const hnas_sgd_opts *opts)
{
    hnas_sgd_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || (n > 0 && !params))
        return hn_fail_null(ctx, "sgd: out or params");
    hnas_sgd_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "opts: size not set");
    st = check_opts(ctx, &o);
    if (st < 0)
        return st;
    st = hn_optim_create(out, ctx, &sgd_rule, params, n);
    if (st == HNAS_OK)
        (*out)->sgd = o;
    return st;
}

double hn_sgd_kappa(const hnas_optim *optim, double norm)
{
    const double clip = optim->sgd.clip;

    return clip > 0 ? fmin(1, clip / (norm + 1e-6)) : 1;
}

struct virtual_step {
    struct hn_update update;
    real *const *dst;
};

static void virtual_task(void *user, int64_t index, int32_t worker)
{
    const struct virtual_step *v = user;
    const hnas_optim *optim = v->update.optim;
    const struct hnas_tensor *w = optim->param[index];

    (void)worker;
    sgd_span(v->dst ? v->dst[index] : hn_real(w), NULL, hn_real(w),
             hn_real(optim->state[0][index]), w->grad, hn_tensor_extent(w),
             &v->update);
}

hnas_status hn_sgd_virtual(struct hn_virtual *info, const hnas_optim *optim,
                           double rate, int32_t clip, real *const *dst)
{
    struct virtual_step step = {{optim, rate, 1}, dst};
    double norm;
    hnas_status st;

    if (optim->rule != &sgd_rule)
        return hn_fail(optim->ctx, HNAS_E_UNSUPPORTED,
                       "virtual step: of %s, want sgd", optim->rule->name);
    st = hn_optim_norm(&norm, optim);
    if (st < 0)
        return st;
    if (clip)
        step.update.kappa = hn_sgd_kappa(optim, norm);
    hn_parallel(optim->ctx, optim->n, virtual_task, &step);
    info->norm = norm;
    info->kappa = step.update.kappa;
    info->nu = optim->sgd.nesterov ? 1 + optim->sgd.momentum : 1;
    return HNAS_OK;
}
