/* SPDX-License-Identifier: BSD-3-Clause */
/* out = a + b;  da += dout, db += dout. */
#include "func/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    const real *a = hn_real(node->in[0]), *b = hn_real(node->in[1]);
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] = a[i] + b[i];
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);
    const real *g = hn_out_grad(node);

    for (int32_t i = 0; i < 2; i++) {
        real *d = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;

        if (node->want[i] && (!d || !g))
            return hn_fail_nomem(node->ctx, "gradient of add");
        if (d)
            node->ctx->k.axpy(d, 1, g, n);
    }
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    hnas_status st = HNAS_OK;

    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        struct hnas_tensor *t = hnas_tensor_ref(node->in[i]->tangent);

        st = hn_tangent_add(out, node->tape, HNAS_OK, &t);
    }
    return st;
}

static const struct hn_rule rule = {
    .name = "add",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_add(hnas_tensor **out, hnas_tape *tape, hnas_tensor *a,
                     hnas_tensor *b)
{
    return hn_record_pair(out, tape, a, b, &rule);
}
