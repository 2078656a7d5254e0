/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file set.h
 * A network set: the networks of every architecture of a path over one copy of
 * the supernet's weights, each with its own batch-norm statistics.  A running
 * program switches between them in well under a microsecond.
 *
 *     hnas_set_create(&set, net, path);
 *     while (some batches)
 *         hnas_set_calibrate(set, images, is_first);
 *     hnas_set_measure(set, 50);
 *     hnas_set_create_predictor(&predictor, set, 1);
 *     hnas_set_find_latency(&index, set, 200);
 *     hnas_predictor_switch(predictor, index);
 *     hnas_predictor_run(predictor, &images, logits, count);
 */
#ifndef HNAS_SET_H
#define HNAS_SET_H

#include "model.h"
#include "path.h"

HNAS_BEGIN_DECLS

/** A network set; opaque. */
typedef struct hnas_set hnas_set;

/**
 * Make the networks of all pieces of a path, with the supernet's weights.
 *
 * Shapes     a member for each piece, in order of lambda; of the supernet's
 *            shape.
 * Units      the weights of an operation that several members keep are stored
 *            once, those of one that no member keeps are not.  Statistics are
 *            the supernet's running ones until hnas_set_calibrate.
 * Ownership  *out: the caller's, released with hnas_set_destroy.  It needs
 *            neither net nor path afterwards: weights are copied.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_UNSUPPORTED the supernet generates weights
 *            by lambda; E_MISMATCH path is another supernet's; E_NOMEM; what an
 *            operation's create answers.  On error *out is NULL.
 * Source     own; shared weights as in DARTS (arXiv:1806.09055).
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_create(hnas_set **out, const hnas_supernet *net,
                                     const hnas_path *path);

/**
 * Release a set.
 *
 * Shapes     set NULL: nothing is done.
 * Units      none.
 * Ownership  its predictors stay, and the weights with them.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_set_destroy(hnas_set *set);

/**
 * Tell the number of members.
 *
 * Shapes     set: not NULL.
 * Units      at least 1.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_set_get_count(const hnas_set *set);

/** One network of a set. */
typedef struct hnas_set_member {
    double lo;         /**< lambda from which it stands */
    double hi;         /**< lambda at which the next one begins */
    hnas_cost cost;    /**< of the whole network */
    double latency_us; /**< of one image on one thread; NaN: not measured */
} hnas_set_member;

/**
 * Tell about one member.
 *
 * Shapes     set, member: not NULL.
 * Units      index 0..count-1, in order of lambda; else all zeros.
 * Ownership  member is the caller's.
 * Gradient   none.
 * Threads    any, but not beside hnas_set_measure.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_set_get_member(const hnas_set *set, int32_t index,
                                  hnas_set_member *member);

/**
 * Compute the batch-norm statistics of every member anew.
 *
 *     running = mean over the calls since `first` of the batch's statistics
 *
 * Shapes     images [N, C, H, W].
 * Units      first != 0 begins anew, as does the first call.
 * Ownership  images are read.
 * Gradient   none.
 * Threads    one context, one thread at a time; computes with as many workers
 *            as the context has.
 * Errors     E_ARG NULL argument; E_STATE a predictor of the set lives;
 *            E_TYPE, E_SHAPE, E_STATE images; E_OP; E_NOMEM.  After an error
 *            in the middle begin anew.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_calibrate(hnas_set *set, hnas_tensor *images,
                                        int32_t first);

/**
 * Measure what a prediction of each member takes on this machine.
 *
 *     latency_us = median over `repeats` of one image on the calling thread
 *
 * Shapes     set: not NULL.
 * Units      repeats 1..10^6; a few more are done before to warm up.
 * Ownership  what it needs is released before it returns.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL set; E_RANGE repeats; E_OP a host's operation failed;
 *            E_NOMEM.  On error nothing has changed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_measure(hnas_set *set, int32_t repeats);

/**
 * Find the member of a lambda.
 *
 * Shapes     set: not NULL.
 * Units      lambda inside the path's range, else -1.  A bisection.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_set_find(const hnas_set *set, double lambda);

/**
 * Find the largest member within a budget; of equal ones that of the lowest
 * lambda.
 *
 * Shapes     index, set: not NULL.
 * Units      metric: HNAS_COST_; limit: of the whole network, inclusive.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; no message is left.
 * Errors     HNAS_INFEASIBLE nothing fits, *index is the smallest member;
 *            E_ARG NULL argument; E_RANGE metric.  On error *index is
 *            unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_find_budget(int32_t *index, const hnas_set *set,
                                          int32_t metric, int64_t limit);

/**
 * Find the slowest member within a time; of equal ones that of the lowest
 * lambda.
 *
 * Shapes     index, set: not NULL.
 * Units      limit_us: of the measured latency, inclusive; microseconds.
 * Ownership  none.
 * Gradient   none.
 * Threads    any, but not beside hnas_set_measure; no message is left.
 * Errors     HNAS_INFEASIBLE nothing fits, *index is the fastest member; E_ARG
 *            NULL argument; E_RANGE limit_us is NaN; E_STATE not measured.  On
 *            error *index is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_find_latency(int32_t *index, const hnas_set *set,
                                           double limit_us);

/**
 * Make a member's network with weights of its own, to train or to save.
 *
 * Shapes     of the set's shape.
 * Units      index 0..count-1.  It predicts what the member predicts.
 * Ownership  *out: the caller's, released with hnas_model_destroy; it does not
 *            need the set afterwards.
 * Gradient   its weights want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE index; E_NOMEM; what an operation's
 *            create answers.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_get_model(hnas_model **out, const hnas_set *set,
                                        int32_t index);

/**
 * Make a predictor that can be any member, the first one at first.
 *
 * Shapes     set: not NULL.
 * Units      n_threads as hnas_predictor_create.  A worker's memory is that of
 *            the member that needs most, and a plan for each.
 * Ownership  *out: the caller's, released with hnas_predictor_destroy.  The
 *            weights are shared with set and other predictors; it does not
 *            need the set afterwards.
 * Gradient   none.
 * Threads    one context, one thread at a time; for another thread see
 *            hnas_predictor_share.
 * Errors     E_ARG NULL argument; E_RANGE n_threads; E_NOMEM; E_OP a host's
 *            operation failed.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_create_predictor(hnas_predictor **out,
                                               hnas_set *set,
                                               int32_t n_threads);

/**
 * Switch to another member of the set that a predictor was made of.
 *
 * Shapes     predictor: not NULL.
 * Units      index 0..count-1; of hnas_predictor_create 0 alone.  It predicts
 *            the same bits as a predictor of hnas_set_get_model.
 * Ownership  no memory is allocated, here or by the next prediction.
 * Gradient   none.
 * Threads    one predictor, one thread at a time; others are not switched.
 * Errors     E_ARG NULL predictor; E_RANGE index.  On error nothing has
 *            changed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_predictor_switch(hnas_predictor *predictor,
                                           int32_t index);

/**
 * Tell which member a predictor is.
 *
 * Shapes     predictor: not NULL.
 * Units      0..count-1.
 * Ownership  none.
 * Gradient   none.
 * Threads    one predictor, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_predictor_get_current(const hnas_predictor *predictor);

HNAS_END_DECLS

#endif
