/* SPDX-License-Identifier: BSD-3-Clause */
/* A step is atomic, and its bits depend on no number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "world.h"

static const char *const presets[] = {"default",  "darts",    "fair_darts",
                                      "darts_cc", "darts_l1", "seed"};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

static struct world w;

static hnas_status step(const double *lambda, int32_t n, hnas_step_info *info)
{
    return hnas_search_step(w.search, &w.train, &w.valid, lambda, n, info);
}

/* The state after some steps, in which u may be frozen at first. */
static double *state_after(const char *preset, int32_t n_threads, int n_steps,
                           int64_t *n)
{
    double *state;

    world_open(&w, preset, n_threads);
    world_search(&w);
    for (int i = 0; i < n_steps; i++)
        ck_assert_msg(step(NULL, 0, NULL) == HNAS_OK, "%s: %s", preset,
                      hnas_context_message(w.ctx));
    state = world_state(&w, n);
    world_close(&w);
    return state;
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    for (int i = 0; i < N_PRESETS; i++) {
        int64_t n, m;
        double *one = state_after(presets[i], 1, 3, &n);
        double *start = state_after(presets[i], 1, 0, &m);

        ck_assert(n == m && memcmp(one, start, (size_t)n * sizeof *one));
        for (int32_t threads = 2; threads <= 16; threads *= 2) {
            double *more = state_after(presets[i], threads, 3, &m);

            ck_assert_int_eq(m, n);
            ck_assert_msg(!memcmp(one, more, (size_t)n * sizeof *one),
                          "%s: %d threads", presets[i], (int)threads);
            free(more);
        }
        free(one);
        free(start);
    }
}
END_TEST

/* One step that fails: state as before, then as if it had not been. */
static void expect_untouched(const double *before, int64_t n, const char *what)
{
    int64_t m;
    double *after = world_state(&w, &m);

    ck_assert_int_eq(m, n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(!memcmp(before + i, after + i, sizeof *after),
                      "%s: element %lld changed from %g to %g", what,
                      (long long)i, before[i], after[i]);
    free(after);
}

static hnas_batch spoilt_images(void)
{
    hnas_batch b = world_batch(&w, 9);
    double v[WORLD_IMAGES * WORLD_SIZE * WORLD_SIZE];
    const int64_t n = hnas_tensor_get_count(b.images);

    hnas_tensor_get(b.images, HNAS_FLOAT64, v, n);
    v[n / 2] = (double)NAN;
    hnas_tensor_set(b.images, HNAS_FLOAT64, v, n);
    return b;
}

static hnas_batch spoilt_labels(int32_t label)
{
    hnas_batch b = world_batch(&w, 9);
    int32_t v[WORLD_IMAGES] = {0};

    v[4] = label;
    hnas_tensor_set(b.labels, HNAS_INT32, v, WORLD_IMAGES);
    return b;
}

static void fail_with(const hnas_batch *train, const hnas_batch *valid,
                      hnas_status want, const char *what)
{
    hnas_step_info info = {.step = -7};
    int64_t n;
    double *before = world_state(&w, &n);
    const hnas_status st =
        hnas_search_step(w.search, train, valid, NULL, 0, &info);

    ck_assert_msg(st == want, "%s: %s, want %s (%s)", what,
                  hnas_status_name(st), hnas_status_name(want),
                  hnas_context_message(w.ctx));
    ck_assert_int_eq(info.step, -7);
    expect_untouched(before, n, what);
    free(before);
}

START_TEST(bad_batches_leave_everything_as_it_was)
{
    for (int i = 0; i < N_PRESETS; i++) {
        hnas_batch none = {NULL, NULL}, bad[3];
        const hnas_status want[3] = {HNAS_E_NAN, HNAS_E_RANGE, HNAS_E_RANGE};

        world_open(&w, presets[i], 2);
        world_search(&w);
        for (int k = 0; k < 2; k++) /* past the warmup of u */
            ck_assert_int_eq(step(NULL, 0, NULL), HNAS_OK);
        bad[0] = spoilt_images();
        bad[1] = spoilt_labels(WORLD_CLASSES);
        bad[2] = spoilt_labels(-1);
        for (int k = 0; k < 3; k++) {
            fail_with(&bad[k], &w.valid, want[k], presets[i]);
            fail_with(&w.train, &bad[k], want[k], presets[i]);
            batch_drop(&bad[k]);
        }
        fail_with(&none, &w.valid, HNAS_E_ARG, "no images");
        fail_with(&w.train, NULL, HNAS_E_ARG, "no batch");
        ck_assert_int_eq(step(NULL, 0, NULL), HNAS_OK);
        world_close(&w);
    }
}
END_TEST

START_TEST(a_failed_step_leaves_no_trace_in_the_next)
{
    for (int i = 0; i < N_PRESETS; i++) {
        int64_t n, m;
        double *want = state_after(presets[i], 1, 3, &n), *got;
        hnas_batch bad;

        world_open(&w, presets[i], 1);
        world_search(&w);
        bad = spoilt_images();
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(
                hnas_search_step(w.search, &bad, &w.valid, NULL, 0, NULL),
                HNAS_E_NAN);
            ck_assert_int_eq(step(NULL, 0, NULL), HNAS_OK);
        }
        got = world_state(&w, &m);
        batch_drop(&bad);
        ck_assert_msg(!memcmp(want, got, (size_t)n * sizeof *got), "%s",
                      presets[i]);
        free(want);
        free(got);
        world_close(&w);
    }
}
END_TEST

START_TEST(bad_lambdas_leave_everything_as_it_was)
{
    const double bad[][2] = {{(double)NAN, 1e-2},
                             {1e-2, (double)NAN},
                             {1, 1e-2},
                             {1e-2, 1e-5},
                             {0, 1e-2},
                             {-1e-2, 1e-2},
                             {(double)INFINITY, 1e-2}};
    int64_t n;
    double *before;

    world_open(&w, "default", 1);
    world_search(&w);
    ck_assert_int_eq(step(NULL, 0, NULL), HNAS_OK);
    before = world_state(&w, &n);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(step(bad[i], 2, NULL), HNAS_E_RANGE);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "lambda"));
        expect_untouched(before, n, "lambda");
        ck_assert_int_eq(hnas_search_gradient(w.search, &w.train, &w.valid,
                                              bad[i][i == 1 || i == 3]),
                         HNAS_E_RANGE);
    }
    ck_assert_int_eq(step(bad[0], 0, NULL), HNAS_E_RANGE);
    ck_assert_int_eq(step(bad[0], -1, NULL), HNAS_E_RANGE);
    expect_untouched(before, n, "number of lambdas");
    free(before);
    world_close(&w);
}
END_TEST

static int32_t stop_at;

static int32_t progress(void *user, int64_t number, int32_t pass)
{
    (void)user;
    (void)number;
    return pass == stop_at;
}

START_TEST(a_stopped_step_leaves_everything_as_it_was)
{
    for (int i = 0; i < N_PRESETS; i++) {
        hnas_status st = HNAS_STOPPED;
        int64_t n;
        double *before;

        world_open(&w, presets[i], 2);
        world_search(&w);
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(step(NULL, 0, NULL), HNAS_OK);
        before = world_state(&w, &n);
        hnas_search_cancel(w.search);
        ck_assert_int_eq(step(NULL, 0, NULL), HNAS_STOPPED);
        expect_untouched(before, n, "cancelled");
        hnas_bilevel_set_progress(w.search->bilevel, progress, NULL);
        for (stop_at = 0;; stop_at++) {
            st = step(NULL, 0, NULL);
            if (st == HNAS_OK)
                break;
            ck_assert_int_eq(st, HNAS_STOPPED);
            expect_untouched(before, n, "stopped");
        }
        ck_assert_int_ge(stop_at, 2);
        free(before);
        world_close(&w);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("step");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(t, bad_batches_leave_everything_as_it_was);
    tcase_add_test(t, a_failed_step_leaves_no_trace_in_the_next);
    tcase_add_test(t, bad_lambdas_leave_everything_as_it_was);
    tcase_add_test(t, a_stopped_step_leaves_everything_as_it_was);
    suite_add_tcase(s, t);
    return run_suite(s);
}
