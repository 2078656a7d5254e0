/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <math.h>

#include "hnas/optim.h"
#include "support/check_main.h"

START_TEST(cosine_runs_from_first_to_last)
{
    ck_assert(hnas_schedule_cosine(0.025, 0.001, 0, 50) == 0.025);
    ck_assert(hnas_schedule_cosine(0.025, 0.001, 50, 50) == 0.001);
    ck_assert_double_eq_tol(hnas_schedule_cosine(0.025, 0.001, 25, 50), 0.013,
                            1e-15);
    ck_assert_double_eq_tol(hnas_schedule_cosine(1, 0, 10, 40),
                            0.5 * (1 + sqrt(0.5)), 1e-15);
    ck_assert(hnas_schedule_cosine(0.025, 0.001, 70, 50) == 0.001);
    ck_assert(hnas_schedule_cosine(0.025, 0.001, 7, 0) == 0.025);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim schedule");
    TCase *c = tcase_create("schedule");

    tcase_add_test(c, cosine_runs_from_first_to_last);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
