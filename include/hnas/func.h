/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file func.h
 * The differentiable primitives.
 *
 * Every func checks its inputs, appends one record to the tape (none where
 * tape is NULL) and gives a new tensor.  None broadcasts; none works in
 * place.  Gradients flow to every input that is not said to be constant.
 */
#ifndef HNAS_FUNC_H
#define HNAS_FUNC_H

#include "tape.h"

HNAS_BEGIN_DECLS

/** out = a + b, same shape. */
HNAS_API hnas_status hnas_add(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *a, hnas_tensor *b);

/** out = a * b element by element, same shape. */
HNAS_API hnas_status hnas_mul(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *a, hnas_tensor *b);

/** out = factor * x + offset. */
HNAS_API hnas_status hnas_affine(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, double factor,
                                 double offset);

/** out = sum of all elements of x. */
HNAS_API hnas_status hnas_sum(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x);

/** out = max(x, 0); at 0 the gradient is 0. */
HNAS_API hnas_status hnas_relu(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *x);

/** out[n][o] = sum_i x[n][i] * weight[o][i] + bias[o]; bias may be NULL. */
HNAS_API hnas_status hnas_linear(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, hnas_tensor *weight,
                                 hnas_tensor *bias);

/** Window of a convolution; fill with hnas_conv_opts_init. */
typedef struct hnas_conv_opts {
    size_t size;         /**< sizeof the struct */
    int64_t stride[2];   /**< rows, columns; default 1 */
    int64_t pad[2];      /**< zeros added above and left; default 0 */
    int64_t dilation[2]; /**< default 1 */
    int64_t out[2];      /**< output rows, columns; 0: symmetric padding */
    int32_t relu;        /**< 1: rectify x first; default 0 */
} hnas_conv_opts;

/** Write the defaults. */
HNAS_API void hnas_conv_opts_init(hnas_conv_opts *opts, size_t size);

/** Convolve images: out[n][o] = sum_i sum_ij weight[o][i][ij] * x[n][i]. */
HNAS_API hnas_status hnas_conv2d(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, hnas_tensor *weight,
                                 const hnas_conv_opts *opts);

/** Convolve each channel by itself: weight is [C, 1, k, k]. */
HNAS_API hnas_status hnas_depthwise_conv2d(hnas_tensor **out, hnas_tape *tape,
                                           hnas_tensor *x,
                                           hnas_tensor *weight,
                                           const hnas_conv_opts *opts);

/** Fused ReLU, depthwise kxk, pointwise 1x1 in one pass over each image. */
HNAS_API hnas_status hnas_separable_conv2d(hnas_tensor **out, hnas_tape *tape,
                                           hnas_tensor *x,
                                           hnas_tensor *depthwise,
                                           hnas_tensor *pointwise,
                                           const hnas_conv_opts *opts);

/** ReLU and two 1x1 convolutions of stride 2, the second on x shifted by one
 * pixel, concatenated over channels. */
HNAS_API hnas_status hnas_factorized_reduce(hnas_tensor **out,
                                            hnas_tape *tape, hnas_tensor *x,
                                            hnas_tensor *weight0,
                                            hnas_tensor *weight1);

/** Batch normalisation with its statistics and optional affine; opaque. */
typedef struct hnas_norm hnas_norm;

/** Create a normalisation of C channels; affine != 0 adds weight and bias. */
HNAS_API hnas_status hnas_norm_create(hnas_norm **out, hnas_context *ctx,
                                      int64_t channels, int32_t affine);

/** Release it. */
HNAS_API void hnas_norm_destroy(hnas_norm *norm);

/** Give its tensors, borrowed; weight and bias are NULL if not affine. */
HNAS_API void hnas_norm_get_tensors(hnas_norm *norm, hnas_tensor **weight,
                                    hnas_tensor **bias, hnas_tensor **mean,
                                    hnas_tensor **variance);

/** Move the running statistics by `momentum` towards those of the last
 * forward pass over it; without one nothing changes. */
HNAS_API void hnas_norm_update(hnas_norm *norm, double momentum);

/** Normalise x over N, H, W; the result may stay pending (see tape.h). */
HNAS_API hnas_status hnas_batch_norm(hnas_tensor **out, hnas_tape *tape,
                                     hnas_tensor *x, hnas_norm *norm);

/** 3x3 max pool, padding 1, stride 1 or 2; first of equal values wins. */
HNAS_API hnas_status hnas_max_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *x, int64_t stride);

/** 3x3 average pool, padding 1 not counted, stride 1 or 2. */
HNAS_API hnas_status hnas_avg_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *x, int64_t stride);

/** Concatenate images over channels. */
HNAS_API hnas_status hnas_concat(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, int64_t n_x);

/** out[n][c] = mean of x[n][c] over H and W. */
HNAS_API hnas_status hnas_global_avg_pool(hnas_tensor **out, hnas_tape *tape,
                                          hnas_tensor *x);

/** out = mean over n of -log softmax(logits[n])[labels[n]]. */
HNAS_API hnas_status hnas_cross_entropy(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *logits,
                                        hnas_tensor *labels);

/** out[n] = sum_t gates[index[t]] * x[t][n]; gates [E, O], or [N, E, O] for
 * a gate an image. */
HNAS_API hnas_status hnas_mix(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, int64_t n_x,
                              hnas_tensor *gates, const int64_t *index);

/** Rows of softmax(alpha / tau). */
HNAS_API hnas_status hnas_relax_softmax(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *alpha, double tau);

/** 1 / (1 + exp(-alpha)). */
HNAS_API hnas_status hnas_relax_sigmoid(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *alpha);

/** Rows of softmax((alpha + noise) / tau), noise [E, O], or [N, E, O] for a
 * draw an image; hard != 0: forward the one-hot argmax, backward the soft
 * gates (straight-through).  noise is constant. */
HNAS_API hnas_status hnas_relax_gumbel(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *alpha, hnas_tensor *noise,
                                       double tau, int32_t hard);

/** out = sum_i weight[i] * |x[i]|^power with power 1 or 2, a single number;
 * weight is constant, same shape. */
HNAS_API hnas_status hnas_weighted_norm(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *x, hnas_tensor *weight,
                                        int32_t power);

/** A func of the host's own, computed on the calling thread. */
typedef struct hnas_func_table {
    size_t size;      /**< sizeof the struct */
    const char *name; /**< for messages */
    /** Write out from in; arrays are dense, strides as they say. */
    hnas_status (*forward)(void *user, const hnas_array *in, int32_t n_in,
                           const hnas_array *out);
    /** Add to din[i] (data NULL where not wanted) from dout. */
    hnas_status (*backward)(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din);
} hnas_func_table;

/** Shape of a host func's output. */
typedef struct hnas_shape {
    int32_t rank;                /**< 0..HNAS_MAX_RANK */
    int64_t dims[HNAS_MAX_RANK]; /**< lengths */
} hnas_shape;

/** Append a func of the host; table and user must outlive the record. */
HNAS_API hnas_status hnas_func_apply(hnas_tensor **out, hnas_tape *tape,
                                     const hnas_func_table *table,
                                     hnas_tensor *const *in, int32_t n_in,
                                     const hnas_shape *shape, void *user);

HNAS_END_DECLS

#endif
