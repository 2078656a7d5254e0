/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights and statistics of another network, by name. */
#include <string.h>

#include "model/model.h"

/* What a supernet does not have. */
static int is_optional(const struct hn_param *e)
{
    const int is_cell = !strncmp(e->name, "cells.", 6);

    return !strncmp(e->name, "auxiliary.", 10) ||
           (is_cell && e->kind == HNAS_PARAM_WEIGHT && e->tensor->rank == 1);
}

static hnas_status check(const struct hn_param *e, const hnas_params *from)
{
    struct hnas_context *ctx = e->tensor->ctx;
    const struct hn_param *source = hn_params_find(from, e->name);
    hnas_tensor *t = source ? source->tensor : NULL;
    char want[96], got[96];

    if (!t && is_optional(e))
        return HNAS_OK;
    if (!t)
        return hn_fail(ctx, HNAS_E_NAME, "inherit: no tensor %.200s", e->name);
    if (t->dtype != HN_REAL || !t->data)
        return hn_fail(ctx, HNAS_E_TYPE, "inherit: %.200s of type %d", e->name,
                       (int)t->dtype);
    if (!hn_same_shape(t, e->tensor))
        return hn_fail(ctx, HNAS_E_SHAPE, "inherit: %.200s %s, want %s",
                       e->name, hn_shape_text(got, t),
                       hn_shape_text(want, e->tensor));
    return HNAS_OK;
}

static void copy(hnas_tensor *to, const hnas_tensor *from)
{
    const int64_t *n = to->dim, *d = to->stride, *s = from->stride;

    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t k = 0; k < n[2]; k++)
                for (int64_t l = 0; l < n[3]; l++)
                    hn_real(to)[i * d[0] + j * d[1] + k * d[2] + l * d[3]] =
                        hn_real(
                            from)[i * s[0] + j * s[1] + k * s[2] + l * s[3]];
}

hnas_status hnas_model_inherit(hnas_model *model, const hnas_params *from)
{
    hnas_status st;

    if (!model || !from)
        return hn_fail_null(model ? model->ctx : NULL, "model inherit: from");
    st = hn_expect_idle(model->ctx, "hnas_model_inherit");
    for (int64_t i = 0; i < model->params.n && st == HNAS_OK; i++)
        st = check(&model->params.entry[i], from);
    if (st < 0)
        return st;
    for (int64_t i = 0; i < model->params.n; i++) {
        const struct hn_param *e = &model->params.entry[i];
        const struct hn_param *source = hn_params_find(from, e->name);

        if (source)
            copy(e->tensor, source->tensor);
    }
    hn_training_average_anew(model);
    model->is_calibrated = 0;
    return HNAS_OK;
}
