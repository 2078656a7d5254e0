/* SPDX-License-Identifier: BSD-3-Clause */
/* The mixed product by central differences (DARTS, arXiv:1806.09055, eq. 8):
 *
 *     (grad_u L_train(w + R v) - grad_u L_train(w - R v)) / (2 R),
 *     R = 0.01 / |v| */
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

hnas_status hn_product_fd(struct hnas_bilevel *b, const struct hn_pass *train,
                          double norm)
{
    const double r = radius / norm;
    double ignored;
    hnas_status st = HNAS_OK;

    if (!b->u_plus.n)
        st = hn_copies_init(&b->u_plus, b->ctx, b->u, b->problem.n_u);
    if (st != HNAS_OK)
        return st;
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
                (real)(((double)b->u_plus.copy[i][j] - (double)d[j]) / (2 * r));
    }
    return HNAS_OK;
}
