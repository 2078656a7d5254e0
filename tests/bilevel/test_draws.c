/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws of lambda, the cone, and the single-path pass of hard gates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "world.h"

enum { STEPS = 2000 };

static struct world w;

static void open(const char *preset, int32_t sample, int32_t draws)
{
    world_open(&w, preset, 1);
    w.opts.sample = sample;
    w.opts.draws = draws;
    world_search(&w);
}

/* Draw for a step; s of each value, all inside the range. */
static void draw(int64_t step, double *lambda, double *s, int32_t want)
{
    hnas_hyper_opts h;
    int32_t n;

    hnas_hyper_get_opts(w.hyper, &h, sizeof h);
    w.search->bilevel->step = step;
    n = hn_search_draw(w.search, lambda);
    ck_assert_int_eq(n, want);
    for (int32_t d = 0; d < n; d++) {
        ck_assert(lambda[d] >= h.lambda_lo && lambda[d] <= h.lambda_hi);
        ck_assert_int_eq(hnas_hyper_scale(&s[d], w.hyper, lambda[d]), 0);
    }
}

START_TEST(antithetic_draws_come_in_mirrored_pairs)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS], last = 9;

    open("default", HNAS_SAMPLE_ANTITHETIC, 6);
    for (int64_t i = 0; i < STEPS; i++) {
        draw(i, lambda, s, 6);
        for (int d = 0; d < 6; d += 2)
            ck_assert_double_eq_tol(s[d] + s[d + 1], 0, 1e-9);
        ck_assert(s[0] != s[2] && s[2] != s[4] && s[0] != last);
        last = s[0];
    }
    world_close(&w);
}
END_TEST

START_TEST(antithetic_draws_of_a_raw_scale_mirror_lambda)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS];
    hnas_hyper_opts h;

    open("seed", HNAS_SAMPLE_ANTITHETIC, 4);
    hnas_hyper_get_opts(w.hyper, &h, sizeof h);
    ck_assert_int_eq(h.scale, HNAS_SCALE_RAW);
    for (int64_t i = 0; i < STEPS; i++) {
        draw(i, lambda, s, 4);
        for (int d = 0; d < 4; d += 2)
            ck_assert_double_eq_tol(lambda[d] + lambda[d + 1],
                                    h.lambda_lo + h.lambda_hi, 1e-9);
    }
    world_close(&w);
}
END_TEST

/* The mean of a fair die over the range, whatever lambda's decade. */
static double mean_of(int32_t sample, int of_logarithm)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS], sum = 0;
    hnas_hyper_opts h;

    open("seed", sample, 4);
    hnas_hyper_get_opts(w.hyper, &h, sizeof h);
    for (int64_t i = 0; i < STEPS; i++) {
        draw(i, lambda, s, 4);
        for (int d = 0; d < 4; d++)
            sum += of_logarithm ? log(lambda[d] / h.lambda_lo) /
                                      log(h.lambda_hi / h.lambda_lo)
                                : (lambda[d] - h.lambda_lo) /
                                      (h.lambda_hi - h.lambda_lo);
    }
    world_close(&w);
    return sum / (4 * STEPS);
}

START_TEST(draws_of_a_raw_scale_are_uniform_in_lambda_but_log_uniform_ones)
{
    ck_assert_double_eq_tol(mean_of(HNAS_SAMPLE_UNIFORM, 0), 0.5, 0.02);
    ck_assert_double_eq_tol(mean_of(HNAS_SAMPLE_SANDWICH, 0), 0.5, 0.02);
    ck_assert_double_eq_tol(mean_of(HNAS_SAMPLE_LOG_UNIFORM, 1), 0.5, 0.02);
}
END_TEST

START_TEST(log_uniform_draws_want_a_range_above_zero)
{
    hnas_hyper_opts h;

    world_open(&w, "seed", 1);
    hnas_hyper_get_opts(w.hyper, &h, sizeof h);
    hnas_hyper_destroy(w.hyper);
    hnas_supernet_fit_hyper(w.net, &h); /* names that stay */
    h.lambda_lo = 0;
    ck_assert_int_eq(hnas_hyper_create(&w.hyper, w.ctx, &h), HNAS_OK);
    ck_assert_int_eq(hnas_search_create(&w.search, w.net, w.hyper, &w.opts),
                     HNAS_E_RANGE);
    w.opts.sample = HNAS_SAMPLE_UNIFORM;
    ck_assert_int_eq(hnas_search_create(&w.search, w.net, w.hyper, &w.opts),
                     HNAS_OK);
    world_close(&w);
}
END_TEST

START_TEST(sandwich_draws_hold_both_ends)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS];
    hnas_hyper_opts h;

    open("default", HNAS_SAMPLE_SANDWICH, 4);
    hnas_hyper_get_opts(w.hyper, &h, sizeof h);
    for (int64_t i = 0; i < 100; i++) {
        draw(i, lambda, s, 4);
        ck_assert(lambda[0] == h.lambda_lo && lambda[1] == h.lambda_hi);
        ck_assert(lambda[2] != lambda[3]);
        ck_assert(lambda[2] > h.lambda_lo && lambda[2] < h.lambda_hi);
    }
    world_close(&w);
}
END_TEST

START_TEST(uniform_draws_are_uniform_in_s_over_the_range)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS], sum = 0, square = 0;
    int low = 0, high = 0;

    open("default", HNAS_SAMPLE_UNIFORM, 2);
    for (int64_t i = 0; i < STEPS; i++) {
        draw(i, lambda, s, 2);
        for (int d = 0; d < 2; d++) {
            sum += s[d] / (2 * STEPS);
            square += s[d] * s[d] / (2 * STEPS);
            low += s[d] < -0.9;
            high += s[d] > 0.9;
        }
    }
    ck_assert_double_eq_tol(sum, 0, 0.04);
    ck_assert_double_eq_tol(square, 1.0 / 3, 0.02);
    ck_assert(abs(low - STEPS / 10) < 70 && abs(high - STEPS / 10) < 70);
    world_close(&w);
}
END_TEST

START_TEST(fixed_draws_are_the_given_lambda)
{
    double lambda[HN_MOST_DRAWS], s[HN_MOST_DRAWS];

    world_open(&w, "darts", 1);
    w.opts.lambda = 0.03;
    w.opts.draws = 3;
    world_search(&w);
    draw(7, lambda, s, 3);
    ck_assert(lambda[0] == 0.03 && lambda[1] == 0.03 && lambda[2] == 0.03);
    world_close(&w);
}
END_TEST

START_TEST(tau_falls_by_the_epoch_down_to_its_last)
{
    world_open(&w, "darts_cc", 1);
    w.opts.bilevel.rate_steps = 7;
    world_search(&w);
    for (int64_t step = 0; step < 7 * 60; step++) {
        const double want = fmax(0.2, 1 - 0.016 * (double)(step / 7));

        w.search->bilevel->step = step;
        ck_assert_double_eq_tol(hnas_search_get_tau(w.search), want, 1e-15);
    }
    world_close(&w);
}
END_TEST

START_TEST(numbers_of_draws_that_make_no_sense_are_refused)
{
    static const struct {
        int32_t sample, draws;
    } bad[] = {{HNAS_SAMPLE_UNIFORM, 0},
               {HNAS_SAMPLE_UNIFORM, HN_MOST_DRAWS + 1},
               {HNAS_SAMPLE_ANTITHETIC, 3},
               {HNAS_SAMPLE_SANDWICH, 1},
               {HNAS_SAMPLE_LOG_UNIFORM + 1, 2},
               {-1, 2}};

    world_open(&w, "default", 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w.opts.sample = bad[i].sample;
        w.opts.draws = bad[i].draws;
        ck_assert_int_eq(hnas_search_create(&w.search, w.net, w.hyper, &w.opts),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(w.search);
    }
    world_close(&w);
}
END_TEST

/* Slopes of a table against costs: how many pairs of operations on one edge
 * differ; fails where the dearer one has the larger slope. */
static int check_cone(int kind, const char *name)
{
    int32_t n_cells, n_edges, n_ops;
    double b1[64], cost[64];
    int n_apart = 0;
    hnas_tensor *t;

    hnas_supernet_get_kind(w.net, kind, &n_cells, &n_edges, &n_ops);
    ck_assert_int_eq(hnas_params_find(&t, hnas_hyper_get_params(w.hyper), name),
                     0);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, b1, n_edges * n_ops), 0);
    ck_assert_int_eq(hnas_supernet_get_costs(w.net, kind, w.opts.metric, cost,
                                             n_edges * n_ops),
                     0);
    for (int e = 0; e < n_edges; e++)
        for (int i = e * n_ops; i < (e + 1) * n_ops; i++)
            for (int k = e * n_ops; k < (e + 1) * n_ops; k++) {
                /* operation 0 of the preset is the zero operation */
                const int before = i == e * n_ops || cost[i] < cost[k];

                if (!before || i == k || k == e * n_ops)
                    continue;
                ck_assert_msg(b1[i] >= b1[k], "%s edge %d: %g < %g", name, e,
                              b1[i], b1[k]);
                n_apart += b1[i] != b1[k];
            }
    return n_apart;
}

START_TEST(the_cone_holds_after_every_step_of_default)
{
    int n_apart = 0;

    world_open(&w, "default", 1);
    world_search(&w);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(
            hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL),
            HNAS_OK);
        n_apart = check_cone(HNAS_NORMAL, "hyper.normal.b1") +
                  check_cone(HNAS_REDUCE, "hyper.reduce.b1");
    }
    ck_assert_int_gt(n_apart, 20);
    world_close(&w);
}
END_TEST

/* ---- the single-path pass ---- */

/* One-hot gates, another operation on every edge. */
static hnas_tensor *one_hot(int shift)
{
    const int64_t dims[2] = {5, 8};
    double v[40] = {0};
    hnas_tensor *t;

    for (int e = 0; e < 5; e++)
        v[e * 8 + (3 * e + shift) % 8] = 1;
    ck_assert_int_eq(hnas_tensor_create(&t, w.ctx, TEST_REAL, 2, dims), 0);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, v, 40), 0);
    return t;
}

static double pass(int32_t flags, int shift, double **gradient, int64_t *n)
{
    const hnas_params *p = hnas_supernet_get_params(w.net);
    hnas_tensor *gates[2] = {one_hot(shift), one_hot(shift + 1)};
    hnas_tensor *logits, *loss;
    hnas_tape *tape;
    double value;

    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        hnas_tensor_clear_gradient(hnas_params_get_tensor(p, i));
    ck_assert_int_eq(hnas_tape_create(&tape, w.ctx), 0);
    ck_assert_int_eq(
        hnas_supernet_apply(&logits, tape, w.net, w.train.images, gates, flags),
        0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, w.train.labels),
                     0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    *gradient = world_gradients(&w, n);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_tape_destroy(tape);
    return value;
}

START_TEST(a_single_path_pass_equals_all_paths_with_one_hot_gates)
{
    const double bound = sizeof(real) == 8 ? 1e-12 : 2e-5;

    world_open(&w, "default", 2);
    for (int shift = 0; shift < 8; shift++) {
        double *all, *hard, *drawn;
        int64_t n;
        const double loss = pass(0, shift, &all, &n);
        int64_t n_zero = 0;

        ck_assert_double_eq_tol(pass(HNAS_CELL_HARD, shift, &hard, &n), loss,
                                bound);
        ck_assert_double_eq_tol(
            pass(HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY, shift, &drawn, &n),
            loss, bound);
        for (int64_t i = 0; i < n; i++) {
            ck_assert_double_eq_tol(hard[i], all[i], bound);
            ck_assert_double_eq_tol(drawn[i], all[i], bound);
            n_zero += drawn[i] == 0;
        }
        ck_assert(n_zero > n / 4 && n_zero < n);
        free(all);
        free(hard);
        free(drawn);
    }
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("draws");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, antithetic_draws_come_in_mirrored_pairs);
    tcase_add_test(t, antithetic_draws_of_a_raw_scale_mirror_lambda);
    tcase_add_test(
        t, draws_of_a_raw_scale_are_uniform_in_lambda_but_log_uniform_ones);
    tcase_add_test(t, log_uniform_draws_want_a_range_above_zero);
    tcase_add_test(t, sandwich_draws_hold_both_ends);
    tcase_add_test(t, uniform_draws_are_uniform_in_s_over_the_range);
    tcase_add_test(t, fixed_draws_are_the_given_lambda);
    tcase_add_test(t, tau_falls_by_the_epoch_down_to_its_last);
    tcase_add_test(t, numbers_of_draws_that_make_no_sense_are_refused);
    tcase_add_test(t, the_cone_holds_after_every_step_of_default);
    tcase_add_test(t, a_single_path_pass_equals_all_paths_with_one_hot_gates);
    suite_add_tcase(s, t);
    return run_suite(s);
}
