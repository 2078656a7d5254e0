/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "arch/dd.h"
#include "support/check_main.h"

static void expect_near(struct hn_dd got, double hi, double lo)
{
    const double off = (got.hi - hi) + (got.lo - lo);

    ck_assert(got.hi == hi);
    ck_assert(fabs(off) <= 0x1p-95 * (1 + fabs(hi)));
}

/* Digits by mpmath 1.3 at 300 bits. */
START_TEST(exp_has_twice_the_digits)
{
    const struct {
        double x, hi, lo;
    } want[] = {
        {1, 0x1.5bf0a8b145769p+1, 0x1.4d57ee2b1013ap-53},
        {-1, 0x1.78b56362cef38p-2, -0x1.ca8a4270fadf5p-57},
        {0.1, 0x1.1aec7b35a00d4p+0, -0x1.77d498b0e382ap-54},
        {700, 0x1.d945df4f8ec8ep+1009, 0x1.183392684a46ep+954},
    };

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct hn_dd x = {want[i].x, 0};

        expect_near(hn_dd_exp(x), want[i].hi, want[i].lo);
    }
}
END_TEST

START_TEST(logit_has_twice_the_digits)
{
    const struct {
        double p, hi, lo;
    } want[] = {{0.85, 0x1.bc0ed0947fbe8p+0, 0x1.ee5aa6b69af9fp-55},
                {0.5000001, 0x1.ad7f29a800065p-22, -0x1.0654897558564p-76},
                {0.01, -0x1.2616719161d2bp+2, -0x1.0c1e5a5ac5f08p-53},
                {0.999999, 0x1.ba18a7801d009p+3, 0x1.6a9e5331fc475p-51},
                {1e-30, -0x1.144f69ff9ffc4p+6, -0x1.49791f2b9c5cbp-49},
                {1e-320, -0x1.7069e3078e52dp+9, 0x1.2e4d139777dd0p-45},
                {5e-324, -0x1.74385446d71c3p+9, -0x1.8e569fa8ee781p-45},
                {1e-300, -0x1.5963447f87fb5p+9, -0x1.aa670d35324e6p-46}};

    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        expect_near(hn_dd_logit(want[i].p), want[i].hi, want[i].lo);
    ck_assert(isinf(hn_dd_logit(0).hi) && hn_dd_logit(0).hi < 0);
    ck_assert(isinf(hn_dd_logit(1).hi) && hn_dd_logit(1).hi > 0);
}
END_TEST

START_TEST(quotients_times_divisors_are_what_was_divided)
{
    srand(3);
    for (int i = 0; i < 10000; i++) {
        const struct hn_dd a = {1 + rand(), 0x1p-60 * rand()};
        const struct hn_dd b = {1 + rand(), -0x1p-60 * rand()};
        const struct hn_dd back = hn_dd_mul(hn_dd_div(a, b), b);

        ck_assert(fabs((back.hi - a.hi) + (back.lo - a.lo)) <= 0x1p-98 * a.hi);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch dd");
    TCase *c = tcase_create("dd");

    tcase_add_test(c, exp_has_twice_the_digits);
    tcase_add_test(c, logit_has_twice_the_digits);
    tcase_add_test(c, quotients_times_divisors_are_what_was_divided);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
