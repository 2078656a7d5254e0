/* SPDX-License-Identifier: BSD-3-Clause */
/* The supernet: a network with every operation on every edge. */
#include "net/supernet.h"

#include "base/fpmode.h"
#include "hyper/hyper.h"

#include <math.h>
#include <string.h>

static const char *const darts_ops[] = {
    "none",         "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
};

void hnas_supernet_opts_init(hnas_supernet_opts *opts, size_t size)
{
    hnas_supernet_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.image[0] = 1;
    o.image[1] = o.image[2] = 28;
    o.classes = 10;
    o.channels = 16;
    o.cells = 8;
    o.nodes = 4;
    o.stem_multiplier = 3;
    o.n_ops = sizeof darts_ops / sizeof darts_ops[0];
    o.ops = darts_ops;
    o.knots = 5;
    o.embedding = 16;
    o.scale = HNAS_SCALE_LOG;
    o.lambda_lo = 1e-4;
    o.lambda_hi = 1e-1;
    memcpy(opts, &o, o.size);
}

static hnas_status check_ops(struct hnas_context *ctx,
                             const hnas_supernet_opts *o)
{
    hnas_status st = HNAS_OK;

    if (o->n_ops < 1 || o->n_ops > HN_MOST_OPS)
        return hn_fail(ctx, HNAS_E_RANGE, "supernet: %d operations, want 1..%d",
                       (int)o->n_ops, HN_MOST_OPS);
    if (!o->ops)
        return hn_fail(ctx, HNAS_E_ARG, "supernet: opts.ops is NULL");
    for (int32_t i = 0; i < o->n_ops && st == HNAS_OK; i++)
        if (!o->ops[i])
            st = hn_fail(ctx, HNAS_E_ARG, "supernet: opts.ops[%d] is NULL",
                         (int)i);
    for (int32_t i = 0; i < o->n_ops && st == HNAS_OK; i++)
        for (int32_t j = 0; j < i && st == HNAS_OK; j++)
            if (!strcmp(o->ops[i], o->ops[j]))
                st = hn_fail(ctx, HNAS_E_NAME, "supernet: operation %s twice",
                             o->ops[i]);
    return st;
}

static hnas_status copy_ops(struct hnas_supernet *net)
{
    struct hn_allocator *alloc = &net->ctx->alloc;
    const int32_t n = net->opts.n_ops;
    hnas_status st = HNAS_OK;

    net->op_name = hn_alloc_array(alloc, (size_t)n, sizeof *net->op_name);
    net->op_flags = hn_alloc_array(alloc, (size_t)n, sizeof *net->op_flags);
    if (!net->op_name || !net->op_flags)
        return hn_fail_nomem(net->ctx, "supernet");
    for (int32_t i = 0; i < n && st == HNAS_OK; i++) {
        const hnas_op_table *table;

        st = hnas_op_find(&table, net->ctx, net->opts.ops[i]);
        if (st < 0)
            break;
        net->op_flags[i] = table->flags;
        net->op_name[i] = hn_strdup(alloc, net->opts.ops[i]);
        if (!net->op_name[i])
            st = hn_fail_nomem(net->ctx, "supernet");
    }
    net->opts.ops = (const char *const *)net->op_name;
    return st;
}

static struct hn_macro macro_of(const hnas_supernet_opts *o)
{
    struct hn_macro m = {{o->image[0], o->image[1], o->image[2]},
                         o->classes,
                         o->channels,
                         o->cells,
                         o->nodes,
                         o->stem_multiplier,
                         0,
                         -1,
                         {o->head, o->kernels, o->knots, o->scale, o->embedding,
                          o->lambda_lo, o->lambda_hi}};

    return m;
}

/* The DARTS cell, with all operations on every edge. */
static hnas_status make_network(struct hnas_supernet *net)
{
    hnas_edge edges[HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    const struct hn_macro macro = macro_of(&net->opts);
    struct hn_graph graph[HNAS_N_KINDS];
    int32_t n = 0;

    for (int32_t to = 2; to < 2 + net->opts.nodes; to++)
        for (int32_t from = 0; from < to; from++, n++) {
            edges[n].from = from;
            edges[n].to = to;
            edges[n].n_ops = net->opts.n_ops;
            edges[n].ops = net->opts.ops;
        }
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        graph[k].n_edges = n;
        graph[k].edge = edges;
    }
    return hn_network_make(&net->network, net->ctx, &macro, graph);
}

static hnas_status fill(struct hnas_supernet *net)
{
    hnas_status st = copy_ops(net);

    if (st == HNAS_OK)
        st = make_network(net);
    if (st == HNAS_OK)
        st = hn_supernet_fill_space(net);
    return st;
}

static hnas_status create_supernet(hnas_supernet **out, hnas_context *ctx,
                                   const hnas_supernet_opts *opts)
{
    hnas_supernet_opts o;
    struct hnas_supernet *net;
    struct hn_macro macro;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx)
        return hn_fail_null(ctx, "supernet: out");
    hnas_supernet_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "supernet: opts.size is not set");
    macro = macro_of(&o);
    st = hn_macro_check(ctx, &macro);
    if (st == HNAS_OK)
        st = hn_scale_check(ctx, o.scale, o.lambda_lo, o.lambda_hi);
    if (st == HNAS_OK)
        st = check_ops(ctx, &o);
    if (st < 0)
        return st;
    net = hn_zalloc(&ctx->alloc, sizeof *net);
    if (!net)
        return hn_fail_nomem(ctx, "supernet");
    net->ctx = ctx;
    net->opts = o;
    st = fill(net);
    if (st < 0) {
        hnas_supernet_destroy(net);
        return st;
    }
    *out = net;
    return HNAS_OK;
}

hnas_status hnas_supernet_create(hnas_supernet **out, hnas_context *ctx,
                                 const hnas_supernet_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = create_supernet(out, ctx, opts);

    hn_fp_leave(mode);
    return st;
}

void hnas_supernet_destroy(hnas_supernet *net)
{
    struct hn_allocator *alloc;

    if (!net)
        return;
    alloc = &net->ctx->alloc;
    hn_network_finish(&net->network);
    hn_params_finish(&net->at);
    hn_free(alloc, net->predecessors);
    for (int32_t i = 0; net->op_name && i < net->opts.n_ops; i++)
        hn_free(alloc, net->op_name[i]);
    hn_free(alloc, net->op_name);
    hn_free(alloc, net->op_flags);
    hn_free(alloc, net->edge_from);
    hn_free(alloc, net->edge_to);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int m = 0; m < HNAS_N_COSTS; m++)
            hn_free(alloc, net->cost[k][m]);
    hn_free(alloc, net);
}

const hnas_params *hnas_supernet_get_params(const hnas_supernet *net)
{
    return &net->network.params;
}

void hnas_supernet_get_opts(const hnas_supernet *net, hnas_supernet_opts *opts,
                            size_t size)
{
    hnas_supernet_opts o = net->opts;

    o.size = size < sizeof o ? size : sizeof o;
    memcpy(opts, &o, o.size);
}

void hnas_supernet_pass_init(hnas_supernet_pass *pass, size_t size)
{
    hnas_supernet_pass p;

    memset(&p, 0, sizeof p);
    p.size = size < sizeof p ? size : sizeof p;
    p.lambda = NAN;
    memcpy(pass, &p, p.size);
}

static hnas_status check_pass(const struct hnas_supernet *net, hnas_tensor *x,
                              const hnas_supernet_pass *pass)
{
    hnas_status st = hn_network_check_images(&net->network, x, "supernet");

    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        if (net->space.kind[k].n_cells && !pass->gates[k])
            st = hn_fail(net->ctx, HNAS_E_ARG,
                         "supernet: no gates for the %s cells",
                         k == HNAS_NORMAL ? "normal" : "reduction");
    if (st == HNAS_OK && isnan(pass->lambda) &&
        hn_network_wants_lambda(&net->network))
        st = hn_fail(net->ctx, HNAS_E_RANGE,
                     "supernet: no lambda, but weights are generated; want "
                     "one in hnas_supernet_apply_at's pass");
    return st;
}

hnas_status hn_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                              hnas_supernet *net, hnas_tensor *x,
                              const hnas_supernet_pass *pass,
                              const uint8_t *const left_out[2])
{
    struct hn_network_pass inner = {pass->gates, NULL,     pass->flags, 0,
                                    NULL,        left_out, pass->lambda};
    hnas_status st = check_pass(net, x, pass);

    return st < 0 ? st : hn_network_apply(out, tape, &net->network, x, &inner);
}

hnas_status hnas_supernet_apply_at(hnas_tensor **out, hnas_tape *tape,
                                   hnas_supernet *net, hnas_tensor *x,
                                   const hnas_supernet_pass *pass)
{
    hnas_supernet_pass p;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !tape || !net || !x || !pass)
        return hn_fail_null(net ? net->ctx : NULL,
                            "supernet apply at: out, tape, x or pass");
    hnas_supernet_pass_init(&p, sizeof p);
    st = hn_opts_merge(&p, sizeof p, pass);
    if (st < 0)
        return hn_fail(net->ctx, st, "supernet: pass.size is not set");
    return hn_supernet_apply(out, tape, net, x, &p, NULL);
}

hnas_status hnas_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                                hnas_supernet *net, hnas_tensor *x,
                                hnas_tensor *const gates[2], int32_t flags)
{
    hnas_supernet_pass pass;

    if (out)
        *out = NULL;
    if (!gates)
        return hn_fail_null(net ? net->ctx : NULL, "supernet apply: gates");
    hnas_supernet_pass_init(&pass, sizeof pass);
    pass.gates[0] = gates[0];
    pass.gates[1] = gates[1];
    pass.flags = flags;
    return hnas_supernet_apply_at(out, tape, net, x, &pass);
}

hnas_status hnas_supernet_get_weights_at(const hnas_params **out,
                                         hnas_supernet *net, double lambda)
{
    struct hnas_params list;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !net)
        return hn_fail_null(net ? net->ctx : NULL,
                            "supernet get weights at: out");
    hn_params_init(&list, net->ctx);
    st = hn_network_weights_at(&list, &net->network, lambda);
    if (st < 0) {
        hn_params_finish(&list);
        return st;
    }
    hn_params_finish(&net->at);
    net->at = list;
    *out = &net->at;
    return HNAS_OK;
}

void hnas_supernet_get_generated(const hnas_supernet *net,
                                 int64_t *n_parameters, int64_t *n_weights)
{
    int64_t parameters, weights;

    hn_network_count_generated(&net->network, &parameters, &weights);
    if (n_parameters)
        *n_parameters = parameters;
    if (n_weights)
        *n_weights = weights;
}

void hnas_supernet_update_norms(hnas_supernet *net, double momentum)
{
    const uint64_t mode = hn_fp_enter();

    hn_network_update_norms(&net->network, momentum);
    hn_fp_leave(mode);
}
