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
    int64_t reserved[8]; /**< 0; room for fields of later versions */
} hnas_sgd_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_sgd_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_sgd_opts_init(hnas_sgd_opts *opts, size_t size);

/** Settings of Adam; fill with hnas_adam_opts_init. */
typedef struct hnas_adam_opts {
    size_t size;         /**< sizeof the struct */
    double beta1;        /**< default 0.5 */
    double beta2;        /**< default 0.999 */
    double epsilon;      /**< default 1e-8 */
    double weight_decay; /**< added to the gradient; default 1e-3 */
    int64_t reserved[8]; /**< 0; room for fields of later versions */
} hnas_adam_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_adam_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_adam_opts_init(hnas_adam_opts *opts, size_t size);

/** An optimizer and its state; opaque. */
typedef struct hnas_optim hnas_optim;

/**
 * Create stochastic gradient descent over n tensors.
 *
 *     d    = min(1, clip / (|g| + 1e-6)) * g + weight_decay * w
 *     buf  = momentum * buf + d
 *     w   -= rate * (nesterov ? d + momentum * buf : buf)
 *
 * Shapes     params: float32 leaves with contiguous elements, each once; n >=
 *            0.  |g|: the norm over all of them.
 * Units      opts NULL: the defaults.  0 <= momentum < 1; weight_decay, clip
 *            >= 0.
 * Ownership  *out: the caller's, released with hnas_optim_destroy; it holds
 *            references to the tensors.
 * Gradient   a tensor without gradient counts as gradient 0.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, opts->size not set, a tensor NULL, twice or
 *            of another context; E_RANGE a field or n; E_TYPE; E_STATE not a
 *            leaf; E_SHAPE strides; E_NOMEM.  On error *out is NULL.
 * Source     torch.optim.SGD after clip_grad_norm_.
 * Since      0.1
 */
HNAS_API hnas_status hnas_sgd_create(hnas_optim **out, hnas_context *ctx,
                                     hnas_tensor *const *params, int64_t n,
                                     const hnas_sgd_opts *opts);

/**
 * Create Adam over n tensors.
 *
 *     g  = g + weight_decay * w
 *     m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2
 *     w -= rate / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * Shapes     params: as hnas_sgd_create.
 * Units      opts NULL: the defaults.  0 <= beta1, beta2 < 1; epsilon > 0 in
 *            float32; weight_decay >= 0.  t: steps done, this one included.
 * Ownership  as hnas_sgd_create.
 * Gradient   a tensor without gradient counts as gradient 0.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_sgd_create.
 * Source     Kingma and Ba (arXiv:1412.6980), as torch.optim.Adam.
 * Since      0.1
 */
HNAS_API hnas_status hnas_adam_create(hnas_optim **out, hnas_context *ctx,
                                      hnas_tensor *const *params, int64_t n,
                                      const hnas_adam_opts *opts);

/**
 * Release an optimizer.
 *
 * Shapes     optim NULL: nothing is done.
 * Units      none.
 * Ownership  its references to the tensors are gone.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_optim_destroy(hnas_optim *optim);

/**
 * Move the parameters by one step against their gradients.
 *
 * Shapes     none.
 * Units      rate: >= 0, finite.
 * Ownership  none.
 * Gradient   read, not cleared.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL optim, E_RANGE rate, E_NAN the norm of the gradients or
 *            of the parameters is not finite, or a parameter or its state
 *            would not be after the step.  On error nothing has moved.
 * Source     as the optimizer's create.
 * Since      0.1
 */
HNAS_API hnas_status hnas_optim_step(hnas_optim *optim, double rate);

/**
 * Tell the number of steps done.
 *
 * Shapes     optim NULL: 0.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_optim_get_steps(const hnas_optim *optim);

/**
 * Tell a rate on a cosine from `first` at step 0 to `last` at step n_steps.
 *
 *     last + (first - last) * (1 + cos(pi * step / n_steps)) / 2
 *
 * Shapes     none.
 * Units      outside 0..n_steps the ends stay; n_steps < 1: `first`.
 * Ownership  none.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     SGDR (arXiv:1608.03983), eq. 5, without restarts.
 * Since      0.1
 */
HNAS_API double hnas_schedule_cosine(double first, double last, int64_t step,
                                     int64_t n_steps);

HNAS_END_DECLS

#endif
