/* SPDX-License-Identifier: BSD-3-Clause */
/* What is searched, as numbers: the edges of each kind of cell, the candidate
 * operations and what each of them costs.  The net makes it; rules, costs and
 * files read it. */
#ifndef HN_NET_SPACE_H
#define HN_NET_SPACE_H

#include "hnas/net.h"

/* "normal", "reduce": in messages, files and names of tables. */
extern const char *const hn_kind_names[HNAS_N_KINDS];

struct hn_space_kind {
    int32_t n_cells; /* 0: the network has no such cell */
    int32_t n_inputs, n_nodes, n_edges;
    const int32_t *from, *to;         /* [n_edges] by target, then source */
    const double *cost[HNAS_N_COSTS]; /* [n_edges * n_ops], all cells */
};

struct hn_space {
    struct hnas_context *ctx;
    int32_t n_ops;
    const char *const *op_names; /* [n_ops] */
    const uint32_t *op_flags;    /* [n_ops] HNAS_OP_ */
    struct hn_space_kind kind[HNAS_N_KINDS];
    hnas_cost fixed;    /* stem, preprocess, head */
    int32_t has_table;  /* cost[HNAS_COST_TABLE] is the host's */
    double fixed_table; /* with a table: fixed in it */
};

/* A cost in one metric, `table` in that of a host; integers below 2^53 are
 * exact. */
double hn_cost_in(const hnas_cost *cost, double table, int32_t metric);

/* The space of a supernet, borrowed. */
const struct hn_space *hn_supernet_space(const hnas_supernet *net);

/* Its context; NULL: NULL. */
struct hnas_context *hn_supernet_context(const hnas_supernet *net);

#endif
