/* SPDX-License-Identifier: BSD-3-Clause */
/* The supernet's making: stem, cells, head, names. */
#include "net/supernet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX_BYTES = 64, MOST_CELLS = 1000, MOST_NODES = 16 };

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
    memcpy(opts, &o, o.size);
}

static hnas_status check_range(struct hnas_context *ctx, const char *what,
                               int64_t value, int64_t lo, int64_t hi)
{
    if (value >= lo && value <= hi)
        return HNAS_OK;
    return hn_fail(ctx, HNAS_E_RANGE, "supernet: %lld %s, want %lld..%lld",
                   (long long)value, what, (long long)lo, (long long)hi);
}

static hnas_status check(struct hnas_context *ctx, const hnas_supernet_opts *o)
{
    const struct {
        const char *what;
        int64_t value, lo, hi;
    } range[] = {
        {"image channels", o->image[0], 1, 4096},
        {"image rows", o->image[1], 1, 16384},
        {"image columns", o->image[2], 1, 16384},
        {"classes", o->classes, 1, 1 << 20},
        {"channels", o->channels, 1, 1 << 14},
        {"cells", o->cells, 1, MOST_CELLS},
        {"nodes", o->nodes, 1, MOST_NODES},
        {"stem_multiplier", o->stem_multiplier, 1, 64},
        {"operations", o->n_ops, 1, 64},
    };
    hnas_status st = HNAS_OK;

    if (!o->ops)
        return hn_fail(ctx, HNAS_E_ARG, "supernet: opts.ops is NULL");
    for (size_t i = 0; i < sizeof range / sizeof range[0] && st == HNAS_OK; i++)
        st = check_range(ctx, range[i].what, range[i].value, range[i].lo,
                         range[i].hi);
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

/* ---- stem ---- */

static hnas_status make_stem(struct hnas_supernet *net)
{
    const int64_t c = net->opts.channels * net->opts.stem_multiplier;
    const int64_t dims[4] = {c, net->opts.image[0], 3, 3};
    hnas_status st;

    hn_builder_init(&net->stem, net->ctx, 1, &net->stream);
    st = hnas_op_builder_weight(&net->stem_conv, &net->stem, "conv.weight",
                                dims);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&net->stem_bn, &net->stem, "bn", c);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, "stem.", &net->stem.params);
    return st;
}

/* ---- cells ---- */

/* Shape of one thing that flows between cells. */
struct flow {
    int64_t channels, size[2];
};

static hnas_status make_preprocess(struct hnas_supernet *net,
                                   struct hn_supernet_cell *c, int i,
                                   const struct flow *in, int reduce)
{
    struct hn_preprocess *p = &c->preprocess[i];
    const int64_t n = c->channels;
    char name[2][PREFIX_BYTES];
    int64_t dims[4] = {reduce ? n - n / 2 : n, in->channels, 1, 1};
    hnas_status st;

    p->in_channels = in->channels;
    p->out_channels = n;
    for (int a = 0; a < 2; a++) {
        p->in_size[a] = in->size[a];
        p->out_size[a] = reduce ? (in->size[a] + 1) / 2 : in->size[a];
    }
    if (reduce && n < 2)
        return hn_fail(net->ctx, HNAS_E_RANGE,
                       "supernet: 1 channel can't be halved, want >= 2");
    snprintf(name[0], PREFIX_BYTES, "preprocess%d.conv%s.weight", i,
             reduce ? "0" : "");
    snprintf(name[1], PREFIX_BYTES, "preprocess%d.conv1.weight", i);
    st = hnas_op_builder_weight(&p->w[0], &c->parts, name[0], dims);
    dims[0] = n / 2;
    if (st == HNAS_OK && reduce)
        st = hnas_op_builder_weight(&p->w[1], &c->parts, name[1], dims);
    snprintf(name[0], PREFIX_BYTES, "preprocess%d.bn", i);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&p->bn, &c->parts, name[0], n);
    return st;
}

/* The DARTS cell: every earlier node feeds every intermediate one. */
static hnas_status make_darts_cell(struct hnas_supernet *net,
                                   struct hn_supernet_cell *c)
{
    const int32_t nodes = net->opts.nodes;
    hnas_edge edges[MOST_NODES * (MOST_NODES + 3) / 2];
    int32_t outputs[MOST_NODES], n = 0;
    hnas_cell_desc desc = {sizeof desc, 2,     nodes, c->channels,
                           0,           edges, nodes, outputs};

    for (int32_t to = 2; to < 2 + nodes; to++) {
        outputs[to - 2] = to;
        for (int32_t from = 0; from < to; from++, n++) {
            edges[n].from = from;
            edges[n].to = to;
            edges[n].stride = c->kind == HNAS_REDUCE && from < 2 ? 2 : 1;
            edges[n].n_ops = net->opts.n_ops;
            edges[n].ops = net->opts.ops;
        }
    }
    desc.n_edges = n;
    return hn_cell_make(&c->cell, net->ctx, &desc, &net->stream);
}

static hnas_status make_cell(struct hnas_supernet *net, int32_t index,
                             const struct flow *s0, const struct flow *s1)
{
    struct hn_supernet_cell *c = &net->cell[index];
    const int halve = index > 0 && net->cell[index - 1].kind == HNAS_REDUCE;
    char prefix[PREFIX_BYTES];
    hnas_status st;

    hn_builder_init(&c->parts, net->ctx, 0, &net->stream);
    st = make_preprocess(net, c, 0, s0, halve);
    if (st == HNAS_OK)
        st = make_preprocess(net, c, 1, s1, 0);
    c->in_size[0] = s1->size[0];
    c->in_size[1] = s1->size[1];
    if (st == HNAS_OK)
        st = make_darts_cell(net, c);
    snprintf(prefix, sizeof prefix, "cells.%d.", (int)index);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, prefix, &c->parts.params);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, prefix, &c->cell->params);
    return st;
}

static hnas_status make_cells(struct hnas_supernet *net)
{
    const int32_t n = net->opts.cells;
    struct flow s0 = {net->opts.channels * net->opts.stem_multiplier,
                      {net->opts.image[1], net->opts.image[2]}};
    struct flow s1 = s0;
    int64_t channels = net->opts.channels;
    hnas_status st = HNAS_OK;

    net->cell = hn_alloc_array(&net->ctx->alloc, (size_t)n, sizeof *net->cell);
    if (!net->cell)
        return hn_fail_nomem(net->ctx, "supernet");
    for (int32_t i = 0; i < n && st == HNAS_OK; i++) {
        struct hn_supernet_cell *c = &net->cell[i];
        struct flow out;

        c->kind = i == n / 3 || i == 2 * n / 3 ? HNAS_REDUCE : HNAS_NORMAL;
        channels *= c->kind == HNAS_REDUCE ? 2 : 1;
        c->channels = channels;
        st = make_cell(net, i, &s0, &s1);
        out.channels = channels * net->opts.nodes;
        for (int a = 0; a < 2; a++)
            out.size[a] =
                c->kind == HNAS_REDUCE ? (s1.size[a] + 1) / 2 : s1.size[a];
        s0 = s1;
        s1 = out;
    }
    net->head_channels = s1.channels;
    return st;
}

/* ---- head ---- */

static hnas_status make_head(struct hnas_supernet *net)
{
    const int64_t dims[2] = {net->opts.classes, net->head_channels};
    const double bound = 1 / sqrt((double)net->head_channels);
    hnas_status st;

    hn_builder_init(&net->head, net->ctx, 0, &net->stream);
    st = hn_tensor_new(&net->head_weight, net->ctx, HN_STRIDED, 2, dims);
    if (st == HNAS_OK)
        st = hn_tensor_new(&net->head_bias, net->ctx, HN_STRIDED, 1, dims);
    if (st < 0)
        return st;
    hn_fill_uniform(net->head_weight, bound, net->stream++);
    hn_fill_uniform(net->head_bias, bound, net->stream++);
    net->head_weight->wanted = net->head_bias->wanted = 1;
    st = hn_params_add(&net->params, "head.", "weight", HNAS_PARAM_WEIGHT,
                       net->head_weight);
    if (st == HNAS_OK)
        st = hn_params_add(&net->params, "head.", "bias", HNAS_PARAM_WEIGHT,
                           net->head_bias);
    return st;
}

static hnas_status fill(struct hnas_supernet *net)
{
    hnas_status st = copy_ops(net);

    if (st == HNAS_OK)
        st = make_stem(net);
    if (st == HNAS_OK)
        st = make_cells(net);
    if (st == HNAS_OK)
        st = make_head(net);
    if (st == HNAS_OK)
        st = hn_supernet_fill_space(net);
    return st;
}

hnas_status hnas_supernet_create(hnas_supernet **out, hnas_context *ctx,
                                 const hnas_supernet_opts *opts)
{
    hnas_supernet_opts o;
    struct hnas_supernet *net;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx)
        return HNAS_E_ARG;
    hnas_supernet_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "supernet: opts.size is not set");
    st = check(ctx, &o);
    if (st < 0)
        return st;
    net = hn_zalloc(&ctx->alloc, sizeof *net);
    if (!net)
        return hn_fail_nomem(ctx, "supernet");
    net->ctx = ctx;
    net->opts = o;
    hn_params_init(&net->params, ctx);
    st = fill(net);
    if (st < 0) {
        hnas_supernet_destroy(net);
        return st;
    }
    *out = net;
    return HNAS_OK;
}

void hnas_supernet_destroy(hnas_supernet *net)
{
    struct hn_allocator *alloc;

    if (!net)
        return;
    alloc = &net->ctx->alloc;
    for (int32_t i = 0; net->cell && i < net->opts.cells; i++) {
        hnas_cell_destroy(net->cell[i].cell);
        hn_builder_finish(&net->cell[i].parts);
    }
    hn_free(alloc, net->cell);
    hn_builder_finish(&net->stem);
    hn_builder_finish(&net->head);
    hnas_tensor_unref(net->head_weight);
    hnas_tensor_unref(net->head_bias);
    hn_params_finish(&net->params);
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
    return &net->params;
}

void hnas_supernet_get_opts(const hnas_supernet *net, hnas_supernet_opts *opts,
                            size_t size)
{
    hnas_supernet_opts o = net->opts;

    o.size = size < sizeof o ? size : sizeof o;
    memcpy(opts, &o, o.size);
}
