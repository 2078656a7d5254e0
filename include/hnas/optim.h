/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file optim.h
 * Optimizers over lists of tensors, and schedules.
 */
#ifndef HNAS_OPTIM_H
#define HNAS_OPTIM_H

#include "tensor.h"

HNAS_BEGIN_DECLS

/** Settings of SGD; fill with hnas_sgd_opts_init. */
typedef struct hnas_sgd_opts {
    size_t size;         /**< sizeof the struct */
    double momentum;     /**< default 0.9 */
    double weight_decay; /**< default 3e-4 */
    double clip;         /**< largest gradient norm, 0: none; default 5 */
    int32_t nesterov;    /**< default 0 */
} hnas_sgd_opts;

/** Write the defaults. */
HNAS_API void hnas_sgd_opts_init(hnas_sgd_opts *opts, size_t size);

/** Settings of Adam; fill with hnas_adam_opts_init. */
typedef struct hnas_adam_opts {
    size_t size;         /**< sizeof the struct */
    double beta1;        /**< default 0.5 */
    double beta2;        /**< default 0.999 */
    double epsilon;      /**< default 1e-8 */
    double weight_decay; /**< added to the gradient; default 1e-3 */
} hnas_adam_opts;

/** Write the defaults. */
HNAS_API void hnas_adam_opts_init(hnas_adam_opts *opts, size_t size);

/** An optimizer and its state; opaque. */
typedef struct hnas_optim hnas_optim;

/** Create SGD over n tensors; it holds references. */
HNAS_API hnas_status hnas_sgd_create(hnas_optim **out, hnas_context *ctx,
                                     hnas_tensor *const *params, int64_t n,
                                     const hnas_sgd_opts *opts);

/** Create Adam over n tensors; it holds references. */
HNAS_API hnas_status hnas_adam_create(hnas_optim **out, hnas_context *ctx,
                                      hnas_tensor *const *params, int64_t n,
                                      const hnas_adam_opts *opts);

/** Release an optimizer. */
HNAS_API void hnas_optim_destroy(hnas_optim *optim);

/** Move the parameters by one step against their gradients. */
HNAS_API hnas_status hnas_optim_step(hnas_optim *optim, double rate);

/** Tell the number of steps done. */
HNAS_API int64_t hnas_optim_get_steps(const hnas_optim *optim);

/** Cosine from `first` at step 0 to `last` at step n_steps. */
HNAS_API double hnas_schedule_cosine(double first, double last, int64_t step,
                                     int64_t n_steps);

HNAS_END_DECLS

#endif
