/* SPDX-License-Identifier: BSD-3-Clause */
/* ReLU, 1x7 convolution, 7x1 convolution, batch-norm; the stride is split
 * over the axes. */
#include "op/op.h"

struct state {
    int64_t channels, stride;
    hnas_tensor *conv[2];
    hnas_norm *bn;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc)
{
    const int64_t c = desc->channels;
    const int64_t across[4] = {c, c, 1, 7}, down[4] = {c, c, 7, 1};
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->channels = c;
    s->stride = desc->stride;
    st = hnas_op_builder_weight(&s->conv[0], b, "conv0.weight", across);
    if (st == HNAS_OK)
        st = hnas_op_builder_weight(&s->conv[1], b, "conv1.weight", down);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&s->bn, b, "bn", c);
    return st;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    hnas_conv_opts across, down;
    hnas_tensor *y = NULL, *z = NULL;
    hnas_status st;

    hnas_conv_opts_init(&across, sizeof across);
    across.relu = 1;
    across.pad[1] = 3;
    across.stride[1] = s->stride;
    hnas_conv_opts_init(&down, sizeof down);
    down.pad[0] = 3;
    down.stride[0] = s->stride;
    st = hnas_conv2d(&y, tape, x, s->conv[0], &across);
    if (st == HNAS_OK)
        st = hnas_conv2d(&z, tape, y, s->conv[1], &down);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, s->bn);
    hnas_tensor_unref(y);
    hnas_tensor_unref(z);
    return st;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    const struct state *s = state;
    const int64_t n_c = s->channels, w = (width + s->stride - 1) / s->stride;
    const int64_t h = (height + s->stride - 1) / s->stride;

    c->params = 14 * n_c * n_c;
    c->macs = 7 * n_c * n_c * (height * w + h * w);
    c->bytes = 4 * n_c * (height * width + height * w + 2 * h * w);
}

const hnas_op_table hn_op_conv_7x1_1x7 = {
    .size = sizeof(hnas_op_table),
    .name = "conv_7x1_1x7",
    .version = 1,
    .create = create,
    .apply = apply,
    .cost = cost,
};
