/* SPDX-License-Identifier: BSD-3-Clause */
/* A search: the bilevel optimizer over supernet and hypernetwork. */
#include "bilevel/search.h"

#include <math.h>
#include <string.h>

#include "base/fpmode.h"
#include "hyper/hyper.h"
#include "net/supernet.h"

/* ---- making ---- */

static hnas_status fill_table(hnas_tensor **out, struct hnas_context *ctx,
                              const int64_t dims[2], const double *value)
{
    hnas_status st = hn_tensor_new(out, ctx, HN_STRIDED, 2, dims);

    for (int64_t i = 0; st == HNAS_OK && i < dims[0] * dims[1]; i++)
        hn_real(*out)[i] = (real)(value ? value[i] : 1);
    return st;
}

/* C_ref: the cost at p = 1/O, over both kinds. */
static double reference_cost(const struct hnas_search *s)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    double sum = 0;

    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int64_t i = 0; space->kind[k].n_cells &&
                            i < (int64_t)space->kind[k].n_edges * space->n_ops;
             i++)
            sum += space->kind[k].cost[s->opts.metric][i] / space->n_ops;
    return sum;
}

static hnas_status make_kind(struct hnas_search *s, int k, int32_t table)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    const int64_t dims[2] = {space->kind[k].n_edges, space->n_ops};
    struct hn_search_kind *kind = &s->kind[k];
    const double ref = s->opts.raw_cost ? 1 : reference_cost(s);
    hnas_status st;

    kind->table = table;
    kind->n_edges = dims[0];
    kind->n_ops = dims[1];
    kind->noise_step = -1;
    st = fill_table(&kind->ones, s->ctx, dims, NULL);
    if (st == HNAS_OK)
        st = fill_table(&kind->cost, s->ctx, dims,
                        space->kind[k].cost[s->opts.metric]);
    for (int64_t i = 0; st == HNAS_OK && i < dims[0] * dims[1]; i++)
        hn_real(kind->cost)[i] =
            ref > 0 ? (real)(space->kind[k].cost[s->opts.metric][i] / ref) : 0;
    return st;
}

/* With sigmoid the cone bounds the slopes of what costs something. */
static hnas_status check_zeros(const struct hnas_search *s, int k)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    const double *cost = space->kind[k].cost[s->opts.metric];

    if (!s->opts.monotone || s->opts.relax != HNAS_RELAX_SIGMOID)
        return HNAS_OK;
    for (int32_t e = 0; e < space->kind[k].n_edges; e++, cost += space->n_ops)
        for (int32_t o = 0; o < space->n_ops; o++)
            if ((space->op_flags[o] & HNAS_OP_ZERO) && cost[o] > 0)
                return hn_fail(s->ctx, HNAS_E_RANGE,
                               "monotone: on with sigmoid, but %s of %s edge "
                               "%d -> %d costs %g, want 0",
                               space->op_names[o], hn_kind_names[k],
                               (int)space->kind[k].from[e],
                               (int)space->kind[k].to[e], cost[o]);
    return HNAS_OK;
}

static hnas_status make_kinds(struct hnas_search *s)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    hnas_hyper_opts h;
    int32_t table = 0;

    hnas_hyper_get_opts(s->hyper, &h, sizeof h);
    if (s->opts.metric == HNAS_COST_TABLE && !space->has_table)
        return hn_fail(s->ctx, HNAS_E_STATE,
                       "search: metric TABLE, but the network has no cost "
                       "table");
    if (s->opts.monotone &&
        (h.kind == HNAS_HYPER_MLP || h.kind == HNAS_HYPER_EMBEDDING))
        return hn_fail(s->ctx, HNAS_E_UNSUPPORTED,
                       "monotone: on, want off with an mlp or embedding "
                       "hypernetwork");
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_status st;

        s->kind[k].table = -1;
        if (!space->kind[k].n_cells)
            continue;
        if (table >= h.n_tables || strcmp(h.names[table], hn_kind_names[k]) ||
            h.rows[table] != space->kind[k].n_edges ||
            h.cols[table] != space->n_ops)
            return hn_fail(s->ctx, HNAS_E_MISMATCH,
                           "search: hypernetwork table %d is not \"%s\", %d x "
                           "%d",
                           (int)table, hn_kind_names[k],
                           (int)space->kind[k].n_edges, (int)space->n_ops);
        st = check_zeros(s, k);
        if (st == HNAS_OK)
            st = make_kind(s, k, table++);
        if (st < 0)
            return st;
    }
    if (table != h.n_tables)
        return hn_fail(s->ctx, HNAS_E_MISMATCH,
                       "search: hypernetwork has %d tables, want %d",
                       (int)h.n_tables, (int)table);
    return HNAS_OK;
}

/* What is drawn must exist, and weights wherever the hypernetwork does. */
static hnas_status check_range(const struct hnas_search *s)
{
    const hnas_supernet_opts *net = &s->net->opts;
    hnas_hyper_opts h;

    hnas_hyper_get_opts(s->hyper, &h, sizeof h);
    if (s->opts.sample == HNAS_SAMPLE_LOG_UNIFORM && !(h.lambda_lo > 0))
        return hn_fail(s->ctx, HNAS_E_RANGE,
                       "search: lambda uniform in ln lambda, want a range "
                       "above 0, not %g..%g",
                       h.lambda_lo, h.lambda_hi);
    if (!hn_network_wants_lambda(&s->net->network) ||
        h.kind == HNAS_HYPER_CONSTANT ||
        (net->lambda_lo <= h.lambda_lo && h.lambda_hi <= net->lambda_hi))
        return HNAS_OK;
    return hn_fail(s->ctx, HNAS_E_MISMATCH,
                   "search: the supernet's weights are generated for lambda "
                   "%g..%g, want the hypernetwork's %g..%g inside",
                   net->lambda_lo, net->lambda_hi, h.lambda_lo, h.lambda_hi);
}

static hnas_status select_params(hnas_tensor ***out, int64_t *n,
                                 struct hnas_context *ctx,
                                 const hnas_params *params, int32_t kind)
{
    *out = hn_alloc_array(&ctx->alloc, (size_t)params->n + 1, sizeof **out);
    if (!*out)
        return hn_fail_nomem(ctx, "search");
    *n = hn_params_select(*out, params, kind);
    return HNAS_OK;
}

static hnas_status after_u(void *user);
static hnas_status check_w(void *user);
static void after_w(void *user);

static hnas_status make_bilevel(struct hnas_search *s)
{
    const hnas_params *net = hnas_supernet_get_params(s->net);
    hnas_problem problem;
    hnas_status st;

    memset(&problem, 0, sizeof problem);
    problem.size = sizeof problem;
    problem.loss = hn_search_loss;
    problem.after_u = after_u;
    problem.after_w = after_w;
    problem.user = s;
    st = select_params(&s->w, &problem.n_w, s->ctx, net, HNAS_PARAM_WEIGHT);
    if (st == HNAS_OK)
        st = select_params(&s->u, &problem.n_u, s->ctx,
                           hnas_hyper_get_params(s->hyper), HNAS_PARAM_ARCH);
    if (st == HNAS_OK)
        st = select_params(&s->buffer, &s->n_buffers, s->ctx, net,
                           HNAS_PARAM_BUFFER);
    problem.w = s->w;
    problem.u = s->u;
    if (st == HNAS_OK)
        st = hn_copies_init(&s->own, s->ctx, s->buffer, s->n_buffers);
    if (st == HNAS_OK)
        st = hnas_bilevel_create(&s->bilevel, s->ctx, &problem,
                                 &s->opts.bilevel);
    if (st == HNAS_OK)
        s->bilevel->check_w = check_w;
    return st;
}

static hnas_status create_search(hnas_search **out, hnas_supernet *net,
                                 hnas_hyper *hyper,
                                 const hnas_search_opts *opts)
{
    struct hnas_search *s;
    hnas_search_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !net || !hyper)
        return hn_fail_null(net ? net->ctx : NULL, "search: out or hyper");
    hnas_search_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(net->ctx, st, "search: opts.size is not set");
    st = hn_search_check_opts(net->ctx, &o);
    if (st < 0)
        return st;
    s = hn_zalloc(&net->ctx->alloc, sizeof *s);
    if (!s)
        return hn_fail_nomem(net->ctx, "search");
    s->ctx = net->ctx;
    s->net = net;
    s->hyper = hyper;
    s->seed = s->ctx->seed;
    s->opts = o;
    st = check_range(s);
    if (st == HNAS_OK)
        st = make_kinds(s);
    if (st == HNAS_OK)
        st = make_bilevel(s);
    if (st == HNAS_OK)
        st = hnas_tape_create(&s->tape, s->ctx);
    if (st == HNAS_OK)
        st = hn_derived_create(&s->derived, s);
    if (st == HNAS_OK)
        st = hn_nan_create(s);
    if (st < 0) {
        hnas_search_destroy(s);
        return st;
    }
    *out = s;
    return HNAS_OK;
}

hnas_status hnas_search_create(hnas_search **out, hnas_supernet *net,
                               hnas_hyper *hyper, const hnas_search_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = create_search(out, net, hyper, opts);

    hn_fp_leave(mode);
    return st;
}

void hnas_search_destroy(hnas_search *search)
{
    struct hnas_context *ctx;

    if (!search || (search->bilevel &&
                    hn_bilevel_is_busy(search->bilevel, "hnas_search_destroy")))
        return;
    ctx = search->ctx;
    hnas_bilevel_destroy(search->bilevel);
    hnas_tape_destroy(search->tape);
    hn_derived_destroy(search->derived, ctx);
    hn_copies_finish(&search->own, ctx);
    hn_nan_destroy(search);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_tensor_unref(search->kind[k].cost);
        hnas_tensor_unref(search->kind[k].ones);
        hnas_tensor_unref(search->kind[k].noise);
        hnas_tensor_unref(search->kind[k].few);
    }
    hn_free(&ctx->alloc, search->w);
    hn_free(&ctx->alloc, search->u);
    hn_free(&ctx->alloc, search->buffer);
    hn_free(&ctx->alloc, search->text);
    if (search->owns) {
        hnas_supernet_destroy(search->net);
        hnas_hyper_destroy(search->hyper);
    }
    hn_free(&ctx->alloc, search);
}

/* ---- the problem ---- */

hnas_status hn_search_loss(void *user, hnas_tape *tape,
                           const hnas_loss_request *request, hnas_tensor **out)
{
    struct hnas_search *s = user;

    return hn_search_record(
        s, tape, request,
        request->loss == HNAS_LOSS_TRAIN ? s->train : s->valid, NULL, out);
}

static hnas_status after_u(void *user)
{
    struct hnas_search *s = user;
    const struct hn_space *space = hn_supernet_space(s->net);
    int32_t zero[HN_MOST_OPS];
    hnas_status st = HNAS_OK;

    if (!s->opts.monotone)
        return HNAS_OK;
    for (int32_t o = 0; o < space->n_ops; o++)
        zero[o] = (space->op_flags[o] & HNAS_OP_ZERO) != 0;
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        if (s->kind[k].table >= 0)
            st = hnas_hyper_project(s->hyper, s->kind[k].table,
                                    space->kind[k].cost[s->opts.metric], zero,
                                    s->opts.relax == HNAS_RELAX_SIGMOID);
    return st;
}

/* A batch's variance may be too large for a statistic while the loss, of what
 * is divided by its root, is finite. */
static hnas_status check_w(void *user)
{
    const struct hnas_search *s = user;
    char who[HN_STEP_BYTES];

    return hn_network_check_norms(&s->net->network, s->opts.norm_momentum,
                                  hn_step_text(who, s->bilevel->step));
}

static void after_w(void *user)
{
    struct hnas_search *s = user;

    hnas_supernet_update_norms(s->net, s->opts.norm_momentum);
}

/* ---- the step ---- */

static hnas_status search_step(hnas_search *search, const hnas_batch *train,
                               const hnas_batch *valid, const double *lambda,
                               int32_t n_lambda, hnas_step_info *info)
{
    double drawn[HN_MOST_DRAWS];
    hnas_status st;

    if (!search)
        return HNAS_E_ARG;
    st = hn_search_check_batch(search, train, "training images [N, C, H, W]");
    if (st == HNAS_OK)
        st = hn_search_check_batch(search, valid,
                                   "validation images [N, C, H, W]");
    if (st < 0)
        return st;
    if (!lambda) {
        n_lambda = hn_search_draw(search, drawn);
        lambda = drawn;
    }
    st = hn_search_check_lambda(search, lambda, n_lambda);
    if (st < 0)
        return st;
    hnas_search_restore_norms(search);
    st = hn_nan_begin(search);
    if (st < 0)
        return st;
    search->train = train;
    search->valid = valid;
    st = hnas_bilevel_step(search->bilevel, lambda, n_lambda, info);
    search->train = search->valid = NULL;
    return hn_nan_end(search, st, lambda, n_lambda, info);
}

hnas_status hnas_search_step(hnas_search *search, const hnas_batch *train,
                             const hnas_batch *valid, const double *lambda,
                             int32_t n_lambda, hnas_step_info *info)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st =
        search_step(search, train, valid, lambda, n_lambda, info);

    hn_fp_leave(mode);
    return st;
}

hnas_status hnas_search_gradient(hnas_search *search, const hnas_batch *train,
                                 const hnas_batch *valid, double lambda)
{
    hnas_status st;

    if (!search)
        return HNAS_E_ARG;
    st = hn_search_check_batch(search, train, "training images [N, C, H, W]");
    if (st == HNAS_OK)
        st = hn_search_check(search, valid, lambda);
    if (st < 0)
        return st;
    search->train = train;
    search->valid = valid;
    st = hnas_bilevel_gradient(search->bilevel, lambda);
    search->train = search->valid = NULL;
    return st;
}

void hnas_search_set_progress(hnas_search *search, hnas_progress_fn progress,
                              void *user)
{
    hnas_bilevel_set_progress(search->bilevel, progress, user);
}

void hnas_search_cancel(hnas_search *search)
{
    hnas_bilevel_cancel(search->bilevel);
}

hnas_supernet *hnas_search_get_net(hnas_search *search)
{
    return search->net;
}

hnas_hyper *hnas_search_get_hyper(hnas_search *search)
{
    return search->hyper;
}

int64_t hnas_search_get_steps(const hnas_search *search)
{
    return search->bilevel->step;
}

void hnas_search_get_opts(const hnas_search *search, hnas_search_opts *opts,
                          size_t size)
{
    hnas_search_opts o = search->opts;

    o.size = size < sizeof o ? size : sizeof o;
    memcpy(opts, &o, o.size);
}
