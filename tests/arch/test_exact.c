/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "arch/envelope.h"
#include "arch/exact.h"
#include "support/check_main.h"

/* An integer of at most 22 bits. */
static double random_integer(void)
{
    return (double)(rand() % 4194304 - 2097152);
}

START_TEST(sign_sees_what_rounding_hides)
{
    const double terms[][4] = {{1e30, 1, -1e30, 0},
                               {1e30, -1e-30, -1e30, 0},
                               {1, 0x1p-60, -1, -0x1p-60},
                               {1, 0x1p-60, -1, -0x1.00001p-60},
                               {3, 0, 0, 0}};
    const int want[] = {1, -1, 0, -1, 1};

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(hn_exact_sign(terms[i], 4), want[i]);
    ck_assert_int_eq(hn_exact_sign(terms[0], 0), 0);
}
END_TEST

/* With integers both differences are exact, and so one division rounds. */
START_TEST(crossing_is_correctly_rounded_for_integers)
{
    srand(1);
    for (int i = 0; i < 100000; i++) {
        struct hn_line a = {random_integer(), random_integer()};
        struct hn_line b = {random_integer(), random_integer()};

        if (a.slope >= b.slope)
            continue;
        ck_assert(hn_line_crossing(a, b, &hn_hyper_identity) ==
                  (a.offset - b.offset) / (b.slope - a.slope));
    }
}
END_TEST

/* Differences that a double cannot hold; the wider type can, and its quotient
 * is off by less than 2^-10 of a unit of ours. */
START_TEST(crossing_is_correctly_rounded_where_differences_are_not)
{
    if (sizeof(long double) == sizeof(double))
        return;
    srand(2);
    for (int i = 0; i < 100000; i++) {
        const double small = 0x1p-36;
        struct hn_line a = {random_integer() * small, random_integer()};
        struct hn_line b = {random_integer(), random_integer() * small};
        long double want;
        double got, ulp;

        if (a.slope >= b.slope)
            continue;
        want = ((long double)a.offset - b.offset) /
               ((long double)b.slope - a.slope);
        got = hn_line_crossing(a, b, &hn_hyper_identity);
        ulp = nextafter(fabs(got), INFINITY) - fabs(got);
        ck_assert(fabsl(got - want) <= (0.5L + 0x1p-10L) * ulp);
    }
}
END_TEST

START_TEST(crossing_at_a_midpoint_goes_to_the_even_neighbour)
{
    const struct hn_line b = {1, 0};
    const struct hn_line b2 = {1, -0x1p-53}, b3 = {1, -0x1.8p-52};
    const struct hn_line b4 = {1, -0x1.0004p-53};
    const struct hn_line a = {0, 1};

    ck_assert(hn_line_crossing(a, b, &hn_hyper_identity) == 1);
    ck_assert(hn_line_crossing(a, b2, &hn_hyper_identity) == 1);
    ck_assert(hn_line_crossing(a, b3, &hn_hyper_identity) == 1 + 0x1p-51);
    ck_assert(hn_line_crossing(a, b4, &hn_hyper_identity) == 1 + 0x1p-52);
}
END_TEST

/* The segment's ends are decimal numbers, its crossing their weighted sum:
 * nothing is left of it but what rounding them left. */
START_TEST(crossing_whose_digits_cancel_is_found)
{
    const double low[] = {-0.007, -7e99}, high[] = {0.006, 6e99};
    const struct hn_line a = {0, 7}, b = {13, 0};

    if (sizeof(long double) == sizeof(double))
        return;
    for (int i = 0; i < 2; i++) {
        const double lo = low[i], hi = high[i], width = hi - lo;
        const double part = hi - width;
        const struct hn_hyper_frame f = {lo, width,
                                         (part - lo) + ((hi - part) - width)};
        const long double want = (6 * (long double)lo + 7 * (long double)hi);

        ck_assert(hn_line_crossing(a, b, &f) == (double)(want / 13));
    }
}
END_TEST

START_TEST(three_lines_through_a_point_hide_the_middle_one)
{
    /* all meet at s = 3, alpha = 5 */
    const struct hn_line a = {-1, 8}, b = {0.5, 3.5}, c = {2, -1};
    const struct hn_line higher = {0.5, 3.5000002384185791015625};

    ck_assert(hn_line_is_hidden(a, b, c));
    ck_assert(!hn_line_is_hidden(a, higher, c));
}
END_TEST

START_TEST(envelope_is_the_largest_line_everywhere)
{
    enum { N = 8 };

    srand(4);
    for (int round = 0; round < 2000; round++) {
        double slope[N], offset[N], cost[N], start[N];
        const struct hn_lines lines = {slope, offset, cost, &hn_hyper_identity};
        int32_t op[N], n = 1 + rand() % N, pieces;

        for (int o = 0; o < n; o++) {
            op[o] = o;
            /* few values: ties and points shared by three lines abound */
            slope[o] = rand() % 9 - 4;
            offset[o] = rand() % 9 - 4;
            cost[o] = rand() % 3;
        }
        pieces = hn_envelope(op, start, n, &lines);
        ck_assert(pieces >= 1 && pieces <= n);
        ck_assert(isinf(start[0]) && start[0] < 0);
        for (int k = 1; k < pieces; k++) {
            ck_assert(start[k] > start[k - 1]);
            ck_assert(slope[op[k]] > slope[op[k - 1]]);
        }
        for (double s = -9; s <= 9; s += 0.125) {
            int k = 0, best;

            while (k + 1 < pieces && start[k + 1] <= s)
                k++;
            best = op[k];
            for (int o = 0; o < n; o++) {
                const double mine = s * slope[best] + offset[best];
                const double other = s * slope[o] + offset[o];

                ck_assert(other <= mine);
                if (other < mine || o == best)
                    continue;
                ck_assert(slope[o] <= slope[best]); /* from above */
                if (slope[o] == slope[best])
                    ck_assert(cost[best] < cost[o] ||
                              (cost[best] == cost[o] && best < o));
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch exact");
    TCase *c = tcase_create("exact");

    tcase_add_test(c, sign_sees_what_rounding_hides);
    tcase_add_test(c, crossing_is_correctly_rounded_for_integers);
    tcase_add_test(c, crossing_is_correctly_rounded_where_differences_are_not);
    tcase_add_test(c, crossing_at_a_midpoint_goes_to_the_even_neighbour);
    tcase_add_test(c, crossing_whose_digits_cancel_is_found);
    tcase_add_test(c, three_lines_through_a_point_hide_the_middle_one);
    tcase_add_test(c, envelope_is_the_largest_line_everywhere);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
