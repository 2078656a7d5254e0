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
    HNAS_RULE_ARGMAX = 0, /**< every edge keeps its best operation */
    HNAS_RULE_TOP2 = 1    /**< every node keeps its best two edges (DARTS) */
};

/** A discrete architecture; opaque, immutable. */
typedef struct hnas_arch hnas_arch;

/** One kept edge. */
typedef struct hnas_arch_edge {
    int32_t from;   /**< source node */
    int32_t to;     /**< target node */
    int32_t op;     /**< index into the supernet's operations */
    const char *op_name; /**< borrowed from the architecture */
} hnas_arch_edge;

/** What is unusual about an architecture. */
enum {
    HNAS_ARCH_NODE_WITHOUT_INPUT = 1, /**< it is zeros in the output */
    HNAS_ARCH_INPUT_UNUSED = 2        /**< a cell input nobody reads */
};

/** One remark of the connectivity report. */
typedef struct hnas_arch_warning {
    int32_t code; /**< HNAS_ARCH_ */
    int32_t kind; /**< HNAS_NORMAL or HNAS_REDUCE */
    int32_t node; /**< which node */
} hnas_arch_warning;

/** Derive the architecture at lambda.  Outside the range it comes with the
 * status HNAS_EXTRAPOLATED. */
HNAS_API hnas_status hnas_arch_derive(hnas_arch **out,
                                      const hnas_supernet *net,
                                      const hnas_hyper *hyper, double lambda,
                                      int32_t rule);

/** Derive from tables of alpha, one a kind (NULL for a kind without cell);
 * ties go to the lower cost in `metric`, then to the lower index. */
HNAS_API hnas_status hnas_arch_from_alpha(hnas_arch **out,
                                          const hnas_supernet *net,
                                          const double *const alpha[2],
                                          int32_t rule, int32_t metric);

/** Release it. */
HNAS_API void hnas_arch_destroy(hnas_arch *arch);

/** Tell the rule. */
HNAS_API int32_t hnas_arch_get_rule(const hnas_arch *arch);

/** Tell lambda (NaN if from an alpha) and, under argmax, the interval
 * [lo, hi) clipped to the range on which the architecture stays; lo = hi =
 * NaN where it is unknown. */
HNAS_API void hnas_arch_get_lambda(const hnas_arch *arch, double *lambda,
                                   double *lo, double *hi);

/** Tell the number of kept edges of a kind. */
HNAS_API int32_t hnas_arch_get_edge_count(const hnas_arch *arch,
                                          int32_t kind);

/** Give the kept edges of a kind, ordered by target, then source. */
HNAS_API const hnas_arch_edge *hnas_arch_get_edges(const hnas_arch *arch,
                                                   int32_t kind);

/** Tell the cost of the whole network and of its fixed part. */
HNAS_API void hnas_arch_get_cost(const hnas_arch *arch, hnas_cost *total,
                                 hnas_cost *fixed);

/** Give the remarks; returns their number. */
HNAS_API int32_t hnas_arch_get_warnings(const hnas_arch *arch,
                                        const hnas_arch_warning **warnings);

/** Say whether two architectures keep the same operations. */
HNAS_API int32_t hnas_arch_is_equal(const hnas_arch *a, const hnas_arch *b);

HNAS_END_DECLS

#endif
