/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file arch.h
 * Discrete architectures: derived from the architecture parameters at any
 * lambda, with their cost and the interval on which they stay the same.
 */
#ifndef HNAS_ARCH_H
#define HNAS_ARCH_H

#include "hyper.h"
#include "net.h"

HNAS_BEGIN_DECLS

/** Discretisation rules. */
enum {
    HNAS_RULE_ARGMAX = 0,   /**< every edge keeps its best operation */
    HNAS_RULE_TOP2 = 1,     /**< every node keeps its best two edges (DARTS) */
    HNAS_RULE_TOP2_RAW = 2, /**< the same, by alpha instead of its softmax */
    HNAS_RULE_THRESHOLD = 3 /**< of these two those above theta (Fair DARTS) */
};

/** A discrete architecture; opaque, immutable. */
typedef struct hnas_arch hnas_arch;

/** One kept edge. */
typedef struct hnas_arch_edge {
    int32_t from;        /**< source node */
    int32_t to;          /**< target node */
    int32_t op;          /**< index into the supernet's operations */
    const char *op_name; /**< borrowed from the architecture */
} hnas_arch_edge;

/** What is unusual about an architecture. */
enum {
    HNAS_ARCH_NODE_WITHOUT_INPUT = 1, /**< it is zeros in the output */
    HNAS_ARCH_INPUT_UNUSED = 2,       /**< a cell input nobody reads */
    HNAS_ARCH_NODE_DEAD = 3 /**< likewise zeros: so are the nodes it reads */
};

/** One remark of the connectivity report. */
typedef struct hnas_arch_warning {
    int32_t code; /**< HNAS_ARCH_ */
    int32_t kind; /**< HNAS_NORMAL or HNAS_REDUCE */
    int32_t node; /**< which node */
} hnas_arch_warning;

/**
 * Derive the architecture at lambda.
 *
 *     argmax:    per edge the op with the largest alpha(lambda)
 *     top2:      per node the 2 edges with the largest softmax(alpha) over ops
 *                that are not zero, on each its best one
 *     top2_raw:  the same with the largest alpha
 *     threshold: of these 2 those with sigmoid(alpha) >= 0.85
 *
 * Shapes     hyper: a table E x O for each kind that has cells, normal first.
 * Units      rule: HNAS_RULE_.  lambda: finite, > 0 in log scale.  At a
 *            breakpoint the next piece has begun.
 * Ownership  *out: the caller's, released with hnas_arch_destroy; it needs
 *            neither net nor hyper afterwards.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_EXTRAPOLATED lambda outside the stored range, *out is set
 *            (never with CONSTANT, where nothing is prolonged);
 *            E_ARG NULL argument; E_RANGE rule or lambda; E_MISMATCH tables
 *            that are not the net's; E_NAN parameters not finite; E_NOMEM.  On
 *            error *out is NULL.
 * Source     the envelope of O lines on each edge, exact; DARTS
 *            (arXiv:1806.09055) for top2; docs/math.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_derive(hnas_arch **out, const hnas_supernet *net,
                                      const hnas_hyper *hyper, double lambda,
                                      int32_t rule);

/**
 * Derive by HNAS_RULE_THRESHOLD with another threshold.
 *
 *     per node, of the 2 edges with the largest alpha of an op that is not
 *     zero, those with sigmoid(alpha) >= theta
 *
 * Shapes     as hnas_arch_derive.
 * Units      0 < theta < 1; lambda as hnas_arch_derive.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_arch_derive; E_RANGE theta.
 * Source     Fair DARTS (arXiv:1911.12126).
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_derive_threshold(hnas_arch **out,
                                                const hnas_supernet *net,
                                                const hnas_hyper *hyper,
                                                double lambda, double theta);

/**
 * Derive from tables of alpha.
 *
 * Shapes     alpha[k] [E * O], one a kind, NULL for a kind without cell.
 * Units      rule: HNAS_RULE_; metric: HNAS_COST_: ties go to the lower cost,
 *            then to the lower index.
 * Ownership  *out: the caller's, released with hnas_arch_destroy; it does not
 *            need net afterwards.  alpha is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or alpha of a kind that has cells; E_RANGE
 *            rule or metric; E_NAN alpha not finite; E_NOMEM.  On error *out
 *            is NULL.
 * Source     DARTS (arXiv:1806.09055).
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_from_alpha(hnas_arch **out,
                                          const hnas_supernet *net,
                                          const double *const alpha[2],
                                          int32_t rule, int32_t metric);

/**
 * Make an architecture from lists of kept edges, without a net.
 *
 * Shapes     edges[k] [n_edges[k]], one list a kind in any order, NULL: no
 *            such cell.  Of an edge `op` is not read, op_name is.
 * Units      nodes: intermediate ones of a cell, 1..16, from number 2 on; rule:
 *            HNAS_RULE_, whose limits the lists keep.  Costs are unknown: -1.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.  The lists
 *            are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE nodes, rule or a count; E_NAME an
 *            operation is not registered; E_MISMATCH an edge of no such cell,
 *            listed twice, or what the rule does not keep; E_NOMEM.  On error
 *            *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_from_edges(hnas_arch **out, hnas_context *ctx,
                                          int32_t nodes, int32_t rule,
                                          const hnas_arch_edge *const edges[2],
                                          const int32_t n_edges[2]);

/**
 * Derive from tables of alpha by HNAS_RULE_THRESHOLD with another threshold.
 *
 *     per node, of the 2 edges with the largest alpha of an op that is not
 *     zero, those with sigmoid(alpha) >= theta
 *
 * Shapes     as hnas_arch_from_alpha.
 * Units      0 < theta < 1; metric as hnas_arch_from_alpha.
 * Ownership  *out: the caller's, released with hnas_arch_destroy; it does not
 *            need net afterwards.  alpha is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_arch_from_alpha; E_RANGE theta.
 * Source     Fair DARTS (arXiv:1911.12126).
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_from_alpha_threshold(
    hnas_arch **out, const hnas_supernet *net, const double *const alpha[2],
    double theta, int32_t metric);

/**
 * Release an architecture.
 *
 * Shapes     arch NULL: nothing is done.
 * Units      none.
 * Ownership  its edges and remarks go with it.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_arch_destroy(hnas_arch *arch);

/**
 * Tell the rule.
 *
 * Shapes     arch: not NULL.
 * Units      HNAS_RULE_.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_arch_get_rule(const hnas_arch *arch);

/**
 * Tell lambda, and the interval [lo, hi) on which the architecture stays.
 *
 * Shapes     each output may be NULL.  arch: not NULL.
 * Units      lambda NaN: derived from an alpha.  The interval is clipped to
 *            the stored range; lo = hi = NaN where it is unknown: derived from
 *            an alpha or a sampled one, or lambda outside the range.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_arch_get_lambda(const hnas_arch *arch, double *lambda,
                                   double *lo, double *hi);

/**
 * Tell the number of kept edges of a kind.
 *
 * Shapes     arch: not NULL.
 * Units      kind: HNAS_NORMAL or HNAS_REDUCE, else 0.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_arch_get_edge_count(const hnas_arch *arch, int32_t kind);

/**
 * Tell the number of intermediate nodes of a kind, those without input too.
 *
 * Shapes     arch: not NULL.
 * Units      kind: HNAS_NORMAL or HNAS_REDUCE; 0 for a kind without cell.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_arch_get_node_count(const hnas_arch *arch, int32_t kind);

/**
 * Give the kept edges of a kind, ordered by target, then source.
 *
 * Shapes     [hnas_arch_get_edge_count]; NULL for a kind without cell.
 * Units      kind: HNAS_NORMAL or HNAS_REDUCE.
 * Ownership  borrowed from arch.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_arch_edge *hnas_arch_get_edges(const hnas_arch *arch,
                                                   int32_t kind);

/**
 * Tell the cost of the whole network, pruned, and of its fixed part.
 *
 * Shapes     each output may be NULL.  arch: not NULL.
 * Units      of one image; total includes fixed; -1: unknown.  An edge that
 *            leaves a node without input costs nothing.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_arch_get_cost(const hnas_arch *arch, hnas_cost *total,
                                 hnas_cost *fixed);

/**
 * Tell what the network costs in the host's table.
 *
 * Shapes     arch: not NULL.
 * Units      the table's, pruned as hnas_arch_get_cost; NaN where the supernet
 *            had none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API double hnas_arch_get_table_cost(const hnas_arch *arch);

/**
 * Give the remarks of the connectivity report, and their number.
 *
 * Shapes     warnings NULL: the number alone.  arch: not NULL.
 * Units      none.
 * Ownership  *warnings: borrowed from arch.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_arch_get_warnings(const hnas_arch *arch,
                                        const hnas_arch_warning **warnings);

/**
 * Say whether two architectures keep the same operations on the same edges.
 *
 * Shapes     NULL equals NULL only.
 * Units      1 or 0; operations are compared by name.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; they never change.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_arch_is_equal(const hnas_arch *a, const hnas_arch *b);

HNAS_END_DECLS

#endif
