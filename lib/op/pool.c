/* SPDX-License-Identifier: BSD-3-Clause */
/* Maximum or average over 3x3, then batch-norm. */
#include "op/op.h"

typedef hnas_status (*pool_fn)(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *x, int64_t stride);

struct state {
    pool_fn pool;
    int64_t channels, stride;
    hnas_norm *bn;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc, pool_fn pool)
{
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->pool = pool;
    s->channels = desc->channels;
    s->stride = desc->stride;
    return hnas_op_builder_norm(&s->bn, b, "bn", desc->channels);
}

static hnas_status create_max(void **out, hnas_op_builder *b,
                              const hnas_op_desc *desc)
{
    return create(out, b, desc, hnas_max_pool_3x3);
}

static hnas_status create_avg(void **out, hnas_op_builder *b,
                              const hnas_op_desc *desc)
{
    return create(out, b, desc, hnas_avg_pool_3x3);
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    hnas_tensor *y = NULL;
    hnas_status st = s->pool(&y, tape, x, s->stride);

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

const hnas_op_table hn_op_max_pool_3x3 = {
    .size = sizeof(hnas_op_table),
    .name = "max_pool_3x3",
    .version = 1,
    .flags = HNAS_OP_SHARED,
    .create = create_max,
    .apply = apply,
    .cost = cost,
};

const hnas_op_table hn_op_avg_pool_3x3 = {
    .size = sizeof(hnas_op_table),
    .name = "avg_pool_3x3",
    .version = 1,
    .flags = HNAS_OP_SHARED,
    .create = create_avg,
    .apply = apply,
    .cost = cost,
};
