/* SPDX-License-Identifier: BSD-3-Clause */
/* out = mean over n of -sum_k q[n][k] log p[n][k], p = softmax(logits);
 * q = (1 - e) onehot(label) + e / K, e the smoothing;
 * dlogits += dout (p - q) / N. */
#include <math.h>

#include "func/func.h"
#include "tape/image.h"

struct entropy {
    double *p;    /* [N][K] */
    double *loss; /* [N] */
    double smoothing;
};

static int32_t label_at(const struct hnas_tensor *labels, int64_t n)
{
    return ((const int32_t *)labels->data)[n * labels->stride[0]];
}

double hn_softmax_row(double *p, const real *x, int64_t n)
{
    double top = x[0], sum = 0;

    for (int64_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < n; i++)
        sum += p[i] = exp(x[i] - top);
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum;
    return top + log(sum);
}

/* p of one row; returns -sum q log p. */
static double entropy_row(double *p, const real *x, int64_t n, int32_t label,
                          double smoothing)
{
    const double log_sum = hn_softmax_row(p, x, n);
    double all = 0;

    if (smoothing == 0)
        return log_sum - x[label];
    for (int64_t i = 0; i < n; i++)
        all += x[i];
    return log_sum - (1 - smoothing) * x[label] - smoothing * all / (double)n;
}

/* The sum, in place, as hn_tree_sum has it. */
static double tree(double *x, int64_t n)
{
    for (int64_t gap = 1; gap < n; gap *= 2)
        for (int64_t i = 0; i + gap < n; i += 2 * gap)
            x[i] += x[i + gap];
    return x[0];
}

/* Images of the whole batch. */
static int64_t count_rows(const struct hn_node *node)
{
    return node->in[0]->dim[0] * hn_share_ranks(node->in[0]);
}

static hnas_status forward(struct hn_node *node)
{
    const struct entropy *e = node->aux;
    const int64_t n = node->in[0]->dim[0], k = node->in[0]->dim[1];
    double sum;
    hnas_status st;

    for (int64_t i = 0; i < n; i++) {
        const int32_t label = label_at(node->in[1], i);

        if (label < 0 || label >= k)
            return hn_fail(node->ctx, HNAS_E_RANGE,
                           "cross_entropy: label %d of image %lld, want "
                           "0..%lld",
                           (int)label, (long long)i, (long long)k - 1);
        e->loss[i] = entropy_row(e->p + i * k, hn_real(node->in[0]) + i * k, k,
                                 label, e->smoothing);
    }
    sum = tree(e->loss, n);
    st = hn_tape_all_sum(node->tape, &sum, hn_share_ranks(node->in[0]) > 1);
    hn_real(node->out)[0] = (real)(sum / (double)count_rows(node));
    return st;
}

static hnas_status backward(struct hn_node *node)
{
    const struct entropy *e = node->aux;
    const int64_t n = node->in[0]->dim[0], k = node->in[0]->dim[1];
    const double on = 1 - e->smoothing, off = e->smoothing / (double)k;
    const real *g = hn_out_grad(node);
    const double n_rows = (double)count_rows(node);
    real *d = hn_grad_whole(node->in[0]);

    if (!g || !d)
        return hn_fail_nomem(node->ctx, "gradient of cross_entropy");
    for (int64_t i = 0; i < n; i++) {
        const int32_t label = label_at(node->in[1], i);

        for (int64_t j = 0; j < k; j++)
            d[i * k + j] +=
                (real)(g[0] * (e->p[i * k + j] - (j == label) * on - off) /
                       n_rows);
    }
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct entropy *e = node->aux;

    return hn_cross_entropy_tangent(out, node->tape, node->in[0],
                                    node->in[0]->tangent, node->in[1],
                                    e->smoothing);
}

static const struct hn_rule rule = {
    .name = "cross_entropy",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
    .joins_ranks = 1,
};

static hnas_status check(hnas_tensor *logits, hnas_tensor *labels)
{
    hnas_status st = hn_expect(logits, 2, "cross_entropy: logits [N, K]");
    char text[96];

    if (st < 0)
        return st;
    if (labels->dtype != HNAS_INT32)
        return hn_fail(logits->ctx, HNAS_E_TYPE,
                       "cross_entropy: labels of type %d, want HNAS_INT32",
                       (int)labels->dtype);
    if (labels->rank != 1 || labels->dim[0] != logits->dim[0])
        return hn_fail(logits->ctx, HNAS_E_SHAPE,
                       "cross_entropy: labels %s, want [%lld], one a row of "
                       "logits",
                       hn_shape_text(text, labels), (long long)logits->dim[0]);
    return HNAS_OK;
}

hnas_status hn_cross_entropy(hnas_tensor **out, hnas_tape *tape,
                             hnas_tensor *logits, hnas_tensor *labels,
                             double smoothing)
{
    struct hnas_tensor *in[2] = {NULL, labels};
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !logits || !labels)
        return hn_fail_null(logits ? logits->ctx : NULL,
                            "cross_entropy: out or labels");
    st = check(logits, labels);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[0], tape, logits);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = in,
            .n_in = 2,
            .aux_bytes = sizeof(struct entropy),
            .layout = HN_STRIDED,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        struct entropy *e = node->aux;

        e->smoothing = smoothing;
        e->p = hn_tape_take(node->tape, (size_t)hnas_tensor_get_count(logits) *
                                            sizeof *e->p);
        e->loss =
            hn_tape_take(node->tape, (size_t)logits->dim[0] * sizeof *e->loss);
        node->out->record->is_share = 0;
        st = e->p && e->loss
                 ? hn_finish(out, node)
                 : hn_abandon(node, hn_fail_nomem(node->ctx, "cross_entropy"));
    }
    hnas_tensor_unref(in[0]);
    return st;
}

hnas_status hnas_cross_entropy(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *logits, hnas_tensor *labels)
{
    return hn_cross_entropy(out, tape, logits, labels, 0);
}
