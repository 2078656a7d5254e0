/* SPDX-License-Identifier: BSD-3-Clause */
/* First order: grad_u L_val(w, alpha). */
#include "bilevel/bilevel.h"

hnas_status hn_order_first(struct hnas_bilevel *b, double lambda, int32_t draw,
                           double *value)
{
    const struct hn_pass pass = {HNAS_LOSS_VALID, 0, 1, draw, lambda, NULL, 0};

    return hn_bilevel_pass(b, &pass, value);
}
