/* SPDX-License-Identifier: BSD-3-Clause */
/* The data gradient of a window with strides.  Input pixel r meets tap i of
 * output (r + pad - i * dilation) / stride where that divides, so the pixels
 * r = first, first + stride, ... see the same taps: each such class is a small
 * convolution at stride 1 over the output's gradient. */
#ifndef HN_TAPE_STRIDED_H
#define HN_TAPE_STRIDED_H

#include "tape/window.h"

/* A class along one axis: member m meets tap tap0 - t * tap_step of output
 * m + q0 + t * q_step, for t = 0 .. n_taps - 1. */
struct hn_class {
    int64_t first, count;
    int64_t n_taps, tap0, tap_step, q0, q_step;
};

void hn_class_set(struct hn_class *c, const struct hn_window *win, int axis,
                  int64_t first);

/* Whether some input pixel meets no tap: nobody writes its gradient. */
int hn_window_has_gaps(const struct hn_window *win);

/* Depthwise: weights for every class, squares of taps (0 where a class has
 * fewer), and the gradient of an image.  dz is the output's gradient inside
 * its border of zeros.  flags: HN_ACCUMULATE. */
int64_t hn_dw_back_reals(const struct hn_window *win, int64_t cp);
void hn_dw_back_weights(real *dst, const struct hn_window *win, const real *k,
                        int64_t cp);
void hn_dw_back(struct hn_worker *w, struct hn_plane dx, struct hn_cplane dz,
                const real *weights, const struct hn_window *win, int64_t cp,
                int flags);

/* Dense convolution: tap offsets in an input of cp channels inside the
 * window's border (NULL without memory); and the data gradient, class after
 * class. */
int64_t *hn_conv_taps(struct hn_node *node, const struct hn_window *win,
                      int64_t cp);

struct hn_conv_back {
    real *weights;   /* [tap, by class][O][cp] */
    int64_t *offset; /* where each looks in the padded gradient */
};

hnas_status hn_conv_back_take(struct hn_conv_back *back, struct hn_node *node,
                              const struct hnas_tensor *weight, int64_t cp);
void hn_conv_back_weights(const struct hn_conv_back *back,
                          const struct hn_window *win,
                          const struct hnas_tensor *weight, int64_t cp);

/* x's gradient at an image, dense, from dz inside its border of zeros, n_o
 * channels.  flags: HN_ACCUMULATE. */
void hn_conv_back(const struct hnas_context *ctx, real *dx,
                  const struct hnas_tensor *x, struct hn_cplane dz,
                  const struct hn_conv_back *back, const struct hn_window *win,
                  int64_t n_o, int flags);

#endif
