/* SPDX-License-Identifier: BSD-3-Clause */
/* Poison planted in batches, weights and statistics, under the policies about
 * steps that are not finite. */
#include <math.h>
#include <string.h>

#include "nanworld.h"
#include "support/check_main.h"
#include "support/transport.h"

static void plant(hnas_tensor *t, int64_t at, float value, float *was)
{
    const int64_t n = hnas_tensor_get_count(t);
    float *all = malloc((size_t)n * sizeof *all);

    ck_assert_ptr_nonnull(all);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, all, n), 0);
    if (was)
        *was = all[at];
    all[at] = value;
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, all, n), 0);
    free(all);
}

START_TEST(poison_in_either_batch_is_left_out)
{
    static const int32_t policies[] = {HNAS_NAN_SKIP, HNAS_NAN_ROLLBACK};
    static const float poisons[] = {NAN, INFINITY, -INFINITY};

    for (int k = 0; k < 12; k++) {
        struct state before, after;
        hnas_batch clean, *poisoned = &life.batch;
        hnas_status st;

        nan_open(policies[k % 2], HNAS_ORDER_FIRST);
        clean = life.batch;
        ck_assert_int_eq(life_batch(&life), HNAS_OK); /* a second one */
        plant(poisoned->images, k, poisons[k % 3], NULL);
        before = state_of(life.search);
        st = hnas_search_step(life.search, k < 6 ? poisoned : &clean,
                              k < 6 ? &clean : poisoned, NULL, 0, NULL);
        ck_assert_int_eq(st, k % 2 ? HNAS_ROLLED_BACK : HNAS_SKIPPED);
        after = state_of(life.search);
        ck_assert(is_same(&before, &after));
        ck_assert_int_eq(
            hnas_search_step(life.search, &clean, &clean, NULL, 0, NULL),
            HNAS_OK);
        free(before.bytes);
        free(after.bytes);
        hnas_tensor_unref(clean.images);
        hnas_tensor_unref(clean.labels);
        life_close(&life);
    }
}
END_TEST

static hnas_tensor *some_tensor(int k)
{
    const hnas_params *p = k ? hnas_hyper_get_params(life.hyper)
                             : hnas_supernet_get_params(life.net);

    return hnas_params_get_tensor(p, hnas_params_get_count(p) - 1);
}

START_TEST(poisoned_weights_are_healed_by_rolling_back_alone)
{
    for (int k = 0; k < 2; k++) {
        struct state before, after;
        float was;

        nan_open(HNAS_NAN_ROLLBACK, HNAS_ORDER_FIRST);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
        before = state_of(life.search);
        plant(some_tensor(k), 0, NAN, NULL);
        ck_assert_int_eq(hnas_search_save(life.search, fault_path("no"), NULL),
                         HNAS_E_NAN);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
        after = state_of(life.search); /* of finite numbers, else not saved */
        ck_assert(!is_same(&before, &after));
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
        free(before.bytes);
        free(after.bytes);
        life_close(&life);

        nan_open(HNAS_NAN_SKIP, HNAS_ORDER_FIRST);
        plant(some_tensor(k), 0, NAN, &was);
        for (int i = 0; i < MOST_TRIES; i++)
            ck_assert_int_eq(nan_step(life.search, NULL), HNAS_SKIPPED);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_E_NAN);
        plant(some_tensor(k), 0, was, NULL);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
        life_close(&life);
    }
}
END_TEST

START_TEST(a_state_that_is_not_finite_is_never_kept)
{
    float was;

    nan_open(HNAS_NAN_ROLLBACK, HNAS_ORDER_FIRST);
    plant(some_tensor(0), 0, INFINITY, &was);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_E_NAN);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), "no finite state"));
    ck_assert_int_eq(hnas_search_get_steps(life.search), 0);
    plant(some_tensor(0), 0, was, NULL);
    for (int i = 0; i < EPOCH; i++)
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    plant(some_tensor(0), 0, NAN, NULL); /* where a state is due */
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    expect_counts(life.search, 0, 1);
}
END_TEST

/* The loss is finite: what is divided by the root of infinity is 0. */
START_TEST(a_statistic_that_overflows_is_no_step)
{
    for (int32_t policy = HNAS_NAN_STOP; policy <= HNAS_NAN_ROLLBACK;
         policy++) {
        static const hnas_status want[] = {HNAS_E_NAN, HNAS_SKIPPED,
                                           HNAS_ROLLED_BACK};
        struct state before, after;
        hnas_tensor *stem;

        nan_open(policy, HNAS_ORDER_FIRST);
        ck_assert_int_eq(hnas_params_find(&stem,
                                          hnas_supernet_get_params(life.net),
                                          "stem.conv.weight"),
                         0);
        plant(stem, 0, 1e25f, NULL);
        before = state_of(life.search);
        ck_assert_int_eq(nan_step(life.search, NULL), want[policy]);
        ck_assert_ptr_nonnull(
            strstr(hnas_context_message(life.ctx), "running_var"));
        after = state_of(life.search);
        ck_assert(is_same(&before, &after));
        free(before.bytes);
        free(after.bytes);
        life_close(&life);
    }
}
END_TEST

/* ---- what is refused whatever the policy ---- */

START_TEST(mistakes_of_the_caller_stay_errors)
{
    const double lambda = NAN;
    struct transport net;
    hnas_comm comm;

    transport_fill(&comm, &net, 0, 2); /* nobody is at the other end */
    for (int32_t policy = HNAS_NAN_SKIP; policy <= HNAS_NAN_ROLLBACK;
         policy++) {
        nan_open(policy, HNAS_ORDER_FIRST);
        ck_assert_int_eq(hnas_search_step(life.search, &life.batch, &life.batch,
                                          &lambda, 1, NULL),
                         HNAS_E_RANGE);
        ck_assert_int_eq(hnas_context_set_comm(life.ctx, &comm), HNAS_OK);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_E_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(life.ctx), "on_nan"));
        ck_assert_int_eq(hnas_context_set_comm(life.ctx, NULL), HNAS_OK);
        ck_assert_int_eq(hnas_search_get_steps(life.search), 0);
        expect_counts(life.search, 0, 0);
        life_close(&life);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("planted");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, NULL, nan_teardown);
    tcase_add_test(t, poison_in_either_batch_is_left_out);
    tcase_add_test(t, poisoned_weights_are_healed_by_rolling_back_alone);
    tcase_add_test(t, a_state_that_is_not_finite_is_never_kept);
    tcase_add_test(t, a_statistic_that_overflows_is_no_step);
    tcase_add_test(t, mistakes_of_the_caller_stay_errors);
    suite_add_tcase(s, t);
    return run_suite(s);
}
