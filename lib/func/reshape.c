/* SPDX-License-Identifier: BSD-3-Clause */
/* out = x, its numbers in row-major order under other dims;  dx += dout. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    memcpy(node->out->data, node->in[0]->data,
           (size_t)hn_tensor_extent(node->out) * sizeof(real));
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);
    const real *g = hn_out_grad(node);
    real *d = hn_grad_whole(node->in[0]);

    if (!d || !g)
        return hn_fail_nomem(node->ctx, "gradient of reshape");
    for (int64_t i = 0; i < n; i++)
        d[i] += g[i];
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    hnas_shape shape = {node->out->rank, {0}};

    memcpy(shape.dims, node->out->dim, sizeof shape.dims);
    return hn_reshape(out, node->tape, node->in[0]->tangent, &shape);
}

static const struct hn_rule rule = {
    .name = "reshape",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hn_reshape(struct hnas_tensor **out, struct hnas_tape *tape,
                       struct hnas_tensor *x, const hnas_shape *shape)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    int64_t n = 1;
    hnas_status st = hn_expect(x, -1, "reshape");

    *out = NULL;
    for (int32_t i = 0; i < shape->rank; i++)
        n *= shape->dims[i];
    if (st == HNAS_OK &&
        (x->layout != HN_STRIDED || n != hnas_tensor_get_count(x)))
        st = hn_fail(x->ctx, HNAS_E_SHAPE,
                     "reshape: %lld numbers, want %lld in plain layout",
                     (long long)hnas_tensor_get_count(x), (long long)n);
    if (st == HNAS_OK)
        st = hn_as_dense(&in, tape, x);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .layout = HN_STRIDED,
            .rank = shape->rank,
            .dims = shape->dims,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    hnas_tensor_unref(in);
    return st;
}
