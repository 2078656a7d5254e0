/* SPDX-License-Identifier: BSD-3-Clause */
/* The bilevel optimizer: u by Adam on the validation loss, then w by SGD on
 * the training loss.  A step that fails leaves everything as it was. */
#include "bilevel/bilevel.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/fpmode.h"

enum { MOST_DRAWS = 1024 };

void hnas_bilevel_opts_init(hnas_bilevel_opts *opts, size_t size)
{
    hnas_bilevel_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    hnas_sgd_opts_init(&o.w, sizeof o.w);
    hnas_adam_opts_init(&o.u, sizeof o.u);
    o.w_rate = 0.025;
    o.w_rate_last = 0.001;
    o.u_rate = 3e-4;
    o.rate_steps = 1;
    memcpy(opts, &o, o.size);
}

#define AT(field) #field, offsetof(hnas_bilevel_opts, field)

static const struct hn_bound bounds[] = {
    {AT(order), HN_BOUND_INT32, HNAS_ORDER_FIRST, HNAS_ORDER_SECOND_EXACT},
    {AT(w_rate), HN_BOUND_REAL, 0, DBL_MAX},
    {AT(w_rate_last), HN_BOUND_REAL, 0, DBL_MAX},
    {AT(u_rate), HN_BOUND_REAL, 0, DBL_MAX},
    {AT(u_span), HN_BOUND_REAL, 0, DBL_MAX},
    {AT(total_steps), HN_BOUND_INT64, 0, 0x1p63},
    {AT(rate_steps), HN_BOUND_INT64, 1, 0x1p63},
    {AT(warmup), HN_BOUND_REAL, 0, 1},
    {AT(cooldown), HN_BOUND_REAL, 0, 1},
};

static hnas_status check_opts(struct hnas_context *ctx,
                              const hnas_bilevel_opts *o)
{
    const hnas_status st = hn_check_bounds(ctx, "bilevel", o, bounds,
                                           sizeof bounds / sizeof *bounds);

    if (st < 0)
        return st;
    if (o->warmup + o->cooldown > 1)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "bilevel: warmup %g and cooldown %g, want at most 1 "
                       "together",
                       o->warmup, o->cooldown);
    return hn_check_reserved(ctx, "hnas_bilevel_opts", o->reserved);
}

static hnas_status copy_list(hnas_tensor ***out, struct hnas_context *ctx,
                             hnas_tensor *const *list, int64_t n)
{
    hnas_tensor **copy;

    for (int64_t i = 0; i < n; i++)
        if (!list[i])
            return hn_fail(ctx, HNAS_E_ARG,
                           "problem: a tensor of w or u is NULL");
    copy = hn_alloc_array(&ctx->alloc, (size_t)n, sizeof *copy);
    if (!copy)
        return hn_fail_nomem(ctx, "bilevel optimizer");
    for (int64_t i = 0; i < n; i++)
        copy[i] = hnas_tensor_ref(list[i]);
    *out = copy;
    for (int64_t i = 0; i < n; i++) /* reserved now, not in a step */
        if (!hn_tensor_grad(list[i]))
            return hn_fail_nomem(ctx, "gradient");
    return HNAS_OK;
}

/* Few are in u; each list alone is checked by its optimizer. */
static hnas_status check_apart(struct hnas_context *ctx, const hnas_problem *p)
{
    for (int64_t i = 0; i < p->n_u; i++)
        for (int64_t k = 0; k < p->n_w; k++)
            if (p->u[i] == p->w[k])
                return hn_fail(ctx, HNAS_E_ARG,
                               "problem: u[%lld] is w[%lld], want each once",
                               (long long)i, (long long)k);
    return HNAS_OK;
}

static hnas_status fill(struct hnas_bilevel *b, const hnas_problem *p)
{
    hnas_status st = copy_list(&b->w, b->ctx, p->w, p->n_w);

    if (st == HNAS_OK)
        st = copy_list(&b->u, b->ctx, p->u, p->n_u);
    if (st == HNAS_OK)
        st = check_apart(b->ctx, p);
    b->problem = *p;
    b->problem.w = b->w;
    b->problem.u = b->u;
    if (st == HNAS_OK)
        st = hnas_tape_create(&b->tape, b->ctx);
    if (st == HNAS_OK)
        st = hnas_sgd_create(&b->sgd, b->ctx, b->w, p->n_w, &b->opts.w);
    if (st == HNAS_OK)
        st = hnas_adam_create(&b->adam, b->ctx, b->u, p->n_u, &b->opts.u);
    if (st == HNAS_OK)
        st = hn_copies_init(&b->u_sum, b->ctx, b->u, p->n_u);
    return st;
}

hnas_status hnas_bilevel_create(hnas_bilevel **out, hnas_context *ctx,
                                const hnas_problem *problem,
                                const hnas_bilevel_opts *opts)
{
    hnas_bilevel_opts o;
    struct hnas_bilevel *b;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !problem)
        return hn_fail_null(ctx, "bilevel create: out or problem");
    if (problem->size < sizeof *problem || !problem->loss || !problem->w ||
        !problem->u || problem->n_w < 1 || problem->n_u < 1)
        return hn_fail(ctx, HNAS_E_ARG,
                       "problem: size, loss, w and u must be set");
    hnas_bilevel_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "bilevel: opts.size is not set");
    st = check_opts(ctx, &o);
    if (st < 0)
        return st;
    b = hn_zalloc(&ctx->alloc, sizeof *b);
    if (!b)
        return hn_fail_nomem(ctx, "bilevel optimizer");
    b->ctx = ctx;
    b->opts = o;
    st = fill(b, problem);
    if (st < 0) {
        hnas_bilevel_destroy(b);
        return st;
    }
    *out = b;
    return HNAS_OK;
}

static void unref_list(struct hnas_context *ctx, hnas_tensor **list, int64_t n)
{
    for (int64_t i = 0; list && i < n; i++)
        hnas_tensor_unref(list[i]);
    hn_free(&ctx->alloc, list);
}

int hn_bilevel_is_busy(struct hnas_bilevel *b, const char *call)
{
    if (b->runs)
        hn_fail(b->ctx, HNAS_E_STATE,
                "%s: called from the host's %s within a step, want it after "
                "the step",
                call, b->ctx->host ? b->ctx->host : "func");
    return b->runs;
}

void hnas_bilevel_destroy(hnas_bilevel *bilevel)
{
    struct hnas_context *ctx;

    if (!bilevel || hn_bilevel_is_busy(bilevel, "hnas_bilevel_destroy"))
        return;
    ctx = bilevel->ctx;
    hnas_optim_destroy(bilevel->sgd);
    hnas_optim_destroy(bilevel->adam);
    hnas_tape_destroy(bilevel->tape);
    hn_copies_finish(&bilevel->u_sum, ctx);
    hn_copies_finish(&bilevel->w_saved, ctx);
    hn_copies_finish(&bilevel->v, ctx);
    unref_list(ctx, bilevel->along, bilevel->along ? bilevel->problem.n_w : 0);
    hn_copies_finish(&bilevel->u_plus, ctx);
    hn_copies_finish(&bilevel->u_valid, ctx);
    unref_list(ctx, bilevel->w, bilevel->problem.n_w);
    unref_list(ctx, bilevel->u, bilevel->problem.n_u);
    hn_free(&ctx->alloc, bilevel);
}

void hnas_bilevel_set_progress(hnas_bilevel *bilevel, hnas_progress_fn progress,
                               void *user)
{
    bilevel->progress = progress;
    bilevel->progress_user = user;
}

void hnas_bilevel_cancel(hnas_bilevel *bilevel)
{
    atomic_store(&bilevel->cancel, 1);
}

double hn_bilevel_rate(const struct hnas_bilevel *b)
{
    const hnas_bilevel_opts *o = &b->opts;
    const int64_t step = b->step / o->rate_steps * o->rate_steps;

    return o->total_steps ? hnas_schedule_cosine(o->w_rate, o->w_rate_last,
                                                 step, o->total_steps)
                          : o->w_rate;
}

/* Clear gradients and say whether new ones are wanted. */
static void want(hnas_tensor *const *t, int64_t n, int32_t wanted)
{
    for (int64_t i = 0; i < n; i++) {
        hnas_tensor_clear_gradient(t[i]);
        t[i]->wanted = wanted;
    }
}

/* Outside a pass all of them are, as the host made them. */
static void want_all(struct hnas_bilevel *b)
{
    for (int64_t i = 0; i < b->problem.n_w; i++)
        b->w[i]->wanted = 1;
    for (int64_t i = 0; i < b->problem.n_u; i++)
        b->u[i]->wanted = 1;
}

/* HNAS_STOPPED where this rank, or another, was asked to stop. */
static hnas_status ask_stop(struct hnas_bilevel *b)
{
    const int32_t pass = b->n_passes++;
    int32_t stop = atomic_exchange(&b->cancel, 0);
    hnas_status st = HNAS_OK;

    if (!stop && b->progress) {
        const char *before = hn_host_enter(b->ctx, "progress callback");

        stop = b->progress(b->progress_user, b->step, pass) != 0;
        hn_host_leave(b->ctx, before);
    }
    if (b->is_shared)
        st = hn_comm_any(b->ctx, &stop);
    return st == HNAS_OK && stop ? HNAS_STOPPED : st;
}

static int32_t mode_of(const struct hnas_bilevel *b, const struct hn_pass *pass)
{
    return (b->opts.half && !pass->is_exact ? HNAS_TAPE_HALF : 0) |
           (b->is_shared ? HNAS_TAPE_RANKS : 0);
}

/* A positive status would pass for a step that was done. */
static hnas_status answer(struct hnas_bilevel *b, const char *what,
                          hnas_status st)
{
    return st <= 0 || st == HNAS_STOPPED
               ? st
               : hn_fail(b->ctx, HNAS_E_OP,
                         "%s: the problem answered %s, want HNAS_OK", what,
                         hnas_status_name(st));
}

/* Have the problem record a loss. */
static hnas_status record(struct hnas_bilevel *b,
                          const hnas_loss_request *request, hnas_tensor **loss)
{
    const char *before = hn_host_enter(b->ctx, "loss");
    hnas_status st;

    b->tape->held++;
    st = b->problem.loss(b->problem.user, b->tape, request, loss);
    b->tape->held--;
    hn_host_leave(b->ctx, before);
    st = answer(b, "loss", st);
    if (st == HNAS_OK && !*loss)
        st = hn_fail(b->ctx, HNAS_E_OP, "loss: the problem gave no tensor");
    return st;
}

hnas_status hn_bilevel_pass(struct hnas_bilevel *b, const struct hn_pass *pass,
                            double *value)
{
    const hnas_loss_request request = {pass->loss, pass->wants_w, pass->wants_u,
                                       pass->draw, pass->lambda,  b->step};
    hnas_tensor *loss = NULL, *tangent = NULL;
    hnas_status st = ask_stop(b);

    if (st != HNAS_OK)
        return st;
    want(b->w, b->problem.n_w, pass->wants_w);
    want(b->u, b->problem.n_u, pass->wants_u);
    st = hnas_tape_reset(b->tape, mode_of(b, pass));
    if (st == HNAS_OK)
        st = record(b, &request, &loss);
    if (st == HNAS_OK && pass->along)
        st = hnas_tape_tangent(&tangent, b->tape, loss, b->w, pass->along,
                               b->problem.n_w);
    if (st == HNAS_OK)
        st = hnas_tensor_get(loss, HNAS_FLOAT64, value, 1);
    if (st == HNAS_OK && !isfinite(*value))
        st = hn_fail(b->ctx, HNAS_E_NAN, "step %lld: the %s loss is %g",
                     (long long)b->step + 1,
                     pass->loss == HNAS_LOSS_TRAIN ? "training" : "validation",
                     *value);
    if (st == HNAS_OK)
        st = hnas_tape_backward(b->tape, tangent ? tangent : loss);
    hnas_tensor_unref(tangent);
    hnas_tensor_unref(loss);
    want_all(b);
    return st;
}

static hnas_status u_gradient(struct hnas_bilevel *b, double lambda,
                              int32_t draw, double *value)
{
    return b->opts.order == HNAS_ORDER_FIRST
               ? hn_order_first(b, lambda, draw, value)
               : hn_order_second(b, lambda, draw, value);
}

/* The mean of u's gradient over the draws, into u's gradients. */
static hnas_status mean_u_gradient(struct hnas_bilevel *b, const double *lambda,
                                   int32_t n, double *value)
{
    *value = 0;
    for (int32_t d = 0; d < n; d++) {
        double one;
        hnas_status st = u_gradient(b, lambda[d], d, &one);

        if (st != HNAS_OK)
            return st;
        *value += one / n;
        for (int64_t i = 0; i < b->problem.n_u; i++) {
            const int64_t k = hn_tensor_extent(b->u[i]);
            real *sum = b->u_sum.copy[i];

            if (d == 0)
                memset(sum, 0, (size_t)k * sizeof *sum);
            if (b->u[i]->grad)
                b->ctx->k.axpy(sum, (real)(1.0 / n), b->u[i]->grad, k);
        }
    }
    for (int64_t i = 0; i < b->problem.n_u; i++) {
        real *d = hn_tensor_grad(b->u[i]);

        if (!d)
            return hn_fail_nomem(b->ctx, "bilevel step");
        memcpy(d, b->u_sum.copy[i],
               (size_t)hn_tensor_extent(b->u[i]) * sizeof *d);
    }
    return HNAS_OK;
}

static int is_frozen(const struct hnas_bilevel *b)
{
    const hnas_bilevel_opts *o = &b->opts;
    const double total = (double)o->total_steps;
    /* a product of whole steps may have been rounded to either side */
    const double first = ceil(o->warmup * total * (1 - 4 * DBL_EPSILON));
    const double most = floor(o->cooldown * total * (1 + 4 * DBL_EPSILON));
    const double step = (double)b->step;

    return step < first ||
           (o->cooldown > 0 && step >= total - most && total > 0);
}

static double u_rate(const hnas_bilevel_opts *o)
{
    const double most = o->u_span / (double)o->total_steps;

    return o->u_span > 0 && o->total_steps > 0 && o->u_rate > most ? most
                                                                   : o->u_rate;
}

static hnas_status move_u(struct hnas_bilevel *b, const double *lambda,
                          int32_t n, hnas_step_info *info)
{
    hnas_status st;

    info->valid_loss = info->u_norm = NAN;
    if (is_frozen(b))
        return HNAS_OK;
    st = mean_u_gradient(b, lambda, n, &info->valid_loss);
    if (st == HNAS_OK)
        st = hnas_optim_step(b->adam, u_rate(&b->opts));
    if (st != HNAS_OK)
        return st;
    info->u_norm = hn_optim_get_norm(b->adam);
    if (b->problem.after_u) {
        const char *before = hn_host_enter(b->ctx, "after_u");

        st = b->problem.after_u(b->problem.user);
        hn_host_leave(b->ctx, before);
        st = answer(b, "after_u", st);
    }
    return st;
}

static hnas_status move_w(struct hnas_bilevel *b, const double *lambda,
                          int32_t n, hnas_step_info *info)
{
    const int32_t draw = (int32_t)(b->step % n);
    const struct hn_pass pass = {HNAS_LOSS_TRAIN, 1,    0, draw,
                                 lambda[draw],    NULL, 0};
    hnas_status st = hn_bilevel_pass(b, &pass, &info->train_loss);

    info->lambda = lambda[draw];
    info->w_rate = hn_bilevel_rate(b);
    if (st == HNAS_OK && b->check_w)
        st = b->check_w(b->problem.user);
    if (st == HNAS_OK)
        st = hnas_optim_step(b->sgd, info->w_rate);
    if (st == HNAS_OK)
        info->w_norm = hn_optim_get_norm(b->sgd);
    return st;
}

static hnas_status do_step(struct hnas_bilevel *b, const double *lambda,
                           int32_t n_lambda, hnas_step_info *done)
{
    hnas_status st = hn_optim_snapshot(b->adam);

    if (st < 0)
        return st;
    st = move_u(b, lambda, n_lambda, done);
    if (st == HNAS_OK)
        st = move_w(b, lambda, n_lambda, done);
    if (st != HNAS_OK) {
        hn_optim_restore(b->adam);
        return st;
    }
    if (b->problem.after_w)
        b->problem.after_w(b->problem.user);
    done->step = ++b->step;
    return HNAS_OK;
}

/* What surrounds every call that runs passes. */
static hnas_status enter(struct hnas_bilevel *b, const char *call,
                         uint64_t *mode)
{
    const hnas_status st = hn_expect_idle(b->ctx, call);

    if (st < 0)
        return st;
    b->n_passes = 0;
    b->is_shared = hn_comm_ranks(b->ctx) > 1;
    b->runs = 1;
    *mode = hn_fp_enter();
    return HNAS_OK;
}

static void leave(struct hnas_bilevel *b, uint64_t mode)
{
    hn_fp_leave(mode);
    b->is_shared = b->runs = 0;
}

hnas_status hnas_bilevel_step(hnas_bilevel *bilevel, const double *lambda,
                              int32_t n_lambda, hnas_step_info *info)
{
    struct hnas_bilevel *b = bilevel;
    hnas_step_info done;
    uint64_t mode;
    hnas_status st;

    if (!b || !lambda)
        return hn_fail_null(bilevel ? bilevel->ctx : NULL,
                            "bilevel step: lambda");
    if (n_lambda < 1 || n_lambda > MOST_DRAWS)
        return hn_fail(b->ctx, HNAS_E_RANGE, "step: %d values of lambda",
                       (int)n_lambda);
    memset(&done, 0, sizeof done);
    st = enter(b, "hnas_bilevel_step", &mode);
    if (st < 0)
        return st;
    st = do_step(b, lambda, n_lambda, &done);
    leave(b, mode);
    if (st == HNAS_OK && info)
        *info = done;
    return st;
}

hnas_status hnas_bilevel_gradient(hnas_bilevel *bilevel, double lambda)
{
    double ignored;
    uint64_t mode;
    hnas_status st;

    if (!bilevel)
        return HNAS_E_ARG;
    st = enter(bilevel, "hnas_bilevel_gradient", &mode);
    if (st < 0)
        return st;
    st = u_gradient(bilevel, lambda, 0, &ignored);
    leave(bilevel, mode);
    return st;
}
