/* SPDX-License-Identifier: BSD-3-Clause */
/* Average over 3x3, then batch-norm. */
#include "op/op.h"

struct state {
    int64_t channels, stride;
    hnas_norm *bn;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc)
{
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->channels = desc->channels;
    s->stride = desc->stride;
    return hnas_op_builder_norm(&s->bn, b, "bn", desc->channels);
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    hnas_tensor *y = NULL;
    hnas_status st = hnas_avg_pool_3x3(&y, tape, x, s->stride);

    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, y, s->bn);
    hnas_tensor_unref(y);
    return st;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    const struct state *s = state;
    const int64_t out = ((height + s->stride - 1) / s->stride) *
                        ((width + s->stride - 1) / s->stride);

    c->params = c->macs = 0;
    c->bytes = 4 * s->channels * 2 * out;
}

const hnas_op_table hn_op_avg_pool_3x3 = {
    .size = sizeof(hnas_op_table),
    .name = "avg_pool_3x3",
    .version = 1,
    .flags = HNAS_OP_SHARED,
    .create = create,
    .apply = apply,
    .cost = cost,
};
