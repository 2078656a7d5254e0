/* SPDX-License-Identifier: BSD-3-Clause */
/* Second order by finite differences (DARTS, arXiv:1806.09055, eq. 7 and 8):
 *
 *     w' = w - xi (what SGD would step on the training loss)
 *     v  = grad_w' L_val(w'),  R = 0.01 / |v|
 *     grad_u L_val(w') - xi kappa nu (grad_u L_train(w + R v)
 *                                     - grad_u L_train(w - R v)) / (2 R)
 *
 * w comes back from a copy, bit for bit, whatever happens. */
#include "bilevel/bilevel.h"

static const double radius = 0.01;

/* w = saved + step * v */
static void move(struct hnas_bilevel *b, double step)
{
    hn_copies_bring_back(&b->w_saved, b->w);
    for (int64_t i = 0; i < b->problem.n_w; i++)
        b->ctx->k.axpy(hn_real(b->w[i]), (real)step, b->v.copy[i],
                       hn_tensor_extent(b->w[i]));
}

/* u's gradient += (its gradient at w+ minus at w-) * factor. */
static hnas_status add_difference(struct hnas_bilevel *b,
                                  const struct hn_pass *train, double r,
                                  double factor)
{
    double ignored;
    hnas_status st;

    move(b, r);
    st = hn_bilevel_pass(b, train, &ignored);
    if (st != HNAS_OK)
        return st;
    hn_copies_keep_grad(&b->u_plus, b->u);
    move(b, -r);
    st = hn_bilevel_pass(b, train, &ignored);
    if (st != HNAS_OK)
        return st;
    for (int64_t i = 0; i < b->problem.n_u; i++) {
        const int64_t n = hn_tensor_extent(b->u[i]);
        real *d = hn_tensor_grad(b->u[i]);

        if (!d)
            return hn_fail_nomem(b->ctx, "second order");
        for (int64_t j = 0; j < n; j++)
            d[j] =
                (real)(factor * ((double)b->u_plus.copy[i][j] - (double)d[j]));
    }
    return HNAS_OK;
}

/* The validation pass at w', then the differences around w. */
static hnas_status at_virtual(struct hnas_bilevel *b, double lambda,
                              int32_t draw, double xi, double *value)
{
    const struct hn_pass valid = {HNAS_LOSS_VALID, 1, 1, draw, lambda};
    const struct hn_pass train = {HNAS_LOSS_TRAIN, 0, 1, draw, lambda};
    struct hn_virtual virt;
    double norm = 0;
    hnas_status st = hn_sgd_virtual(&virt, b->sgd, hn_bilevel_rate(b),
                                    b->opts.virtual_clip, NULL);

    if (st == HNAS_OK)
        st = hn_bilevel_pass(b, &valid, value);
    if (st == HNAS_OK)
        st = hn_optim_norm(&norm, b->sgd);
    if (st != HNAS_OK || norm == 0)
        return st;
    hn_copies_keep_grad(&b->v, b->w);
    hn_copies_keep_grad(&b->u_valid, b->u);
    st = add_difference(b, &train, radius / norm,
                        -xi * virt.kappa * virt.nu * norm / (2 * radius));
    for (int64_t i = 0; i < b->problem.n_u && st == HNAS_OK; i++)
        b->ctx->k.axpy(b->u[i]->grad, 1, b->u_valid.copy[i],
                       hn_tensor_extent(b->u[i]));
    return st;
}

static hnas_status reserve(struct hnas_bilevel *b)
{
    hnas_status st = HNAS_OK;

    if (b->u_valid.n)
        return HNAS_OK;
    if (!b->w_saved.n)
        st = hn_copies_init(&b->w_saved, b->ctx, b->w, b->problem.n_w);
    if (st == HNAS_OK && !b->v.n)
        st = hn_copies_init(&b->v, b->ctx, b->w, b->problem.n_w);
    if (st == HNAS_OK && !b->u_plus.n)
        st = hn_copies_init(&b->u_plus, b->ctx, b->u, b->problem.n_u);
    if (st == HNAS_OK)
        st = hn_copies_init(&b->u_valid, b->ctx, b->u, b->problem.n_u);
    return st;
}

hnas_status hn_order_second_fd(struct hnas_bilevel *b, double lambda,
                               int32_t draw, double *value)
{
    const struct hn_pass train = {HNAS_LOSS_TRAIN, 1, 0, draw, lambda};
    double ignored;
    hnas_status st = reserve(b);

    if (st == HNAS_OK)
        st = hn_bilevel_pass(b, &train, &ignored);
    if (st != HNAS_OK)
        return st;
    hn_copies_keep(&b->w_saved, b->w);
    st = at_virtual(b, lambda, draw, hn_bilevel_rate(b), value);
    hn_copies_bring_back(&b->w_saved, b->w);
    return st;
}
