/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network's making, from the kept edges of an architecture. */
#include "model/model.h"

#include <string.h>

#include "arch/arch.h"
#include "base/fpmode.h"
#include "net/supernet.h"

void hnas_model_opts_init(hnas_model_opts *opts, size_t size)
{
    hnas_model_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.image[0] = 1;
    o.image[1] = o.image[2] = 28;
    o.classes = 10;
    o.channels = 16;
    o.cells = 8;
    o.nodes = 4;
    o.stem_multiplier = 3;
    memcpy(opts, &o, o.size);
}

void hnas_model_opts_fit(hnas_model_opts *opts, const hnas_supernet *net)
{
    const hnas_supernet_opts *n = &net->opts;

    memcpy(opts->image, n->image, sizeof opts->image);
    opts->classes = n->classes;
    opts->channels = n->channels;
    opts->cells = n->cells;
    opts->nodes = n->nodes;
    opts->stem_multiplier = n->stem_multiplier;
}

static struct hn_macro macro_of(const hnas_model_opts *o)
{
    struct hn_macro m = {{o->image[0], o->image[1], o->image[2]},
                         o->classes,
                         o->channels,
                         o->cells,
                         o->nodes,
                         o->stem_multiplier,
                         o->affine,
                         o->auxiliary ? (int32_t)(INT64_C(2) * o->cells / 3)
                                      : -1,
                         {0, 0, 0, 0, 0, 0, 0}};

    return m;
}

/* ---- the graph that is left of an architecture ---- */

static int needs_kind(const hnas_model_opts *o, int32_t kind)
{
    for (int32_t i = 0; i < o->cells; i++)
        if (hn_cell_kind(i, o->cells) == kind)
            return 1;
    return 0;
}

static hnas_status check_edge(struct hnas_context *ctx, const hnas_arch_edge *e,
                              int32_t nodes)
{
    if (e->from < 0 || e->from >= e->to || e->to < 2 || e->to >= 2 + nodes)
        return hn_fail(ctx, HNAS_E_MISMATCH,
                       "model: edge %d -> %d, but cells of %d nodes",
                       (int)e->from, (int)e->to, (int)nodes);
    return HNAS_OK;
}

/* Copy the listed edges of a kind, with names that live as long as the
 * context. */
static hnas_status copy_edges(struct hnas_model *m, int32_t kind,
                              const struct hn_model_kind *from)
{
    struct hn_model_kind *to = &m->kind[kind];
    hnas_status st = HNAS_OK;

    to->n_edges = from->n_edges;
    if (from->n_edges < 0)
        return HNAS_OK;
    to->edge =
        hn_alloc_array(&m->ctx->alloc, (size_t)from->n_edges, sizeof *to->edge);
    if (!to->edge)
        return hn_fail_nomem(m->ctx, "model");
    for (int32_t i = 0; i < from->n_edges && st == HNAS_OK; i++) {
        const hnas_op_table *table;

        to->edge[i] = from->edge[i];
        st = check_edge(m->ctx, &from->edge[i], m->opts.nodes);
        if (st == HNAS_OK)
            st = hnas_op_find(&table, m->ctx, from->edge[i].op_name);
        if (st == HNAS_OK)
            to->edge[i].op_name = table->name;
    }
    return st;
}

/* Keep the edges that carry something: no zero operation, and a source that
 * something reaches.  edges: room for all of a cell. */
static hnas_status keep_edges(struct hn_graph *graph, hnas_edge *edges,
                              struct hnas_context *ctx,
                              const struct hn_model_kind *kind)
{
    uint8_t alive[2 + HN_MOST_CELL_NODES] = {1, 1};
    int32_t n = 0;

    for (int32_t i = 0; i < kind->n_edges; i++) {
        const hnas_arch_edge *e = &kind->edge[i];
        const hnas_op_table *table;
        hnas_status st = hnas_op_find(&table, ctx, e->op_name);

        if (st < 0)
            return st;
        if (table->flags & HNAS_OP_ZERO || !alive[e->from])
            continue;
        alive[e->to] = 1;
        edges[n].from = e->from;
        edges[n].to = e->to;
        edges[n].n_ops = 1;
        edges[n++].ops = &table->name; /* as long as the context */
    }
    graph->n_edges = n;
    graph->edge = edges;
    return HNAS_OK;
}

static hnas_status make_network(struct hnas_model *m)
{
    hnas_edge edges[HNAS_N_KINDS][HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    struct hn_graph graph[HNAS_N_KINDS] = {{0, NULL}, {0, NULL}};
    const struct hn_macro macro = macro_of(&m->opts);
    hnas_status st = HNAS_OK;

    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        if (m->kind[k].n_edges < 0 && needs_kind(&m->opts, k))
            return hn_fail(m->ctx, HNAS_E_MISMATCH,
                           "model: the architecture has no %s cell, which a "
                           "network of %d cells needs",
                           k == HNAS_NORMAL ? "normal" : "reduction",
                           (int)m->opts.cells);
        st = keep_edges(&graph[k], edges[k], m->ctx, &m->kind[k]);
    }
    return st == HNAS_OK ? hn_network_make(&m->net, m->ctx, &macro, graph) : st;
}

/* ---- the rest ---- */

static hnas_status make_ones(struct hnas_model *m)
{
    for (int32_t i = 0; i < m->opts.cells; i++) {
        const struct hn_network_cell *c = &m->net.cell[i];
        const int64_t dims[2] = {c->cell->n_edges, 1};
        hnas_tensor **ones = &m->ones[c->kind];
        hnas_status st;

        if (*ones || !dims[0])
            continue;
        st = hn_tensor_new(ones, m->ctx, HN_STRIDED, 2, dims);
        if (st < 0)
            return st;
        for (int64_t e = 0; e < dims[0]; e++)
            hn_real(*ones)[e] = 1;
    }
    return HNAS_OK;
}

static void add_costs(struct hnas_model *m)
{
    hn_network_fixed_cost(&m->net, &m->fixed);
    m->total = m->fixed;
    for (int32_t i = 0; i < m->opts.cells; i++)
        for (int32_t e = 0; e < m->net.cell[i].cell->n_edges; e++) {
            hnas_cost c;

            hn_network_op_cost(&m->net, i, e, 0, &c);
            m->total.params += c.params;
            m->total.macs += c.macs;
            m->total.bytes += c.bytes;
        }
}

static hnas_status fill(struct hnas_model *m,
                        const struct hn_model_kind kind[HNAS_N_KINDS])
{
    const struct hn_macro macro = macro_of(&m->opts);
    hnas_status st = hn_macro_check(m->ctx, &macro);

    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = copy_edges(m, k, &kind[k]);
    if (st == HNAS_OK)
        st = make_network(m);
    if (st == HNAS_OK)
        st = hn_params_add_all(&m->params, "", &m->net.params);
    if (st == HNAS_OK && m->opts.auxiliary)
        st = hn_auxiliary_make(m);
    if (st == HNAS_OK)
        st = make_ones(m);
    if (st == HNAS_OK)
        st = hnas_tape_create(&m->tape, m->ctx);
    if (st == HNAS_OK)
        add_costs(m);
    return st;
}

static hnas_status make_model(struct hnas_model **out, struct hnas_context *ctx,
                              const struct hn_model_kind kind[HNAS_N_KINDS],
                              const hnas_model_opts *opts)
{
    struct hnas_model *m = hn_zalloc(&ctx->alloc, sizeof *m);
    hnas_status st;

    *out = NULL;
    if (!m)
        return hn_fail_nomem(ctx, "model");
    m->ctx = ctx;
    m->opts = *opts;
    m->seed = ctx->seed;
    hn_params_init(&m->params, ctx);
    st = fill(m, kind);
    if (st < 0) {
        hnas_model_destroy(m);
        return st;
    }
    *out = m;
    return HNAS_OK;
}

hnas_status hn_model_make(struct hnas_model **out, struct hnas_context *ctx,
                          const struct hn_model_kind kind[HNAS_N_KINDS],
                          const hnas_model_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = make_model(out, ctx, kind, opts);

    hn_fp_leave(mode);
    return st;
}

void hn_model_kinds(struct hn_model_kind kind[HNAS_N_KINDS],
                    const hnas_arch *arch)
{
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        kind[k].edge = arch->edge[k];
        kind[k].n_edges = arch->edge[k] ? arch->n_edges[k] : -1;
    }
}

hnas_status hnas_model_create(hnas_model **out, hnas_context *ctx,
                              const hnas_arch *arch,
                              const hnas_model_opts *opts)
{
    struct hn_model_kind kind[HNAS_N_KINDS];
    hnas_model_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !arch)
        return hn_fail_null(ctx, "model create: out or arch");
    hnas_model_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "model: opts.size is not set");
    hn_model_kinds(kind, arch);
    st = hn_model_make(out, ctx, kind, &o);
    if (st == HNAS_OK)
        (*out)->rule = arch->rule;
    return st;
}

void hnas_model_destroy(hnas_model *model)
{
    if (!model)
        return;
    if (model->runs) {
        (void)hn_expect_idle(model->ctx, "hnas_model_destroy");
        return;
    }
    hn_training_destroy(model);
    hnas_tape_destroy(model->tape);
    hn_model_forget_paths(model);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        hnas_tensor_unref(model->ones[k]);
    hn_auxiliary_finish(&model->aux);
    hn_params_finish(&model->params);
    hn_network_finish(&model->net);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        hn_free(&model->ctx->alloc, model->kind[k].edge);
    hn_free(&model->ctx->alloc, model->text);
    hn_free(&model->ctx->alloc, model);
}

const hnas_params *hnas_model_get_params(const hnas_model *model)
{
    return &model->params;
}

void hnas_model_get_opts(const hnas_model *model, hnas_model_opts *opts,
                         size_t size)
{
    hnas_model_opts o = model->opts;

    o.size = size < sizeof o ? size : sizeof o;
    memcpy(opts, &o, o.size);
}

void hnas_model_get_cost(const hnas_model *model, hnas_cost *total,
                         hnas_cost *fixed)
{
    if (total)
        *total = model->total;
    if (fixed)
        *fixed = model->fixed;
}
