/* SPDX-License-Identifier: BSD-3-Clause */
/* out = sum_i weight[i] |x[i]|^power, power 1 or 2;
 * dx += dout weight sign(x), or dout weight 2 x. */
#include <math.h>

#include "func/func.h"
#include "tape/image.h"

struct norm {
    int32_t power;
};

static hnas_status forward(struct hn_node *node)
{
    const struct norm *p = node->aux;
    const real *x = hn_real(node->in[0]), *w = hn_real(node->in[1]);
    const int64_t n = hnas_tensor_get_count(node->in[0]);
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const double v = fabs((double)x[i]);

        sum += w[i] * (p->power == 1 ? v : v * v);
    }
    hn_real(node->out)[0] = (real)sum;
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct norm *p = node->aux;
    const real *x = hn_real(node->in[0]), *w = hn_real(node->in[1]);
    const int64_t n = hnas_tensor_get_count(node->in[0]);
    const real *g = hn_out_grad(node);
    real *d = hn_grad_whole(node->in[0]);

    if (!g || !d)
        return hn_fail_nomem(node->ctx, "gradient of weighted_norm");
    for (int64_t i = 0; i < n; i++) {
        const real sign = (real)((x[i] > 0) - (x[i] < 0));

        d[i] += g[0] * w[i] * (p->power == 1 ? sign : 2 * x[i]);
    }
    return HNAS_OK;
}

/* Half the derivative of x^2, or sign(x), times x'. */
static hnas_status slope(struct hnas_tensor **out, struct hn_node *node)
{
    const struct norm *p = node->aux;
    hnas_tensor *x = node->in[0], *minus = NULL, *t = NULL, *below = NULL;
    hnas_status st;

    if (p->power == 2)
        return hnas_mul(out, node->tape, x, x->tangent);
    st = hn_mask(out, node->tape, x->tangent, x);
    if (st == HNAS_OK)
        st = hnas_affine(&minus, node->tape, x, -1, 0);
    if (st == HNAS_OK)
        st = hn_mask(&t, node->tape, x->tangent, minus);
    if (st == HNAS_OK)
        st = hn_tangent_add(out, node->tape,
                            hnas_affine(&below, node->tape, t, -1, 0), &below);
    hnas_tensor_unref(minus);
    hnas_tensor_unref(t);
    return st;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct norm *p = node->aux;
    hnas_tensor *s = NULL, *weighed = NULL, *sum = NULL;
    hnas_status st = slope(&s, node);

    if (st == HNAS_OK)
        st = hnas_mul(&weighed, node->tape, s, node->in[1]);
    if (st == HNAS_OK)
        st = hnas_sum(&sum, node->tape, weighed);
    if (st == HNAS_OK)
        st = hnas_affine(out, node->tape, sum, p->power, 0);
    hnas_tensor_unref(s);
    hnas_tensor_unref(weighed);
    hnas_tensor_unref(sum);
    return st;
}

static const struct hn_rule rule = {
    .name = "weighted_norm",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hnas_weighted_norm(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *x, hnas_tensor *weight,
                               int32_t power)
{
    struct hnas_tensor *in[2] = {NULL, NULL};
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight)
        return hn_fail_null(x ? x->ctx : NULL, "weighted_norm: out or weight");
    if (power != 1 && power != 2)
        return hn_fail(x->ctx, HNAS_E_RANGE,
                       "weighted_norm: power %d, want 1 or 2", (int)power);
    if (x->layout != HN_STRIDED || weight->layout != HN_STRIDED)
        return hn_fail(x->ctx, HNAS_E_UNSUPPORTED,
                       "weighted_norm: of images or convolution weights");
    if (hn_wants(weight))
        return hn_fail(x->ctx, HNAS_E_UNSUPPORTED,
                       "weighted_norm: weight wants a gradient, but is a "
                       "constant here");
    st = hn_expect_pair(in, tape, x, weight, "weighted_norm");
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = in,
            .n_in = 2,
            .aux_bytes = sizeof(struct norm),
            .layout = HN_STRIDED,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        node->want[1] = 0;
        node->active = node->want[0];
        ((struct norm *)node->aux)->power = power;
        st = hn_finish(out, node);
    }
    hnas_tensor_unref(in[0]);
    hnas_tensor_unref(in[1]);
    return st;
}
