/* SPDX-License-Identifier: BSD-3-Clause */
/* The largest eigenvalue of d^2 L_valid / d alpha^2, an indicator of collapse
 * (Zela et al., arXiv:1909.09656), by the power method.
 *
 * A product is the gradient of the loss' tangent along v.  Where a func of the
 * host has no tangent, it is a central difference of gradients,
 *
 *     H v = (g(alpha + r v) - g(alpha - r v)) / (2 r),   r = radius / |v| */
#include "bilevel/hessian.h"

#include <math.h>
#include <string.h>

#include "base/fpmode.h"
#include "base/rng.h"
#include "hnas/diagnose.h"
#include "hyper/hyper.h"

/* Of differences: wide enough for the precision of a gradient; in float32 it
 * also averages over the kinks of rectifiers and pools within reach. */
static const double radius = sizeof(real) == 8 ? 1e-7 : 1e-2;

/* ---- the loss of alpha ---- */

static hnas_status make_leaf(struct hn_hessian *h, int k)
{
    struct hn_search_kind *kind = &h->search->kind[k];
    const int64_t dims[2] = {kind->n_edges, kind->n_ops};
    hnas_status st =
        hn_tensor_new(&kind->alpha, h->search->ctx, HN_STRIDED, 2, dims);

    if (st == HNAS_OK)
        st = hn_tensor_new(&h->move[k], h->search->ctx, HN_STRIDED, 2, dims);
    if (st < 0)
        return st;
    kind->alpha->wanted = 1;
    st = hnas_hyper_eval(h->at + h->n, dims[0] * dims[1], h->search->hyper,
                         kind->table, h->lambda);
    h->n += dims[0] * dims[1];
    return st;
}

hnas_status hn_hessian_open(struct hn_hessian *h, struct hnas_search *s,
                            const hnas_batch *valid, double lambda)
{
    size_t n = 0;
    hnas_status st = HNAS_OK;

    for (int k = 0; k < HNAS_N_KINDS; k++)
        n += (size_t)(s->kind[k].n_edges * s->kind[k].n_ops);
    memset(h, 0, sizeof *h);
    h->search = s;
    h->lambda = lambda;
    h->at = hn_alloc_array(&s->ctx->alloc, 2 * n, sizeof *h->at);
    s->valid = valid;
    for (int64_t i = 0; i < s->bilevel->problem.n_w; i++)
        s->w[i]->wanted = 0;
    if (!h->at)
        return hn_fail_nomem(s->ctx, "hessian");
    h->room = h->at + n;
    for (int k = 0; k < HNAS_N_KINDS && st >= 0; k++)
        if (s->kind[k].table >= 0)
            st = make_leaf(h, k);
    return st;
}

void hn_hessian_close(struct hn_hessian *h)
{
    struct hnas_search *s = h->search;

    hnas_tape_reset(s->bilevel->tape, 0);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_tensor_unref(s->kind[k].alpha);
        hnas_tensor_unref(h->move[k]);
        s->kind[k].alpha = NULL;
    }
    for (int64_t i = 0; i < s->bilevel->problem.n_w; i++)
        s->w[i]->wanted = 1;
    s->valid = NULL;
    hn_free(&s->ctx->alloc, h->at);
}

/* Put alpha = at + r v into the leaves, and v into `move`. */
static void place(struct hn_hessian *h, double r, const double *v)
{
    int64_t at = 0;

    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_tensor *alpha = h->search->kind[k].alpha;
        const int64_t n = alpha ? hnas_tensor_get_count(alpha) : 0;

        for (int64_t i = 0; i < n; i++, at++) {
            hn_real(alpha)[i] = (real)(h->at[at] + r * v[at]);
            hn_real(h->move[k])[i] = (real)v[at];
        }
    }
}

/* Record the loss at the leaves; with `moves`, its tangent along `move`. */
static hnas_status record(struct hn_hessian *h, int moves, hnas_tensor **out)
{
    struct hnas_search *s = h->search;
    const hnas_loss_request request = {HNAS_LOSS_VALID, 0, 1, 0, h->lambda,
                                       s->bilevel->step};
    hnas_tensor *leaf[HNAS_N_KINDS], *along[HNAS_N_KINDS], *loss = NULL;
    hnas_status st = hnas_tape_reset(s->bilevel->tape, 0);
    int64_t n = 0;

    for (int k = 0; k < HNAS_N_KINDS; k++)
        if (s->kind[k].alpha) {
            hnas_tensor_clear_gradient(s->kind[k].alpha);
            leaf[n] = s->kind[k].alpha;
            along[n++] = h->move[k];
        }
    if (st == HNAS_OK)
        st = hn_search_loss(s, s->bilevel->tape, &request, &loss);
    if (st == HNAS_OK && moves)
        st = hnas_tape_tangent(out, s->bilevel->tape, loss, leaf, along, n);
    else if (st == HNAS_OK)
        *out = hnas_tensor_ref(loss);
    hnas_tensor_unref(loss);
    return st;
}

/* The gradient at the leaves of the loss, or of its tangent. */
static hnas_status gradient(struct hn_hessian *h, int moves, double *out)
{
    struct hnas_search *s = h->search;
    hnas_tensor *y = NULL;
    hnas_status st = record(h, moves, &y);
    int64_t at = 0;

    if (st == HNAS_OK)
        st = hnas_tape_backward(s->bilevel->tape, y);
    hnas_tensor_unref(y);
    for (int k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        hnas_tensor *alpha = s->kind[k].alpha;
        const real *g = alpha ? hn_tensor_grad(alpha) : NULL;

        if (!alpha)
            continue;
        if (!g)
            return hn_fail_nomem(s->ctx, "hessian");
        for (int64_t i = 0; i < hnas_tensor_get_count(alpha); i++)
            out[at++] = (double)g[i];
    }
    return st;
}

/* ---- products ---- */

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static hnas_status product_by_differences(struct hn_hessian *h, double *out,
                                          const double *v)
{
    const double norm = sqrt(dot(v, v, h->n));
    const double r = norm > 0 ? radius / norm : 0;
    hnas_status st;

    place(h, r, v);
    st = gradient(h, 0, h->room);
    if (st < 0)
        return st;
    place(h, -r, v);
    st = gradient(h, 0, out);
    for (int64_t i = 0; i < h->n && st == HNAS_OK; i++)
        out[i] = r > 0 ? (h->room[i] - out[i]) / (2 * r) : 0;
    return st;
}

hnas_status hn_hessian_product(struct hn_hessian *h, double *out,
                               const double *v)
{
    hnas_status st = HNAS_E_UNSUPPORTED;

    if (!h->has_no_tangent) {
        place(h, 0, v);
        st = gradient(h, 1, out);
    }
    if (st != HNAS_E_UNSUPPORTED)
        return st;
    h->has_no_tangent = 1;
    return product_by_differences(h, out, v);
}

/* ---- the power method ---- */

/* Move v, of norm 1, towards the eigenvector of H - shift that has the largest
 * modulus; *value is its Rayleigh quotient. */
static hnas_status iterate(struct hn_hessian *h, double *v, double *product,
                           double shift, int32_t n, double *value)
{
    *value = 0;
    for (int32_t i = 0; i < n; i++) {
        hnas_status st = hn_hessian_product(h, product, v);
        double norm;

        if (st < 0)
            return st;
        for (int64_t j = 0; j < h->n; j++)
            product[j] -= shift * v[j];
        *value = dot(v, product, h->n);
        norm = sqrt(dot(product, product, h->n));
        if (!isfinite(norm))
            return hn_fail(h->search->ctx, HNAS_E_NAN,
                           "hessian: a product is not finite");
        if (norm == 0)
            break;
        for (int64_t j = 0; j < h->n; j++)
            v[j] = product[j] / norm;
    }
    return HNAS_OK;
}

static void start(const struct hn_hessian *h, double *v)
{
    const struct hn_rng rng = {h->search->seed,
                               (uint64_t)h->search->bilevel->step,
                               HN_DRAW_HESSIAN, 0};
    double norm;

    for (int64_t i = 0; i < h->n; i++)
        v[i] = hn_random_normal(&rng, (uint64_t)i);
    norm = sqrt(dot(v, v, h->n));
    for (int64_t i = 0; i < h->n; i++)
        v[i] /= norm;
}

/* Where the largest modulus belongs to a negative eigenvalue, the largest
 * eigenvalue is that of H - (it), whose eigenvalues are >= 0. */
static hnas_status find_largest(struct hn_hessian *h, int32_t n, double *value)
{
    struct hn_allocator *a = &h->search->ctx->alloc;
    double *v = hn_alloc_array(a, 2 * (size_t)h->n, sizeof *v), shift = 0;
    hnas_status st = v ? HNAS_OK : hn_fail_nomem(h->search->ctx, "hessian");

    if (st == HNAS_OK) {
        start(h, v);
        st = iterate(h, v, v + h->n, 0, n, value);
    }
    if (st == HNAS_OK && *value < 0) {
        shift = *value;
        start(h, v);
        st = iterate(h, v, v + h->n, shift, n, value);
    }
    *value += shift;
    hn_free(a, v);
    return st;
}

hnas_status hnas_search_hessian(double *largest, hnas_search *search,
                                const hnas_batch *valid, double lambda,
                                int32_t iterations)
{
    struct hn_hessian h;
    double value = 0;
    uint64_t mode;
    hnas_status st;

    if (!largest || !search)
        return hn_fail_null(search ? search->ctx : NULL,
                            "search hessian: largest");
    if (iterations < 1 || iterations > 1000)
        return hn_fail(search->ctx, HNAS_E_RANGE,
                       "hessian: %d iterations, want 1..1000", (int)iterations);
    st = hn_search_check(search, valid, lambda);
    if (st < 0)
        return st;
    mode = hn_fp_enter();
    st = hn_hessian_open(&h, search, valid, lambda);
    if (st == HNAS_OK)
        st = find_largest(&h, iterations, &value);
    hn_hessian_close(&h);
    hn_fp_leave(mode);
    if (st == HNAS_OK)
        *largest = value;
    return st;
}
