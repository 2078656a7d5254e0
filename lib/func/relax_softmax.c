/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of p = softmax(alpha / tau);  with s = <dp, p> per row,
 * dalpha += p (dp - s) / tau. */
#include <math.h>

#include "func/func.h"
#include "tape/image.h"

struct relax {
    double tau;
};

static hnas_status forward(struct hn_node *node)
{
    const struct relax *r = node->aux;
    const int64_t n_e = node->out->dim[0], n_o = node->out->dim[1];

    for (int64_t e = 0; e < n_e; e++) {
        const real *a = hn_real(node->in[0]) + e * n_o;
        real *p = hn_real(node->out) + e * n_o;
        double top = a[0], sum = 0;

        for (int64_t o = 1; o < n_o; o++)
            top = a[o] > top ? a[o] : top;
        for (int64_t o = 0; o < n_o; o++)
            sum += exp((a[o] - top) / r->tau);
        for (int64_t o = 0; o < n_o; o++)
            p[o] = (real)(exp((a[o] - top) / r->tau) / sum);
    }
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct relax *r = node->aux;
    const int64_t n_e = node->out->dim[0], n_o = node->out->dim[1];
    const real *g = hn_out_grad(node);
    real *d = hn_grad_whole(node->in[0]);

    if (!g || !d)
        return hn_fail_nomem(node->ctx, "gradient of relax_softmax");
    for (int64_t e = 0; e < n_e; e++, g += n_o, d += n_o) {
        const real *p = hn_real(node->out) + e * n_o;
        double s = 0;

        for (int64_t o = 0; o < n_o; o++)
            s += (double)g[o] * p[o];
        for (int64_t o = 0; o < n_o; o++)
            d[o] += (real)(p[o] * (g[o] - s) / r->tau);
    }
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct relax *r = node->aux;

    return hn_softmax_tangent(out, node->tape, node->out, node->in[0]->tangent,
                              r->tau);
}

static const struct hn_rule rule = {
    .name = "relax_softmax",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_relax_softmax(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *alpha, double tau)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !alpha)
        return hn_fail_null(alpha ? alpha->ctx : NULL, "relax_softmax: out");
    st = hn_expect(alpha, 2, "relax_softmax: alpha [E, O]");
    if (st < 0)
        return st;
    if (!(tau >= 1e-4 && tau <= 1e4)) /* written so that NaN fails too */
        return hn_fail(alpha->ctx, HNAS_E_RANGE, "tau: %g, want 1e-4..1e4",
                       tau);
    st = hn_as_dense(&in, tape, alpha);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .aux_bytes = sizeof(struct relax),
            .layout = HN_STRIDED,
            .rank = 2,
            .dims = in->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        ((struct relax *)node->aux)->tau = tau;
        st = hn_finish(out, node);
    }
    hnas_tensor_unref(in);
    return st;
}
