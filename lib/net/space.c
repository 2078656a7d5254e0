/* SPDX-License-Identifier: BSD-3-Clause */
/* What the network costs, edge by edge. */
#include "net/space.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/supernet.h"

const char *const hn_kind_names[HNAS_N_KINDS] = {"normal", "reduce"};

double hn_cost_in(const hnas_cost *cost, double table, int32_t metric)
{
    const double value[HNAS_N_COSTS] = {
        (double)cost->params, (double)cost->macs, (double)cost->bytes, table};

    return value[metric];
}

static void add_cell(struct hnas_supernet *net, int32_t index)
{
    const struct hn_network_cell *c = &net->network.cell[index];

    for (int32_t e = 0; e < c->cell->n_edges; e++)
        for (int32_t o = 0; o < c->cell->edge[e].n_ops; o++) {
            hnas_cost cost;

            hn_network_op_cost(&net->network, index, e, o, &cost);
            for (int m = 0; m < HNAS_COST_TABLE; m++)
                net->cost[c->kind][m][e * net->opts.n_ops + o] +=
                    hn_cost_in(&cost, 0, m);
        }
}

static hnas_status alloc_tables(struct hnas_supernet *net, int32_t n_edges)
{
    struct hn_allocator *alloc = &net->ctx->alloc;
    const size_t n = (size_t)(n_edges * net->opts.n_ops);

    net->edge_from =
        hn_alloc_array(alloc, (size_t)n_edges, sizeof *net->edge_from);
    net->edge_to = hn_alloc_array(alloc, (size_t)n_edges, sizeof *net->edge_to);
    net->predecessors =
        hn_alloc_array(alloc, (size_t)n_edges, sizeof *net->predecessors);
    if (!net->edge_from || !net->edge_to || !net->predecessors)
        return hn_fail_nomem(net->ctx, "costs");
    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int m = 0; m < HNAS_N_COSTS; m++) {
            net->cost[k][m] = hn_alloc_array(alloc, n, sizeof(double));
            if (!net->cost[k][m])
                return hn_fail_nomem(net->ctx, "costs");
        }
    return HNAS_OK;
}

hnas_status hn_supernet_fill_space(struct hnas_supernet *net)
{
    const struct hnas_cell *cell = net->network.cell[0].cell;
    struct hn_space *s = &net->space;
    hnas_status st = alloc_tables(net, cell->n_edges);

    if (st < 0)
        return st;
    for (int32_t e = 0; e < cell->n_edges; e++) {
        net->edge_from[e] = cell->edge[e].from;
        net->edge_to[e] = cell->edge[e].to;
    }
    for (int32_t e = 0; e < cell->n_edges; e++)
        for (int32_t f = 0; f < cell->n_edges; f++)
            net->predecessors[e] += net->edge_to[f] == net->edge_to[e];
    s->ctx = net->ctx;
    s->n_ops = net->opts.n_ops;
    s->op_names = net->opts.ops;
    s->op_flags = net->op_flags;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        s->kind[k].n_inputs = cell->n_inputs;
        s->kind[k].n_nodes = cell->n_nodes;
        s->kind[k].n_edges = cell->n_edges;
        s->kind[k].from = net->edge_from;
        s->kind[k].to = net->edge_to;
        for (int m = 0; m < HNAS_N_COSTS; m++)
            s->kind[k].cost[m] = net->cost[k][m];
    }
    for (int32_t i = 0; i < net->opts.cells; i++) {
        s->kind[net->network.cell[i].kind].n_cells++;
        add_cell(net, i);
    }
    hn_network_fixed_cost(&net->network, &s->fixed);
    return HNAS_OK;
}

const struct hn_space *hn_supernet_space(const hnas_supernet *net)
{
    return &net->space;
}

struct hnas_context *hn_supernet_context(const hnas_supernet *net)
{
    return net ? net->space.ctx : NULL;
}

void hnas_supernet_fit_hyper(const hnas_supernet *net, hnas_hyper_opts *opts)
{
    opts->n_tables = 0;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const int32_t t = opts->n_tables;

        if (!net->space.kind[k].n_cells)
            continue;
        opts->names[t] = hn_kind_names[k];
        opts->rows[t] = net->space.kind[k].n_edges;
        opts->cols[t] = net->space.n_ops;
        opts->predecessors[t] = net->predecessors;
        opts->n_tables++;
    }
}

void hnas_supernet_get_kind(const hnas_supernet *net, int32_t kind,
                            int32_t *n_cells, int32_t *n_edges, int32_t *n_ops)
{
    const int known = kind >= 0 && kind < HNAS_N_KINDS;

    if (n_cells)
        *n_cells = known ? net->space.kind[kind].n_cells : 0;
    if (n_edges)
        *n_edges = known ? net->space.kind[kind].n_edges : 0;
    if (n_ops)
        *n_ops = net->space.n_ops;
}

hnas_status hnas_supernet_get_costs(const hnas_supernet *net, int32_t kind,
                                    int32_t metric, double *cost, int64_t count)
{
    int64_t n;

    if (!net || !cost)
        return hn_fail_null(net ? net->ctx : NULL, "supernet get costs: cost");
    if (kind < 0 || kind >= HNAS_N_KINDS || metric < 0 ||
        metric >= HNAS_N_COSTS)
        return hn_fail(net->ctx, HNAS_E_RANGE, "costs: kind %d, metric %d",
                       (int)kind, (int)metric);
    if (metric == HNAS_COST_TABLE && !net->space.has_table)
        return hn_fail(net->ctx, HNAS_E_STATE, "costs: no table is set");
    n = (int64_t)net->space.kind[kind].n_edges * net->space.n_ops;
    if (count != n)
        return hn_fail(net->ctx, HNAS_E_SHAPE, "costs: %lld numbers, want %lld",
                       (long long)count, (long long)n);
    memcpy(cost, net->space.kind[kind].cost[metric], (size_t)n * sizeof *cost);
    return HNAS_OK;
}

hnas_status hnas_supernet_get_fixed_cost(const hnas_supernet *net,
                                         hnas_cost *cost)
{
    if (!net || !cost)
        return hn_fail_null(net ? net->ctx : NULL,
                            "supernet get fixed cost: cost");
    *cost = net->space.fixed;
    return HNAS_OK;
}

/* ---- the host's own costs ---- */

static hnas_status check_number(const struct hnas_supernet *net, double value,
                                const char *what)
{
    if (!isfinite(value))
        return hn_fail(net->ctx, HNAS_E_NAN,
                       "cost table: %s: %g, want a finite number", what, value);
    if (value < 0)
        return hn_fail(net->ctx, HNAS_E_RANGE, "cost table: %s: %g, want >= 0",
                       what, value);
    return HNAS_OK;
}

static hnas_status check_table(const struct hnas_supernet *net, int kind,
                               const double *cost)
{
    const struct hn_space_kind *k = &net->space.kind[kind];
    const int32_t n_ops = net->space.n_ops;
    hnas_status st = HNAS_OK;

    if (!k->n_cells)
        return HNAS_OK;
    if (!cost)
        return hn_fail(net->ctx, HNAS_E_ARG,
                       "cost table: kind %d is NULL, but has cells", kind);
    for (int32_t i = 0; i < k->n_edges * n_ops && st == HNAS_OK; i++) {
        char what[160];

        snprintf(what, sizeof what, "%s edge %d -> %d, %s", hn_kind_names[kind],
                 (int)k->from[i / n_ops], (int)k->to[i / n_ops],
                 net->space.op_names[i % n_ops]);
        st = check_number(net, cost[i], what);
    }
    return st;
}

hnas_status hnas_supernet_set_cost_table(hnas_supernet *net,
                                         const double *const cost[2],
                                         int64_t count, double fixed)
{
    int64_t n;
    hnas_status st = HNAS_OK;

    if (!net || !cost)
        return hn_fail_null(net ? net->ctx : NULL,
                            "supernet set cost table: cost");
    n = (int64_t)net->space.kind[0].n_edges * net->space.n_ops;
    if (net->space.has_table)
        return hn_fail(net->ctx, HNAS_E_STATE, "cost table: is set already");
    if (count != n)
        return hn_fail(net->ctx, HNAS_E_SHAPE,
                       "cost table: %lld numbers a kind, want %lld",
                       (long long)count, (long long)n);
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = check_table(net, k, cost[k]);
    if (st == HNAS_OK)
        st = check_number(net, fixed, "fixed");
    if (st < 0)
        return st;
    for (int k = 0; k < HNAS_N_KINDS; k++)
        if (net->space.kind[k].n_cells)
            memcpy(net->cost[k][HNAS_COST_TABLE], cost[k],
                   (size_t)n * sizeof(double));
    net->space.fixed_table = fixed;
    net->space.has_table = 1;
    return HNAS_OK;
}

double hnas_supernet_get_fixed_table_cost(const hnas_supernet *net)
{
    return net->space.has_table ? net->space.fixed_table : (double)NAN;
}

void hnas_supernet_get_cell(const hnas_supernet *net, int32_t cell,
                            hnas_cell_info *info)
{
    const struct hn_network_cell *c;

    memset(info, 0, sizeof *info);
    if (cell < 0 || cell >= net->opts.cells)
        return;
    c = &net->network.cell[cell];
    info->kind = c->kind;
    info->channels = c->channels;
    for (int a = 0; a < 2; a++) {
        info->in_size[a] = c->in_size[a];
        info->out_size[a] = c->out_size[a];
    }
}
