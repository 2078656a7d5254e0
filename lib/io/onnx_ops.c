/* SPDX-License-Identifier: BSD-3-Clause */
/* The bundled operations in ONNX; batch-norm is folded where a convolution
 * stands before it. */
#include <stdio.h>
#include <string.h>

#include "io/onnx.h"

/* An operation being written. */
struct job {
    struct hn_onnx *o;
    const struct hn_onnx_edge *edge;
    const hnas_params *params;
    int64_t k, stride;
    const char *input;
    char out[HN_ONNX_NAME];
};

/* A name below the operation's prefix. */
static void name_it(char name[HN_ONNX_NAME], const struct job *j,
                    const char *suffix)
{
    snprintf(name, HN_ONNX_NAME, "%.150s.%.30s", j->edge->prefix, suffix);
}

/* The rectified input, which operations of a node share. */
static const char *rectify(struct job *j)
{
    if (!*j->edge->rectified)
        hn_onnx_unary(j->o, "Relu", j->input, j->edge->relu);
    *j->edge->rectified = 1;
    return j->edge->relu;
}

static void put_pool(struct job *j, const char *type, int excludes_pad)
{
    const struct hn_onnx_attr attrs[] = {
        {"kernel_shape", 2, {3, 3}, 0},
        {"pads", 4, {1, 1, 1, 1}, 0},
        {"strides", 2, {j->stride, j->stride}, 0},
        {"count_include_pad", -1, {0}, 0}};
    const char *const input = j->input;
    char pooled[HN_ONNX_NAME];

    name_it(pooled, j, "pool");
    name_it(j->out, j, "bn");
    hn_onnx_node(j->o, type, &input, 1, pooled, attrs, excludes_pad ? 4 : 3);
    hn_onnx_norm(j->o, j->params, "bn", pooled, j->out);
}

static void avg_pool(struct job *j)
{
    put_pool(j, "AveragePool", 1);
}

static void max_pool(struct job *j)
{
    put_pool(j, "MaxPool", 0);
}

static void skip_connect(struct job *j)
{
    static const char *const conv[2] = {"conv0.weight", "conv1.weight"};

    if (j->stride == 1) {
        snprintf(j->out, HN_ONNX_NAME, "%s", j->input);
        return;
    }
    name_it(j->out, j, "bn");
    hn_onnx_reduce(j->o, j->params, conv, "bn", j->edge->size, rectify(j),
                   j->out);
}

/* Depthwise, pointwise with batch-norm; names end with `part`. */
static void put_separable(struct job *j, const char *part, const char *norm,
                          int64_t dilation, int64_t stride, const char *input,
                          char output[HN_ONNX_NAME])
{
    const int64_t pad = j->k / 2 * dilation;
    const struct hn_onnx_window deep = {{pad, pad},
                                        {stride, stride},
                                        {dilation, dilation},
                                        j->edge->op->desc.channels},
                                point = {{0, 0}, {1, 1}, {1, 1}, 1};
    char weight[32], name[HN_ONNX_NAME], middle[HN_ONNX_NAME];

    snprintf(weight, sizeof weight, "dw%s.weight", part);
    snprintf(name, sizeof name, "dw%s", part);
    name_it(middle, j, name);
    hn_onnx_conv(j->o, j->params, weight, NULL, 0, &deep, input, middle);
    snprintf(weight, sizeof weight, "pw%s.weight", part);
    snprintf(name, sizeof name, "pw%s", part);
    name_it(output, j, name);
    hn_onnx_conv(j->o, j->params, weight, norm, 0, &point, middle, output);
}

static void sep_conv(struct job *j)
{
    char y[HN_ONNX_NAME], z[HN_ONNX_NAME];

    put_separable(j, "1", "bn1", 1, j->stride, rectify(j), y);
    name_it(z, j, "relu");
    hn_onnx_unary(j->o, "Relu", y, z);
    put_separable(j, "2", "bn2", 1, 1, z, j->out);
}

static void dil_conv(struct job *j)
{
    put_separable(j, "1", "bn", 2, j->stride, rectify(j), j->out);
}

static void factorized_conv(struct job *j)
{
    const struct hn_onnx_window across = {{0, 3}, {1, j->stride}, {1, 1}, 1},
                                down = {{3, 0}, {j->stride, 1}, {1, 1}, 1};
    char y[HN_ONNX_NAME];

    name_it(y, j, "conv0");
    name_it(j->out, j, "conv1");
    hn_onnx_conv(j->o, j->params, "conv0.weight", NULL, 0, &across, rectify(j),
                 y);
    hn_onnx_conv(j->o, j->params, "conv1.weight", "bn", 0, &down, y, j->out);
}

static const struct {
    const char *name;
    int64_t k;
    void (*put)(struct job *j);
} ops[] = {
    {"skip_connect", 0, skip_connect},    {"avg_pool_3x3", 3, avg_pool},
    {"max_pool_3x3", 3, max_pool},        {"sep_conv_3x3", 3, sep_conv},
    {"sep_conv_5x5", 5, sep_conv},        {"sep_conv_7x7", 7, sep_conv},
    {"dil_conv_3x3", 3, dil_conv},        {"dil_conv_5x5", 5, dil_conv},
    {"conv_7x1_1x7", 7, factorized_conv},
};

hnas_status hn_onnx_op(struct hn_onnx *o, const struct hn_onnx_edge *edge,
                       char value[HN_ONNX_NAME])
{
    struct job j = {.o = o,
                    .edge = edge,
                    .params = &edge->op->parts.params,
                    .stride = edge->op->desc.stride,
                    .input = value};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, edge->op->table->name))
            continue;
        j.k = ops[i].k;
        ops[i].put(&j);
        memcpy(value, j.out, sizeof j.out);
        return HNAS_OK;
    }
    return hn_fail(o->ctx, HNAS_E_UNSUPPORTED,
                   "ONNX: operation %s has no such form",
                   edge->op->table->name);
}

/* ---- FactorizedReduce ---- */

/* The rectified input without its first row and column; at odd sizes a row
 * and column of zeros is appended first. */
static void shift(struct hn_onnx *o, const int64_t size[2], const char *input,
                  const char *output)
{
    const int64_t pads[8] = {0, 0, 0, 0, 0, 0, size[0] % 2, size[1] % 2};
    const int64_t starts[2] = {1, 1}, axes[2] = {2, 3};
    const int64_t ends[2] = {size[0] + size[0] % 2, size[1] + size[1] % 2};
    char name[4][HN_ONNX_NAME];
    const char *pad[2] = {input, name[0]};
    const char *slice[4] = {input, name[1], name[2], name[3]};
    char padded[HN_ONNX_NAME];

    for (int i = 0; i < 4; i++)
        snprintf(name[i], HN_ONNX_NAME, "%.170s.%s", output,
                 (const char *const[]){"pads", "starts", "ends", "axes"}[i]);
    if (size[0] % 2 || size[1] % 2) {
        snprintf(padded, sizeof padded, "%.170s.pad", output);
        hn_onnx_integers(o, name[0], pads, 8);
        hn_onnx_node(o, "Pad", pad, 2, padded, NULL, 0);
        slice[0] = padded;
    }
    hn_onnx_integers(o, name[1], starts, 2);
    hn_onnx_integers(o, name[2], ends, 2);
    hn_onnx_integers(o, name[3], axes, 2);
    hn_onnx_node(o, "Slice", slice, 4, output, NULL, 0);
}

void hn_onnx_reduce(struct hn_onnx *o, const hnas_params *params,
                    const char *const conv[2], const char *norm,
                    const int64_t size[2], const char *rectified,
                    const char *output)
{
    const struct hn_onnx_window window = {{0, 0}, {2, 2}, {1, 1}, 1};
    const struct hn_onnx_attr axis = {"axis", -1, {1}, 0};
    char shifted[HN_ONNX_NAME], half[2][HN_ONNX_NAME];
    const char *const halves[2] = {half[0], half[1]};
    hnas_tensor *first;

    snprintf(shifted, sizeof shifted, "%.170s.shift", output);
    for (int i = 0; i < 2; i++)
        snprintf(half[i], HN_ONNX_NAME, "%.170s.half%d", output, i);
    if (hnas_params_find(&first, params, conv[0]) < 0)
        return; /* the network made it */
    hn_onnx_conv(o, params, conv[0], norm, 0, &window, rectified, half[0]);
    shift(o, size, rectified, shifted);
    hn_onnx_conv(o, params, conv[1], norm, first->dim[0], &window, shifted,
                 half[1]);
    hn_onnx_node(o, "Concat", halves, 2, output, &axis, 1);
}
