/* SPDX-License-Identifier: BSD-3-Clause */
/* What an architecture costs and what is unusual about it.
 *
 * A node is alive if an edge with an operation other than the zero operation
 * reaches it from an input or from a node alive.  A node that is not alive
 * holds zeros, and an edge that leaves it is never computed: it costs
 * nothing. */
#include <math.h>

#include "arch/arch.h"

/* Edges come by target and lead forward, so one pass sees every source settled
 * before its edges. */
void hn_prune_kind(double cost[HNAS_N_COSTS], unsigned char *alive,
                   unsigned char *used, const struct hn_space *space,
                   int32_t kind, const int32_t *op)
{
    const struct hn_space_kind *k = &space->kind[kind];

    for (int32_t v = 0; v < k->n_inputs + k->n_nodes; v++) {
        alive[v] = v < k->n_inputs;
        used[v] = 0;
    }
    for (int32_t e = 0; e < k->n_edges; e++) {
        const int64_t at = (int64_t)e * space->n_ops + op[e];

        if (op[e] < 0 || !alive[k->from[e]])
            continue;
        for (int m = 0; m < HNAS_N_COSTS; m++)
            cost[m] += k->cost[m][at];
        if (space->op_flags[op[e]] & HNAS_OP_ZERO)
            continue;
        alive[k->to[e]] = 1;
        used[k->from[e]] = 1;
    }
}

void hn_prune_total(hnas_cost *total, double *table,
                    const struct hn_space *space,
                    double cost[HNAS_N_KINDS][HNAS_N_COSTS])
{
    double sum[HNAS_N_COSTS];

    for (int m = 0; m < HNAS_N_COSTS; m++)
        sum[m] = cost[HNAS_NORMAL][m] + cost[HNAS_REDUCE][m];
    *total = space->fixed;
    total->params += llround(sum[HNAS_COST_PARAMS]);
    total->macs += llround(sum[HNAS_COST_MACS]);
    total->bytes += llround(sum[HNAS_COST_BYTES]);
    *table = space->has_table ? space->fixed_table + sum[HNAS_COST_TABLE]
                              : (double)NAN;
}

/* Whether an operation other than the zero operation leads to a node. */
static int has_edge(const struct hn_space *space, int32_t kind,
                    const int32_t *op, int32_t node)
{
    const struct hn_space_kind *k = &space->kind[kind];

    for (int32_t e = 0; e < k->n_edges; e++)
        if (k->to[e] == node && op[e] >= 0 &&
            !(space->op_flags[op[e]] & HNAS_OP_ZERO))
            return 1;
    return 0;
}

static void add_warnings(hnas_arch *arch, const struct hn_space *space,
                         int32_t kind, const int32_t *op,
                         const unsigned char *alive, const unsigned char *used)
{
    const struct hn_space_kind *k = &space->kind[kind];

    for (int32_t v = 0; v < k->n_inputs + k->n_nodes; v++) {
        hnas_arch_warning w = {HNAS_ARCH_INPUT_UNUSED, kind, v};

        if (v >= k->n_inputs)
            w.code = has_edge(space, kind, op, v)
                         ? HNAS_ARCH_NODE_DEAD
                         : HNAS_ARCH_NODE_WITHOUT_INPUT;
        if (v < k->n_inputs ? !used[v] : !alive[v])
            arch->warning[arch->n_warnings++] = w;
    }
}

static int32_t node_count(const struct hn_space *space, int32_t kind)
{
    const struct hn_space_kind *k = &space->kind[kind];

    return k->n_cells ? k->n_inputs + k->n_nodes : 0;
}

hnas_status hn_arch_prune(hnas_arch *arch, const struct hn_space *space,
                          const int32_t *const op[HNAS_N_KINDS])
{
    const size_t n = (size_t)node_count(space, HNAS_NORMAL) +
                     (size_t)node_count(space, HNAS_REDUCE);
    unsigned char *alive = hn_alloc_array(&arch->ctx->alloc, n, 2);
    unsigned char *at = alive;
    double cost[HNAS_N_KINDS][HNAS_N_COSTS] = {{0}};

    arch->warning = hn_alloc_array(&arch->ctx->alloc, n, sizeof *arch->warning);
    if (!alive || !arch->warning) {
        hn_free(&arch->ctx->alloc, alive);
        return hn_fail_nomem(arch->ctx, "architecture");
    }
    arch->fixed = space->fixed;
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++) {
        if (!space->kind[kind].n_cells)
            continue;
        hn_prune_kind(cost[kind], at, at + n, space, kind, op[kind]);
        add_warnings(arch, space, kind, op[kind], at, at + n);
        at += node_count(space, kind);
    }
    hn_prune_total(&arch->total, &arch->table_cost, space, cost);
    hn_free(&arch->ctx->alloc, alive);
    return HNAS_OK;
}
