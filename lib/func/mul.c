/* SPDX-License-Identifier: BSD-3-Clause */
/* out = a * b, element by element;  da += b dout, db += a dout. */
#include "func/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    const real *a = hn_real(node->in[0]), *b = hn_real(node->in[1]);
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] = a[i] * b[i];
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);
    const real *g = hn_out_grad(node);

    for (int32_t i = 0; i < 2; i++) {
        const real *other = hn_real(node->in[1 - i]);
        real *d = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;

        if (node->want[i] && (!d || !g))
            return hn_fail_nomem(node->ctx, "gradient of mul");
        for (int64_t j = 0; d && j < n; j++)
            d[j] += g[j] * other[j];
    }
    return HNAS_OK;
}

/* a' b + a b' */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    hnas_status st = HNAS_OK;

    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        struct hnas_tensor *move = node->in[i]->tangent, *t = NULL;

        if (move)
            st = hn_tangent_add(out, node->tape,
                                hnas_mul(&t, node->tape, move, node->in[1 - i]),
                                &t);
    }
    return st;
}

static const struct hn_rule rule = {
    .name = "mul",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_mul(hnas_tensor **out, hnas_tape *tape, hnas_tensor *a,
                     hnas_tensor *b)
{
    return hn_record_pair(out, tape, a, b, &rule);
}
