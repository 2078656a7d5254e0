/* SPDX-License-Identifier: BSD-3-Clause */
/* The Hessian over alpha, in double. */
#include "bilevel/hessian.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

enum { MOST = 2 * 5 * 8 };

static const char *const presets[] = {"default", "darts", "fair_darts"};
static const double lambda = 1e-2;
static struct world w;

static void open_at(struct hn_hessian *h, const char *preset)
{
    world_open(&w, preset, 1);
    w.opts.bilevel.warmup = 0;
    w.opts.tau = w.opts.tau_last = 0.8;
    world_search(&w);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL), 0);
    ck_assert_int_eq(hn_hessian_open(h, w.search, &w.valid, lambda), 0);
}

static void close_it(struct hn_hessian *h)
{
    hn_hessian_close(h);
    world_close(&w);
}

/* The loss at alpha + step * v. */
static double loss_at(struct hn_hessian *h, const double *v, double step)
{
    const hnas_loss_request request = {HNAS_LOSS_VALID, 0, 1, 0, lambda, 0};
    hnas_tape *tape = w.search->bilevel->tape;
    hnas_tensor *loss;
    double value;
    int64_t at = 0;

    for (int k = 0; k < 2; k++) {
        hnas_tensor *alpha = w.search->kind[k].alpha;

        for (int64_t i = 0; i < hnas_tensor_get_count(alpha); i++, at++)
            hn_real(alpha)[i] = (real)(h->at[at] + step * v[at]);
    }
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hn_search_loss(w.search, tape, &request, &loss), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    hnas_tensor_unref(loss);
    return value;
}

START_TEST(products_agree_with_second_differences_of_the_loss)
{
    for (size_t p = 0; p < sizeof presets / sizeof *presets; p++) {
        struct hn_hessian h;
        double v[MOST], product[MOST];

        open_at(&h, presets[p]);
        srand(3);
        for (int round = 0; round < 4; round++) {
            const double step = 3e-6; /* few kinks lie within */
            double got = 0, want;

            for (int64_t i = 0; i < h.n; i++)
                v[i] = 2.0 * rand() / RAND_MAX - 1;
            ck_assert_int_eq(hn_hessian_product(&h, product, v), 0);
            for (int64_t i = 0; i < h.n; i++)
                got += v[i] * product[i];
            want = (loss_at(&h, v, step) - 2 * loss_at(&h, v, 0) +
                    loss_at(&h, v, -step)) /
                   (step * step);
            ck_assert_msg(fabs(got - want) <= 1e-3 * fabs(want) + 1e-3,
                          "%s: %g, want %g", presets[p], got, want);
        }
        close_it(&h);
    }
}
END_TEST

/* beta_decay is a func without tangent; this little of it adds nothing. */
START_TEST(without_tangents_products_are_differences)
{
    for (size_t p = 0; p < 2; p++) {
        struct hn_hessian h;
        double v[MOST], exact[MOST], differences[MOST];

        open_at(&h, presets[p]);
        srand(5);
        for (int64_t i = 0; i < h.n; i++)
            v[i] = 2.0 * rand() / RAND_MAX - 1;
        ck_assert_int_eq(hn_hessian_product(&h, exact, v), 0);
        ck_assert_int_eq(h.has_no_tangent, 0);
        w.search->opts.beta_decay = 1e-12;
        ck_assert_int_eq(hn_hessian_product(&h, differences, v), 0);
        ck_assert_int_eq(h.has_no_tangent, 1);
        for (int64_t i = 0; i < h.n; i++)
            ck_assert_double_eq_tol(differences[i], exact[i], 1e-4);
        close_it(&h);
    }
}
END_TEST

/* The largest eigenvalue of a symmetric matrix, by Jacobi's rotations. */
static double largest_of(double m[MOST][MOST], int n)
{
    double best = -INFINITY;

    for (int sweep = 0; sweep < 60; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                const double theta =
                    0.5 * atan2(2 * m[p][q], m[q][q] - m[p][p]);
                const double c = cos(theta), s = sin(theta);

                for (int i = 0; i < n; i++) {
                    const double x = m[i][p], y = m[i][q];

                    m[i][p] = c * x - s * y;
                    m[i][q] = s * x + c * y;
                }
                for (int i = 0; i < n; i++) {
                    const double x = m[p][i], y = m[q][i];

                    m[p][i] = c * x - s * y;
                    m[q][i] = s * x + c * y;
                }
            }
    for (int i = 0; i < n; i++)
        best = fmax(best, m[i][i]);
    return best;
}

START_TEST(power_method_finds_the_largest_eigenvalue_of_the_whole_matrix)
{
    static double matrix[MOST][MOST];

    for (size_t p = 0; p < 3; p++) {
        double v[MOST], scale = 0, skew = 0, got, want;
        struct hn_hessian h;
        int n;

        open_at(&h, presets[p]);
        n = (int)h.n;
        for (int i = 0; i < n; i++) {
            memset(v, 0, sizeof v);
            v[i] = 1;
            ck_assert_int_eq(hn_hessian_product(&h, matrix[i], v), 0);
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++) {
                const double mean = (matrix[i][j] + matrix[j][i]) / 2;

                scale = fmax(scale, fabs(mean));
                skew = fmax(skew, fabs(matrix[i][j] - matrix[j][i]));
                matrix[i][j] = matrix[j][i] = mean;
            }
        ck_assert_double_lt(skew, 1e-9 * scale);
        hn_hessian_close(&h);
        want = largest_of(matrix, n);
        ck_assert_int_eq(
            hnas_search_hessian(&got, w.search, &w.valid, lambda, 120), 0);
        ck_assert_double_gt(want, 0);
        ck_assert_msg(fabs(got - want) <= 1e-3 * want, "%s: %.9g, want %.9g",
                      presets[p], got, want);
        world_close(&w);
    }
}
END_TEST

START_TEST(asking_changes_nothing)
{
    double first, second, *before, *after;
    int64_t n, m;

    world_open(&w, "default", 2);
    w.opts.bilevel.warmup = 0;
    world_search(&w);
    ck_assert_int_eq(
        hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL), 0);
    before = world_state(&w, &n);
    ck_assert_int_eq(hnas_search_hessian(&first, w.search, &w.valid, lambda, 5),
                     0);
    ck_assert_int_eq(
        hnas_search_hessian(&second, w.search, &w.valid, lambda, 5), 0);
    ck_assert(first == second && first != 0);
    after = world_state(&w, &m);
    ck_assert(n == m && !memcmp(before, after, (size_t)n * sizeof *before));
    ck_assert_int_eq(
        hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL), 0);
    free(before);
    free(after);
    world_close(&w);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    hnas_status st = HNAS_E_NOMEM;
    double value = 7;
    int64_t n;

    world_open(&w, "default", 1);
    world_search(&w);
    for (n = 0; st == HNAS_E_NOMEM; n += 1 + n / 16) {
        w.hooks.left = n;
        st = hnas_search_hessian(&value, w.search, &w.valid, lambda, 1);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || value == 7);
    }
    ck_assert_int_eq(st, HNAS_OK);
    ck_assert_int_gt(n, 4);
    world_close(&w);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    const hnas_batch none = {NULL, NULL};
    double value = 7;

    world_open(&w, "default", 1);
    world_search(&w);
    ck_assert_int_eq(hnas_search_hessian(NULL, w.search, &w.valid, lambda, 5),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_hessian(&value, NULL, &w.valid, lambda, 5),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_hessian(&value, w.search, &none, lambda, 5),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_hessian(&value, w.search, &w.valid, 1, 5),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_search_hessian(&value, w.search, &w.valid, lambda, 0),
                     HNAS_E_RANGE);
    ck_assert_int_eq(
        hnas_search_hessian(&value, w.search, &w.valid, lambda, 1001),
        HNAS_E_RANGE);
    ck_assert(value == 7);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("hessian");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, products_agree_with_second_differences_of_the_loss);
    tcase_add_test(
        t, power_method_finds_the_largest_eigenvalue_of_the_whole_matrix);
    tcase_add_test(t, without_tangents_products_are_differences);
    tcase_add_test(t, asking_changes_nothing);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, wrong_arguments_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
