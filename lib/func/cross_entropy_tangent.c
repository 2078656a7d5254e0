/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of the mean cross-entropy, l moving by t, p = softmax(l):
 *
 *     out = mean over n of sum_k (p - q)[n][k] t[n][k]
 *     dt += dout (p - q) / N,  dl += dout p (t - <p, t>) / N */
#include <math.h>

#include "func/func.h"
#include "tape/image.h"

enum { LOGITS, TANGENT, LABELS };

struct entropy {
    double *p;  /* [N][K] */
    real *sums; /* [N]: of k */
    double smoothing;
};

/* q of an image. */
static double target(const struct hn_node *node, int64_t n, int64_t k)
{
    const struct entropy *e = node->aux;
    const struct hnas_tensor *labels = node->in[LABELS];
    const int32_t label =
        ((const int32_t *)labels->data)[n * labels->stride[0]];
    const double off = e->smoothing / (double)node->in[LOGITS]->dim[1];

    return k == label ? 1 - e->smoothing + off : off;
}

/* p's mean of t. */
static double mean_tangent(const double *p, const real *t, int64_t n)
{
    double sum = 0;

    for (int64_t k = 0; k < n; k++)
        sum += p[k] * t[k];
    return sum;
}

/* Images of the whole batch. */
static double count_rows(const struct hn_node *node)
{
    const struct hnas_tensor *logits = node->in[LOGITS];

    return (double)(logits->dim[0] * hn_share_ranks(logits));
}

static hnas_status forward(struct hn_node *node)
{
    const struct entropy *e = node->aux;
    const int64_t n = node->in[LOGITS]->dim[0], n_k = node->in[LOGITS]->dim[1];
    double sum;
    hnas_status st;

    for (int64_t i = 0; i < n; i++) {
        const real *t = hn_real(node->in[TANGENT]) + i * n_k;
        double *p = e->p + i * n_k, of_image = 0;

        hn_softmax_row(p, hn_real(node->in[LOGITS]) + i * n_k, n_k);
        for (int64_t k = 0; k < n_k; k++)
            of_image += (p[k] - target(node, i, k)) * t[k];
        e->sums[i] = (real)of_image;
    }
    hn_tree_double(&sum, e->sums, n, 1, 1);
    st = hn_tape_all_sum(node->tape, &sum, hn_share_ranks(node->in[0]) > 1);
    hn_real(node->out)[0] = (real)(sum / count_rows(node));
    return st;
}

static hnas_status backward(struct hn_node *node)
{
    const struct entropy *e = node->aux;
    const int64_t n = node->in[LOGITS]->dim[0], n_k = node->in[LOGITS]->dim[1];
    const double n_rows = count_rows(node);
    const real *g = hn_out_grad(node);
    real *d[2] = {NULL, NULL};

    for (int i = LOGITS; i <= TANGENT; i++) {
        d[i] = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;
        if (node->want[i] && (!d[i] || !g))
            return hn_fail_nomem(node->ctx, "gradient of cross_entropy");
    }
    for (int64_t i = 0; i < n; i++) {
        const real *t = hn_real(node->in[TANGENT]) + i * n_k;
        const double *p = e->p + i * n_k, mean = mean_tangent(p, t, n_k);

        for (int64_t k = 0; k < n_k; k++) {
            if (d[LOGITS])
                d[LOGITS][i * n_k + k] +=
                    (real)(g[0] * p[k] * (t[k] - mean) / n_rows);
            if (d[TANGENT])
                d[TANGENT][i * n_k + k] +=
                    (real)(g[0] * (p[k] - target(node, i, k)) / n_rows);
        }
    }
    return HNAS_OK;
}

static const struct hn_rule rule = {
    .name = "cross_entropy_tangent",
    .forward_join = forward,
    .backward_join = backward,
    .joins_ranks = 1,
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[3], double smoothing)
{
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = 3,
        .aux_bytes = sizeof(struct entropy),
        .layout = HN_STRIDED,
    };
    struct hn_node *node;
    struct entropy *e;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    e = node->aux;
    e->smoothing = smoothing;
    e->p = hn_tape_take(node->tape, (size_t)hnas_tensor_get_count(in[LOGITS]) *
                                        sizeof *e->p);
    e->sums =
        hn_tape_take(node->tape, (size_t)in[LOGITS]->dim[0] * sizeof *e->sums);
    node->out->record->is_share = 0;
    return e->p && e->sums
               ? hn_finish(out, node)
               : hn_abandon(node, hn_fail_nomem(node->ctx, "cross_entropy"));
}

hnas_status hn_cross_entropy_tangent(hnas_tensor **out, hnas_tape *tape,
                                     hnas_tensor *logits, hnas_tensor *tangent,
                                     hnas_tensor *labels, double smoothing)
{
    struct hnas_tensor *in[3] = {NULL, NULL, labels};
    hnas_status st = hn_as_dense(&in[LOGITS], tape, logits);

    *out = NULL;
    if (st == HNAS_OK)
        st = hn_as_dense(&in[TANGENT], tape, tangent);
    if (st == HNAS_OK)
        st = record(out, tape, in, smoothing);
    hnas_tensor_unref(in[LOGITS]);
    hnas_tensor_unref(in[TANGENT]);
    return st;
}
