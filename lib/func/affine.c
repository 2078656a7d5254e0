/* SPDX-License-Identifier: BSD-3-Clause */
/* out = factor * x + offset;  dx += factor * dout. */
#include <math.h>
#include <string.h>

#include "hnas/func.h"
#include "tape/image.h"

struct affine {
    double factor, offset;
};

static hnas_status forward(struct hn_node *node)
{
    const struct affine *a = node->aux;
    const real factor = (real)a->factor, offset = (real)a->offset;
    const real *x = hn_real(node->in[0]);
    real *y = hn_real(node->out);
    struct hn_rows rows;

    hn_dense_rows(node->out, &rows);
    if (rows.used < rows.step)
        memset(y, 0, (size_t)(rows.n * rows.step) * sizeof(real));
    for (int64_t r = 0; r < rows.n; r++)
        for (int64_t i = 0; i < rows.used; i++)
            y[r * rows.step + i] = factor * x[r * rows.step + i] + offset;
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct affine *a = node->aux;
    const real *g = hn_out_grad(node);
    real *d = hn_grad_whole(node->in[0]);

    if (!d || !g)
        return hn_fail_nomem(node->ctx, "gradient of affine");
    node->ctx->k.axpy(d, (real)a->factor, g, hn_tensor_extent(node->out));
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct affine *a = node->aux;

    return hnas_affine(out, node->tape, node->in[0]->tangent, a->factor, 0);
}

static const struct hn_rule rule = {
    .name = "affine",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_affine(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                        double factor, double offset)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "affine: out");
    st = hn_expect(x, -1, "affine: x");
    if (st < 0)
        return st;
    if (!isfinite(factor) || !isfinite(offset))
        return hn_fail(x->ctx, HNAS_E_RANGE,
                       "affine: factor %g, offset %g, want finite", factor,
                       offset);
    st = hn_as_dense(&in, tape, x);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .aux_bytes = sizeof(struct affine),
            .layout = in->layout,
            .rank = in->rank,
            .dims = in->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        *(struct affine *)node->aux = (struct affine){factor, offset};
        st = hn_finish(out, node);
    }
    hnas_tensor_unref(in);
    return st;
}
