/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle: made from the operation of each edge, or from lists of edges. */
#include "arch/arch.h"

#include <math.h>
#include <string.h>

static hnas_status copy_names(hnas_arch *arch, const struct hn_space *space)
{
    const size_t list = (size_t)space->n_ops * sizeof *arch->name;
    size_t bytes = list;
    char *at;

    for (int32_t o = 0; o < space->n_ops; o++)
        bytes += strlen(space->op_names[o]) + 1;
    arch->name = hn_alloc(&arch->ctx->alloc, bytes);
    if (!arch->name)
        return hn_fail_nomem(arch->ctx, "architecture");
    at = (char *)arch->name + list;
    for (int32_t o = 0; o < space->n_ops; o++) {
        const size_t n = strlen(space->op_names[o]) + 1;

        arch->name[o] = memcpy(at, space->op_names[o], n);
        at += n;
    }
    return HNAS_OK;
}

static hnas_status set_edges(hnas_arch *arch, const struct hn_space *space,
                             int32_t kind, const int32_t *op)
{
    const struct hn_space_kind *k = &space->kind[kind];
    int32_t n = 0;

    arch->edge[kind] = hn_alloc_array(&arch->ctx->alloc, (size_t)k->n_edges,
                                      sizeof *arch->edge[kind]);
    if (!arch->edge[kind])
        return hn_fail_nomem(arch->ctx, "architecture");
    for (int32_t e = 0; e < k->n_edges; e++)
        if (op[e] >= 0) {
            const hnas_arch_edge edge = {k->from[e], k->to[e], op[e],
                                         arch->name[op[e]]};

            arch->edge[kind][n++] = edge;
        }
    arch->n_edges[kind] = n;
    arch->n_nodes[kind] = k->n_nodes;
    return HNAS_OK;
}

hnas_status hn_arch_build(hnas_arch **out, const struct hn_space *space,
                          int32_t rule, const int32_t *const op[HNAS_N_KINDS])
{
    struct hnas_context *ctx = space->ctx;
    hnas_arch *arch = hn_zalloc(&ctx->alloc, sizeof *arch);
    hnas_status st;

    *out = NULL;
    if (!arch)
        return hn_fail_nomem(ctx, "architecture");
    arch->ctx = ctx;
    arch->rule = rule;
    hn_arch_set_lambda(arch, NAN, NAN, NAN);
    arch->n_holders = hn_alloc(&ctx->alloc, sizeof *arch->n_holders);
    if (arch->n_holders)
        atomic_init(arch->n_holders, 1);
    st = arch->n_holders ? copy_names(arch, space)
                         : hn_fail_nomem(ctx, "architecture");
    for (int32_t kind = 0; kind < HNAS_N_KINDS && st == HNAS_OK; kind++)
        if (space->kind[kind].n_cells)
            st = set_edges(arch, space, kind, op[kind]);
    if (st == HNAS_OK)
        st = hn_arch_prune(arch, space, op);
    if (st == HNAS_OK) {
        *out = arch;
        arch = NULL;
    }
    hnas_arch_destroy(arch);
    return st;
}

/* Put one listed edge into op[]. */
static hnas_status place_edge(int32_t *op, const struct hn_space *space,
                              const struct hn_arch_rule *rule, int32_t kind,
                              const hnas_arch_edge *edge)
{
    const struct hn_space_kind *k = &space->kind[kind];
    const char *why = "no such edge";
    int32_t at = 0;

    while (at < k->n_edges &&
           (k->from[at] != edge->from || k->to[at] != edge->to))
        at++;
    if (at < k->n_edges) {
        why = NULL;
        if (op[at] >= 0)
            why = "listed twice";
        else if (edge->op < 0 || edge->op >= space->n_ops)
            why = "no such operation";
        else if (!rule->allows_zero && space->op_flags[edge->op] & HNAS_OP_ZERO)
            why = "the rule keeps no zero operation";
    }
    if (why)
        return hn_fail(space->ctx, HNAS_E_MISMATCH, "%s edge %d -> %d: %s",
                       hn_kind_names[kind], (int)edge->from, (int)edge->to,
                       why);
    op[at] = edge->op;
    return HNAS_OK;
}

/* Check what the rule says about the number of edges. */
static hnas_status check_counts(const struct hn_space *space,
                                const struct hn_arch_rule *rule, int32_t kind,
                                const int32_t *op)
{
    const struct hn_space_kind *k = &space->kind[kind];
    int32_t n = 0;

    for (int32_t e = 0; e < k->n_edges; e++) {
        if (e && k->to[e] != k->to[e - 1])
            n = 0;
        n += op[e] >= 0;
        if (rule->max_inputs && n > rule->max_inputs)
            return hn_fail(space->ctx, HNAS_E_MISMATCH,
                           "%s node %d: more than %d edges under %s",
                           hn_kind_names[kind], (int)k->to[e],
                           (int)rule->max_inputs, rule->name);
        if (!rule->max_inputs && op[e] < 0)
            return hn_fail(space->ctx, HNAS_E_MISMATCH,
                           "%s edge %d -> %d: missing, but the rule %s keeps "
                           "every edge",
                           hn_kind_names[kind], (int)k->from[e], (int)k->to[e],
                           rule->name);
    }
    return HNAS_OK;
}

static hnas_status place_list(int32_t *op, const struct hn_space *space,
                              const struct hn_arch_rule *rule, int32_t kind,
                              const hnas_arch_edge *edges, int32_t n)
{
    if (!space->kind[kind].n_cells && n > 0)
        return hn_fail(space->ctx, HNAS_E_MISMATCH,
                       "%s edges: the network has no such cell",
                       hn_kind_names[kind]);
    if (!space->kind[kind].n_cells)
        return HNAS_OK;
    for (int32_t e = 0; e < space->kind[kind].n_edges; e++)
        op[e] = -1;
    for (int32_t i = 0; i < n; i++) {
        hnas_status st = place_edge(op, space, rule, kind, &edges[i]);

        if (st < 0)
            return st;
    }
    return check_counts(space, rule, kind, op);
}

hnas_status hn_arch_create(hnas_arch **out, const struct hn_space *space,
                           int32_t rule,
                           const hnas_arch_edge *const edges[HNAS_N_KINDS],
                           const int32_t n_edges[HNAS_N_KINDS])
{
    const struct hn_arch_rule *r = hn_arch_rule_find(rule);
    int32_t *op[HNAS_N_KINDS] = {NULL, NULL};
    hnas_status st = HNAS_OK;

    *out = NULL;
    if (!r)
        return hn_arch_rule_unknown(space->ctx, rule);
    for (int32_t kind = 0; kind < HNAS_N_KINDS && st == HNAS_OK; kind++) {
        const int32_t n =
            space->kind[kind].n_cells ? space->kind[kind].n_edges : 0;

        op[kind] =
            hn_alloc_array(&space->ctx->alloc, (size_t)n, sizeof *op[kind]);
        if (!op[kind])
            st = hn_fail_nomem(space->ctx, "architecture");
        else
            st = place_list(op[kind], space, r, kind, edges[kind],
                            n_edges[kind]);
    }
    if (st == HNAS_OK)
        st = hn_arch_build(out, space, rule, (const int32_t *const *)op);
    hn_free(&space->ctx->alloc, op[0]);
    hn_free(&space->ctx->alloc, op[1]);
    return st;
}

void hn_arch_set_lambda(hnas_arch *arch, double lambda, double lo, double hi)
{
    arch->lambda = lambda;
    arch->lo = lo;
    arch->hi = hi;
}

hnas_status hn_arch_share(hnas_arch **out, const hnas_arch *arch)
{
    hnas_arch *copy = hn_alloc(&arch->ctx->alloc, sizeof *copy);

    *out = copy;
    if (!copy)
        return hn_fail_nomem(arch->ctx, "architecture");
    *copy = *arch;
    atomic_fetch_add(arch->n_holders, 1);
    return HNAS_OK;
}

void hnas_arch_destroy(hnas_arch *arch)
{
    struct hn_allocator *a;

    if (!arch)
        return;
    a = &arch->ctx->alloc;
    if (!arch->n_holders || atomic_fetch_sub(arch->n_holders, 1) == 1) {
        hn_free(a, arch->name);
        for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++)
            hn_free(a, arch->edge[kind]);
        hn_free(a, arch->warning);
        hn_free(a, arch->n_holders);
    }
    hn_free(a, arch);
}

int32_t hnas_arch_get_rule(const hnas_arch *arch)
{
    return arch->rule;
}

void hnas_arch_get_lambda(const hnas_arch *arch, double *lambda, double *lo,
                          double *hi)
{
    if (lambda)
        *lambda = arch->lambda;
    if (lo)
        *lo = arch->lo;
    if (hi)
        *hi = arch->hi;
}

int32_t hnas_arch_get_edge_count(const hnas_arch *arch, int32_t kind)
{
    return kind < 0 || kind >= HNAS_N_KINDS ? 0 : arch->n_edges[kind];
}

int32_t hnas_arch_get_node_count(const hnas_arch *arch, int32_t kind)
{
    return kind < 0 || kind >= HNAS_N_KINDS ? 0 : arch->n_nodes[kind];
}

const hnas_arch_edge *hnas_arch_get_edges(const hnas_arch *arch, int32_t kind)
{
    return kind < 0 || kind >= HNAS_N_KINDS ? NULL : arch->edge[kind];
}

void hnas_arch_get_cost(const hnas_arch *arch, hnas_cost *total,
                        hnas_cost *fixed)
{
    if (total)
        *total = arch->total;
    if (fixed)
        *fixed = arch->fixed;
}

double hnas_arch_get_table_cost(const hnas_arch *arch)
{
    return arch->table_cost;
}

int32_t hnas_arch_get_warnings(const hnas_arch *arch,
                               const hnas_arch_warning **warnings)
{
    if (warnings)
        *warnings = arch->warning;
    return arch->n_warnings;
}

int32_t hnas_arch_is_equal(const hnas_arch *a, const hnas_arch *b)
{
    if (!a || !b)
        return a == b;
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++) {
        if (a->n_edges[kind] != b->n_edges[kind])
            return 0;
        for (int32_t i = 0; i < a->n_edges[kind]; i++) {
            const hnas_arch_edge *x = &a->edge[kind][i];
            const hnas_arch_edge *y = &b->edge[kind][i];

            if (x->from != y->from || x->to != y->to ||
                strcmp(x->op_name, y->op_name))
                return 0;
        }
    }
    return 1;
}
