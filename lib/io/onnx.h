/* SPDX-License-Identifier: BSD-3-Clause */
/* An ONNX graph under construction: opset 13, values known by name. */
#ifndef HN_IO_ONNX_H
#define HN_IO_ONNX_H

#include "io/protobuf.h"
#include "net/network.h"

enum { HN_ONNX_NAME = 192, HN_ONNX_OPSET = 13, HN_ONNX_IR = 7 };

/* The first failure stays in a text's status and makes what follows do
 * nothing. */
struct hn_onnx {
    struct hnas_context *ctx;
    struct hn_text nodes, tensors; /* fields of the graph */
    int has_batch; /* "batch", the number of images, is a value */
};

/* One attribute of a node. */
struct hn_onnx_attr {
    const char *name;
    int32_t n; /* integers; 0: `real` alone, -1: `ints[0]` alone */
    int64_t ints[4];
    float real;
};

/* Append a node; it is named as its output. */
void hn_onnx_node(struct hn_onnx *o, const char *type,
                  const char *const *inputs, int32_t n_inputs,
                  const char *output, const struct hn_onnx_attr *attrs,
                  int32_t n_attrs);

/* A node of one input without attributes. */
void hn_onnx_unary(struct hn_onnx *o, const char *type, const char *input,
                   const char *output);

/* Append constants. */
void hn_onnx_integers(struct hn_onnx *o, const char *name, const int64_t *data,
                      int64_t count);
void hn_onnx_tensor(struct hn_onnx *o, const char *name, hnas_tensor *tensor);

/* A convolution's window along both axes, and its groups. */
struct hn_onnx_window {
    int64_t pad[2], stride[2], dilation[2], groups;
};

/* Append a convolution with a weight of `params`, and with the batch-norm
 * `norm` of it folded in, from channel `first` on; norm NULL: none. */
void hn_onnx_conv(struct hn_onnx *o, const hnas_params *params,
                  const char *weight, const char *norm, int64_t first,
                  const struct hn_onnx_window *window, const char *input,
                  const char *output);

/* Append a batch-norm of its own. */
void hn_onnx_norm(struct hn_onnx *o, const hnas_params *params,
                  const char *norm, const char *input, const char *output);

/* Append FactorizedReduce and batch-norm of a rectified input; conv0 and conv1
 * name the weights. */
void hn_onnx_reduce(struct hn_onnx *o, const hnas_params *params,
                    const char *const conv[2], const char *norm,
                    const int64_t size[2], const char *rectified,
                    const char *output);

/* Append an operation of an edge.  value: in: its input's name, out: its
 * result's, which begins with `prefix`.  relu: the rectified input's name, a
 * value once *rectified is set.  HNAS_E_UNSUPPORTED: no such form. */
struct hn_onnx_edge {
    const struct hnas_op *op;
    int64_t size[2]; /* of the input */
    const char *prefix, *relu;
    uint8_t *rectified;
};

hnas_status hn_onnx_op(struct hn_onnx *o, const struct hn_onnx_edge *edge,
                       char value[HN_ONNX_NAME]);

#endif
