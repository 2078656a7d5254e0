/* SPDX-License-Identifier: BSD-3-Clause */
/* p = 1 / (1 + exp(-alpha));  dalpha += p (1 - p) dp.  (Fair DARTS,
 * arXiv:1911.12126.) */
#include <math.h>

#include "hnas/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] =
            (real)(1 / (1 + exp(-(double)hn_real(node->in[0])[i])));
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);
    const real *g = hn_out_grad(node), *p = hn_real(node->out);
    real *d = hn_grad_whole(node->in[0]);

    if (!g || !d)
        return hn_fail_nomem(node->ctx, "gradient of relax_sigmoid");
    for (int64_t i = 0; i < n; i++)
        d[i] += g[i] * p[i] * (1 - p[i]);
    return HNAS_OK;
}

/* p (1 - p) alpha' */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    hnas_tensor *rest = NULL, *slope = NULL;
    hnas_status st = hnas_affine(&rest, node->tape, node->out, -1, 1);

    if (st == HNAS_OK)
        st = hnas_mul(&slope, node->tape, node->out, rest);
    if (st == HNAS_OK)
        st = hnas_mul(out, node->tape, slope, node->in[0]->tangent);
    hnas_tensor_unref(rest);
    hnas_tensor_unref(slope);
    return st;
}

static const struct hn_rule rule = {
    .name = "relax_sigmoid",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_relax_sigmoid(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *alpha)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !alpha)
        return hn_fail_null(alpha ? alpha->ctx : NULL, "relax_sigmoid: out");
    st = hn_expect(alpha, 2, "relax_sigmoid: alpha [E, O]");
    if (st == HNAS_OK)
        st = hn_as_dense(&in, tape, alpha);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .layout = HN_STRIDED,
            .rank = 2,
            .dims = in->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    hnas_tensor_unref(in);
    return st;
}
