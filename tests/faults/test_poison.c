/* SPDX-License-Identifier: BSD-3-Clause */
/* NaN and infinities in data, weights, lambda and a host's operation, and
 * operations that misbehave: named in the same step, and nothing moved. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hostop.h"
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

enum deed {
    BEHAVE,
    NAN_OUT,
    INF_OUT,
    OUTCOME,
    FAILURE,
    NAN_GRAD,
    OVER_OUT,
    OVER_GRAD
};

static hnas_status bad_forward(enum deed deed, const hnas_array *out)
{
    float *y = out->data;
    const int64_t end = out->dims[0] * out->strides[0];

    if (deed == NAN_OUT || deed == INF_OUT)
        y[out->strides[0]] = deed == NAN_OUT ? NAN : INFINITY;
    if (deed == OVER_OUT)
        y[end] = 1;
    return deed == OUTCOME   ? HNAS_FINISHED
           : deed == FAILURE ? HNAS_E_LIMIT
                             : HNAS_OK;
}

static hnas_status bad_backward(enum deed deed, const hnas_array *din)
{
    float *d = din->data;
    const int64_t end = din->dims[0] * din->strides[0];

    if (deed == NAN_GRAD)
        d[0] = NAN;
    if (deed == OVER_GRAD)
        d[end + 1000] = 1;
    return HNAS_OK;
}

static enum deed deed;

static hnas_status on_forward(void *user, const hnas_array *out)
{
    (void)user;
    return bad_forward(deed, out);
}

static hnas_status on_backward(void *user, const hnas_array *din)
{
    (void)user;
    return bad_backward(deed, din);
}

static void open_with_host_op(void)
{
    host_op_hooks.forward = on_forward;
    host_op_hooks.backward = on_backward;
    deed = BEHAVE;
    host_op_open(&life, NULL);
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
                 {NAN_GRAD, HNAS_E_NAN, "host_copy"},
                 {OVER_OUT, HNAS_E_OP, "host_copy: the host's func wrote "},
                 {OVER_GRAD, HNAS_E_OP, "host_copy: the host's func wrote "}};
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
    memset(&host_op_hooks, 0, sizeof host_op_hooks);
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
