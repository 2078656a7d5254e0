/* SPDX-License-Identifier: BSD-3-Clause */
/* Geometry of convolutions, shared by the funcs that have a window. */
#ifndef HN_TAPE_WINDOW_H
#define HN_TAPE_WINDOW_H

#include "hnas/func.h"
#include "tape/image.h"

struct hn_window {
    int64_t k[2], stride[2], dilation[2], pad[2]; /* rows, columns */
    int64_t in[2], out[2];                        /* sizes */
    int64_t border;                               /* of the padded input */
    int64_t dz_border; /* around the output's gradient, for the input's */
    int32_t relu;      /* the input is rectified first */
};

/* Check options against an input and a kernel size, and fill the window. */
hnas_status hn_window_set(struct hn_window *win, struct hnas_tensor *x,
                          int64_t kh, int64_t kw, const hnas_conv_opts *opts,
                          const char *what);

/* The options that make this window of this input. */
void hn_window_opts(hnas_conv_opts *opts, const struct hn_window *win);

/* The pixel under tap (0, 0) of output (0, 0), strides applied. */
struct hn_cplane hn_window_origin(const struct hn_window *win,
                                  struct hn_cplane inside);

/* Rows of output in a group: as many as keep the row buffers in L1. */
int64_t hn_row_group(int64_t n_cols);

/* Values of a tensor this large are not in cache when they are read again. */
int hn_stream_flag(const struct hnas_tensor *t);

/* The row of sums of an image where the node emits moments, zeroed. */
real *hn_open_sums(const struct hn_node *node, int64_t image);

/* Give the output room for moments, unless running statistics serve. */
hnas_status hn_emit_sums(struct hn_node *node);

#endif
