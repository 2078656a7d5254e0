/* SPDX-License-Identifier: BSD-3-Clause */
/* A space by hand: DARTS cells of two inputs and `n_nodes` nodes, any costs,
 * so that rules are tested without a network. */
#ifndef HN_TESTS_ARCH_SPACE_H
#define HN_TESTS_ARCH_SPACE_H

#include "arch/arch.h"

enum { SPACE_EDGES = 14, SPACE_OPS = 8 };

struct test_space {
    struct hn_space space;
    int32_t from[SPACE_EDGES], to[SPACE_EDGES];
    double cost[HNAS_N_KINDS][HNAS_N_COSTS][SPACE_EDGES * SPACE_OPS];
    const char *names[SPACE_OPS];
    uint32_t flags[SPACE_OPS];
};

/* Operation 0 is the zero operation; op o costs 10 o parameters (30 o in the
 * reduction cell), 100 times that in MACs, 4 times in bytes. */
static inline void test_space_init(struct test_space *t,
                                   struct hnas_context *ctx, int32_t n_nodes,
                                   int32_t n_ops, int32_t n_reduce)
{
    static const char *const names[SPACE_OPS] = {"none", "a", "b", "c",
                                                 "d",    "e", "f", "g"};
    static const double factor[HNAS_N_COSTS] = {1, 100, 4};
    const struct hn_space empty = {0};
    int32_t n = 0;

    for (int32_t v = 2; v < 2 + n_nodes; v++)
        for (int32_t u = 0; u < v; u++) {
            t->from[n] = u;
            t->to[n++] = v;
        }
    t->space = empty;
    t->space.ctx = ctx;
    t->space.n_ops = n_ops;
    t->space.op_names = t->names;
    t->space.op_flags = t->flags;
    t->space.fixed.params = 7;
    t->space.fixed.macs = 5;
    t->space.fixed.bytes = 3;
    for (int32_t o = 0; o < SPACE_OPS; o++) {
        t->names[o] = names[o];
        t->flags[o] = o ? 0 : HNAS_OP_ZERO;
    }
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        struct hn_space_kind *kind = &t->space.kind[k];

        kind->n_cells = k == HNAS_NORMAL ? 1 : n_reduce;
        kind->n_inputs = 2;
        kind->n_nodes = n_nodes;
        kind->n_edges = n;
        kind->from = t->from;
        kind->to = t->to;
        for (int m = 0; m < HNAS_N_COSTS; m++) {
            kind->cost[m] = t->cost[k][m];
            for (int32_t i = 0; i < n * n_ops; i++)
                t->cost[k][m][i] = (k ? 30 : 10) * (i % n_ops) * factor[m];
        }
    }
}

#endif
