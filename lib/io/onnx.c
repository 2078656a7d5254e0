/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes and constants of an ONNX graph (onnx.proto, IR version 7). */
#include "io/onnx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Numbers of fields and of types in onnx.proto. */
enum {
    GRAPH_NODE = 1,
    GRAPH_TENSOR = 5,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    ATTR_NAME = 1,
    ATTR_FLOAT = 2,
    ATTR_INT = 3,
    ATTR_INTS = 8,
    ATTR_TYPE = 20,
    TYPE_FLOAT = 1,
    TYPE_INT = 2,
    TYPE_INTS = 7,
    TENSOR_DIM = 1,
    TENSOR_TYPE = 2,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    DATA_FLOAT = 1,
    DATA_INT64 = 7
};

static void put_attr(struct hn_text *t, const struct hn_onnx_attr *a)
{
    const size_t begin = hn_pb_begin(t);

    hn_pb_string(t, ATTR_NAME, a->name);
    if (a->n == 0)
        hn_pb_float(t, ATTR_FLOAT, a->real);
    else if (a->n < 0)
        hn_pb_integer(t, ATTR_INT, a->ints[0]);
    for (int32_t i = 0; i < a->n; i++)
        hn_pb_integer(t, ATTR_INTS, a->ints[i]);
    hn_pb_integer(t, ATTR_TYPE,
                  a->n > 0    ? TYPE_INTS
                  : a->n == 0 ? TYPE_FLOAT
                              : TYPE_INT);
    hn_pb_end(t, NODE_ATTRIBUTE, begin);
}

void hn_onnx_node(struct hn_onnx *o, const char *type,
                  const char *const *inputs, int32_t n_inputs,
                  const char *output, const struct hn_onnx_attr *attrs,
                  int32_t n_attrs)
{
    struct hn_text *t = &o->nodes;
    const size_t begin = hn_pb_begin(t);

    for (int32_t i = 0; i < n_inputs; i++)
        hn_pb_string(t, NODE_INPUT, inputs[i]);
    hn_pb_string(t, NODE_OUTPUT, output);
    hn_pb_string(t, NODE_NAME, output);
    hn_pb_string(t, NODE_TYPE, type);
    for (int32_t i = 0; i < n_attrs; i++)
        put_attr(t, &attrs[i]);
    hn_pb_end(t, GRAPH_NODE, begin);
}

void hn_onnx_unary(struct hn_onnx *o, const char *type, const char *input,
                   const char *output)
{
    hn_onnx_node(o, type, &input, 1, output, NULL, 0);
}

/* Numbers are little-endian in the file, whatever they are here. */
static void put_number(struct hn_text *t, uint64_t bits, int bytes)
{
    unsigned char b[8];

    for (int i = 0; i < bytes; i++)
        b[i] = (unsigned char)(bits >> 8 * i);
    hn_text_bytes(t, b, (size_t)bytes);
}

static void put_floats(struct hn_onnx *o, const char *name, const float *data,
                       const int64_t *dims, int32_t rank)
{
    struct hn_text *t = &o->tensors;
    const size_t begin = hn_pb_begin(t);
    int64_t count = 1;

    for (int32_t i = 0; i < rank; i++) {
        hn_pb_integer(t, TENSOR_DIM, dims[i]);
        count *= dims[i];
    }
    hn_pb_integer(t, TENSOR_TYPE, DATA_FLOAT);
    hn_pb_string(t, TENSOR_NAME, name);
    hn_pb_head(t, TENSOR_RAW, (size_t)count * 4);
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &data[i], sizeof bits);
        put_number(t, bits, 4);
    }
    hn_pb_end(t, GRAPH_TENSOR, begin);
}

void hn_onnx_integers(struct hn_onnx *o, const char *name, const int64_t *data,
                      int64_t count)
{
    struct hn_text *t = &o->tensors;
    const size_t begin = hn_pb_begin(t);

    hn_pb_integer(t, TENSOR_DIM, count);
    hn_pb_integer(t, TENSOR_TYPE, DATA_INT64);
    hn_pb_string(t, TENSOR_NAME, name);
    hn_pb_head(t, TENSOR_RAW, (size_t)count * 8);
    for (int64_t i = 0; i < count; i++)
        put_number(t, (uint64_t)data[i], 8);
    hn_pb_end(t, GRAPH_TENSOR, begin);
}

/* ---- weights ---- */

static hnas_tensor *find(const hnas_params *params, const char *name)
{
    for (int64_t i = 0; i < params->n; i++)
        if (!strcmp(params->entry[i].name, name))
            return params->entry[i].tensor;
    return NULL;
}

/* A tensor's numbers, to be given back; of no tensor `count` times `value`.
 * NULL after a failure. */
static float *copy_tensor(struct hn_onnx *o, hnas_tensor *t, int64_t count,
                          float value)
{
    float *data;

    if (o->tensors.status < 0)
        return NULL;
    count = t ? hnas_tensor_get_count(t) : count;
    data = hn_alloc_array(&o->ctx->alloc, (size_t)count, sizeof *data);
    if (!data)
        o->tensors.status = hn_fail_nomem(o->ctx, "ONNX");
    else if (t)
        o->tensors.status = hnas_tensor_get(t, HNAS_FLOAT32, data, count);
    for (int64_t i = 0; data && !t && i < count; i++)
        data[i] = value;
    if (o->tensors.status == HNAS_OK)
        return data;
    hn_free(&o->ctx->alloc, data);
    return NULL;
}

void hn_onnx_tensor(struct hn_onnx *o, const char *name, hnas_tensor *tensor)
{
    float *data = copy_tensor(o, tensor, 0, 0);

    if (data)
        put_floats(o, name, data, tensor->dim, tensor->rank);
    hn_free(&o->ctx->alloc, data);
}

/* ---- batch-norm ---- */

enum { WEIGHT, BIAS, MEAN, VARIANCE, N_PARTS };

/* A batch-norm's numbers. */
struct norm {
    float *part[N_PARTS];
    int64_t channels;
};

static void norm_finish(struct norm *n, struct hn_onnx *o)
{
    for (int i = 0; i < N_PARTS; i++)
        hn_free(&o->ctx->alloc, n->part[i]);
}

/* Finish it whatever happens. */
static int norm_init(struct norm *n, struct hn_onnx *o,
                     const hnas_params *params, const char *prefix)
{
    static const char *const parts[N_PARTS] = {"weight", "bias", "running_mean",
                                               "running_var"};
    char name[HN_ONNX_NAME];

    memset(n, 0, sizeof *n);
    snprintf(name, sizeof name, "%.150s.running_mean", prefix);
    n->channels = hnas_tensor_get_count(find(params, name));
    for (int i = 0; i < N_PARTS; i++) {
        snprintf(name, sizeof name, "%.150s.%s", prefix, parts[i]);
        n->part[i] =
            copy_tensor(o, find(params, name), n->channels, i == WEIGHT);
        if (!n->part[i])
            return -1;
    }
    return 0;
}

/* Turn weight and bias into a factor and what is added:
 * weight / sqrt(variance + epsilon), bias - factor mean. */
static void norm_fold(struct norm *n)
{
    for (int64_t c = 0; c < n->channels; c++) {
        const double factor =
            (double)n->part[WEIGHT][c] /
            sqrt((double)n->part[VARIANCE][c] + HN_NORM_EPSILON);

        n->part[BIAS][c] = (float)((double)n->part[BIAS][c] -
                                   factor * (double)n->part[MEAN][c]);
        n->part[WEIGHT][c] = (float)factor;
    }
}

void hn_onnx_norm(struct hn_onnx *o, const hnas_params *params,
                  const char *norm, const char *input, const char *output)
{
    static const char *const suffix[N_PARTS] = {"weight", "bias", "mean",
                                                "variance"};
    const struct hn_onnx_attr epsilon = {"epsilon", 0, {0}, HN_NORM_EPSILON};
    char name[N_PARTS][HN_ONNX_NAME];
    const char *const inputs[5] = {input, name[0], name[1], name[2], name[3]};
    struct norm n;

    if (norm_init(&n, o, params, norm) == 0)
        for (int i = 0; i < N_PARTS; i++) {
            snprintf(name[i], HN_ONNX_NAME, "%.170s.%s", output, suffix[i]);
            put_floats(o, name[i], n.part[i], &n.channels, 1);
        }
    norm_finish(&n, o);
    if (o->tensors.status == HNAS_OK)
        hn_onnx_node(o, "BatchNormalization", inputs, 5, output, &epsilon, 1);
}

/* ---- convolutions ---- */

static void put_conv(struct hn_onnx *o, const struct hn_onnx_window *w,
                     const int64_t kernel[2], const char *const inputs[3],
                     int n_inputs, const char *output)
{
    const struct hn_onnx_attr attrs[] = {
        {"kernel_shape", 2, {kernel[0], kernel[1]}, 0},
        {"pads", 4, {w->pad[0], w->pad[1], w->pad[0], w->pad[1]}, 0},
        {"strides", 2, {w->stride[0], w->stride[1]}, 0},
        {"dilations", 2, {w->dilation[0], w->dilation[1]}, 0},
        {"group", -1, {w->groups}, 0}};

    hn_onnx_node(o, "Conv", inputs, n_inputs, output, attrs, 5);
}

void hn_onnx_conv(struct hn_onnx *o, const hnas_params *params,
                  const char *weight, const char *norm, int64_t first,
                  const struct hn_onnx_window *window, const char *input,
                  const char *output)
{
    char w_name[HN_ONNX_NAME], b_name[HN_ONNX_NAME];
    const char *const inputs[3] = {input, w_name, b_name};
    hnas_tensor *tensor = find(params, weight);
    const int64_t *dims = tensor->dim; /* the network has it */
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    const int64_t filter = dims[1] * dims[2] * dims[3];
    float *w = copy_tensor(o, tensor, 0, 0);
    struct norm n = {{NULL, NULL, NULL, NULL}, 0};

    snprintf(w_name, sizeof w_name, "%.170s.weight", output);
    snprintf(b_name, sizeof b_name, "%.170s.bias", output);
    if (w && norm && norm_init(&n, o, params, norm) == 0) {
        norm_fold(&n);
        for (int64_t i = 0; i < dims[0] * filter; i++)
            w[i] *= n.part[WEIGHT][first + i / filter];
        put_floats(o, b_name, n.part[BIAS] + first, dims, 1);
    }
    if (w)
        put_floats(o, w_name, w, dims, 4);
    put_conv(o, window, dims + 2, inputs, norm ? 3 : 2, output);
    norm_finish(&n, o);
    hn_free(&o->ctx->alloc, w);
}
