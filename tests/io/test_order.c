/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/order.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { LONG_COUNT = 65537 };

static void expect_each_once(const struct hn_order *o)
{
    unsigned char *seen = calloc((size_t)o->count, 1);

    ck_assert_ptr_nonnull(seen);
    for (int64_t i = 0; i < o->count; i++) {
        const int64_t image = hn_order_get(o, i);

        ck_assert_int_ge(image, 0);
        ck_assert_int_lt(image, o->count);
        ck_assert_int_eq(seen[image]++, 0);
    }
    free(seen);
}

START_TEST(every_image_comes_once_in_short_and_long_ranges)
{
    static const int64_t counts[] = {1,          2,      37,     65536,
                                     LONG_COUNT, 100003, 262144, 262145};

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (int64_t epoch = 0; epoch < 2; epoch++) {
            struct hn_order o;

            ck_assert_int_eq(hn_order_init(&o, ctx, counts[i], 1, 3), HNAS_OK);
            hn_order_set(&o, epoch);
            expect_each_once(&o);
            hn_order_finish(&o);
        }
}
END_TEST

START_TEST(a_long_range_takes_no_memory)
{
    const size_t before = ctx->alloc.now_bytes;
    struct hn_order o;

    ck_assert_int_eq(hn_order_init(&o, ctx, INT64_C(1) << 40, 1, 0), HNAS_OK);
    hn_order_set(&o, 7);
    for (int64_t i = 0; i < 100; i++)
        ck_assert_int_lt(hn_order_get(&o, i), INT64_C(1) << 40);
    ck_assert_uint_eq(ctx->alloc.now_bytes, before);
    hn_order_finish(&o);
}
END_TEST

/* Positions at which two orders of one long range agree: about 1. */
static int count_equal(const struct hn_order *a, const struct hn_order *b)
{
    int n = 0;

    for (int64_t i = 0; i < a->count; i++)
        n += hn_order_get(a, i) == hn_order_get(b, i);
    return n;
}

START_TEST(long_orders_differ_by_epoch_stream_and_seed)
{
    struct hn_order a, b;

    ck_assert_int_eq(hn_order_init(&a, ctx, LONG_COUNT, 1, 0), HNAS_OK);
    b = a;
    hn_order_set(&a, 0);
    hn_order_set(&b, 1);
    ck_assert_int_lt(count_equal(&a, &b), 12);
    ck_assert_int_eq(hn_order_init(&b, ctx, LONG_COUNT, 1, 1), HNAS_OK);
    hn_order_set(&b, 0);
    ck_assert_int_lt(count_equal(&a, &b), 12);
    ck_assert_int_eq(hn_order_init(&b, ctx, LONG_COUNT, 0, 0), HNAS_OK);
    hn_order_set(&b, 0);
    ck_assert_int_eq(hn_order_get(&b, 5), 5);
    ck_assert_int_lt(count_equal(&a, &b), 12);
}
END_TEST

/* Which sixteenth of the range the first half's images come from: chi squared
 * with 15 degrees of freedom stays below 50 but once in 10^5. */
START_TEST(long_orders_are_uniform)
{
    enum { CELLS = 16, N = 40000 };
    struct hn_order o;

    ck_assert_int_eq(hn_order_init(&o, ctx, 100003, 1, 0), HNAS_OK);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int hits[CELLS] = {0};
        double chi = 0;

        hn_order_set(&o, epoch);
        for (int64_t i = 0; i < N; i++)
            hits[hn_order_get(&o, i) * CELLS / o.count]++;
        for (int c = 0; c < CELLS; c++) {
            const double off = hits[c] - (double)N / CELLS;

            chi += off * off / ((double)N / CELLS);
        }
        ck_assert_double_lt(chi, 50);
    }
}
END_TEST

START_TEST(the_long_order_of_seed_0_never_changes)
{
    static const int64_t want[] = {24035, 46951, 9295, 49624};
    struct hn_order o;

    ck_assert_int_eq(hn_order_init(&o, ctx, LONG_COUNT, 1, 0), HNAS_OK);
    hn_order_set(&o, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(hn_order_get(&o, i), want[i]);
}
END_TEST

START_TEST(without_memory_it_fails)
{
    struct hn_order o;

    fixture_fail_allocation(0);
    expect_failure(hn_order_init(&o, ctx, 9, 1, 0), HNAS_E_NOMEM,
                   "order of images");
    fixture_fail_allocation(-1);
    hn_order_finish(&o);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("order");

    tcase_add_test(t, every_image_comes_once_in_short_and_long_ranges);
    tcase_add_test(t, a_long_range_takes_no_memory);
    tcase_add_test(t, long_orders_differ_by_epoch_stream_and_seed);
    tcase_add_test(t, long_orders_are_uniform);
    tcase_add_test(t, the_long_order_of_seed_0_never_changes);
    tcase_add_test(t, without_memory_it_fails);
    return fixture_run(t);
}
