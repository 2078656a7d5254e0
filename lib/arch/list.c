/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures from lists of edges alone: the space is that of all DARTS
 * edges and all registered operations, and what they cost is unknown. */
#include "arch/list.h"

#include <string.h>

hnas_status hn_list_space_init(struct hn_list_space *s,
                               struct hnas_context *ctx, int32_t nodes,
                               const int32_t has[HNAS_N_KINDS])
{
    struct hn_space *p = &s->space;
    const size_t n_ops = (size_t)hnas_op_get_count(ctx);
    int32_t n = 0;

    memset(s, 0, sizeof *s);
    p->ctx = ctx;
    if (nodes < 1 || nodes > HN_MOST_CELL_NODES)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "architecture: cells of %d nodes, want 1..%d",
                       (int)nodes, (int)HN_MOST_CELL_NODES);
    s->name = hn_alloc_array(&ctx->alloc, n_ops, sizeof *s->name);
    s->flags = hn_alloc_array(&ctx->alloc, n_ops, sizeof *s->flags);
    s->cost = hn_alloc_dims(&ctx->alloc, 2,
                            (int64_t[]){(int64_t)n_ops, HN_DARTS_EDGES(nodes)},
                            sizeof *s->cost);
    if (!s->name || !s->flags || !s->cost)
        return hn_fail_nomem(ctx, "architecture");
    for (size_t o = 0; o < n_ops; o++) {
        s->name[o] = hnas_op_get(ctx, (int64_t)o)->name;
        s->flags[o] = hnas_op_get(ctx, (int64_t)o)->flags;
    }
    for (int32_t to = 2; to < 2 + nodes; to++)
        for (int32_t from = 0; from < to; from++) {
            s->from[n] = from;
            s->to[n++] = to;
        }
    p->n_ops = (int32_t)n_ops;
    p->op_names = s->name;
    p->op_flags = s->flags;
    p->fixed.params = p->fixed.macs = p->fixed.bytes = -1;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        struct hn_space_kind *kind = &p->kind[k];

        *kind = (struct hn_space_kind){has[k] != 0, 2,     nodes, n,
                                       s->from,     s->to, {NULL}};
        for (int m = 0; m < HNAS_N_COSTS; m++)
            kind->cost[m] = s->cost; /* nobody asks for it */
    }
    return HNAS_OK;
}

void hn_list_space_finish(struct hn_list_space *s)
{
    struct hn_allocator *a = &s->space.ctx->alloc;

    hn_free(a, s->name);
    hn_free(a, s->flags);
    hn_free(a, s->cost);
}

/* The list with the registry's numbers of its operations. */
static hnas_status number_ops(hnas_arch_edge **out, const struct hn_space *s,
                              const hnas_arch_edge *edge, int32_t n)
{
    *out = hn_alloc_array(&s->ctx->alloc, (size_t)n, sizeof **out);
    if (!*out)
        return hn_fail_nomem(s->ctx, "architecture");
    for (int32_t i = 0; i < n; i++) {
        const hnas_op_table *table;
        hnas_status st = hnas_op_find(&table, s->ctx, edge[i].op_name);

        if (st < 0)
            return st;
        (*out)[i] = edge[i];
        for ((*out)[i].op = 0; s->op_names[(*out)[i].op] != table->name;)
            (*out)[i].op++;
    }
    return HNAS_OK;
}

hnas_status hnas_arch_from_edges(hnas_arch **out, hnas_context *ctx,
                                 int32_t nodes, int32_t rule,
                                 const hnas_arch_edge *const edges[2],
                                 const int32_t n_edges[2])
{
    hnas_arch_edge *list[HNAS_N_KINDS] = {NULL, NULL};
    int32_t n[HNAS_N_KINDS], has[HNAS_N_KINDS];
    struct hn_list_space s;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !edges || !n_edges)
        return hn_fail_null(ctx, "arch from edges: out, edges or n_edges");
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        has[k] = edges[k] != NULL;
        n[k] = has[k] ? n_edges[k] : 0;
        if (n[k] < 0)
            return hn_fail(ctx, HNAS_E_RANGE, "architecture: %d edges",
                           (int)n[k]);
    }
    st = hn_list_space_init(&s, ctx, nodes, has);
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = number_ops(&list[k], &s.space, edges[k], n[k]);
    if (st == HNAS_OK)
        st = hn_arch_create(out, &s.space, rule,
                            (const hnas_arch_edge *const *)list, n);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        hn_free(&ctx->alloc, list[k]);
    hn_list_space_finish(&s);
    return st;
}
