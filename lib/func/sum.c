/* SPDX-License-Identifier: BSD-3-Clause */
/* out = sum of x;  dx += dout. */
#include "hnas/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    const real *x = hn_real(node->in[0]);
    struct hn_rows rows;
    double sum = 0;

    hn_dense_rows(node->in[0], &rows);
    for (int64_t r = 0; r < rows.n; r++)
        for (int64_t i = 0; i < rows.used; i++)
            sum += x[r * rows.step + i];
    hn_real(node->out)[0] = (real)sum;
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const real *g = hn_out_grad(node);
    real *d = hn_grad_whole(node->in[0]);
    struct hn_rows rows;

    if (!d || !g)
        return hn_fail_nomem(node->ctx, "gradient of sum");
    hn_dense_rows(node->in[0], &rows);
    for (int64_t r = 0; r < rows.n; r++)
        for (int64_t i = 0; i < rows.used; i++)
            d[r * rows.step + i] += g[0];
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    return hnas_sum(out, node->tape, node->in[0]->tangent);
}

static const struct hn_rule rule = {
    .name = "sum",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_sum(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "sum: out");
    st = hn_expect(x, -1, "sum: x");
    if (st == HNAS_OK)
        st = hn_as_dense(&in, tape, x);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .layout = HN_STRIDED,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    hnas_tensor_unref(in);
    return st;
}
