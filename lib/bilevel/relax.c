/* SPDX-License-Identifier: BSD-3-Clause */
/* Gates, noise, schedules and penalties of a search. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "bilevel/search.h"
#include "hyper/hyper.h"

double hn_search_tau(const struct hnas_search *s)
{
    const hnas_search_opts *o = &s->opts;
    const int64_t every = o->tau_steps > 1 ? o->tau_steps : 1;
    const int64_t step = s->bilevel->step / every * every;
    const int64_t total = o->bilevel.total_steps;
    double t;

    if (o->tau_schedule == HNAS_TAU_EPOCH) {
        const int64_t length =
            o->bilevel.rate_steps > 1 ? o->bilevel.rate_steps : 1;
        const int64_t epoch = s->bilevel->step / length;

        return fmax(o->tau_last, o->tau - o->tau_fall * (double)epoch);
    }
    if (o->tau_schedule == HNAS_TAU_CONSTANT || total <= 0)
        return o->tau;
    t = (double)(step < total ? step : total) / (double)total;
    if (o->tau_schedule == HNAS_TAU_EXP)
        return o->tau * pow(o->tau_last / o->tau, t);
    return o->tau + (o->tau_last - o->tau) * t;
}

double hnas_search_get_tau(const hnas_search *search)
{
    return hn_search_tau(search);
}

/* ---- draws of lambda ---- */

/* A share t of the way from one end to the other, on a line of lambda or of
 * ln lambda. */
static double lambda_at(const hnas_hyper_opts *h, int32_t scale, double t)
{
    const double lo = h->lambda_lo, hi = h->lambda_hi;
    double v;

    if (t <= 0)
        return lo;
    if (t >= 1)
        return hi;
    v = scale == HNAS_SCALE_LOG ? exp(log(lo) + t * (log(hi) - log(lo)))
                                : lo + t * (hi - lo);
    return fmin(fmax(v, lo), hi);
}

int32_t hn_search_draw(const struct hnas_search *s,
                       double lambda[HN_MOST_DRAWS])
{
    const struct hn_rng rng = {s->seed, (uint64_t)s->bilevel->step,
                               HN_DRAW_LAMBDA, 0};
    const int32_t m = s->opts.draws;
    hnas_hyper_opts h;

    hnas_hyper_get_opts(s->hyper, &h, sizeof h);
    for (int32_t d = 0; d < m; d++) {
        const int is_pair = s->opts.sample == HNAS_SAMPLE_ANTITHETIC;
        const double t =
            hn_random_uniform(&rng, (uint64_t)(is_pair ? d / 2 : d));

        if (s->opts.sample == HNAS_SAMPLE_FIXED)
            lambda[d] = s->opts.lambda;
        else if (s->opts.sample == HNAS_SAMPLE_LOG_UNIFORM)
            lambda[d] = lambda_at(&h, HNAS_SCALE_LOG, t);
        else if (is_pair && d % 2)
            lambda[d] = lambda_at(&h, h.scale, 1 - t);
        else if (s->opts.sample == HNAS_SAMPLE_SANDWICH && d < 2)
            lambda[d] = lambda_at(&h, h.scale, d);
        else
            lambda[d] = lambda_at(&h, h.scale, t);
    }
    return m;
}

/* ---- gates ---- */

static int is_gumbel(const struct hnas_search *s)
{
    return s->opts.relax == HNAS_RELAX_GUMBEL ||
           s->opts.relax == HNAS_RELAX_GUMBEL_HARD;
}

/* The noise of a kind: a pure function of (seed, step or draw, kind), the
 * same for every pass of a step. */
static hnas_status draw_noise(struct hnas_search *s, int k, int64_t draw,
                              int64_t n_images)
{
    struct hn_search_kind *kind = &s->kind[k];
    const int per_image =
        s->opts.relax == HNAS_RELAX_GUMBEL && s->opts.gumbel_per_image;
    const int64_t dims[3] = {n_images, kind->n_edges, kind->n_ops};
    const uint32_t purpose =
        (uint32_t)((draw < 0 ? HN_DRAW_GUMBEL : HN_DRAW_EVAL) + k);
    const int64_t step = draw < 0 ? s->bilevel->step : draw;
    const struct hn_rng rng = {s->seed, (uint64_t)step, purpose, 0};
    const int64_t first = per_image && draw < 0 && s->bilevel->is_shared
                              ? hn_comm_rank(s->ctx) * n_images
                              : 0; /* of the batch of all ranks */
    const int fits =
        kind->noise && (!per_image || kind->noise->dim[0] == n_images);

    if (fits && kind->noise_step == step && kind->noise_purpose == purpose &&
        kind->noise_first == first)
        return HNAS_OK;
    if (!fits) {
        hnas_status st;

        hnas_tensor_unref(kind->noise);
        kind->noise = NULL;
        st = hn_tensor_new(&kind->noise, s->ctx, HN_STRIDED, per_image ? 3 : 2,
                           per_image ? dims : dims + 1);
        if (st < 0)
            return st;
    }
    for (int64_t i = 0; i < hnas_tensor_get_count(kind->noise); i++)
        hn_real(kind->noise)[i] = (real)hn_random_gumbel(
            &rng, (uint64_t)(first * kind->n_edges * kind->n_ops + i));
    kind->noise_step = step;
    kind->noise_first = first;
    kind->noise_purpose = purpose;
    return HNAS_OK;
}

static hnas_status relax(struct hnas_search *s, hnas_tape *tape, int k,
                         int64_t draw, int64_t n_images, hnas_tensor *alpha,
                         hnas_tensor **gates)
{
    const int is_hard = s->opts.relax == HNAS_RELAX_GUMBEL_HARD;
    hnas_status st = HNAS_OK;

    switch (s->opts.relax) {
    case HNAS_RELAX_RAW:
        *gates = hnas_tensor_ref(alpha);
        return HNAS_OK;
    case HNAS_RELAX_SOFTMAX:
        return hnas_relax_softmax(gates, tape, alpha, hn_search_tau(s));
    case HNAS_RELAX_SIGMOID:
        return hnas_relax_sigmoid(gates, tape, alpha);
    default:
        st = draw_noise(s, k, draw, n_images);
        if (st < 0)
            return st;
        if (s->n_paths) {
            st = hn_search_draw_paths(s, tape, k, alpha);
            if (st < 0)
                return st;
        }
        return hnas_relax_gumbel(
            gates, tape, alpha, s->n_paths ? s->kind[k].few : s->kind[k].noise,
            hn_search_tau(s), is_hard && !s->kind[k].alpha);
    }
}

hnas_status hn_search_gates(struct hnas_search *s, hnas_tape *tape,
                            double lambda, int64_t draw, int64_t n_images,
                            hnas_tensor *alpha[2], hnas_tensor *gates[2])
{
    hnas_status st = HNAS_OK;

    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        if (s->kind[k].table < 0)
            continue;
        if (s->kind[k].alpha)
            alpha[k] = hnas_tensor_ref(s->kind[k].alpha);
        else
            st = hnas_hyper_apply(&alpha[k], tape, s->hyper, s->kind[k].table,
                                  lambda);
        if (st == HNAS_OK)
            st = relax(s, tape, k, draw, n_images, alpha[k], &gates[k]);
    }
    return st;
}

/* ---- penalties ---- */

/* *loss += factor * term; takes the term's reference. */
static hnas_status add_term(hnas_tape *tape, hnas_tensor **loss,
                            hnas_tensor *term, double factor)
{
    hnas_tensor *scaled = NULL, *sum = NULL;
    hnas_status st = hnas_affine(&scaled, tape, term, factor, 0);

    if (st == HNAS_OK)
        st = hnas_add(&sum, tape, *loss, scaled);
    if (st == HNAS_OK) {
        hnas_tensor_unref(*loss);
        *loss = sum;
    }
    hnas_tensor_unref(scaled);
    hnas_tensor_unref(term);
    return st;
}

/* The p of the cost: that of the forward pass, but for gumbel kinds the
 * probability that an operation is the drawn one. */
static hnas_status add_cost(struct hnas_search *s, hnas_tape *tape, int k,
                            double factor, hnas_tensor *alpha,
                            hnas_tensor *gates, hnas_tensor **loss)
{
    hnas_tensor *p = NULL, *cost = NULL;
    hnas_status st = HNAS_OK;

    if (is_gumbel(s))
        st = hnas_relax_softmax(&p, tape, alpha, 1);
    else
        p = hnas_tensor_ref(gates);
    if (st == HNAS_OK)
        st = hnas_weighted_norm(&cost, tape, p, s->kind[k].cost, 1);
    if (st == HNAS_OK)
        st = add_term(tape, loss, cost, factor);
    hnas_tensor_unref(p);
    return st;
}

/* -w mean((sigma - 1/2)^2) over n entries. */
static hnas_status add_zero_one(struct hnas_search *s, hnas_tape *tape, int k,
                                double n, hnas_tensor *alpha,
                                hnas_tensor **loss)
{
    hnas_tensor *p = NULL, *centred = NULL, *square = NULL;
    hnas_status st = hnas_relax_sigmoid(&p, tape, alpha);

    if (st == HNAS_OK)
        st = hnas_affine(&centred, tape, p, 1, -0.5);
    if (st == HNAS_OK)
        st = hnas_weighted_norm(&square, tape, centred, s->kind[k].ones, 2);
    if (st == HNAS_OK)
        st = add_term(tape, loss, square, -s->opts.zero_one / n);
    hnas_tensor_unref(p);
    hnas_tensor_unref(centred);
    return st;
}

/* sum_e ln sum_o exp(alpha_eo), and its gradient, the softmax. */
static hnas_status lse_forward(void *user, const hnas_array *in, int32_t n_in,
                               const hnas_array *out)
{
    const real *alpha = in[0].data;
    const int64_t n_ops = in[0].dims[1];
    double total = 0;

    (void)user;
    (void)n_in;
    for (int64_t e = 0; e < in[0].dims[0]; e++, alpha += n_ops) {
        double max = (double)alpha[0], sum = 0;

        for (int64_t o = 1; o < n_ops; o++)
            max = fmax(max, (double)alpha[o]);
        for (int64_t o = 0; o < n_ops; o++)
            sum += exp((double)alpha[o] - max);
        total += max + log(sum);
    }
    *(real *)out->data = (real)total;
    return HNAS_OK;
}

static hnas_status lse_backward(void *user, const hnas_array *in, int32_t n_in,
                                const hnas_array *out, const hnas_array *dout,
                                const hnas_array *din)
{
    const real *alpha = in[0].data;
    const double d = (double)*(const real *)dout->data;
    const int64_t n_ops = in[0].dims[1];
    real *g = din[0].data;

    (void)user;
    (void)n_in;
    (void)out;
    for (int64_t e = 0; e < in[0].dims[0]; e++, alpha += n_ops, g += n_ops) {
        double max = (double)alpha[0], sum = 0;

        for (int64_t o = 1; o < n_ops; o++)
            max = fmax(max, (double)alpha[o]);
        for (int64_t o = 0; o < n_ops; o++)
            sum += exp((double)alpha[o] - max);
        for (int64_t o = 0; o < n_ops; o++)
            g[o] += (real)(d * exp((double)alpha[o] - max) / sum);
    }
    return HNAS_OK;
}

/* beta_decay * t * mean over edges of ln sum exp alpha, t rising from 0 to 1
 * over the steps (beta-DARTS, arXiv:2203.01665). */
static hnas_status add_beta_decay(struct hnas_search *s, hnas_tape *tape,
                                  double n_edges, hnas_tensor *alpha,
                                  hnas_tensor **loss)
{
    static const hnas_func_table lse = {
        .size = sizeof lse,
        .name = "beta_decay",
        .forward = lse_forward,
        .backward = lse_backward,
    };
    const int64_t step = s->bilevel->step;
    const int64_t total = s->opts.bilevel.total_steps;
    const double t = step < total ? (double)step / (double)total : 1;
    const hnas_shape scalar = {0, {0}};
    hnas_tensor *sum = NULL;
    hnas_status st =
        hnas_func_apply(&sum, tape, &lse, &alpha, 1, &scalar, NULL);

    if (st < 0)
        return st;
    return add_term(tape, loss, sum, s->opts.beta_decay * t / n_edges);
}

/* factor * sum |alpha|^power */
static hnas_status add_norm(struct hnas_search *s, hnas_tape *tape, int k,
                            int32_t power, double factor, hnas_tensor *alpha,
                            hnas_tensor **loss)
{
    hnas_tensor *norm = NULL;
    hnas_status st =
        hnas_weighted_norm(&norm, tape, alpha, s->kind[k].ones, power);

    return st < 0 ? st : add_term(tape, loss, norm, factor);
}

hnas_status hn_search_penalty(struct hnas_search *s, hnas_tape *tape,
                              double lambda, hnas_tensor *const alpha[2],
                              hnas_tensor *const gates[2], hnas_tensor **loss)
{
    const hnas_search_opts *o = &s->opts;
    const double mu = o->l1 * (o->l1_lambda ? lambda : 1);
    double n = 0, n_edges = 0;
    hnas_status st = HNAS_OK;

    for (int k = 0; k < HNAS_N_KINDS; k++)
        if (s->kind[k].table >= 0) {
            n += (double)(s->kind[k].n_edges * s->kind[k].n_ops);
            n_edges += (double)s->kind[k].n_edges;
        }
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        if (s->kind[k].table < 0)
            continue;
        if (o->cost_weight > 0)
            st = add_cost(s, tape, k, o->cost_weight * lambda, alpha[k],
                          gates[k], loss);
        if (st == HNAS_OK && mu > 0)
            st = add_norm(s, tape, k, 1, mu, alpha[k], loss);
        if (st == HNAS_OK && o->l2 > 0)
            st = add_norm(s, tape, k, 2, o->l2, alpha[k], loss);
        if (st == HNAS_OK && o->beta_decay > 0)
            st = add_beta_decay(s, tape, n_edges, alpha[k], loss);
        if (st == HNAS_OK && o->zero_one > 0)
            st = add_zero_one(s, tape, k, n, alpha[k], loss);
    }
    return st;
}
