/* SPDX-License-Identifier: BSD-3-Clause */
/* Gumbel-softmax (Jang et al., arXiv:1611.01144; Maddison et al.,
 * arXiv:1611.00712), rows of p = softmax((alpha + noise) / tau); hard: the
 * one-hot argmax of alpha + noise forward, p backward (straight-through).
 * Backward as softmax; with a draw an image, dalpha sums over images. */
#include <math.h>

#include "func/func.h"
#include "tape/image.h"

enum { ALPHA, NOISE };

struct relax {
    double tau;
    int32_t hard;
    real *soft; /* p, where the output is one-hot */
};

static void soft_row(real *p, const real *a, const real *u, int64_t n,
                     double tau)
{
    double top = (double)a[0] + u[0], sum = 0;

    for (int64_t o = 1; o < n; o++)
        top = (double)a[o] + u[o] > top ? (double)a[o] + u[o] : top;
    for (int64_t o = 0; o < n; o++)
        sum += exp(((double)a[o] + u[o] - top) / tau);
    for (int64_t o = 0; o < n; o++)
        p[o] = (real)(exp(((double)a[o] + u[o] - top) / tau) / sum);
}

static void hard_row(real *y, const real *a, const real *u, int64_t n)
{
    int64_t best = 0;

    for (int64_t o = 0; o < n; o++) {
        y[o] = 0;
        if ((double)a[o] + u[o] > (double)a[best] + u[best])
            best = o;
    }
    y[best] = 1;
}

static hnas_status forward(struct hn_node *node)
{
    const struct relax *r = node->aux;
    const struct hnas_tensor *alpha = node->in[ALPHA], *y = node->out;
    const int64_t n_o = alpha->dim[1];
    const int64_t n_rows = hnas_tensor_get_count(y) / n_o;

    for (int64_t i = 0; i < n_rows; i++) {
        const real *a = hn_real(alpha) + i % alpha->dim[0] * n_o;
        const real *u = hn_real(node->in[NOISE]) + i * n_o;

        soft_row(r->soft + i * n_o, a, u, n_o, r->tau);
        if (r->hard)
            hard_row(hn_real(y) + i * n_o, a, u, n_o);
    }
    return HNAS_OK;
}

/* dalpha += the sum over images of one[n][count]. */
static hnas_status add_images(struct hn_node *node, const real *one, int64_t n,
                              int64_t count)
{
    const size_t bytes = (size_t)count * sizeof(double);
    double *sum = hn_arena_take(&node->tape->arena, bytes);
    real *d = hn_grad_whole(node->in[ALPHA]);
    hnas_status st = HNAS_OK;

    if (!sum || !d)
        return hn_fail_nomem(node->ctx, "gradient of relax_gumbel");
    hn_tree_double(sum, one, n, count, count);
    if (hn_share_ranks(node->out) > 1)
        st = hn_tape_all_sum(node->tape, sum, count);
    for (int64_t i = 0; i < count; i++)
        d[i] += (real)sum[i];
    hn_arena_give(&node->tape->arena, sum, bytes);
    return st;
}

static hnas_status backward(struct hn_node *node)
{
    const struct relax *r = node->aux;
    const int64_t n_e = node->in[ALPHA]->dim[0];
    const int64_t n_o = node->in[ALPHA]->dim[1];
    const int64_t n_rows = hnas_tensor_get_count(node->out) / n_o;
    const real *g = hn_out_grad(node), *p = r->soft;
    const size_t bytes = (size_t)(n_rows * n_o) * sizeof(real);
    real *one = hn_arena_take(&node->tape->arena, bytes), *dst = one;
    hnas_status st = HNAS_OK;

    if (!g || !one)
        return hn_fail_nomem(node->ctx, "gradient of relax_gumbel");
    for (int64_t i = 0; i < n_rows; i++, g += n_o, p += n_o, dst += n_o) {
        double s = 0;

        for (int64_t o = 0; o < n_o; o++)
            s += (double)g[o] * p[o];
        for (int64_t o = 0; o < n_o; o++)
            dst[o] = (real)(p[o] * (g[o] - s) / r->tau);
    }
    st = add_images(node, one, n_rows / n_e, n_e * n_o);
    hn_arena_give(&node->tape->arena, one, bytes);
    return st;
}

/* A straight-through argmax has a gradient by decree, but no tangent. */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct relax *r = node->aux;

    if (r->hard)
        return hn_fail(node->ctx, HNAS_E_UNSUPPORTED,
                       "relax_gumbel: hard gates have no tangent in alpha");
    return hn_softmax_tangent(out, node->tape, node->out,
                              node->in[ALPHA]->tangent, r->tau);
}

static const struct hn_rule rule = {
    .name = "relax_gumbel",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
    .joins_ranks = 1,
};

static hnas_status check(hnas_tensor *alpha, hnas_tensor *noise, double tau)
{
    const int32_t shift = noise->rank == 3;
    hnas_status st = hn_expect(alpha, 2, "relax_gumbel: alpha [E, O]");

    if (st == HNAS_OK)
        st = hn_expect(noise, shift ? 3 : 2, "relax_gumbel: noise [E, O]");
    if (st < 0)
        return st;
    if (noise->dim[shift] != alpha->dim[0] ||
        noise->dim[1 + shift] != alpha->dim[1])
        return hn_fail(alpha->ctx, HNAS_E_SHAPE,
                       "relax_gumbel: noise of %lld x %lld, want %lld x %lld",
                       (long long)noise->dim[shift],
                       (long long)noise->dim[1 + shift],
                       (long long)alpha->dim[0], (long long)alpha->dim[1]);
    if (!(tau >= 1e-4 && tau <= 1e4))
        return hn_fail(alpha->ctx, HNAS_E_RANGE, "tau: %g, want 1e-4..1e4",
                       tau);
    return HNAS_OK;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[2], double tau,
                          int32_t hard)
{
    const struct hnas_tensor *noise = in[NOISE];
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = 2,
        .aux_bytes = sizeof(struct relax),
        .layout = HN_STRIDED,
        .rank = noise->rank,
        .dims = noise->dim,
    };
    struct hn_node *node;
    struct relax *r;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->want[NOISE] = 0;
    node->out->record->is_share = noise->rank == 3; /* a draw an image */
    node->active = node->want[ALPHA];
    r = node->aux;
    r->tau = tau;
    r->hard = hard;
    r->soft = hn_real(node->out);
    if (hard) {
        const size_t n = (size_t)hnas_tensor_get_count(node->out);

        r->soft = hn_tape_take(node->tape, n * sizeof(real));
        if (!r->soft)
            return hn_abandon(node, hn_fail_nomem(node->ctx, "relax_gumbel"));
    }
    return hn_finish(out, node);
}

hnas_status hnas_relax_gumbel(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *alpha, hnas_tensor *noise,
                              double tau, int32_t hard)
{
    struct hnas_tensor *in[2] = {NULL, NULL};
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !alpha || !noise)
        return hn_fail_null(alpha ? alpha->ctx : NULL,
                            "relax_gumbel: out or noise");
    st = check(alpha, noise, tau);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[ALPHA], tape, alpha);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[NOISE], tape, noise);
    if (st == HNAS_OK)
        st = record(out, tape, in, tau, hard);
    hnas_tensor_unref(in[ALPHA]);
    hnas_tensor_unref(in[NOISE]);
    return st;
}
