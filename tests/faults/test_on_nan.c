/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy about steps that are not finite: what is left out is left out
 * whole, what comes back is what was kept, and a resumed search does likewise.
 */
#include <math.h>
#include <string.h>

#include "nanworld.h"
#include "support/check_main.h"

/* ---- skipping ---- */

static void skip_at(int64_t at, int32_t order, const double lambda[STEPS])
{
    nan_open(HNAS_NAN_SKIP, order);
    bad.first = bad.last = at;
    for (int i = 0; i < STEPS; i++) {
        hnas_step_info info = {0};
        struct state before = state_of(life.search), after;
        const hnas_status st = nan_step(life.search, &info);

        after = state_of(life.search);
        ck_assert_int_eq(st, i == at ? HNAS_SKIPPED : HNAS_OK);
        ck_assert_msg(is_same(&before, &after) == (i == at), "step %d", i);
        ck_assert_int_eq(hnas_search_get_steps(life.search), i + 1);
        ck_assert_int_eq(info.step, i + 1);
        ck_assert_msg(info.lambda == lambda[i], "step %d: other draws", i);
        ck_assert(!isfinite(info.train_loss) == (i == at));
        ck_assert(!isfinite(info.w_norm) == (i == at));
        if (i == at)
            ck_assert_ptr_nonnull(
                strstr(hnas_context_message(life.ctx), "host_copy"));
        free(before.bytes);
        free(after.bytes);
    }
    expect_counts(life.search, 1, 0);
    life_close(&life);
}

START_TEST(a_skipped_step_moves_nothing_but_the_count)
{
    static const int32_t orders[] = {HNAS_ORDER_FIRST, HNAS_ORDER_SECOND_FD};

    for (int k = 0; k < 2; k++) {
        double lambda[STEPS];

        nan_open(HNAS_NAN_STOP, orders[k]);
        for (int i = 0; i < STEPS; i++) {
            hnas_step_info info;

            ck_assert_int_eq(nan_step(life.search, &info), HNAS_OK);
            lambda[i] = info.lambda;
        }
        life_close(&life);
        for (int grad = 0; grad < 2; grad++) {
            bad.in_gradient = grad;
            skip_at(0, orders[k], lambda);
            skip_at(STEPS / 2, orders[k], lambda);
            skip_at(STEPS - 1, orders[k], lambda);
        }
    }
}
END_TEST

START_TEST(skipping_ends_after_ten_in_a_row)
{
    nan_open(HNAS_NAN_SKIP, HNAS_ORDER_FIRST);
    for (int round = 0; round < 2; round++) {
        struct state before, after;
        const int64_t first = hnas_search_get_steps(life.search);

        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
        before = state_of(life.search);
        bad.first = 0;
        bad.last = first + 1000;
        for (int i = 0; i < MOST_TRIES; i++)
            ck_assert_int_eq(nan_step(life.search, NULL), HNAS_SKIPPED);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(nan_step(life.search, NULL), HNAS_E_NAN);
            ck_assert_ptr_nonnull(
                strstr(hnas_context_message(life.ctx), "skipped in a row"));
            ck_assert_ptr_nonnull(
                strstr(hnas_context_message(life.ctx), "host_copy"));
        }
        ck_assert_int_eq(hnas_search_get_steps(life.search),
                         first + 1 + MOST_TRIES);
        after = state_of(life.search);
        ck_assert(is_same(&before, &after));
        free(before.bytes);
        free(after.bytes);
        nan_never_bad();
    }
    expect_counts(life.search, 2 * MOST_TRIES, 0);
}
END_TEST

/* ---- rolling back ---- */

/* The bad step leads back to the state of `to` steps. */
static void roll_back_at(int64_t at, int64_t to)
{
    struct state kept = {NULL, 0, 0}, after;

    nan_open(HNAS_NAN_ROLLBACK, HNAS_ORDER_FIRST);
    bad.first = bad.last = at;
    for (int64_t i = 0; i < at; i++) {
        if (i == to)
            kept = state_of(life.search);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    }
    if (to == at)
        kept = state_of(life.search);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
    after = state_of(life.search);
    ck_assert_msg(is_same(&kept, &after), "step %d: another state", (int)at);
    ck_assert_uint_eq(kept.n_tensors, after.n_tensors);
    ck_assert_int_eq(hnas_search_get_steps(life.search), at + 1);
    expect_counts(life.search, 0, 1);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    free(kept.bytes);
    free(after.bytes);
    life_close(&life);
}

START_TEST(a_roll_back_brings_the_state_kept_last)
{
    roll_back_at(0, 0);
    roll_back_at(EPOCH - 1, 0);
    roll_back_at(EPOCH, EPOCH);
    roll_back_at(EPOCH + 2, EPOCH);
    roll_back_at(2 * EPOCH + 1, 2 * EPOCH);
}
END_TEST

START_TEST(rolling_back_ends_after_ten_times_to_one_state)
{
    nan_open(HNAS_NAN_ROLLBACK, HNAS_ORDER_FIRST);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    bad.first = 0;
    bad.last = 1000;
    for (int i = 0; i < MOST_TRIES; i++)
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_E_NAN);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), "rolled back 10 times"));
    nan_never_bad();
    for (int i = 0; i < EPOCH; i++) /* a state of other steps is kept */
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    bad.last = 1000;
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
    expect_counts(life.search, 0, MOST_TRIES + 1);
}
END_TEST

/* ---- resuming ---- */

/* Bad steps at 5, 6 and 9: the search that is saved and loaded after `cut`
 * steps ends as the unbroken one, in every byte. */
static void resume(int32_t on_nan, int cut)
{
    struct state want, have;
    hnas_search *search = NULL;

    for (int broken = 0; broken < 2; broken++) {
        nan_open(on_nan, HNAS_ORDER_FIRST);
        search = life.search;
        for (int i = 0; i < STEPS + 3; i++) {
            hnas_status st;

            if (broken && i == cut) {
                const char *path = fault_path("cut");

                ck_assert_int_eq(hnas_search_save(search, path, NULL), 0);
                ck_assert_msg(!hnas_search_load(&search, life.ctx, path), "%s",
                              hnas_context_message(life.ctx));
                bad.search = search;
            }
            bad.first = i == 9 ? 9 : 5;
            bad.last = i == 9 ? 9 : 6;
            st = nan_step(search, NULL);
            ck_assert_int_ge(st, 0);
            ck_assert_int_eq(st != HNAS_OK, i == 5 || i == 6 || i == 9);
        }
        *(broken ? &have : &want) = state_of(search);
        expect_counts(search, on_nan == HNAS_NAN_SKIP ? 3 : 0,
                      on_nan == HNAS_NAN_SKIP ? 0 : 3);
        if (broken)
            hnas_search_destroy(search);
        life_close(&life);
    }
    ck_assert_msg(want.n == have.n && !memcmp(want.bytes, have.bytes, want.n),
                  "policy %d, cut at %d", (int)on_nan, cut);
    free(want.bytes);
    free(have.bytes);
}

START_TEST(a_resumed_search_leaves_out_and_goes_back_likewise)
{
    for (int cut = 1; cut < STEPS + 2; cut++) {
        resume(HNAS_NAN_SKIP, cut);
        resume(HNAS_NAN_ROLLBACK, cut);
    }
}
END_TEST

static hnas_search *loaded_again(hnas_search *search)
{
    const char *path = fault_path("again");
    hnas_search *again;

    ck_assert_int_eq(hnas_search_save(search, path, NULL), 0);
    ck_assert_int_eq(hnas_search_load(&again, life.ctx, path), 0);
    if (search != life.search)
        hnas_search_destroy(search);
    bad.search = again;
    return again;
}

/* All steps are bad: so many are left out, then the next is an error. */
static void expect_left_out(hnas_search *search, int n)
{
    bad.first = 0;
    bad.last = 1000;
    for (int i = 0; i < n; i++)
        ck_assert_int_gt(nan_step(search, NULL), 0);
    ck_assert_int_eq(nan_step(search, NULL), HNAS_E_NAN);
    nan_never_bad();
}

START_TEST(the_bound_counts_on_after_a_resume)
{
    for (int32_t policy = HNAS_NAN_SKIP; policy <= HNAS_NAN_ROLLBACK;
         policy++) {
        hnas_search *search;

        nan_open(policy, HNAS_ORDER_FIRST);
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
        bad.last = 1000;
        for (int i = 0; i < 6; i++)
            ck_assert_int_gt(nan_step(life.search, NULL), 0);
        search = loaded_again(life.search);
        expect_left_out(search, MOST_TRIES - 6);
        do
            ck_assert_int_eq(nan_step(search, NULL), HNAS_OK);
        while (hnas_search_get_steps(search) % EPOCH);
        search = loaded_again(search); /* where a state is due */
        expect_left_out(search, MOST_TRIES);
        hnas_search_destroy(search);
        life_close(&life);
    }
}
END_TEST

/* Also where a state is due to be kept: the next step keeps it, with what the
 * host has written meanwhile. */
START_TEST(a_stopped_step_keeps_nothing)
{
    hnas_tensor *bias;
    const float mark[FAULT_CLASSES] = {7, 7, 7};
    float found[FAULT_CLASSES];
    struct state before, after;

    nan_open(HNAS_NAN_ROLLBACK, HNAS_ORDER_FIRST);
    for (int i = 0; i < EPOCH; i++)
        ck_assert_int_eq(nan_step(life.search, NULL), HNAS_OK);
    before = state_of(life.search);
    hnas_search_cancel(life.search);
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_STOPPED);
    after = state_of(life.search);
    ck_assert(before.n == after.n &&
              !memcmp(before.bytes, after.bytes, before.n));
    free(before.bytes);
    free(after.bytes);

    ck_assert_int_eq(hnas_params_find(&bias, hnas_supernet_get_params(life.net),
                                      "head.bias"),
                     HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(bias, HNAS_FLOAT32, mark, FAULT_CLASSES),
                     HNAS_OK);
    bad.first = bad.last = EPOCH;
    ck_assert_int_eq(nan_step(life.search, NULL), HNAS_ROLLED_BACK);
    ck_assert_int_eq(hnas_tensor_get(bias, HNAS_FLOAT32, found, FAULT_CLASSES),
                     HNAS_OK);
    ck_assert(found[0] == 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("on_nan");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, NULL, nan_teardown);
    tcase_add_test(t, a_skipped_step_moves_nothing_but_the_count);
    tcase_add_test(t, skipping_ends_after_ten_in_a_row);
    tcase_add_test(t, a_roll_back_brings_the_state_kept_last);
    tcase_add_test(t, rolling_back_ends_after_ten_times_to_one_state);
    tcase_add_test(t, a_resumed_search_leaves_out_and_goes_back_likewise);
    tcase_add_test(t, the_bound_counts_on_after_a_resume);
    tcase_add_test(t, a_stopped_step_keeps_nothing);
    suite_add_tcase(s, t);
    return run_suite(s);
}
