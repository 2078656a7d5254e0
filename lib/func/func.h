/* SPDX-License-Identifier: BSD-3-Clause */
/* Funcs that only the floors above call. */
#ifndef HN_FUNC_FUNC_H
#define HN_FUNC_FUNC_H

#include "base/real.h"
#include "hnas/func.h"

/* Zeros [N, C, H, W] on a tape (NULL: a leaf). */
hnas_status hn_zeros(struct hnas_tensor **out, struct hnas_context *ctx,
                     struct hnas_tape *tape, const int64_t dims[4]);

/* hnas_mix where gates of inputs marked in `idle` are known to be 0: their
 * value matters to the mixing gradient only, so nothing flows back to them.
 * idle may be NULL. */
hnas_status hn_mix(struct hnas_tensor **out, struct hnas_tape *tape,
                   struct hnas_tensor *const *x, int64_t n_x,
                   struct hnas_tensor *gates, const int64_t *index,
                   const uint8_t *idle);

/* hnas_cross_entropy against (1 - smoothing) onehot + smoothing / K. */
hnas_status hn_cross_entropy(struct hnas_tensor **out, struct hnas_tape *tape,
                             struct hnas_tensor *logits,
                             struct hnas_tensor *labels, double smoothing);

/* x, in plain layout, under other dims of the same product. */
hnas_status hn_reshape(struct hnas_tensor **out, struct hnas_tape *tape,
                       struct hnas_tensor *x, const hnas_shape *shape);

/* A kernel [n_out, n_in, 1, 1] of tiles of x [.., columns]: `rows` rows a
 * tile, from tile number `first` on, row of tiles by row of tiles.  x has them
 * all. */
hnas_status hn_tile(struct hnas_tensor **out, struct hnas_tape *tape,
                    struct hnas_tensor *x, int64_t first, int64_t rows,
                    int64_t n_out, int64_t n_in);

/* ---- what tangents are recorded with ---- */

/* *sum += *term, which is released and cleared; NULL is zero.  st: of the
 * call that made the term; the sum is left alone where that failed. */
hnas_status hn_tangent_add(struct hnas_tensor **sum, struct hnas_tape *tape,
                           hnas_status st, struct hnas_tensor **term);

/* t where x > 0, else 0. */
hnas_status hn_mask(struct hnas_tensor **out, struct hnas_tape *tape,
                    struct hnas_tensor *t, struct hnas_tensor *x);

/* p = softmax(x), in double; returns ln sum exp x. */
double hn_softmax_row(double *p, const real *x, int64_t n);

struct hn_rule;

/* Record a rule of two values of one shape, a and b, and give its output. */
hnas_status hn_record_pair(struct hnas_tensor **out, struct hnas_tape *tape,
                           struct hnas_tensor *a, struct hnas_tensor *b,
                           const struct hn_rule *rule);

/* Of hn_cross_entropy, its logits moving by `tangent`. */
hnas_status hn_cross_entropy_tangent(struct hnas_tensor **out,
                                     struct hnas_tape *tape,
                                     struct hnas_tensor *logits,
                                     struct hnas_tensor *tangent,
                                     struct hnas_tensor *labels,
                                     double smoothing);

/* Of p = softmax(alpha / tau) in rows, alpha moving by t. */
hnas_status hn_softmax_tangent(struct hnas_tensor **out, struct hnas_tape *tape,
                               struct hnas_tensor *p, struct hnas_tensor *t,
                               double tau);

/* Of hnas_separable_conv2d; its input and weights move by `move` (NULL: it
 * doesn't), in their order. */
hnas_status hn_separable_tangent(struct hnas_tensor **out,
                                 struct hnas_tape *tape,
                                 struct hnas_tensor *const in[3],
                                 struct hnas_tensor *const move[3],
                                 const hnas_conv_opts *opts);

/* Of hnas_conv2d, likewise. */
hnas_status hn_conv2d_tangent(struct hnas_tensor **out, struct hnas_tape *tape,
                              struct hnas_tensor *const in[2],
                              struct hnas_tensor *const move[2],
                              const hnas_conv_opts *opts);

/* What batch_norm did, for its tangent. */
struct hn_norm_state {
    const double *mean, *rstd;                   /* [C], known after its join */
    struct hnas_tensor *weight, *bias;           /* NULL: not affine */
    struct hnas_tensor *weight_move, *bias_move; /* NULL: they don't */
    int32_t running; /* mean and rstd are constants */
};

/* Of hnas_batch_norm, z moving by t (NULL: it doesn't).  t's memory is taken
 * for the result where only batch_norm reads z. */
hnas_status hn_batch_norm_tangent(struct hnas_tensor **out,
                                  struct hnas_tape *tape, struct hnas_tensor *z,
                                  struct hnas_tensor *t,
                                  const struct hn_norm_state *state);

#endif
