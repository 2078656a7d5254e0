/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of rows p = softmax(a / tau), a moving by t:
 *
 *     out = p (t - <p, t>) / tau
 *     dt += p (g - <p, g>) / tau
 *     dp += (g (t - <p, t>) - t <p, g>) / tau,  g = dout
 *
 * p may have a row an image over one t: [N, E, O] and [E, O]. */
#include "func/func.h"
#include "tape/image.h"

enum { P, T };

struct softmax {
    double tau;
};

static double inner(const real *a, const real *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static hnas_status forward(struct hn_node *node)
{
    const struct softmax *s = node->aux;
    const int64_t n_e = node->in[T]->dim[0], n_o = node->in[T]->dim[1];
    const int64_t n_rows = hnas_tensor_get_count(node->out) / n_o;

    for (int64_t i = 0; i < n_rows; i++) {
        const real *p = hn_real(node->in[P]) + i * n_o;
        const real *t = hn_real(node->in[T]) + i % n_e * n_o;
        const double mean = inner(p, t, n_o);

        for (int64_t o = 0; o < n_o; o++)
            hn_real(node->out)[i * n_o + o] =
                (real)(p[o] * (t[o] - mean) / s->tau);
    }
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct softmax *s = node->aux;
    const int64_t n_e = node->in[T]->dim[0], n_o = node->in[T]->dim[1];
    const int64_t n_rows = hnas_tensor_get_count(node->out) / n_o;
    const real *g = hn_out_grad(node);
    real *d[2] = {NULL, NULL};

    for (int i = P; i <= T; i++) {
        d[i] = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;
        if (node->want[i] && (!d[i] || !g))
            return hn_fail_nomem(node->ctx, "gradient of softmax_tangent");
    }
    for (int64_t i = 0; i < n_rows; i++, g += n_o) {
        const real *p = hn_real(node->in[P]) + i * n_o;
        const real *t = hn_real(node->in[T]) + i % n_e * n_o;
        const double pt = inner(p, t, n_o), pg = inner(p, g, n_o);

        for (int64_t o = 0; d[P] && o < n_o; o++)
            d[P][i * n_o + o] +=
                (real)((g[o] * (t[o] - pt) - t[o] * pg) / s->tau);
        for (int64_t o = 0; d[T] && o < n_o; o++)
            d[T][i % n_e * n_o + o] += (real)(p[o] * (g[o] - pg) / s->tau);
    }
    return HNAS_OK;
}

static const struct hn_rule rule = {
    .name = "softmax_tangent",
    .forward_join = forward,
    .backward_join = backward,
};

hnas_status hn_softmax_tangent(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *p, hnas_tensor *t, double tau)
{
    struct hnas_tensor *in[2] = {p, NULL};
    struct hn_node *node;
    hnas_status st = hn_as_dense(&in[T], tape, t);

    *out = NULL;
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = in,
            .n_in = 2,
            .aux_bytes = sizeof(struct softmax),
            .layout = HN_STRIDED,
            .rank = p->rank,
            .dims = p->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        ((struct softmax *)node->aux)->tau = tau;
        st = hn_finish(out, node);
    }
    hnas_tensor_unref(in[T]);
    return st;
}
