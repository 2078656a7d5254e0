/* SPDX-License-Identifier: BSD-3-Clause */
/* Dilated convolution: ReLU, depthwise kxk of dilation 2, pointwise,
 * batch-norm. */
#include "op/op.h"

struct state {
    int64_t channels, stride, k;
    hnas_tensor *dw;
    struct hn_pointwise *pw;
    hnas_norm *bn;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc, int64_t k)
{
    const int64_t c = desc->channels;
    const int64_t dw[4] = {c, 1, k, k};
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->channels = c;
    s->stride = desc->stride;
    s->k = k;
    st = hnas_op_builder_weight(&s->dw, b, "dw1.weight", dw);
    if (st == HNAS_OK)
        st = hn_builder_pointwise(&s->pw, b, "pw1.weight", c, c);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&s->bn, b, "bn", c);
    return st;
}

static hnas_status create_3x3(void **out, hnas_op_builder *b,
                              const hnas_op_desc *desc)
{
    return create(out, b, desc, 3);
}

static hnas_status create_5x5(void **out, hnas_op_builder *b,
                              const hnas_op_desc *desc)
{
    return create(out, b, desc, 5);
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    hnas_conv_opts opts;
    hnas_tensor *z = NULL, *pw = NULL;
    hnas_status st = hn_pointwise_get(&pw, tape, s->pw);

    hnas_conv_opts_init(&opts, sizeof opts);
    for (int i = 0; i < 2; i++) {
        opts.pad[i] = s->k / 2 * 2;
        opts.dilation[i] = 2;
        opts.stride[i] = s->stride;
    }
    if (st == HNAS_OK)
        st = hnas_separable_conv2d(&z, tape, x, s->dw, pw, &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, s->bn);
    hnas_tensor_unref(z);
    hnas_tensor_unref(pw);
    return st;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    const struct state *s = state;
    const int64_t n_c = s->channels, weights = s->k * s->k * n_c + n_c * n_c;
    const int64_t out = ((height + s->stride - 1) / s->stride) *
                        ((width + s->stride - 1) / s->stride);

    c->params = weights;
    c->macs = weights * out;
    c->bytes = 4 * n_c * (height * width + 3 * out);
}

const hnas_op_table hn_op_dil_conv_3x3 = {
    .size = sizeof(hnas_op_table),
    .name = "dil_conv_3x3",
    .version = 1,
    .create = create_3x3,
    .apply = apply,
    .cost = cost,
};

const hnas_op_table hn_op_dil_conv_5x5 = {
    .size = sizeof(hnas_op_table),
    .name = "dil_conv_5x5",
    .version = 1,
    .create = create_5x5,
    .apply = apply,
    .cost = cost,
};
