/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file func.h
 * The differentiable primitives.
 *
 * Every func checks its inputs, appends a record to the tape (and one for an
 * input that it can't read as it is) and gives a new tensor.  None broadcasts.
 *
 * Common to all of them.  *out is a new reference, the caller's; its value
 * lives in the tape until the reset.  tape NULL: nothing is recorded and *out
 * is a leaf with memory of its own.  Inputs are borrowed; the tape holds
 * references to leaves until its reset.  All are of one context, but leaves
 * that want no gradient.
 *
 * The common errors: E_ARG NULL argument other than tape, or another context's;
 * E_TYPE an input is not float32; E_SHAPE its rank; E_STATE its value is gone,
 * it was recorded on another tape, or the tape was swept; E_NOMEM.  On error
 * *out is NULL; copies of inputs may stay on the tape, unread.  On a deferred
 * tape, what only the computation finds is answered by hnas_tape_run.
 */
#ifndef HNAS_FUNC_H
#define HNAS_FUNC_H

#include "norm.h"
#include "tape.h"

HNAS_BEGIN_DECLS

/**
 * Add two tensors.
 *
 *     out = a + b
 *
 * Shapes     a, b, *out: one shape, any rank, float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to a and b.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE unequal shapes.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_add(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *a, hnas_tensor *b);

/**
 * Multiply two tensors element by element.
 *
 *     out = a * b
 *
 * Shapes     a, b, *out: one shape, any rank, float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to a and b.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE unequal shapes.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_mul(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *a, hnas_tensor *b);

/**
 * Scale and shift.
 *
 *     out = factor * x + offset
 *
 * Shapes     x, *out: one shape, any rank, float32.
 * Units      factor, offset: finite, rounded to float32.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x.  factor and offset are constants.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_RANGE factor or offset not finite.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_affine(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, double factor, double offset);

/**
 * Sum all elements.
 *
 *     out = sum_i x[i]
 *
 * Shapes     x: any shape, float32.  *out: rank 0.
 * Units      summed in double, in a fixed order.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x.
 * Threads    one context, one thread at a time.
 * Errors     the common ones.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_sum(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x);

/**
 * Rectify.
 *
 *     out = max(x, 0)
 *
 * Shapes     x, *out: one shape, any rank, float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x where x > 0; at 0 it is 0.
 * Threads    one context, one thread at a time.
 * Errors     the common ones.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_relu(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *x);

/**
 * Multiply by a matrix, and add a bias.
 *
 *     out[n][o] = sum_i x[n][i] * weight[o][i] + bias[o]
 *
 * Shapes     x [N, I], weight [O, I], bias [O] or NULL, *out [N, O], float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x, weight and bias.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE columns of x and weight differ, or bias
 *            and rows of weight.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_linear(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, hnas_tensor *weight,
                                 hnas_tensor *bias);

/** Window of a convolution; fill with hnas_conv_opts_init. */
typedef struct hnas_conv_opts {
    size_t size;         /**< sizeof the struct */
    int64_t stride[2];   /**< rows, columns; default 1 */
    int64_t pad[2];      /**< zeros added above and left; default 0 */
    int64_t dilation[2]; /**< default 1 */
    int64_t out[2];      /**< rows, columns; default 0: symmetric padding */
    int32_t relu;        /**< 1: hnas_conv2d rectifies x first; default 0 */
} hnas_conv_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_conv_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_conv_opts_init(hnas_conv_opts *opts, size_t size);

/**
 * Convolve images, rectified first where asked.
 *
 *     out[n][o][p] = sum_i sum_t weight[o][i][t] * r[n][i][p * stride
 *                    + t * dilation - pad],   r = x or max(x, 0)
 *
 * Shapes     x [N, C, H, W], weight [O, C, kH, kW], *out [N, O, H', W'],
 *            float32.  Outside x reads 0.  H' = (H + 2 pad - (kH - 1) dilation
 *            - 1) / stride + 1 unless opts->out says it.
 * Units      opts NULL: the defaults.  stride, dilation and kernel sides
 *            1..4096; pad -2^16..2^16, a negative one shifts x.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x and weight.
 * Threads    one context, one thread at a time.
 * Errors     the common ones; E_ARG opts->size not set; E_SHAPE channels
 *            differ, or x is smaller than the window; E_RANGE a field of opts.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_conv2d(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x, hnas_tensor *weight,
                                 const hnas_conv_opts *opts);

/**
 * Convolve each channel by itself.
 *
 *     out[n][c][p] = sum_t weight[c][t] * x[n][c][p * stride
 *                    + t * dilation - pad]
 *
 * Shapes     x [N, C, H, W], weight [C, 1, k, k], *out [N, C, H', W'] as
 *            hnas_conv2d, float32.
 * Units      as hnas_conv2d; opts->relu is not read.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x and weight.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_conv2d, and E_UNSUPPORTED stride or dilation that differs
 *            between the axes.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_depthwise_conv2d(hnas_tensor **out, hnas_tape *tape,
                                           hnas_tensor *x, hnas_tensor *weight,
                                           const hnas_conv_opts *opts);

/**
 * Rectify, convolve depthwise, then pointwise, in one pass over each image.
 *
 *     out = conv2d(depthwise_conv2d(max(x, 0), depthwise, opts), pointwise)
 *
 * Shapes     x [N, C, H, W], depthwise [C, 1, k, k], pointwise [O, C, 1, 1],
 *            *out [N, O, H', W'] as hnas_conv2d, float32.
 * Units      as hnas_conv2d; opts->relu is not read: x is always rectified.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x, depthwise and pointwise; what lies between is computed
 *            again.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_depthwise_conv2d.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_separable_conv2d(hnas_tensor **out, hnas_tape *tape,
                                           hnas_tensor *x,
                                           hnas_tensor *depthwise,
                                           hnas_tensor *pointwise,
                                           const hnas_conv_opts *opts);

/**
 * Halve an image by two shifted 1x1 convolutions.
 *
 *     out = concat(conv2d(max(x, 0), weight0, stride 2),
 *                  conv2d(max(x, 0) shifted by (1, 1), weight1, stride 2))
 *
 * Shapes     x [N, C, H, W], weight0 [A, C, 1, 1], weight1 [B, C, 1, 1], *out
 *            [N, A + B, ceil(H / 2), ceil(W / 2)], float32.  At odd sizes the
 *            shifted one reads zeros beyond the bottom and right edge.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x, weight0 and weight1.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_conv2d.
 * Source     DARTS (arXiv:1806.09055), its published code.
 * Since      0.1
 */
HNAS_API hnas_status hnas_factorized_reduce(hnas_tensor **out, hnas_tape *tape,
                                            hnas_tensor *x,
                                            hnas_tensor *weight0,
                                            hnas_tensor *weight1);

/**
 * Normalise images over N, H, W.
 *
 *     out = weight * (x - m) / sqrt(v + 1e-5) + bias
 *
 * Shapes     x [N, C, H, W], *out the same, float32; N * H * W = 1 is allowed.
 * Units      m, v: mean and biased variance of this batch, or the running ones
 *            in mode HNAS_TAPE_RUNNING_STATS, which never move here.  v comes
 *            of float32 sums: its relative error is about 1e-7 m^2 / v.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.  the tape
 *            keeps norm by pointer until its reset.  *out may stay pending:
 *            the next func applies it, hnas_tensor_get computes it.
 * Gradient   to x, weight and bias; through m and v too, unless they are
 *            running ones.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE channels differ from norm's.
 * Source     Ioffe and Szegedy (arXiv:1502.03167), algorithm 1.
 * Since      0.1
 */
HNAS_API hnas_status hnas_batch_norm(hnas_tensor **out, hnas_tape *tape,
                                     hnas_tensor *x, hnas_norm *norm);

/**
 * Take the largest of 3x3 pixels, padding 1.
 *
 * Shapes     x [N, C, H, W], *out [N, C, ceil(H / stride), ceil(W / stride)],
 *            float32.
 * Units      stride: 1 or 2.  Padding never wins.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x; the first of equal values in scan order takes it.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_RANGE stride.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_max_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *x, int64_t stride);

/**
 * Average 3x3 pixels, padding 1 left out of the count.
 *
 * Shapes     x [N, C, H, W], *out [N, C, ceil(H / stride), ceil(W / stride)],
 *            float32.
 * Units      stride: 1 or 2.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_RANGE stride.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_avg_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *x, int64_t stride);

/**
 * Concatenate images over channels.
 *
 * Shapes     x[i] [N, C_i, H, W], *out [N, sum C_i, H, W], float32.
 * Units      n_x: 1..1024.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to every x[i].
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_ARG n_x, E_SHAPE inputs that differ in more
 *            than channels.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_concat(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, int64_t n_x);

/**
 * Average each channel over its pixels.
 *
 *     out[n][c] = sum_hw x[n][c][h][w] / (H * W)
 *
 * Shapes     x [N, C, H, W], *out [N, C], float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x.
 * Threads    one context, one thread at a time.
 * Errors     the common ones.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_global_avg_pool(hnas_tensor **out, hnas_tape *tape,
                                          hnas_tensor *x);

/**
 * Compare logits with labels.
 *
 *     out = -1/N * sum_n log softmax(logits[n])[labels[n]]
 *
 * Shapes     logits [N, K] float32, labels [N] int32, *out rank 0.
 * Units      labels 0..K-1; natural logarithm, computed in double.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to logits.  labels are constants.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_TYPE labels not int32, E_SHAPE their number,
 *            E_RANGE a label, found when the value is computed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_cross_entropy(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *logits,
                                        hnas_tensor *labels);

/**
 * Sum images weighted by gates: the node of a cell.
 *
 *     out[n] = sum_t p[n][t] * x[t][n]
 *
 * Shapes     x[t] [N, C, H, W], *out the same; gates [E, O], or [N, E, O] for
 *            a gate an image.  float32.  p[n][t]: entry index[t] of an image's
 *            gates, row-major.
 * Units      n_x: 1..65536; index: 0..E*O-1.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.  index is
 *            copied.
 * Gradient   to every x[t] and to gates.  Where a gate is 0 its x is not read
 *            forward.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_ARG n_x, E_SHAPE shapes of x or images of
 *            gates differ, E_RANGE index.
 * Source     DARTS (arXiv:1806.09055), eq. 2.
 * Since      0.1
 */
HNAS_API hnas_status hnas_mix(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, int64_t n_x,
                              hnas_tensor *gates, const int64_t *index);

/**
 * Turn architecture parameters into gates by a softmax, row by row.
 *
 *     out[e][o] = exp(alpha[e][o] / tau) / sum_p exp(alpha[e][p] / tau)
 *
 * Shapes     alpha [E, O], *out [E, O], float32; each row sums to 1.
 * Units      tau: temperature, 1e-4..1e4.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to alpha.  tau is a constant.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_RANGE tau.
 * Source     DARTS (arXiv:1806.09055), eq. 2; tau = 1 is the paper.
 * Since      0.1
 */
HNAS_API hnas_status hnas_relax_softmax(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *alpha, double tau);

/**
 * Turn architecture parameters into independent gates.
 *
 *     out[e][o] = 1 / (1 + exp(-alpha[e][o]))
 *
 * Shapes     alpha [E, O], *out [E, O], float32, each in [0, 1].
 * Units      none.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to alpha.
 * Threads    one context, one thread at a time.
 * Errors     the common ones.
 * Source     Fair DARTS (arXiv:1911.12126).
 * Since      0.1
 */
HNAS_API hnas_status hnas_relax_sigmoid(hnas_tensor **out, hnas_tape *tape,
                                        hnas_tensor *alpha);

/**
 * Turn architecture parameters into gates of a random draw.
 *
 *     soft = softmax((alpha + noise) / tau)   row by row
 *     out  = soft, or with hard the one-hot argmax of alpha + noise
 *
 * Shapes     alpha [E, O]; noise [E, O], or [N, E, O] for a draw an image;
 *            *out as noise.  float32.
 * Units      tau: temperature, 1e-4..1e4.  noise: the caller's Gumbel(0, 1)
 *            numbers.  Of equal sums the lowest index wins.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to alpha, always that of soft (straight-through).  noise and tau
 *            are constants.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE noise, E_RANGE tau.
 * Source     Jang et al. (arXiv:1611.01144), Maddison et al.
 *            (arXiv:1611.00712).
 * Since      0.1
 */
HNAS_API hnas_status hnas_relax_gumbel(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *alpha, hnas_tensor *noise,
                                       double tau, int32_t hard);

/**
 * Sum absolute values or squares, weighted.
 *
 *     out = sum_i weight[i] * |x[i]|^power
 *
 * Shapes     x, weight: one shape, any rank, float32; *out: rank 0.
 * Units      power: 1 or 2.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.
 * Gradient   to x; at 0 it is 0.  weight is a constant.
 * Threads    one context, one thread at a time.
 * Errors     the common ones, E_SHAPE unequal shapes, E_RANGE power,
 *            E_UNSUPPORTED an internal layout, a weight wants a gradient.
 * Source     own.
 * Since      0.1
 */
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
    /** Add to din[i] (data NULL: not wanted) from dout; NULL: no sweep. */
    hnas_status (*backward)(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din);
    /** Record, with other funcs, how the result moves while in[i] moves by
     *  move[i] (NULL: it doesn't): a new reference in *out, or NULL for not
     *  at all.  Optional; hnas_tape_tangent needs it. */
    hnas_status (*tangent)(void *user, hnas_tensor **out, hnas_tape *tape,
                           hnas_tensor *const *in, hnas_tensor *const *move,
                           int32_t n_in, hnas_tensor *result);
} hnas_func_table;

/** Shape of a host func's output. */
typedef struct hnas_shape {
    int32_t rank;                /**< 0..HNAS_MAX_RANK */
    int64_t dims[HNAS_MAX_RANK]; /**< lengths */
} hnas_shape;

/**
 * Record a func of the host's own.
 *
 * Shapes     in[i]: any shape, float32; *out: *shape, float32.  The table sees
 *            dense arrays; with rank 4 they are channels-last and padded, so
 *            use the strides.
 * Units      n_in: 1..16.
 * Ownership  *out: new reference, the caller's; inputs are borrowed.  table
 *            and user are kept by pointer until the tape's reset; shape is
 *            read.  Arrays belong to the library, out is zeroed first.
 * Gradient   to every in[i], by table->backward.
 * Threads    the table's calls come on the thread that runs the tape.
 * Errors     the common ones; E_ARG n_in, or size, name or forward of table
 *            not set; E_SHAPE shape; E_OP forward failed or wrote behind out;
 *            E_NAN it gave NaN; E_STATE called while a host's func computes.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_func_apply(hnas_tensor **out, hnas_tape *tape,
                                     const hnas_func_table *table,
                                     hnas_tensor *const *in, int32_t n_in,
                                     const hnas_shape *shape, void *user);

HNAS_END_DECLS

#endif
