/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file diagnose.h
 * What a researcher asks a search on its way: expected against true cost, how
 * undecided the gates are, how sharp the validation loss is.
 */
#ifndef HNAS_DIAGNOSE_H
#define HNAS_DIAGNOSE_H

#include "search.h"

HNAS_BEGIN_DECLS

/** What hnas_search_diagnose tells. */
typedef struct hnas_diagnosis {
    size_t size;          /**< sizeof the struct */
    double expected_cost; /**< fixed part + sum p c, in the search's metric */
    double true_cost;     /**< of the network derived under its rule */
    double entropy;       /**< of the gates, mean over edges, nats; NaN: raw */
} hnas_diagnosis;

/**
 * Compare, at one lambda, the gates with the network derived from them.
 *
 *     entropy = mean_e -sum_o p_eo ln p_eo,  p softmax(alpha / tau), or
 *               softmax(alpha) for the gumbel kinds; for sigmoid that of O
 *               independent choices
 *
 * Shapes     search: not NULL.  out: at least `size` bytes.
 * Units      p of the cost as in the penalty; tau of the step to come; cost in
 *            the search's metric.  size: sizeof(hnas_diagnosis).
 * Ownership  out is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_EXTRAPOLATED lambda outside the stored range, *out is set;
 *            E_ARG NULL argument; E_RANGE lambda; E_NAN parameters not finite;
 *            E_NOMEM.  On error *out is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_diagnose(const hnas_search *search,
                                          double lambda, hnas_diagnosis *out,
                                          size_t size);

/**
 * Find the largest eigenvalue of the validation loss' Hessian over alpha.
 *
 *     H = d^2 L_valid / d alpha^2  at alpha(lambda), w as it is; products are
 *     exact, but differences of gradients with beta_decay or a host's func
 *     that has no tangent
 *
 * Shapes     largest: one number.  valid: as hnas_search_step.
 * Units      iterations 1..1000 of the power method, and as many again where
 *            the eigenvalue of largest modulus is negative.  Of hard gates H
 *            is that of the soft ones, with the same noise.
 * Ownership  the batch is read.
 * Gradient   none is left; u and w are untouched.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or a batch without tensor; E_TYPE, E_SHAPE,
 *            E_STATE images or labels; E_RANGE lambda, iterations or a label;
 *            E_NAN; E_OP; E_NOMEM.  On error *largest is unchanged.
 * Source     Zela et al. (arXiv:1909.09656), section 3: it grows before an
 *            architecture degenerates.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_hessian(double *largest, hnas_search *search,
                                         const hnas_batch *valid, double lambda,
                                         int32_t iterations);

HNAS_END_DECLS

#endif
