/* SPDX-License-Identifier: BSD-3-Clause */
/* Adam against the formulas of torch.optim.Adam, written out in double. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optim.h"
#include "support/check_main.h"

enum { N = 37, STEPS = 20 };

static struct hnas_context *ctx;
static hnas_tensor *param;
static double w[N], m[N], v[N];

static double random_unit(void)
{
    return 2.0 * rand() / RAND_MAX - 1;
}

static void setup(void)
{
    const int64_t dims[1] = {N};

    srand(5);
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hn_tensor_new(&param, ctx, HN_STRIDED, 1, dims), 0);
    for (int i = 0; i < N; i++) {
        w[i] = random_unit();
        m[i] = v[i] = 0;
    }
    hnas_tensor_set(param, HNAS_FLOAT64, w, N);
}

static void teardown(void)
{
    hnas_tensor_unref(param);
    hn_context_close(ctx);
}

static hnas_optim *make(const hnas_adam_opts *o)
{
    hnas_optim *optim;

    ck_assert_int_eq(hnas_adam_create(&optim, ctx, &param, 1, o), HNAS_OK);
    return optim;
}

static void oracle_step(const hnas_adam_opts *o, const double *grad,
                        double rate, int t)
{
    for (int i = 0; i < N; i++) {
        const double g = grad[i] + o->weight_decay * w[i];

        m[i] = o->beta1 * m[i] + (1 - o->beta1) * g;
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * g * g;
        w[i] -= rate * (m[i] / (1 - pow(o->beta1, t))) /
                (sqrt(v[i] / (1 - pow(o->beta2, t))) + o->epsilon);
    }
}

START_TEST(adam_steps_equal_the_formulas_of_torch)
{
    const double betas[] = {0.5, 0.9, 0};

    for (int k = 0; k < 3; k++) {
        hnas_adam_opts o;
        hnas_optim *optim;

        teardown();
        setup();
        hnas_adam_opts_init(&o, sizeof o);
        o.beta1 = betas[k];
        o.weight_decay = k == 1 ? 0.1 : 1e-3;
        optim = make(&o);
        for (int s = 1; s <= STEPS; s++) {
            double grad[N], got[N];

            for (int i = 0; i < N; i++) {
                grad[i] = random_unit();
                hn_tensor_grad(param)[i] = (real)grad[i];
            }
            oracle_step(&o, grad, 0.02, s);
            ck_assert_int_eq(hnas_optim_step(optim, 0.02), HNAS_OK);
            hnas_tensor_get(param, HNAS_FLOAT64, got, N);
            for (int i = 0; i < N; i++)
                ck_assert_double_eq_tol(got[i], w[i], 1e-5);
        }
        ck_assert_int_eq(hnas_optim_get_steps(optim), STEPS);
        hnas_optim_destroy(optim);
    }
}
END_TEST

START_TEST(the_first_step_moves_by_the_rate)
{
    hnas_adam_opts o;
    hnas_optim *optim;
    double got[N];

    hnas_adam_opts_init(&o, sizeof o);
    o.weight_decay = 0;
    optim = make(&o);
    for (int i = 0; i < N; i++)
        hn_tensor_grad(param)[i] = i % 2 ? 1 : -3;
    ck_assert_int_eq(hnas_optim_step(optim, 0.25), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, got, N);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq_tol(got[i], w[i] + (i % 2 ? -0.25 : 0.25), 1e-6);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(a_missing_gradient_without_decay_moves_nothing)
{
    hnas_adam_opts o;
    hnas_optim *optim;
    double before[N], after[N];

    hnas_adam_opts_init(&o, sizeof o);
    o.weight_decay = 0;
    optim = make(&o);
    hnas_tensor_get(param, HNAS_FLOAT64, before, N);
    ck_assert_int_eq(hnas_optim_step(optim, 1), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, after, N);
    ck_assert_mem_eq(before, after, sizeof before);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(a_gradient_that_is_no_number_changes_nothing)
{
    hnas_optim *optim = make(NULL);
    double before[N], after[N];

    hnas_tensor_get(param, HNAS_FLOAT64, before, N);
    hn_tensor_grad(param)[N - 1] = (real)NAN;
    ck_assert_int_eq(hnas_optim_step(optim, 1), HNAS_E_NAN);
    hnas_tensor_get(param, HNAS_FLOAT64, after, N);
    ck_assert_mem_eq(before, after, sizeof before);
    hnas_tensor_get(hn_optim_get_state(optim, 1, 0), HNAS_FLOAT64, after, N);
    for (int i = 0; i < N; i++)
        ck_assert(after[i] == 0);
    ck_assert_int_eq(hnas_optim_get_steps(optim), 0);
    hnas_optim_destroy(optim);
}
END_TEST

/* The square of a gradient, or the step, may be too large for a number. */
START_TEST(a_step_that_would_leave_no_number_changes_nothing)
{
    const double rate[] = {0.1, (double)HN_REAL_MAX};
    const double large[] = {sizeof(real) == 4 ? 1e25 : 1e160, 1};
    hnas_optim *optim = make(NULL);
    double before[N], after[N];

    hnas_tensor_get(param, HNAS_FLOAT64, before, N);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < N; i++)
            hn_tensor_grad(param)[i] = -1;
        hn_tensor_grad(param)[N - 1] = (real)-large[k];
        hn_real(param)[0] = HN_REAL_MAX / (k ? 1 : HN_REAL_MAX);
        hnas_tensor_get(param, HNAS_FLOAT64, before, N);
        ck_assert_int_eq(hnas_optim_step(optim, rate[k]), HNAS_E_NAN);
        hnas_tensor_get(param, HNAS_FLOAT64, after, N);
        ck_assert_mem_eq(before, after, sizeof before);
        for (int s = 0; s < 2; s++) {
            hnas_tensor_get(hn_optim_get_state(optim, s, 0), HNAS_FLOAT64,
                            after, N);
            for (int i = 0; i < N; i++)
                ck_assert(after[i] == 0);
        }
        ck_assert_int_eq(hnas_optim_get_steps(optim), 0);
    }
    hn_real(param)[0] = 1;
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(restore_brings_both_moments_and_the_count_back)
{
    hnas_optim *optim = make(NULL);
    double first[N], second[N];

    for (int i = 0; i < N; i++)
        hn_tensor_grad(param)[i] = (real)random_unit();
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    ck_assert_int_eq(hn_optim_snapshot(optim), HNAS_OK);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, first, N);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    hn_optim_restore(optim);
    ck_assert_int_eq(hnas_optim_get_steps(optim), 1);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, second, N);
    ck_assert_mem_eq(first, second, sizeof first);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(states_and_count_carried_over_continue_the_run)
{
    hnas_optim *old = make(NULL), *fresh;
    double value[N], want[N], got[N];

    for (int i = 0; i < N; i++)
        hn_tensor_grad(param)[i] = (real)random_unit();
    ck_assert_int_eq(hnas_optim_step(old, 0.1), HNAS_OK);
    ck_assert_int_eq(hn_optim_snapshot(old), HNAS_OK);
    ck_assert_int_eq(hn_optim_get_state_count(old), 2);
    ck_assert_str_eq(hn_optim_get_state_name(old, 0), "m");
    ck_assert_str_eq(hn_optim_get_state_name(old, 1), "v");
    fresh = make(NULL);
    for (int s = 0; s < 2; s++) {
        hnas_tensor_get(hn_optim_get_state(old, s, 0), HNAS_FLOAT64, value, N);
        hnas_tensor_set(hn_optim_get_state(fresh, s, 0), HNAS_FLOAT64, value,
                        N);
    }
    hn_optim_set_steps(fresh, hnas_optim_get_steps(old));
    ck_assert_int_eq(hnas_optim_step(old, 0.1), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, want, N);
    hn_optim_restore(old);
    ck_assert_int_eq(hnas_optim_step(fresh, 0.1), HNAS_OK);
    hnas_tensor_get(param, HNAS_FLOAT64, got, N);
    ck_assert_mem_eq(got, want, sizeof got);
    hnas_optim_destroy(old);
    hnas_optim_destroy(fresh);
}
END_TEST

START_TEST(a_virtual_step_is_refused)
{
    hnas_optim *optim = make(NULL);
    struct hn_virtual info;

    ck_assert_int_eq(hn_sgd_virtual(&info, optim, 0.1, 0, NULL),
                     HNAS_E_UNSUPPORTED);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(create_refuses_settings_out_of_range)
{
    hnas_adam_opts o[4];

    for (int i = 0; i < 4; i++)
        hnas_adam_opts_init(&o[i], sizeof o[i]);
    o[0].beta1 = 1;
    o[1].beta2 = -0.1;
    o[2].epsilon = 0;
    o[3].weight_decay = NAN;
    for (int i = 0; i < 4; i++) {
        hnas_optim *optim = (hnas_optim *)&optim;

        ck_assert_int_eq(hnas_adam_create(&optim, ctx, &param, 1, &o[i]),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(optim);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim adam");
    TCase *c = tcase_create("adam");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, adam_steps_equal_the_formulas_of_torch);
    tcase_add_test(c, the_first_step_moves_by_the_rate);
    tcase_add_test(c, a_missing_gradient_without_decay_moves_nothing);
    tcase_add_test(c, a_gradient_that_is_no_number_changes_nothing);
    tcase_add_test(c, a_step_that_would_leave_no_number_changes_nothing);
    tcase_add_test(c, restore_brings_both_moments_and_the_count_back);
    tcase_add_test(c, states_and_count_carried_over_continue_the_run);
    tcase_add_test(c, a_virtual_step_is_refused);
    tcase_add_test(c, create_refuses_settings_out_of_range);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
