/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file hyper.h
 * The hypernetwork: complexity lambda -> architecture parameters.
 *
 *     alpha = s(lambda) * b1 + b2
 */
#ifndef HNAS_HYPER_H
#define HNAS_HYPER_H

#include "tape.h"

HNAS_BEGIN_DECLS

/** How lambda becomes s. */
enum {
    HNAS_SCALE_RAW = 0, /**< s = lambda */
    HNAS_SCALE_LOG = 1  /**< s in [-1, 1], linear in ln lambda */
};

/** How s becomes alpha. */
enum {
    HNAS_HYPER_LINEAR = 0,  /**< alpha = s * b1 + b2 */
    HNAS_HYPER_CONSTANT = 1 /**< alpha = b2 */
};

/** The most tables a hypernetwork generates. */
#define HNAS_MAX_TABLES 8

/** Settings; fill with hnas_hyper_opts_init. */
typedef struct hnas_hyper_opts {
    size_t size;                          /**< sizeof the struct */
    int32_t kind;                         /**< HNAS_HYPER_; default LINEAR */
    int32_t scale;                        /**< HNAS_SCALE_; default LOG */
    double lambda_lo;                     /**< default 1e-4 */
    double lambda_hi;                     /**< default 1e-1 */
    double init_std;                      /**< of b2; default 1e-3 */
    int32_t n_tables;                     /**< 1..HNAS_MAX_TABLES */
    const char *names[HNAS_MAX_TABLES];   /**< as "normal" */
    int64_t rows[HNAS_MAX_TABLES];        /**< E of each table */
    int64_t cols[HNAS_MAX_TABLES];        /**< O of each table */
} hnas_hyper_opts;

/** Write the defaults; no table. */
HNAS_API void hnas_hyper_opts_init(hnas_hyper_opts *opts, size_t size);

/** A hypernetwork; opaque. */
typedef struct hnas_hyper hnas_hyper;

/** Create one: b1 = 0, b2 = init_std * N(0, 1) from the context's seed. */
HNAS_API hnas_status hnas_hyper_create(hnas_hyper **out, hnas_context *ctx,
                                       const hnas_hyper_opts *opts);

/** Release it. */
HNAS_API void hnas_hyper_destroy(hnas_hyper *hyper);

/** Give its settings; names borrowed. */
HNAS_API void hnas_hyper_get_opts(const hnas_hyper *hyper,
                                  hnas_hyper_opts *opts);

/** Give its named tensors hyper.<name>.b1, .b2, borrowed. */
HNAS_API const hnas_params *hnas_hyper_get_params(const hnas_hyper *hyper);

/** Tell s(lambda). */
HNAS_API hnas_status hnas_hyper_scale(double *s, const hnas_hyper *hyper,
                                      double lambda);

/** Tell lambda(s), the inverse. */
HNAS_API hnas_status hnas_hyper_unscale(double *lambda,
                                        const hnas_hyper *hyper, double s);

/** Record alpha of one table at lambda. */
HNAS_API hnas_status hnas_hyper_apply(hnas_tensor **out, hnas_tape *tape,
                                      hnas_hyper *hyper, int32_t table,
                                      double lambda);

/** Compute alpha[e * O + o] of one table at lambda in double, no tape. */
HNAS_API hnas_status hnas_hyper_eval(double *alpha, int64_t count,
                                     const hnas_hyper *hyper, int32_t table,
                                     double lambda);

/** Project b1 of one table onto the monotone cone: on each row slopes fall
 * as cost rises, zero operations first.  cost[e * O + o] >= 0; zero_ops[o]
 * != 0 marks the zero operation; `clip` also makes b1 <= 0 where cost > 0. */
HNAS_API hnas_status hnas_hyper_project(hnas_hyper *hyper, int32_t table,
                                        const double *cost,
                                        const int32_t *zero_ops,
                                        int32_t clip);

HNAS_END_DECLS

#endif
