/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance suite over the bundled operations and over a host's own:
 * one composed of funcs, one with a backward of its own. */
#include "conformance.h"
#include "support/check_main.h"
#include "support/gradcheck.h"

/* Each bundled one by name: a new one needs a line here. */
#define BUNDLED(name)                                                          \
    START_TEST(name##_conforms)                                                \
    {                                                                          \
        conformance(#name, NULL);                                              \
    }                                                                          \
    END_TEST

BUNDLED(none)
BUNDLED(max_pool_3x3)
BUNDLED(avg_pool_3x3)
BUNDLED(skip_connect)
BUNDLED(sep_conv_3x3)
BUNDLED(sep_conv_5x5)
BUNDLED(sep_conv_7x7)
BUNDLED(dil_conv_3x3)
BUNDLED(dil_conv_5x5)
BUNDLED(conv_7x1_1x7)

START_TEST(these_are_all_bundled_operations)
{
    hnas_context *ctx;

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_op_get_count(ctx), 10);
    hnas_context_destroy(ctx);
}
END_TEST

/* ---- composed of funcs: relu, 1x1 convolution, batch-norm ---- */

struct composed {
    int64_t channels, stride;
    hnas_tensor *weight;
    hnas_norm *norm;
};

static hnas_status composed_create(void **out, hnas_op_builder *builder,
                                   const hnas_op_desc *desc)
{
    const int64_t dims[4] = {desc->channels, desc->channels, 1, 1};
    struct composed *s;
    hnas_status st = hnas_op_builder_alloc(out, builder, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->channels = desc->channels;
    s->stride = desc->stride;
    st = hnas_op_builder_weight(&s->weight, builder, "weight", dims);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&s->norm, builder, "bn", desc->channels);
    return st;
}

static hnas_status composed_apply(hnas_tensor **out, hnas_tape *tape,
                                  void *state, hnas_tensor *x)
{
    const struct composed *s = state;
    hnas_tensor *z = NULL;
    hnas_conv_opts o;
    hnas_status st;

    hnas_conv_opts_init(&o, sizeof o);
    o.stride[0] = o.stride[1] = s->stride;
    o.relu = 1;
    st = hnas_conv2d(&z, tape, x, s->weight, &o);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, s->norm);
    hnas_tensor_unref(z);
    return st;
}

static void composed_cost(const void *state, int64_t height, int64_t width,
                          hnas_cost *cost)
{
    const struct composed *s = state;
    const int64_t out = ((height + s->stride - 1) / s->stride) *
                        ((width + s->stride - 1) / s->stride);

    cost->params = s->channels * s->channels;
    cost->macs = cost->params * out;
    cost->bytes = 8 * s->channels * out;
}

static const hnas_op_table composed = {.size = sizeof composed,
                                       .name = "host_conv_1x1",
                                       .version = 1,
                                       .create = composed_create,
                                       .apply = composed_apply,
                                       .cost = composed_cost};

START_TEST(a_composed_operation_of_a_host_conforms)
{
    conformance("host_conv_1x1", &composed);
}
END_TEST

/* ---- with its own backward: y = x^3 / 3 at every stride-th pixel ---- */

#ifdef HN_REAL_DOUBLE
typedef double element;
#else
typedef float element;
#endif

static int n_made, n_destroyed;

static hnas_status cube_create(void **out, hnas_op_builder *builder,
                               const hnas_op_desc *desc)
{
    int64_t *stride = malloc(sizeof *stride);

    (void)builder;
    if (!stride)
        return HNAS_E_NOMEM;
    *stride = desc->stride;
    *out = stride;
    n_made++;
    return HNAS_OK;
}

static void cube_destroy(void *state)
{
    n_destroyed++;
    free(state);
}

static element *at(const hnas_array *a, const int64_t i[4])
{
    return (element *)a->data + i[0] * a->strides[0] + i[1] * a->strides[1] +
           i[2] * a->strides[2] + i[3] * a->strides[3];
}

/* Visit all outputs: y from x, or dx from dy. */
static void cube_visit(int64_t stride, const hnas_array *x, const hnas_array *y,
                       const hnas_array *dx)
{
    int64_t i[4];

    for (i[0] = 0; i[0] < y->dims[0]; i[0]++)
        for (i[1] = 0; i[1] < y->dims[1]; i[1]++)
            for (i[2] = 0; i[2] < y->dims[2]; i[2]++)
                for (i[3] = 0; i[3] < y->dims[3]; i[3]++) {
                    const int64_t from[4] = {i[0], i[1], i[2] * stride,
                                             i[3] * stride};
                    const element v = *at(x, from);

                    if (dx)
                        *at(dx, from) += v * v * *at(y, i);
                    else
                        *at(y, i) = v * v * v / 3;
                }
}

static hnas_status cube_forward(void *user, const hnas_array *in, int32_t n_in,
                                const hnas_array *out)
{
    (void)n_in;
    cube_visit(*(int64_t *)user, &in[0], out, NULL);
    return HNAS_OK;
}

static hnas_status cube_backward(void *user, const hnas_array *in, int32_t n_in,
                                 const hnas_array *out, const hnas_array *dout,
                                 const hnas_array *din)
{
    (void)n_in;
    (void)out;
    cube_visit(*(int64_t *)user, &in[0], dout, &din[0]);
    return HNAS_OK;
}

static const hnas_func_table cube_func = {sizeof cube_func, "cube",
                                          cube_forward, cube_backward, NULL};

static hnas_status cube_apply(hnas_tensor **out, hnas_tape *tape, void *state,
                              hnas_tensor *x)
{
    const int64_t s = *(int64_t *)state;
    hnas_shape shape = {4, {0}};
    hnas_array a;
    hnas_status st = hnas_tensor_get_array(x, &a);

    if (st < 0)
        return st;
    for (int i = 0; i < 4; i++)
        shape.dims[i] = i < 2 ? a.dims[i] : (a.dims[i] + s - 1) / s;
    return hnas_func_apply(out, tape, &cube_func, &x, 1, &shape, state);
}

static void cube_cost(const void *state, int64_t height, int64_t width,
                      hnas_cost *cost)
{
    (void)state;
    cost->bytes = 4 * height * width;
}

static const hnas_op_table cube = {.size = sizeof cube,
                                   .name = "host_cube",
                                   .version = 1,
                                   .flags = HNAS_OP_SHARED,
                                   .create = cube_create,
                                   .destroy = cube_destroy,
                                   .apply = cube_apply,
                                   .cost = cube_cost};

START_TEST(an_operation_with_its_own_backward_conforms)
{
    n_made = n_destroyed = 0;
    conformance("host_cube", &cube);
    ck_assert_int_gt(n_made, 10);
    ck_assert_int_eq(n_made, n_destroyed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("op");
    TCase *t = tcase_create("conformance");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, none_conforms);
    tcase_add_test(t, max_pool_3x3_conforms);
    tcase_add_test(t, avg_pool_3x3_conforms);
    tcase_add_test(t, skip_connect_conforms);
    tcase_add_test(t, sep_conv_3x3_conforms);
    tcase_add_test(t, sep_conv_5x5_conforms);
    tcase_add_test(t, sep_conv_7x7_conforms);
    tcase_add_test(t, dil_conv_3x3_conforms);
    tcase_add_test(t, dil_conv_5x5_conforms);
    tcase_add_test(t, conv_7x1_1x7_conforms);
    tcase_add_test(t, these_are_all_bundled_operations);
    tcase_add_test(t, a_composed_operation_of_a_host_conforms);
    tcase_add_test(t, an_operation_with_its_own_backward_conforms);
    suite_add_tcase(s, t);
    return run_suite(s);
}
