/* SPDX-License-Identifier: BSD-3-Clause */
/* narrow and widen of every level: all halves, and floats between them. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { ALL = 1 << 16, SOME = 4096 };

/* The value of a half by its definition. */
static double value_of(unsigned h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double sign = h >> 15 ? -1 : 1;

    if (exponent == 31)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

START_TEST(every_half_comes_back)
{
    static _Alignas(64) uint16_t half[ALL], back[ALL];
    static _Alignas(64) real wide[ALL];
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);

    for (unsigned i = 0; i < ALL; i++)
        half[i] = (uint16_t)i;
    for (int l = 0; l < n_levels; l++) {
        k[l].widen(wide, half, ALL);
        k[l].narrow(back, wide, ALL, 0);
        for (unsigned i = 0; i < ALL; i++) {
            const double want = value_of(i);

            if (isnan(want)) {
                ck_assert(isnan(wide[i]));
                ck_assert(isnan(value_of(back[i])));
                continue;
            }
            ck_assert_msg((double)wide[i] == want, "%s: half %x is %g, want %g",
                          k[l].level, i, (double)wide[i], want);
            ck_assert_msg(back[i] == i, "%s: half %x came back as %x",
                          k[l].level, i, (unsigned)back[i]);
        }
    }
}
END_TEST

/* Whether h is a nearest half to x, the even one of two. */
static int is_nearest(double x, unsigned h)
{
    const double d = fabs(value_of(h) - x);

    for (int step = -1; step <= 1; step += 2) {
        const unsigned other = h + (unsigned)step;
        const double v = value_of(other & 0xffff);
        const double e = fabs(v - x);

        if (isnan(v) || isinf(v) || (other & 0x8000) != (h & 0x8000))
            continue;
        if (e < d || (e == d && (h & 1)))
            return 0;
    }
    return 1;
}

START_TEST(numbers_go_to_the_nearest_half_ties_to_even)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    struct guarded g = {.seed = 1};
    real *x = random_array(&g, SOME);
    static _Alignas(64) uint16_t half[SOME];

    for (int i = 0; i < SOME; i++) /* all magnitudes, and ties */
        x[i] = (real)ldexp(i % 3 ? (double)x[i] : 1 + (2 * i + 1) * 0x1p-11,
                           i % 40 - 26);
    for (int l = 0; l < n_levels; l++) {
        k[l].narrow(half, x, SOME, 0);
        for (int i = 0; i < SOME; i++)
            ck_assert_msg(fabs((double)x[i]) > 65504 ||
                              is_nearest((double)x[i], half[i]),
                          "%s: %.9g became %.9g", k[l].level, (double)x[i],
                          value_of(half[i]));
    }
    guarded_free(&g);
}
END_TEST

START_TEST(what_is_too_large_becomes_infinity)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    static const double x[8] = {65504,  65519.9, 65520, 1e30,
                                -65504, -65520,  -1e30, 0};
    static const unsigned want[8] = {0x7bff, 0x7bff, 0x7c00, 0x7c00,
                                     0xfbff, 0xfc00, 0xfc00, 0};
    _Alignas(64) real in[8];
    _Alignas(64) uint16_t out[8];

    for (int i = 0; i < 8; i++)
        in[i] = (real)x[i];
    for (int l = 0; l < n_levels; l++) {
        k[l].narrow(out, in, 8, HN_STREAM);
        k[l].drain();
        for (int i = 0; i < 8; i++)
            ck_assert_msg(out[i] == want[i], "%s: %g became %x, want %x",
                          k[l].level, x[i], (unsigned)out[i], want[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernel");
    TCase *t = tcase_create("half");

    tcase_add_test(t, every_half_comes_back);
    tcase_add_test(t, numbers_go_to_the_nearest_half_ties_to_even);
    tcase_add_test(t, what_is_too_large_becomes_infinity);
    suite_add_tcase(s, t);
    return run_suite(s);
}
