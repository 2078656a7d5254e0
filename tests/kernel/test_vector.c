/* SPDX-License-Identifier: BSD-3-Clause */
/* axpy and dot of every level, at any length and alignment. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { LONGEST = 70 };

START_TEST(axpy_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);

    for (int64_t n = 0; n < LONGEST; n++) {
        struct guarded g = {.seed = (uint64_t)n, .at_end = 1};
        real *pad = guarded_array(&g, 8), *x = random_array(&g, n + 1);
        double want[LONGEST];

        (void)pad;
        for (int l = 0; l < n_levels; l++) {
            real *y = random_array(&g, n + 1);

            for (int64_t i = 0; i < n; i++)
                want[i] = y[i + 1] + 0.5 * x[i + 1];
            k[l].axpy(y + 1, (real)0.5, x + 1, n);
            expect_near(y + 1, want, n, 1e-6, k[l].level);
        }
        guarded_free(&g);
    }
}
END_TEST

START_TEST(dot_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);

    for (int64_t n = 0; n < LONGEST; n++) {
        struct guarded g = {.seed = (uint64_t)n};
        real *x = random_array(&g, n + 1), *y = random_array(&g, n + 1);
        double want = 0;

        for (int64_t i = 0; i < n; i++)
            want += (double)x[i + 1] * y[i + 1];
        for (int l = 0; l < n_levels; l++)
            ck_assert_double_eq_tol(k[l].dot(x + 1, y + 1, n), want, 1e-12);
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vector");
    TCase *c = tcase_create("vector");

    tcase_add_test(c, axpy_of_every_level_equals_the_formula);
    tcase_add_test(c, dot_of_every_level_equals_the_formula);
    suite_add_tcase(s, c);
    return run_suite(s);
}
