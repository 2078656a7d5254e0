/* SPDX-License-Identifier: BSD-3-Clause */
/* The second order (DARTS, arXiv:1806.09055, eq. 7):
 *
 *     w' = w - xi (what SGD would step on the training loss)
 *     v  = grad_w' L_val(w')
 *     grad_u L_val(w') - xi kappa nu (d2 L_train / du dw)(w) v
 *
 * w comes back from a copy, bit for bit, whatever happens. */
#include <math.h>

#include "bilevel/bilevel.h"

static hnas_status product(struct hnas_bilevel *b, double lambda, int32_t draw,
                           double norm)
{
    const struct hn_pass train = {HNAS_LOSS_TRAIN, 0, 1, draw, lambda, NULL, 1};

    return b->opts.order == HNAS_ORDER_SECOND_FD
               ? hn_product_fd(b, &train, norm)
               : hn_product_exact(b, &train);
}

/* The validation pass at w', then the product at w. */
static hnas_status at_virtual(struct hnas_bilevel *b, double lambda,
                              int32_t draw, double xi, double *value)
{
    const struct hn_pass valid = {HNAS_LOSS_VALID, 1, 1, draw, lambda, NULL, 0};
    struct hn_virtual virt;
    double norm = 0, factor;
    hnas_status st =
        hn_sgd_virtual(&virt, b->sgd, xi, b->opts.virtual_clip, NULL);

    if (st == HNAS_OK)
        st = hn_bilevel_pass(b, &valid, value);
    if (st == HNAS_OK)
        st = hn_optim_norm(&norm, b->sgd);
    /* of a v whose inverse is infinite nothing is left in the product */
    if (st != HNAS_OK || !isfinite((real)(1 / norm)))
        return st;
    hn_copies_keep_grad(&b->v, b->w);
    hn_copies_keep_grad(&b->u_valid, b->u);
    st = product(b, lambda, draw, norm);
    factor = -xi * virt.kappa * virt.nu;
    for (int64_t i = 0; i < b->problem.n_u && st == HNAS_OK; i++) {
        real *d = hn_tensor_grad(b->u[i]);

        if (!d)
            return hn_fail_nomem(b->ctx, "second order");
        for (int64_t j = 0; j < hn_tensor_extent(b->u[i]); j++)
            d[j] = (real)(b->u_valid.copy[i][j] + factor * d[j]);
    }
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
    if (st == HNAS_OK)
        st = hn_copies_init(&b->u_valid, b->ctx, b->u, b->problem.n_u);
    return st;
}

hnas_status hn_order_second(struct hnas_bilevel *b, double lambda, int32_t draw,
                            double *value)
{
    const struct hn_pass train = {HNAS_LOSS_TRAIN, 1, 0, draw, lambda, NULL, 0};
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
