/* SPDX-License-Identifier: BSD-3-Clause */
/* Separable convolution: (ReLU, depthwise kxk, pointwise, batch-norm) twice,
 * the stride in the first half. */
#include "op/op.h"

struct state {
    int64_t channels, stride, k;
    hnas_tensor *dw[2];
    struct hn_pointwise *pw[2];
    hnas_norm *bn[2];
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc, int64_t k)
{
    static const char *const names[2][3] = {
        {"dw1.weight", "pw1.weight", "bn1"},
        {"dw2.weight", "pw2.weight", "bn2"},
    };
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
    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        st = hnas_op_builder_weight(&s->dw[i], b, names[i][0], dw);
        if (st == HNAS_OK)
            st = hn_builder_pointwise(&s->pw[i], b, names[i][1], c, c);
        if (st == HNAS_OK)
            st = hnas_op_builder_norm(&s->bn[i], b, names[i][2], c);
    }
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

static hnas_status create_7x7(void **out, hnas_op_builder *b,
                              const hnas_op_desc *desc)
{
    return create(out, b, desc, 7);
}

static hnas_status half(hnas_tensor **out, hnas_tape *tape,
                        const struct state *s, int i, hnas_tensor *x)
{
    hnas_conv_opts opts;
    hnas_tensor *z = NULL, *pw = NULL;
    hnas_status st = hn_pointwise_get(&pw, tape, s->pw[i]);

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.pad[0] = opts.pad[1] = s->k / 2;
    opts.stride[0] = opts.stride[1] = i == 0 ? s->stride : 1;
    if (st == HNAS_OK)
        st = hnas_separable_conv2d(&z, tape, x, s->dw[i], pw, &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, s->bn[i]);
    hnas_tensor_unref(z);
    hnas_tensor_unref(pw);
    return st;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    hnas_tensor *middle = NULL;
    hnas_status st = half(&middle, tape, state, 0, x);

    if (st == HNAS_OK)
        st = half(out, tape, state, 1, middle);
    hnas_tensor_unref(middle);
    return st;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    const struct state *s = state;
    const int64_t n_c = s->channels, weights = s->k * s->k * n_c + n_c * n_c;
    const int64_t out = ((height + s->stride - 1) / s->stride) *
                        ((width + s->stride - 1) / s->stride);

    c->params = 2 * weights;
    c->macs = 2 * weights * out;
    c->bytes = 4 * n_c * (height * width + 7 * out);
}

const hnas_op_table hn_op_sep_conv_3x3 = {
    .size = sizeof(hnas_op_table),
    .name = "sep_conv_3x3",
    .version = 1,
    .create = create_3x3,
    .apply = apply,
    .cost = cost,
};

const hnas_op_table hn_op_sep_conv_5x5 = {
    .size = sizeof(hnas_op_table),
    .name = "sep_conv_5x5",
    .version = 1,
    .create = create_5x5,
    .apply = apply,
    .cost = cost,
};

const hnas_op_table hn_op_sep_conv_7x7 = {
    .size = sizeof(hnas_op_table),
    .name = "sep_conv_7x7",
    .version = 1,
    .create = create_7x7,
    .apply = apply,
    .cost = cost,
};
