/* SPDX-License-Identifier: BSD-3-Clause */
/* out = x weight^T + bias;  dx += dout weight, dweight += dout^T x,
 * dbias += sum over n of dout. */
#include "func/func.h"
#include "tape/image.h"

static struct hn_matrix rows_of(const real *p, int64_t n_cols)
{
    const struct hn_matrix m = {p, n_cols, 1};

    return m;
}

static struct hn_matrix columns_of(const real *p, int64_t n_cols)
{
    const struct hn_matrix m = {p, 1, n_cols};

    return m;
}

static hnas_status forward(struct hn_node *node)
{
    const int64_t n = node->out->dim[0], o = node->out->dim[1];
    const int64_t i = node->in[0]->dim[1];
    real *y = hn_real(node->out);

    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < o; c++)
            y[r * o + c] = node->n_in > 2 ? hn_real(node->in[2])[c] : 0;
    hn_gemm(node->ctx->gemm, y, o, rows_of(hn_real(node->in[0]), i),
            columns_of(hn_real(node->in[1]), i), n, o, i, 1);
    return HNAS_OK;
}

/* dweight [O][I] and dbias [O], a part a chunk of rows: a tree, so that the
 * rows may be those of several ranks. */
static void chunk_gradient(const struct hn_node *node, const real *g,
                           int64_t first, int64_t n, real *part)
{
    const int64_t o = node->out->dim[1], i = node->in[0]->dim[1];
    const real *x = hn_real(node->in[0]) + first * i;

    g += first * o;
    if (node->want[1])
        hn_gemm(node->ctx->gemm, part, i, columns_of(g, o), rows_of(x, i), o, i,
                n, 1);
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < o; c++)
            part[o * i + c] += g[r * o + c];
}

static hnas_status param_gradients(struct hn_node *node, const real *g,
                                   real *weight, real *bias)
{
    const int64_t n = node->out->dim[0], o = node->out->dim[1];
    const int64_t i = node->in[0]->dim[1], count = o * i + o;
    const int64_t size = hn_chunk_images(node->tape, n);
    const int64_t n_parts = hn_chunk_count(node->tape, n);
    const size_t bytes = (size_t)(n_parts * count) * sizeof(real);
    real *part = hn_arena_take_zero(&node->tape->arena, bytes);
    hnas_status st = HNAS_OK;

    if (!part)
        return hn_fail_nomem(node->ctx, "gradient of linear");
    for (int64_t p = 0; p < n_parts; p++)
        chunk_gradient(node, g, p * size,
                       n - p * size < size ? n - p * size : size,
                       part + p * count);
    hn_tree_sum(part, n_parts, count, count);
    if (hn_share_ranks(node->in[0]) > 1)
        st = hn_tape_all_sum_real(node->tape, part, count);
    if (weight)
        node->ctx->k.axpy(weight, 1, part, o * i);
    for (int64_t c = 0; bias && c < o; c++)
        bias[c] += part[o * i + c];
    hn_arena_give(&node->tape->arena, part, bytes);
    return st;
}

static hnas_status backward(struct hn_node *node)
{
    const int64_t n = node->out->dim[0], o = node->out->dim[1];
    const int64_t i = node->in[0]->dim[1];
    const real *g = hn_out_grad(node);
    real *d[3] = {NULL, NULL, NULL};

    for (int32_t k = 0; k < node->n_in; k++) {
        d[k] = node->want[k] ? hn_grad_whole(node->in[k]) : NULL;
        if (node->want[k] && (!d[k] || !g))
            return hn_fail_nomem(node->ctx, "gradient of linear");
    }
    if (d[0])
        hn_gemm(node->ctx->gemm, d[0], i, rows_of(g, o),
                rows_of(hn_real(node->in[1]), i), n, i, o, 1);
    return d[1] || d[2] ? param_gradients(node, g, d[1], d[2]) : HNAS_OK;
}

/* x' W^T + x W'^T + b' */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    struct hnas_tensor *const *in = node->in;
    struct hnas_tensor *bias = node->n_in > 2 ? in[2]->tangent : NULL;
    struct hnas_tensor *t = NULL, *still = NULL;
    hnas_status st = HNAS_OK;

    if (in[0]->tangent)
        st = hn_tangent_add(
            out, node->tape,
            hnas_linear(&t, node->tape, in[0]->tangent, in[1], bias), &t);
    if (st == HNAS_OK && in[1]->tangent)
        st = hn_tangent_add(out, node->tape,
                            hnas_linear(&t, node->tape, in[0], in[1]->tangent,
                                        in[0]->tangent ? NULL : bias),
                            &t);
    if (st == HNAS_OK && !*out) { /* the bias alone */
        st = hnas_affine(&still, node->tape, in[0], 0, 0);
        if (st == HNAS_OK)
            st = hnas_linear(out, node->tape, still, in[1], bias);
        hnas_tensor_unref(still);
    }
    return st;
}

static const struct hn_rule rule = {
    .name = "linear",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
    .joins_ranks = 1,
};

static hnas_status check(hnas_tensor *x, hnas_tensor *weight, hnas_tensor *bias)
{
    hnas_status st = hn_expect(x, 2, "linear: x [N, I]");

    if (st == HNAS_OK)
        st = hn_expect(weight, 2, "linear: weight [O, I]");
    if (st == HNAS_OK && bias)
        st = hn_expect(bias, 1, "linear: bias [O]");
    if (st < 0)
        return st;
    if (weight->dim[1] != x->dim[1] || (bias && bias->dim[0] != weight->dim[0]))
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "linear: x has %lld columns, weight %lld, bias must "
                       "match weight's rows",
                       (long long)x->dim[1], (long long)weight->dim[1]);
    return HNAS_OK;
}

hnas_status hnas_linear(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                        hnas_tensor *weight, hnas_tensor *bias)
{
    struct hnas_tensor *in[3] = {NULL, NULL, NULL};
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight)
        return hn_fail_null(x ? x->ctx : NULL, "linear: out or weight");
    st = check(x, weight, bias);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[0], tape, x);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[1], tape, weight);
    if (st == HNAS_OK && bias)
        st = hn_as_dense(&in[2], tape, bias);
    if (st == HNAS_OK) {
        const int64_t dims[2] = {x->dim[0], weight->dim[0]};
        const struct hn_make make = {
            .rule = &rule,
            .in = in,
            .n_in = bias ? 3 : 2,
            .layout = HN_STRIDED,
            .rank = 2,
            .dims = dims,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    for (int i = 0; i < 3; i++)
        hnas_tensor_unref(in[i]);
    return st;
}
