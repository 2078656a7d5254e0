/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 8.  The inside of a discrete architecture, and the rules that make
 * one.  Everything works on the space, the net seen as numbers. */
#ifndef HN_ARCH_ARCH_H
#define HN_ARCH_ARCH_H

#include <stdatomic.h>

#include "hnas/arch.h"
#include "hyper/hyper.h"
#include "net/space.h"

/* The threshold where a call does not name one (Fair DARTS). */
#define HN_THETA 0.85

struct hnas_arch {
    struct hnas_context *ctx;
    int32_t rule;
    double lambda, lo, hi;         /* NaN: unknown */
    int32_t is_extrapolated;       /* lambda lies outside the stored range */
    int32_t n_nodes[HNAS_N_KINDS]; /* intermediate ones; 0: no such cell */
    int32_t n_edges[HNAS_N_KINDS];
    hnas_arch_edge *edge[HNAS_N_KINDS]; /* by target, then source */
    hnas_cost total, fixed;
    double table_cost; /* NaN: no table */
    int32_t n_warnings;
    hnas_arch_warning *warning;
    const char **name;     /* of the operations, its own copies, in one block */
    atomic_int *n_holders; /* architectures that share the arrays above */
};

/* What a rule works on: one kind of cell. */
struct hn_selection {
    const struct hn_space *space;
    const struct hn_space_kind *kind;
    const double *alpha; /* [E * O] */
    const double *slope; /* [E * O] d alpha / d s, NULL where unknown */
    const double *cost;  /* [E * O] breaks ties */
    double theta;        /* of the threshold */
    /* [E]  in: the best operation the rule allows on each edge, -1 where it
     * allows none; out: -1 where the edge is dropped too */
    int32_t *op;
};

struct hn_race;

/* A discretisation rule: a constant table, one a file. */
struct hn_arch_rule {
    int32_t id; /* HNAS_RULE_ */
    const char *name;
    int32_t allows_zero; /* an edge may keep the zero operation */
    int32_t max_inputs;  /* most edges a node keeps; 0: it keeps all */
    int32_t has_theta;   /* edges below a threshold are dropped */
    /* Drop edges at one alpha; NULL: none. */
    void (*keep)(struct hn_selection *selection);
    /* Say along s which of two edges of a node is ahead; NULL: edges don't
     * compete. */
    void (*compete)(struct hn_race *race, int32_t a, int32_t b);
};

/* Where an edge stands among those of its node, most important first. */
struct hn_rank {
    double weight;
    double growth; /* d weight / d s, 0 where unknown */
    double cost;
};

/* Keep of each node the n <= 8 best edges by rank. */
void hn_keep_best(struct hn_selection *s, int32_t n,
                  struct hn_rank (*rank)(const struct hn_selection *s,
                                         int32_t edge));

/* The rank of an edge by its operation's alpha. */
struct hn_rank hn_rank_raw(const struct hn_selection *s, int32_t edge);

/* The rule of a number or of a name, or NULL. */
const struct hn_arch_rule *hn_arch_rule_find(int32_t id);
const struct hn_arch_rule *hn_arch_rule_named(const char *name);

/* The table of a hypernetwork that serves a kind: the kinds that have cells,
 * in order; -1 for a kind without. */
int32_t hn_space_table(const struct hn_space *space, int32_t kind);

/* Make an architecture from the operation of each edge, -1: dropped; NULL for
 * a kind without cells.  lambda, lo and hi are NaN. */
hnas_status hn_arch_build(hnas_arch **out, const struct hn_space *space,
                          int32_t rule, const int32_t *const op[HNAS_N_KINDS]);

/* Make another one that shares what an architecture holds. */
hnas_status hn_arch_share(hnas_arch **out, const hnas_arch *arch);

/* Make one from lists of kept edges in any order, as a file holds them (their
 * op_name is not read).  HNAS_E_MISMATCH names what does not fit the space or
 * the rule. */
hnas_status hn_arch_create(hnas_arch **out, const struct hn_space *space,
                           int32_t rule,
                           const hnas_arch_edge *const edges[HNAS_N_KINDS],
                           const int32_t n_edges[HNAS_N_KINDS]);

/* Say where an architecture came from; NaN: unknown. */
void hn_arch_set_lambda(hnas_arch *arch, double lambda, double lo, double hi);

/* Fill the costs and the remarks of an architecture. */
hnas_status hn_arch_prune(hnas_arch *arch, const struct hn_space *space,
                          const int32_t *const op[HNAS_N_KINDS]);

/* Add what the edges of a kind cost that are computed; alive and used [inputs
 * + nodes] tell of each node whether anything enters and leaves it. */
void hn_prune_kind(double cost[HNAS_N_COSTS], unsigned char *alive,
                   unsigned char *used, const struct hn_space *space,
                   int32_t kind, const int32_t *op);

/* The whole network from what each kind costs; *table NaN without one. */
void hn_prune_total(hnas_cost *total, double *table,
                    const struct hn_space *space,
                    double cost[HNAS_N_KINDS][HNAS_N_COSTS]);

/* Name the rules that there are: HNAS_E_RANGE. */
hnas_status hn_arch_rule_unknown(struct hnas_context *ctx, int32_t rule);

/* Check rule and theta of a call; HNAS_E_RANGE, and NULL. */
const struct hn_arch_rule *hn_arch_rule_check(struct hnas_context *ctx,
                                              int32_t rule, double theta);

/* Refuse a hypernetwork whose tables are not those of the space. */
hnas_status hn_arch_check_tables(const struct hn_space *space,
                                 const hnas_hyper *hyper);

/* What hnas_arch_derive and hnas_arch_from_alpha do, on a space. */
hnas_status hn_arch_derive(hnas_arch **out, const struct hn_space *space,
                           const hnas_hyper *hyper, double lambda, int32_t rule,
                           double theta);
hnas_status hn_arch_from_alpha(hnas_arch **out, const struct hn_space *space,
                               const double *const alpha[HNAS_N_KINDS],
                               int32_t rule, int32_t metric, double theta);

#endif
