/* SPDX-License-Identifier: BSD-3-Clause */
/* The identity; at stride 2 FactorizedReduce and batch-norm. */
#include "op/op.h"

struct state {
    int64_t channels, stride;
    hnas_tensor *conv[2]; /* [C - C/2, C, 1, 1], [C/2, C, 1, 1] */
    hnas_norm *bn;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc)
{
    const int64_t c = desc->channels;
    const int64_t first[4] = {c - c / 2, c, 1, 1}, rest[4] = {c / 2, c, 1, 1};
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->channels = c;
    s->stride = desc->stride;
    if (s->stride == 1)
        return HNAS_OK;
    if (c < 2)
        return hn_fail(b->ctx, HNAS_E_RANGE,
                       "skip_connect: %lld channel at stride 2, want >= 2",
                       (long long)c);
    st = hnas_op_builder_weight(&s->conv[0], b, "conv0.weight", first);
    if (st == HNAS_OK)
        st = hnas_op_builder_weight(&s->conv[1], b, "conv1.weight", rest);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&s->bn, b, "bn", c);
    return st;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    hnas_tensor *y = NULL;
    hnas_status st;

    if (s->stride == 1) {
        *out = hnas_tensor_ref(x);
        return HNAS_OK;
    }
    st = hnas_factorized_reduce(&y, tape, x, s->conv[0], s->conv[1]);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, y, s->bn);
    hnas_tensor_unref(y);
    return st;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    const struct state *s = state;
    const int64_t n_c = s->channels;
    const int64_t out = (height + 1) / 2 * ((width + 1) / 2);

    c->params = c->macs = c->bytes = 0;
    if (s->stride == 1)
        return;
    c->params = n_c * n_c;
    c->macs = n_c * n_c * out;
    /* ReLU at full size; convolutions, concatenation, batch-norm */
    c->bytes = 4 * n_c * (height * width + 3 * out);
}

const hnas_op_table hn_op_skip_connect = {
    .size = sizeof(hnas_op_table),
    .name = "skip_connect",
    .version = 1,
    .flags = HNAS_OP_IDENTITY,
    .create = create,
    .apply = apply,
    .cost = cost,
};
