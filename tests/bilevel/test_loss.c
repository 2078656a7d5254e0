/* SPDX-License-Identifier: BSD-3-Clause */
/* A loss looked at from outside: the value and the gradients that a step
 * would see, and nothing moved. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "world.h"

static const double exact = sizeof(real) == 8 ? 1e-9 : 2e-4;
static struct world w;

static void open_search(const char *preset)
{
    world_open(&w, preset, 2);
    w.opts.bilevel.order = HNAS_ORDER_FIRST;
    w.opts.bilevel.warmup = 0;
    world_search(&w);
}

static void gradient_of(double *d, hnas_tensor *t)
{
    ck_assert_int_eq(
        hnas_tensor_get_gradient(t, HNAS_FLOAT64, d, hnas_tensor_get_count(t)),
        HNAS_OK);
}

static hnas_tensor *hyper_tensor(int64_t index)
{
    return hnas_params_get_tensor(hnas_hyper_get_params(w.hyper), index);
}

START_TEST(the_validation_loss_has_the_gradient_of_a_step)
{
    static const char *const presets[] = {"darts", "fair_darts", "default"};
    double want[64], got[64], value, lambda = 1e-2;

    for (int p = 0; p < 3; p++) {
        hnas_tensor *b;
        hnas_step_info info;

        open_search(presets[p]);
        b = hyper_tensor(0);
        ck_assert_int_le(hnas_tensor_get_count(b), 64);
        ck_assert_int_eq(
            hnas_search_gradient(w.search, &w.train, &w.valid, lambda),
            HNAS_OK);
        gradient_of(want, b);
        ck_assert_int_eq(hnas_search_loss(&value, w.search, &w.valid, lambda,
                                          NULL, HNAS_LOSS_VALID),
                         HNAS_OK);
        gradient_of(got, b);
        for (int64_t i = 0; i < hnas_tensor_get_count(b); i++)
            ck_assert_double_eq_tol(got[i], want[i],
                                    exact * (1 + fabs(want[i])));
        ck_assert_int_eq(
            hnas_search_step(w.search, &w.train, &w.valid, &lambda, 1, &info),
            HNAS_OK);
        ck_assert_double_eq_tol(value, info.valid_loss, exact);
        world_close(&w);
    }
}
END_TEST

START_TEST(looking_moves_nothing)
{
    double *before, *after, value;
    int64_t n, m;

    open_search("darts_cc");
    before = world_state(&w, &n);
    ck_assert_int_eq(hnas_search_loss(&value, w.search, &w.train, 1e-7, NULL,
                                      HNAS_LOSS_TRAIN),
                     HNAS_OK);
    ck_assert(isfinite(value));
    after = world_state(&w, &m);
    ck_assert_int_eq(n, m);
    ck_assert_mem_eq(before, after, (size_t)n * sizeof *before);
    free(before);
    free(after);
    world_close(&w);
}
END_TEST

/* Gates of a kind as the hypernetwork's softmax gives them. */
static hnas_tensor *softmax_gates(int32_t table, double lambda)
{
    hnas_tensor *alpha, *gates;

    ck_assert_int_eq(hnas_hyper_apply(&alpha, NULL, w.hyper, table, lambda),
                     HNAS_OK);
    ck_assert_int_eq(hnas_relax_softmax(&gates, NULL, alpha, 1), HNAS_OK);
    hnas_tensor_unref(alpha);
    return gates;
}

START_TEST(gates_may_be_given_and_get_a_gradient)
{
    const double lambda = 1e-2, h = sizeof(real) == 8 ? 1e-6 : 1e-3;
    hnas_tensor *gates[2];
    const double bound = sizeof(real) == 8 ? 1e-6 : 5e-3;
    double at_lambda, given, up, down, d[64], values[64];

    open_search("darts");
    for (int32_t k = 0; k < 2; k++)
        gates[k] = softmax_gates(k, lambda);
    ck_assert_int_eq(hnas_search_loss(&at_lambda, w.search, &w.train, lambda,
                                      NULL, HNAS_LOSS_TRAIN),
                     HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set_wanted(gates[0], 1), HNAS_OK);
    ck_assert_int_eq(hnas_search_loss(&given, w.search, &w.train, NAN, gates,
                                      HNAS_LOSS_TRAIN),
                     HNAS_OK);
    ck_assert_double_eq_tol(given, at_lambda, exact);
    gradient_of(d, gates[0]);
    ck_assert_int_eq(hnas_tensor_get(gates[0], HNAS_FLOAT64, values, 5 * 8),
                     HNAS_OK);
    for (int i = 1; i < 5 * 8; i += 11) {
        values[i] += h;
        hnas_tensor_set(gates[0], HNAS_FLOAT64, values, 5 * 8);
        hnas_search_loss(&up, w.search, &w.train, 0, gates, HNAS_LOSS_TRAIN);
        values[i] -= 2 * h;
        hnas_tensor_set(gates[0], HNAS_FLOAT64, values, 5 * 8);
        hnas_search_loss(&down, w.search, &w.train, 0, gates, HNAS_LOSS_TRAIN);
        values[i] += h;
        ck_assert_double_eq_tol((up - down) / (2 * h), d[i], bound);
    }
    gradient_of(values, hyper_tensor(0)); /* it had no part */
    for (int64_t i = 0; i < hnas_tensor_get_count(hyper_tensor(0)); i++)
        ck_assert_double_eq(values[i], 0);
    for (int k = 0; k < 2; k++)
        hnas_tensor_unref(gates[k]);
    world_close(&w);
}
END_TEST

START_TEST(wrong_arguments_are_named)
{
    const hnas_batch none = {NULL, NULL};
    hnas_tensor *gates[2];
    double value = 7;

    open_search("darts");
    gates[0] = softmax_gates(0, 1e-2);
    gates[1] = softmax_gates(1, 1e-2);
    ck_assert_int_eq(hnas_search_loss(&value, NULL, &w.train, 1e-2, NULL, 0),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_loss(&value, w.search, &none, 1e-2, NULL, 0),
                     HNAS_E_ARG);
    ck_assert_int_eq(
        hnas_search_loss(&value, w.search, &w.train, 1e-2, NULL, 2),
        HNAS_E_RANGE);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "kind 2"));
    ck_assert_int_eq(hnas_search_loss(&value, w.search, &w.train, NAN, NULL, 0),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_search_loss(&value, w.search, &w.train, 1e-2, gates,
                                      HNAS_LOSS_VALID),
                     HNAS_E_ARG);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "gates"));
    ck_assert_double_eq(value, 7);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("loss");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_validation_loss_has_the_gradient_of_a_step);
    tcase_add_test(t, looking_moves_nothing);
    tcase_add_test(t, gates_may_be_given_and_get_a_gradient);
    tcase_add_test(t, wrong_arguments_are_named);
    suite_add_tcase(s, t);
    return run_suite(s);
}
