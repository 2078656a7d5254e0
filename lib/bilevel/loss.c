/* SPDX-License-Identifier: BSD-3-Clause */
/* The two losses of a search, for its steps and for whoever wants to look. */
#include "bilevel/search.h"

#include "base/fpmode.h"
#include "hyper/hyper.h"
#include "net/supernet.h"

hnas_status hn_search_check_batch(struct hnas_search *s, const hnas_batch *b,
                                  const char *what)
{
    const hnas_status st = hn_expect_idle(s->ctx, "search");

    if (st < 0)
        return st;
    if (!b || !b->images || !b->labels)
        return hn_fail(s->ctx, HNAS_E_ARG,
                       "search: a batch without %s or labels", what);
    return hn_expect(b->images, 4, what);
}

hnas_status hn_search_check_lambda(struct hnas_search *s, const double *lambda,
                                   int32_t n)
{
    const hnas_hyper_opts *h = &s->hyper->opts;

    for (int32_t i = 0; i < n; i++) {
        double ignored;
        hnas_status st = hnas_hyper_scale(&ignored, s->hyper, lambda[i]);

        if (st < 0)
            return st;
        if (st == HNAS_EXTRAPOLATED)
            return hn_fail(s->ctx, HNAS_E_RANGE,
                           "search: lambda %g lies outside the stored range "
                           "%g..%g",
                           lambda[i], h->lambda_lo, h->lambda_hi);
        if ((s->opts.cost_weight > 0 ||
             (s->opts.l1 > 0 && s->opts.l1_lambda)) &&
            lambda[i] < 0)
            return hn_fail(s->ctx, HNAS_E_RANGE,
                           "search: lambda %g, the penalty wants >= 0",
                           lambda[i]);
    }
    return HNAS_OK;
}

hnas_status hn_search_check(struct hnas_search *s, const hnas_batch *valid,
                            double lambda)
{
    hnas_status st =
        hn_search_check_batch(s, valid, "validation images [N, C, H, W]");

    return st == HNAS_OK ? hn_search_check_lambda(s, &lambda, 1) : st;
}

static hnas_status record(struct hnas_search *s, hnas_tape *tape,
                          const hnas_loss_request *request,
                          const hnas_batch *batch, hnas_tensor *const given[2],
                          hnas_tensor *alpha[2], hnas_tensor *gates[2],
                          hnas_tensor **out)
{
    const int is_soft = given || s->kind[0].alpha || s->kind[1].alpha;
    hnas_tensor *logits = NULL;
    int32_t flags = 0;
    hnas_status st = HNAS_OK;

    if (s->opts.relax == HNAS_RELAX_GUMBEL_HARD && !is_soft) {
        flags = HNAS_CELL_HARD | (request->wants_u ? 0 : HNAS_CELL_DRAWN_ONLY);
        s->n_paths = request->wants_u ? s->opts.alpha_paths : 0;
    }
    hnas_tape_defer(tape);
    for (int k = 0; given && k < HNAS_N_KINDS; k++)
        gates[k] = hnas_tensor_ref(given[k]);
    if (!given)
        st = hn_search_gates(s, tape, request->lambda, -1,
                             batch->images->dim[0], alpha, gates);
    s->n_paths = 0;
    if (st == HNAS_OK)
        st = hn_search_logits(&logits, s, tape, batch->images, gates, flags,
                              request->lambda);
    s->kind[0].left_out = s->kind[1].left_out = NULL;
    if (st == HNAS_OK)
        st = hnas_cross_entropy(out, tape, logits, batch->labels);
    if (st == HNAS_OK && request->loss == HNAS_LOSS_VALID)
        st = hn_search_penalty(s, tape, request->lambda, alpha, gates, out);
    hnas_tensor_unref(logits);
    return st; /* not run yet: a tangent may follow */
}

hnas_status hn_search_record(struct hnas_search *s, hnas_tape *tape,
                             const hnas_loss_request *request,
                             const hnas_batch *batch,
                             hnas_tensor *const given[2], hnas_tensor **out)
{
    hnas_tensor *alpha[2] = {NULL, NULL}, *gates[2] = {NULL, NULL};
    const hnas_status st =
        record(s, tape, request, batch, given, alpha, gates, out);

    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_tensor_unref(alpha[k]);
        hnas_tensor_unref(gates[k]);
    }
    return st;
}

static hnas_status check_loss(struct hnas_search *s, const hnas_batch *batch,
                              double lambda, hnas_tensor *const gates[2],
                              int32_t kind)
{
    hnas_status st = hn_search_check_batch(s, batch, "images [N, C, H, W]");

    if (st == HNAS_OK && kind != HNAS_LOSS_TRAIN && kind != HNAS_LOSS_VALID)
        st = hn_fail(s->ctx, HNAS_E_RANGE, "loss: kind %d, want HNAS_LOSS_",
                     (int)kind);
    if (st == HNAS_OK && gates && kind == HNAS_LOSS_VALID)
        st = hn_fail(s->ctx, HNAS_E_ARG,
                     "loss: gates given, want HNAS_LOSS_TRAIN with them");
    if (st == HNAS_OK && !gates)
        st = hn_search_check_lambda(s, &lambda, 1);
    return st;
}

static void clear(struct hnas_search *s)
{
    const hnas_problem *p = &s->bilevel->problem;

    for (int64_t i = 0; i < p->n_w; i++)
        hnas_tensor_clear_gradient(p->w[i]);
    for (int64_t i = 0; i < p->n_u; i++)
        hnas_tensor_clear_gradient(p->u[i]);
}

static hnas_status find_loss(double *value, hnas_search *search,
                             const hnas_batch *batch, double lambda,
                             hnas_tensor *const gates[2], int32_t kind)
{
    hnas_loss_request request = {.wants_w = 1, .wants_u = 1};
    hnas_tensor *loss = NULL;
    double v;
    hnas_status st;

    if (!search)
        return HNAS_E_ARG;
    st = check_loss(search, batch, lambda, gates, kind);
    if (st < 0)
        return st;
    request.loss = kind;
    request.lambda = lambda;
    request.step = search->bilevel->step;
    clear(search);
    st = hnas_tape_reset(search->tape, 0);
    if (st == HNAS_OK)
        st = hn_search_record(search, search->tape, &request, batch, gates,
                              &loss);
    if (st == HNAS_OK)
        st = hnas_tensor_get(loss, HNAS_FLOAT64, &v, 1);
    if (st == HNAS_OK)
        st = hnas_tape_backward(search->tape, loss);
    hnas_tensor_unref(loss);
    if (st == HNAS_OK && value)
        *value = v;
    return st;
}

hnas_status hnas_search_loss(double *value, hnas_search *search,
                             const hnas_batch *batch, double lambda,
                             hnas_tensor *const gates[2], int32_t kind)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = find_loss(value, search, batch, lambda, gates, kind);

    hn_fp_leave(mode);
    return st;
}
