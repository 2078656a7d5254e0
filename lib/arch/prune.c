/* SPDX-License-Identifier: BSD-3-Clause */
/* What an architecture costs and what is unusual about it.
 *
 * A node is alive if an edge with an operation other than the zero operation
 * reaches it from an input or from a node alive.  A node that is not alive
 * holds zeros, and an edge that leaves it is never computed: it costs
 * nothing. */
#include <math.h>

#include "arch/arch.h"

/* Mark what is alive: edges come by target and lead forward, so one pass sees
 * every source settled before its edges. */
static void find_alive(unsigned char *alive, unsigned char *used,
                       const hnas_arch *arch, const struct hn_space *space,
                       int32_t kind)
{
    for (int32_t v = 0; v < space->kind[kind].n_inputs; v++)
        alive[v] = 1;
    for (int32_t i = 0; i < arch->n_edges[kind]; i++) {
        const hnas_arch_edge *e = &arch->edge[kind][i];

        if (!alive[e->from] || space->op_flags[e->op] & HNAS_OP_ZERO)
            continue;
        alive[e->to] = 1;
        used[e->from] = 1;
    }
}

static void add_costs(hnas_arch *arch, const struct hn_space *space,
                      int32_t kind, const unsigned char *alive)
{
    const struct hn_space_kind *k = &space->kind[kind];
    int32_t row = 0;

    for (int32_t i = 0; i < arch->n_edges[kind]; i++) {
        const hnas_arch_edge *e = &arch->edge[kind][i];
        int64_t at;

        while (k->from[row] != e->from || k->to[row] != e->to)
            row++;
        at = (int64_t)row++ * space->n_ops + e->op;
        if (!alive[e->from])
            continue;
        arch->total.params += llround(k->cost[HNAS_COST_PARAMS][at]);
        arch->total.macs += llround(k->cost[HNAS_COST_MACS][at]);
        arch->total.bytes += llround(k->cost[HNAS_COST_BYTES][at]);
    }
}

static void add_warnings(hnas_arch *arch, const struct hn_space *space,
                         int32_t kind, const unsigned char *alive,
                         const unsigned char *used)
{
    const struct hn_space_kind *k = &space->kind[kind];

    for (int32_t v = 0; v < k->n_inputs + k->n_nodes; v++) {
        hnas_arch_warning w = {HNAS_ARCH_INPUT_UNUSED, kind, v};

        if (v >= k->n_inputs)
            w.code = HNAS_ARCH_NODE_WITHOUT_INPUT;
        if (v < k->n_inputs ? !used[v] : !alive[v])
            arch->warning[arch->n_warnings++] = w;
    }
}

static int32_t node_count(const struct hn_space *space, int32_t kind)
{
    const struct hn_space_kind *k = &space->kind[kind];

    return k->n_cells ? k->n_inputs + k->n_nodes : 0;
}

hnas_status hn_arch_prune(hnas_arch *arch, const struct hn_space *space)
{
    const size_t n = (size_t)node_count(space, HNAS_NORMAL) +
                     (size_t)node_count(space, HNAS_REDUCE);
    unsigned char *alive = hn_alloc_array(&arch->ctx->alloc, n, 2);
    unsigned char *at = alive;

    arch->warning = hn_alloc_array(&arch->ctx->alloc, n, sizeof *arch->warning);
    if (!alive || !arch->warning) {
        hn_free(&arch->ctx->alloc, alive);
        return hn_fail_nomem(arch->ctx, "architecture");
    }
    arch->fixed = arch->total = space->fixed;
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++) {
        if (!space->kind[kind].n_cells)
            continue;
        find_alive(at, at + n, arch, space, kind);
        add_costs(arch, space, kind, at);
        add_warnings(arch, space, kind, at, at + n);
        at += node_count(space, kind);
    }
    hn_free(&arch->ctx->alloc, alive);
    return HNAS_OK;
}
