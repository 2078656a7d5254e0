/* SPDX-License-Identifier: BSD-3-Clause */
#include "hostop.h"

#include <check.h>
#include <string.h>

struct host_op_hooks host_op_hooks;

static hnas_status forward(void *user, const hnas_array *in, int32_t n_in,
                           const hnas_array *out)
{
    float *y = out->data;

    (void)user;
    (void)n_in;
    for (int64_t n = 0; n < out->dims[0]; n++)
        memcpy(y + n * out->strides[0],
               (const float *)in->data + n * in->strides[0],
               (size_t)out->strides[0] * sizeof *y);
    return host_op_hooks.forward
               ? host_op_hooks.forward(host_op_hooks.user, out)
               : HNAS_OK;
}

static hnas_status backward(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din)
{
    float *d = din->data;

    (void)user;
    (void)in;
    (void)n_in;
    if (!d)
        return HNAS_OK;
    for (int64_t i = 0; i < out->dims[0] * out->strides[0]; i++)
        d[i] += ((const float *)dout->data)[i];
    return host_op_hooks.backward
               ? host_op_hooks.backward(host_op_hooks.user, din)
               : HNAS_OK;
}

static const hnas_func_table func = {.size = sizeof func,
                                     .name = "host_copy",
                                     .forward = forward,
                                     .backward = backward};

static hnas_status create(void **state, hnas_op_builder *builder,
                          const hnas_op_desc *desc)
{
    int64_t *stride;
    const hnas_status st = hnas_op_builder_alloc(state, builder, 8);

    if (st < 0)
        return st;
    stride = *state;
    *stride = desc->stride;
    return HNAS_OK;
}

static hnas_status copy(hnas_tensor **out, hnas_tape *tape, int64_t stride,
                        hnas_tensor *x)
{
    hnas_tensor *pooled;
    hnas_array a = {.size = sizeof a};
    hnas_shape shape = {.rank = 4};
    hnas_status st = hnas_avg_pool_3x3(&pooled, tape, x, stride);

    if (st < 0)
        return st;
    st = hnas_tensor_get_array(x, &a);
    memcpy(shape.dims, a.dims, sizeof shape.dims);
    shape.dims[2] = (shape.dims[2] + stride - 1) / stride;
    shape.dims[3] = (shape.dims[3] + stride - 1) / stride;
    if (st == HNAS_OK)
        st = hnas_func_apply(out, tape, &func, &pooled, 1, &shape, NULL);
    hnas_tensor_unref(pooled);
    return st;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const hnas_status st = copy(out, tape, *(int64_t *)state, x);

    return st < 0 || !host_op_hooks.apply
               ? st
               : host_op_hooks.apply(host_op_hooks.user, tape, x);
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    (void)state;
    c->bytes = height * width;
}

static const hnas_op_table op = {.size = sizeof op,
                                 .name = "host_pool",
                                 .version = 1,
                                 .create = create,
                                 .apply = apply,
                                 .cost = cost};

void host_op_open(struct life *l, const hnas_search_opts *opts)
{
    static const char *const ops[] = {"none", "host_pool", "sep_conv_3x3"};
    hnas_search_opts soft;

    hnas_search_opts_init(&soft, sizeof soft);
    soft.relax = HNAS_RELAX_SOFTMAX;
    memset(l, 0, sizeof *l);
    l->hooks.left = -1;
    life_set_ops(ops, 3);
    ck_assert_int_eq(life_context(l), HNAS_OK);
    ck_assert_int_eq(hnas_op_register(l->ctx, &op), HNAS_OK);
    ck_assert_int_eq(life_batch(l), HNAS_OK);
    ck_assert_int_eq(life_net(l), HNAS_OK);
    ck_assert_int_eq(life_hyper(l), HNAS_OK);
    ck_assert_int_eq(
        hnas_search_create(&l->search, l->net, l->hyper, opts ? opts : &soft),
        HNAS_OK);
    life_set_ops(NULL, 0);
}
