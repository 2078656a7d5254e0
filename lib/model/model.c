/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network's making, from the kept edges of an architecture. */
#include "model/model.h"

#include <string.h>

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

static struct hn_macro macro_of(const hnas_model_opts *o)
{
    struct hn_macro m = {{o->image[0], o->image[1], o->image[2]},
                         o->classes,
                         o->channels,
                         o->cells,
                         o->nodes,
                         o->stem_multiplier,
                         o->affine,
                         o->auxiliary ? 2 * o->cells / 3 : -1};

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

/* Keep the edges that carry something: no zero operation, and a source that
 * something reaches.  edges: room for all of a cell. */
static hnas_status keep_edges(struct hn_graph *graph, hnas_edge *edges,
                              struct hnas_context *ctx, const hnas_arch *arch,
                              int32_t kind, int32_t nodes)
{
    const hnas_arch_edge *e = hnas_arch_get_edges(arch, kind);
    uint8_t alive[2 + HN_MOST_CELL_NODES] = {1, 1};
    int32_t n = 0;

    if (!e)
        return hn_fail(ctx, HNAS_E_MISMATCH,
                       "model: the architecture has no %s cell",
                       kind == HNAS_NORMAL ? "normal" : "reduction");
    for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, kind); i++) {
        const hnas_op_table *table;
        hnas_status st = check_edge(ctx, &e[i], nodes);

        if (st == HNAS_OK)
            st = hnas_op_find(&table, ctx, e[i].op_name);
        if (st < 0)
            return st;
        if (table->flags & HNAS_OP_ZERO || !alive[e[i].from])
            continue;
        alive[e[i].to] = 1;
        edges[n].from = e[i].from;
        edges[n].to = e[i].to;
        edges[n].n_ops = 1;
        edges[n++].ops = &table->name; /* as long as the context */
    }
    graph->n_edges = n;
    graph->edge = edges;
    return HNAS_OK;
}

static hnas_status make_network(struct hnas_model *m, const hnas_arch *arch)
{
    hnas_edge edges[HNAS_N_KINDS][HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    struct hn_graph graph[HNAS_N_KINDS] = {{0, NULL}, {0, NULL}};
    const struct hn_macro macro = macro_of(&m->opts);
    hnas_status st = hn_macro_check(m->ctx, &macro);

    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        if (needs_kind(&m->opts, k))
            st =
                keep_edges(&graph[k], edges[k], m->ctx, arch, k, m->opts.nodes);
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

static hnas_status fill(struct hnas_model *m, const hnas_arch *arch)
{
    hnas_status st = make_network(m, arch);

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

hnas_status hnas_model_create(hnas_model **out, hnas_context *ctx,
                              const hnas_arch *arch,
                              const hnas_model_opts *opts)
{
    hnas_model_opts o;
    struct hnas_model *m;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !arch)
        return HNAS_E_ARG;
    hnas_model_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "model: opts.size is not set");
    m = hn_zalloc(&ctx->alloc, sizeof *m);
    if (!m)
        return hn_fail_nomem(ctx, "model");
    m->ctx = ctx;
    m->opts = o;
    hn_params_init(&m->params, ctx);
    st = fill(m, arch);
    if (st < 0) {
        hnas_model_destroy(m);
        return st;
    }
    *out = m;
    return HNAS_OK;
}

void hnas_model_destroy(hnas_model *model)
{
    if (!model)
        return;
    hn_training_destroy(model);
    hnas_tape_destroy(model->tape);
    hn_model_forget_paths(model);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        hnas_tensor_unref(model->ones[k]);
    hn_auxiliary_finish(&model->aux);
    hn_params_finish(&model->params);
    hn_network_finish(&model->net);
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
