/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file norm.h
 * What a batch normalisation keeps: running statistics, weight and bias.
 * hnas_batch_norm (func.h) applies it.
 */
#ifndef HNAS_NORM_H
#define HNAS_NORM_H

#include "tensor.h"

HNAS_BEGIN_DECLS

/** Batch normalisation with its statistics and optional affine; opaque. */
typedef struct hnas_norm hnas_norm;

/**
 * Create a normalisation of C channels.
 *
 * Shapes     weight, bias, running mean and variance [C] float32.
 * Units      starts at mean 0, variance 1, weight 1, bias 0.  affine != 0 adds
 *            weight and bias.
 * Ownership  *out: the caller's, released with hnas_norm_destroy.
 * Gradient   weight and bias want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or ctx, E_SHAPE channels < 1, E_NOMEM.  On error
 *            *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_norm_create(hnas_norm **out, hnas_context *ctx,
                                      int64_t channels, int32_t affine);

/**
 * Release a normalisation.
 *
 * Shapes     norm NULL: nothing is done.
 * Units      none.
 * Ownership  its tensors lose the normalisation's references.  No tape may
 *            hold a record that uses it.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_norm_destroy(hnas_norm *norm);

/**
 * Give its tensors.
 *
 * Shapes     each output may be NULL; weight and bias are NULL if not affine.
 * Units      none.
 * Ownership  borrowed from norm.
 * Gradient   weight and bias are leaves that want one; mean and variance are
 *            constants.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_norm_get_tensors(hnas_norm *norm, hnas_tensor **weight,
                                    hnas_tensor **bias, hnas_tensor **mean,
                                    hnas_tensor **variance);

/**
 * Move the running statistics towards those of the last forward pass.
 *
 *     running = (1 - momentum) * running + momentum * batch
 *
 * Shapes     norm: not NULL.
 * Units      momentum: 0..1, not checked.  The batch variance is the unbiased
 *            one.  Without a pass in batch statistics nothing changes.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     Ioffe and Szegedy (arXiv:1502.03167); momentum as PyTorch has it.
 * Since      0.1
 */
HNAS_API void hnas_norm_update(hnas_norm *norm, double momentum);

HNAS_END_DECLS

#endif
