/* SPDX-License-Identifier: BSD-3-Clause */
/* A cell's graph and weights. */
#include "net/cell.h"

#include <stdio.h>
#include <string.h>

enum { MOST_NODES = 64, MOST_OPS = 256, PREFIX_BYTES = 128 };

static hnas_status check_edges(struct hnas_context *ctx,
                               const hnas_cell_desc *d)
{
    const int32_t n = d->n_inputs + d->n_nodes;

    for (int32_t e = 0; e < d->n_edges; e++) {
        const hnas_edge *g = &d->edges[e];

        if (g->from < 0 || g->to < d->n_inputs || g->to >= n ||
            g->from >= g->to)
            return hn_fail(ctx, HNAS_E_RANGE,
                           "cell: edge %d from node %d to %d, want an earlier "
                           "node to an intermediate one",
                           (int)e, (int)g->from, (int)g->to);
        if (g->n_ops > MOST_OPS)
            return hn_fail(ctx, HNAS_E_RANGE,
                           "cell: edge %d has %d operations, want at most %d",
                           (int)e, (int)g->n_ops, MOST_OPS);
        if (g->n_ops < 1 || !g->ops || (g->stride != 1 && g->stride != 2))
            return hn_fail(ctx, HNAS_E_ARG,
                           "cell: edge %d has %d operations and stride %d",
                           (int)e, (int)g->n_ops, (int)g->stride);
        if (e &&
            (g->to < g[-1].to || (g->to == g[-1].to && g->from <= g[-1].from)))
            return hn_fail(ctx, HNAS_E_ARG,
                           "cell: edge %d is not ordered by target, source",
                           (int)e);
    }
    return HNAS_OK;
}

static hnas_status check_ops(struct hnas_context *ctx, const hnas_cell_desc *d)
{
    for (int32_t e = 0; e < d->n_edges; e++)
        for (int32_t o = 0; o < d->edges[e].n_ops; o++) {
            const char *const *ops = d->edges[e].ops;

            if (!ops[o])
                return hn_fail(ctx, HNAS_E_ARG,
                               "cell: operation %d of edge %d is NULL", (int)o,
                               (int)e);
            for (int32_t k = 0; k < o; k++)
                if (!strcmp(ops[k], ops[o]))
                    return hn_fail(ctx, HNAS_E_NAME,
                                   "cell: edge %d has operation %.80s twice",
                                   (int)e, ops[o]);
        }
    return HNAS_OK;
}

static hnas_status check(struct hnas_context *ctx, const hnas_cell_desc *d)
{
    if (d->size < sizeof *d || !d->edges || !d->outputs)
        return hn_fail(ctx, HNAS_E_ARG,
                       "cell: size, edges and outputs must be set");
    if (d->n_inputs < 1 || d->n_nodes < 1 || d->n_inputs > MOST_NODES ||
        d->n_nodes > MOST_NODES - d->n_inputs || d->n_edges < 0 ||
        d->n_outputs < 1)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "cell: %d inputs, %d nodes, %d edges, %d outputs, want "
                       "at least one of each and at most %d nodes",
                       (int)d->n_inputs, (int)d->n_nodes, (int)d->n_edges,
                       (int)d->n_outputs, MOST_NODES);
    for (int32_t i = 0; i < d->n_outputs; i++)
        if (d->outputs[i] < 0 || d->outputs[i] >= d->n_inputs + d->n_nodes)
            return hn_fail(ctx, HNAS_E_RANGE, "cell: output %d is node %d",
                           (int)i, (int)d->outputs[i]);
    return check_edges(ctx, d);
}

/* The same operation on an earlier edge from this node, where its result is
 * the same too. */
static struct hnas_op *find_shared(const struct hnas_cell *cell, int32_t edge,
                                   const hnas_op_table *table, int64_t stride)
{
    if (!(table->flags & HNAS_OP_SHARED))
        return NULL;
    for (int32_t e = 0; e < edge; e++) {
        const struct hn_cell_edge *g = &cell->edge[e];

        if (g->from != cell->edge[edge].from)
            continue;
        for (int32_t o = 0; o < g->n_ops; o++)
            if (g->op[o]->table == table && g->op[o]->desc.stride == stride)
                return g->op[o];
    }
    return NULL;
}

/* Batch-norm's weights, where it has them, are an edge's own. */
static hnas_status make_op(struct hnas_cell *cell, int32_t e, int32_t o,
                           const char *name, const hnas_op_desc *desc,
                           struct hn_supply *supply)
{
    struct hn_cell_edge *edge = &cell->edge[e];
    const hnas_op_table *table;
    char prefix[PREFIX_BYTES];
    hnas_status st = hnas_op_find(&table, cell->ctx, name);

    if (st < 0)
        return st;
    if (!cell->affine)
        edge->op[o] = find_shared(cell, e, table, desc->stride);
    if (!edge->op[o]) {
        st = hn_op_make(&edge->op[o], cell->ctx, table, desc, cell->affine,
                        supply);
        edge->owned[o] = 1;
    }
    if (st < 0)
        return st;
    edge->n_ops = o + 1;
    snprintf(prefix, sizeof prefix, "edges.%d_%d.%s.", (int)edge->from,
             (int)edge->to, name);
    return hn_params_add_all(&cell->params, prefix, &edge->op[o]->parts.params);
}

static hnas_status make_edge(struct hnas_cell *cell, int32_t e,
                             const hnas_edge *desc, int64_t channels,
                             struct hn_supply *supply)
{
    struct hn_allocator *alloc = &cell->ctx->alloc;
    struct hn_cell_edge *edge = &cell->edge[e];
    const hnas_op_desc op = {sizeof op, channels, desc->stride};
    hnas_status st = HNAS_OK;

    edge->from = desc->from;
    edge->to = desc->to;
    edge->op = hn_alloc_array(alloc, (size_t)desc->n_ops, sizeof *edge->op);
    edge->owned = hn_alloc_array(alloc, (size_t)desc->n_ops, 1);
    if (!edge->op || !edge->owned)
        return hn_fail_nomem(cell->ctx, "cell");
    if (desc->n_ops > cell->n_ops)
        cell->n_ops = desc->n_ops;
    for (int32_t o = 0; o < desc->n_ops && st == HNAS_OK; o++)
        st = make_op(cell, e, o, desc->ops[o], &op, supply);
    return st;
}

static hnas_status fill(struct hnas_cell *cell, const hnas_cell_desc *desc,
                        struct hn_supply *supply)
{
    struct hn_allocator *alloc = &cell->ctx->alloc;
    hnas_status st = HNAS_OK;

    cell->edge =
        hn_alloc_array(alloc, (size_t)desc->n_edges, sizeof *cell->edge);
    cell->output =
        hn_alloc_array(alloc, (size_t)desc->n_outputs, sizeof *cell->output);
    if (!cell->edge || !cell->output)
        return hn_fail_nomem(cell->ctx, "cell");
    memcpy(cell->output, desc->outputs,
           (size_t)desc->n_outputs * sizeof *cell->output);
    cell->n_outputs = desc->n_outputs;
    cell->n_inputs = desc->n_inputs;
    cell->n_nodes = desc->n_nodes;
    cell->n_edges = desc->n_edges;
    for (int32_t e = 0; e < desc->n_edges && st == HNAS_OK; e++)
        st = make_edge(cell, e, &desc->edges[e], desc->channels, supply);
    return st;
}

hnas_status hn_cell_make(struct hnas_cell **out, struct hnas_context *ctx,
                         const hnas_cell_desc *desc, int32_t affine,
                         struct hn_supply *supply)
{
    struct hnas_cell *cell;
    hnas_status st = check(ctx, desc);

    *out = NULL;
    if (st < 0)
        return st;
    cell = hn_zalloc(&ctx->alloc, sizeof *cell);
    if (!cell)
        return hn_fail_nomem(ctx, "cell");
    cell->ctx = ctx;
    cell->affine = affine;
    hn_params_init(&cell->params, ctx);
    st = fill(cell, desc, supply);
    if (st < 0) {
        hnas_cell_destroy(cell);
        return st;
    }
    *out = cell;
    return HNAS_OK;
}

hnas_status hnas_cell_create(hnas_cell **out, hnas_context *ctx,
                             const hnas_cell_desc *desc)
{
    struct hn_supply supply = {0, NULL};
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !desc)
        return hn_fail_null(ctx, "cell create: out or desc");
    if (desc->size >= sizeof *desc && desc->n_edges < 1)
        return hn_fail(ctx, HNAS_E_RANGE, "cell: %d edges, want >= 1",
                       (int)desc->n_edges);
    st = check(ctx, desc);
    if (st == HNAS_OK)
        st = check_ops(ctx, desc);
    return st < 0 ? st : hn_cell_make(out, ctx, desc, 0, &supply);
}

void hnas_cell_destroy(hnas_cell *cell)
{
    struct hn_allocator *alloc;

    if (!cell)
        return;
    alloc = &cell->ctx->alloc;
    for (int32_t e = 0; cell->edge && e < cell->n_edges; e++) {
        struct hn_cell_edge *g = &cell->edge[e];

        for (int32_t o = 0; o < g->n_ops; o++)
            if (g->owned[o])
                hnas_op_destroy(g->op[o]);
        hn_free(alloc, g->op);
        hn_free(alloc, g->owned);
    }
    hn_free(alloc, cell->edge);
    hn_free(alloc, cell->output);
    hn_params_finish(&cell->params);
    hn_free(alloc, cell);
}

const hnas_params *hnas_cell_get_params(const hnas_cell *cell)
{
    return &cell->params;
}

void hn_cell_each_norm(struct hnas_cell *cell,
                       void (*visit)(struct hnas_norm *norm, void *user),
                       void *user)
{
    for (int32_t e = 0; e < cell->n_edges; e++)
        for (int32_t o = 0; o < cell->edge[e].n_ops; o++) {
            const struct hnas_op_builder *p = &cell->edge[e].op[o]->parts;

            for (int32_t i = 0; cell->edge[e].owned[o] && i < p->n_norms; i++)
                visit(p->norm[i], user);
        }
}
