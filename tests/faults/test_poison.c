/* SPDX-License-Identifier: BSD-3-Clause */
/* NaN and infinities in data, weights, lambda and a host's operation, and
 * operations that misbehave: named in the same step, and nothing moved. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check_main.h"
#include "world.h"

static struct life life;
static const float poisons[] = {NAN, INFINITY, -INFINITY};

/* ---- data, weights, lambda ---- */

static void expect_caught(uint64_t before, const char *what)
{
    const hnas_status st = life_step(&life);

    ck_assert_msg(st == HNAS_E_NAN, "%s: %s", what, hnas_status_name(st));
    ck_assert(hnas_context_message(life.ctx)[0]);
    ck_assert_msg(life_sum(&life) == before, "%s: the search moved", what);
}

static void plant(hnas_tensor *t, int64_t at, float poison, const char *what)
{
    const int64_t n = hnas_tensor_get_count(t);
    float *value = malloc((size_t)n * sizeof *value);
    float good;

    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, value, n), 0);
    good = value[at];
    value[at] = poison;
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, value, n), 0);
    expect_caught(life_sum(&life), what);
    value[at] = good;
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, value, n), 0);
    free(value);
}

static void plant_in_all(const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);

        if (hnas_params_get_kind(params, i) == HNAS_PARAM_BUFFER)
            continue;
        for (int k = 0; k < 3; k++)
            plant(t, hnas_tensor_get_count(t) / 2, poisons[k],
                  hnas_params_get_name(params, i));
    }
}

START_TEST(poison_is_caught_in_the_same_step)
{
    const int64_t n = FAULT_IMAGES * FAULT_SIDE * FAULT_SIDE;
    struct life clean;

    life_open(&clean, 1);
    ck_assert_int_eq(life_step(&clean), HNAS_OK);
    for (int k = 0; k < 3; k++)
        for (int64_t at = 0; at < n; at += n - 1)
            plant(life.batch.images, at, poisons[k], "a pixel");
    plant_in_all(hnas_supernet_get_params(life.net));
    plant_in_all(hnas_hyper_get_params(life.hyper));
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_msg(life_sum(&life) == life_sum(&clean), "other bits afterwards");
    life_close(&clean);
}
END_TEST

START_TEST(lambda_must_be_a_number)
{
    const uint64_t before = life_sum(&life);

    for (int k = 0; k < 3; k++) {
        const double lambda = poisons[k];
        hnas_arch *arch;

        ck_assert_int_eq(hnas_search_step(life.search, &life.batch, &life.batch,
                                          &lambda, 1, NULL),
                         HNAS_E_RANGE);
        ck_assert_int_lt(
            hnas_search_derive(&arch, life.search, lambda, HNAS_RULE_ARGMAX),
            0);
        ck_assert_ptr_null(arch);
    }
    ck_assert(life_sum(&life) == before);
}
END_TEST

START_TEST(poison_is_never_saved)
{
    const char *path = fault_path("search");
    const hnas_params *params = hnas_supernet_get_params(life.net);
    hnas_search *loaded;

    ck_assert_int_eq(hnas_search_save(life.search, path, NULL), HNAS_OK);
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);
        const int64_t n = hnas_tensor_get_count(t);
        float *value = malloc((size_t)n * sizeof *value), good;

        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, value, n), 0);
        good = value[n - 1];
        value[n - 1] = poisons[i % 3];
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, value, n), 0);
        ck_assert_int_eq(hnas_search_save(life.search, path, NULL), HNAS_E_NAN);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(life.ctx),
                                     hnas_params_get_name(params, i)));
        value[n - 1] = good;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, value, n), 0);
        free(value);
    }
    ck_assert_int_eq(hnas_search_load(&loaded, life.ctx, path), HNAS_OK);
    hnas_search_destroy(loaded);
    ck_assert_int_eq(fault_count_files(), 1);
}
END_TEST

/* ---- operations of a host ---- */

enum deed { BEHAVE, NAN_OUT, INF_OUT, OUTCOME, FAILURE, NAN_GRAD };

static enum deed deed;

/* y = x, and a deed. */
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
    if (deed == NAN_OUT || deed == INF_OUT)
        y[out->strides[0]] = deed == NAN_OUT ? NAN : INFINITY;
    return deed == OUTCOME   ? HNAS_FINISHED
           : deed == FAILURE ? HNAS_E_LIMIT
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
    if (deed == NAN_GRAD)
        d[0] = NAN;
    return HNAS_OK;
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

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const int64_t stride = *(int64_t *)state;
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

static void open_with_host_op(void)
{
    static const char *const ops[] = {"none", "host_pool", "sep_conv_3x3"};
    hnas_search_opts o;

    deed = BEHAVE;
    memset(&life, 0, sizeof life);
    life.hooks.left = -1;
    life_set_ops(ops, 3);
    ck_assert_int_eq(life_context(&life), HNAS_OK);
    ck_assert_int_eq(hnas_op_register(life.ctx, &op), HNAS_OK);
    ck_assert_int_eq(life_batch(&life), HNAS_OK);
    ck_assert_int_eq(life_net(&life), HNAS_OK);
    ck_assert_int_eq(life_hyper(&life), HNAS_OK);
    hnas_search_opts_init(&o, sizeof o);
    o.relax = HNAS_RELAX_SOFTMAX; /* every operation in every pass */
    ck_assert_int_eq(hnas_search_create(&life.search, life.net, life.hyper, &o),
                     HNAS_OK);
    life_set_ops(NULL, 0);
}

START_TEST(a_hostile_operation_is_named_and_moves_nothing)
{
    static const struct {
        enum deed deed;
        hnas_status want;
        const char *words;
    } cases[] = {{NAN_OUT, HNAS_E_NAN, "host_copy"},
                 {INF_OUT, HNAS_E_NAN, "host_copy"},
                 {OUTCOME, HNAS_E_OP, "host_copy"},
                 {FAILURE, HNAS_E_OP, "host_copy"},
                 {NAN_GRAD, HNAS_E_NAN, ""}};
    uint64_t want;

    life_close(&life);
    open_with_host_op();
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    want = life_sum(&life);
    life_close(&life);
    open_with_host_op();
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint64_t before = life_sum(&life);
        hnas_status st;

        deed = cases[i].deed;
        st = life_step(&life);
        deed = BEHAVE;
        ck_assert_msg(st == cases[i].want, "deed %d: %s", (int)cases[i].deed,
                      hnas_status_name(st));
        ck_assert_ptr_nonnull(
            strstr(hnas_context_message(life.ctx), cases[i].words));
        ck_assert(life_sum(&life) == before);
    }
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert(life_sum(&life) == want);
}
END_TEST

static void setup(void)
{
    life_open(&life, 1);
}

static void teardown(void)
{
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("poison");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, poison_is_caught_in_the_same_step);
    tcase_add_test(t, lambda_must_be_a_number);
    tcase_add_test(t, poison_is_never_saved);
    tcase_add_test(t, a_hostile_operation_is_named_and_moves_nothing);
    suite_add_tcase(s, t);
    return run_suite(s);
}
