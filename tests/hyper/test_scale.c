/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "hyper/hyper.h"
#include "support/check_main.h"

static struct hnas_context *ctx;

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
}

static void teardown(void)
{
    ck_assert_uint_eq(ctx->alloc.now_bytes > 0, 1);
    hn_context_close(ctx);
}

static hnas_status make(hnas_hyper **out, int32_t kind, int32_t scale,
                        double lo, double hi)
{
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = kind;
    o.scale = scale;
    o.lambda_lo = lo;
    o.lambda_hi = hi;
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = 2;
    o.cols[0] = 3;
    return hnas_hyper_create(out, ctx, &o);
}

/* Ranges whose quotient is not a power of anything. */
static const double ranges[][2] = {
    {1e-4, 1e-1}, {1e-8, 1e-4}, {1e-10, 1e-6}, {0.3, 0.7}, {3e-5, 1.7e3}};
enum { N_RANGES = sizeof ranges / sizeof *ranges };

START_TEST(log_scale_hits_minus_one_and_one_at_the_ends)
{
    for (int i = 0; i < N_RANGES; i++) {
        const double lo = ranges[i][0], hi = ranges[i][1];
        hnas_hyper *h;
        double v;

        ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, lo, hi),
                         HNAS_OK);
        ck_assert_int_eq(hnas_hyper_scale(&v, h, lo), HNAS_OK);
        ck_assert(v == -1);
        ck_assert_int_eq(hnas_hyper_scale(&v, h, hi), HNAS_OK);
        ck_assert(v == 1);
        ck_assert_int_eq(hnas_hyper_unscale(&v, h, -1), HNAS_OK);
        ck_assert(v == lo);
        ck_assert_int_eq(hnas_hyper_unscale(&v, h, 1), HNAS_OK);
        ck_assert(v == hi);
        hnas_hyper_destroy(h);
    }
}
END_TEST

START_TEST(log_scale_is_the_formula_of_the_method)
{
    hnas_hyper *h;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    for (int i = 0; i <= 1000; i++) {
        const double lambda = 1e-4 * pow(1000, i / 1000.0);
        const double want =
            2 * (log(lambda) - log(1e-4)) / (log(1e-1) - log(1e-4)) - 1;
        double s;

        ck_assert_int_eq(hnas_hyper_scale(&s, h, lambda), HNAS_OK);
        ck_assert_double_eq_tol(s, want, 4e-15);
        ck_assert(s >= -1 && s <= 1);
    }
    hnas_hyper_destroy(h);
}
END_TEST

/* The long double oracle has 11 bits to spare where the compiler gives the
 * x87 format or better; where it does not, it cannot tell 2 ulp. */
START_TEST(unscale_is_within_two_ulp)
{
    if (sizeof(long double) == sizeof(double))
        return;
    srand(1);
    for (int i = 0; i < N_RANGES; i++) {
        const double lo = ranges[i][0], hi = ranges[i][1];
        struct hn_scale scale;

        hn_scale_init(&scale, HNAS_SCALE_LOG, lo, hi);
        for (int n = 0; n < 20000; n++) {
            const double s = 2.0 * rand() / RAND_MAX - 1;
            const long double want =
                (long double)lo *
                powl((long double)hi / lo, ((long double)s + 1) / 2);
            const double got = hn_scale_lambda(&scale, s);
            const double ulp = nextafter(got, INFINITY) - got;

            ck_assert(fabsl(got - want) <= 2 * (long double)ulp);
        }
    }
}
END_TEST

START_TEST(unscale_then_scale_returns)
{
    hnas_hyper *h;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    for (int i = -100; i <= 100; i++) {
        double lambda, s;

        ck_assert_int_eq(hnas_hyper_unscale(&lambda, h, i / 100.0), HNAS_OK);
        ck_assert_int_eq(hnas_hyper_scale(&s, h, lambda), HNAS_OK);
        ck_assert_double_eq_tol(s, i / 100.0, 1e-15);
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(raw_scale_is_lambda_itself)
{
    const double lambdas[] = {1e-4, 0.02, 0.1};
    hnas_hyper *h;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_RAW, 1e-4, 1e-1),
                     HNAS_OK);
    for (int i = 0; i < 3; i++) {
        double v;

        ck_assert_int_eq(hnas_hyper_scale(&v, h, lambdas[i]), HNAS_OK);
        ck_assert(v == lambdas[i]);
        ck_assert_int_eq(hnas_hyper_unscale(&v, h, lambdas[i]), HNAS_OK);
        ck_assert(v == lambdas[i]);
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(raw_scale_answers_any_finite_lambda)
{
    const double lambdas[] = {-3, 0, 1e300};
    hnas_hyper *h;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_RAW, 1e-4, 1e-1),
                     HNAS_OK);
    for (int i = 0; i < 3; i++) {
        double v = 7;

        ck_assert_int_eq(hnas_hyper_scale(&v, h, lambdas[i]),
                         HNAS_EXTRAPOLATED);
        ck_assert(v == lambdas[i]);
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(lambda_that_is_no_number_is_a_range_error)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};

    for (int scale = HNAS_SCALE_RAW; scale <= HNAS_SCALE_LOG; scale++)
        for (int kind = HNAS_HYPER_LINEAR; kind <= HNAS_HYPER_CONSTANT; kind++)
            for (int i = 0; i < 3; i++) {
                hnas_hyper *h;
                double v = 7, alpha[6];

                ck_assert_int_eq(make(&h, kind, scale, 1, 2), HNAS_OK);
                ck_assert_int_eq(hnas_hyper_scale(&v, h, bad[i]), HNAS_E_RANGE);
                ck_assert(v == 7);
                ck_assert_str_ne(hnas_context_message(ctx), "");
                ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, bad[i]),
                                 HNAS_E_RANGE);
                hnas_hyper_destroy(h);
            }
}
END_TEST

START_TEST(log_scale_refuses_lambda_not_above_zero)
{
    hnas_hyper *h;
    double v;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_hyper_scale(&v, h, 0), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_scale(&v, h, -1), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_unscale(&v, h, NAN), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_unscale(&v, h, 1e9), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_unscale(&v, h, -1e9), HNAS_E_RANGE);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(scale_outside_the_range_says_extrapolated)
{
    hnas_hyper *h;
    double s;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_hyper_scale(&s, h, 1), HNAS_EXTRAPOLATED);
    ck_assert_double_eq_tol(s, 1 + 2.0 / 3, 1e-14);
    ck_assert_int_eq(hnas_hyper_scale(&s, h, 1e-5), HNAS_EXTRAPOLATED);
    ck_assert_double_eq_tol(s, -1 - 2.0 / 3, 1e-14);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(a_rounding_beyond_the_end_counts_as_the_end)
{
    hnas_hyper *h;
    double s;

    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_hyper_scale(&s, h, nextafter(1e-1, 1)), HNAS_OK);
    ck_assert(s == 1);
    ck_assert_int_eq(hnas_hyper_scale(&s, h, nextafter(1e-4, 0)), HNAS_OK);
    ck_assert(s == -1);
    ck_assert_int_eq(hnas_hyper_scale(&s, h, 1e-1 * (1 + 1e-11)),
                     HNAS_EXTRAPOLATED);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(nothing_given_is_refused)
{
    hnas_hyper *h, *none = (hnas_hyper *)&h;
    hnas_tensor *t = (hnas_tensor *)&h;
    double s;

    ck_assert_int_eq(hnas_hyper_create(&none, ctx, NULL), HNAS_E_ARG);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(make(&h, HNAS_HYPER_LINEAR, HNAS_SCALE_LOG, 1e-4, 1e-1),
                     HNAS_OK);
    ck_assert_int_eq(hnas_hyper_apply(NULL, NULL, h, 0, 1e-3), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_apply(&t, NULL, NULL, 0, 1e-3), HNAS_E_ARG);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(hnas_hyper_apply(&t, NULL, h, 2, 1e-3), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_scale(NULL, h, 1e-3), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_scale(&s, NULL, 1e-3), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_unscale(NULL, h, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_unscale(&s, NULL, 0), HNAS_E_ARG);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(create_refuses_a_range_that_its_scale_cannot_take)
{
    const struct {
        int32_t scale;
        double lo, hi;
    } bad[] = {{HNAS_SCALE_LOG, 0, 1},          {HNAS_SCALE_LOG, -1, 1},
               {HNAS_SCALE_LOG, 1, 1},          {HNAS_SCALE_LOG, 2, 1},
               {HNAS_SCALE_RAW, 2, 1},          {HNAS_SCALE_RAW, NAN, 1},
               {HNAS_SCALE_LOG, 1, NAN},        {HNAS_SCALE_RAW, 0, INFINITY},
               {HNAS_SCALE_LOG, 1e-300, 1e300}, {7, 1, 2},
               {HNAS_SCALE_RAW, -1e308, 1e308}, {HNAS_SCALE_RAW, 0, 1e290},
               {HNAS_SCALE_RAW, 0, 1e-310}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hnas_hyper *h = (hnas_hyper *)&h;

        ck_assert_int_eq(
            make(&h, HNAS_HYPER_LINEAR, bad[i].scale, bad[i].lo, bad[i].hi),
            HNAS_E_RANGE);
        ck_assert_ptr_null(h);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hyper scale");
    TCase *c = tcase_create("scale");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, log_scale_hits_minus_one_and_one_at_the_ends);
    tcase_add_test(c, log_scale_is_the_formula_of_the_method);
    tcase_add_test(c, unscale_is_within_two_ulp);
    tcase_add_test(c, unscale_then_scale_returns);
    tcase_add_test(c, raw_scale_is_lambda_itself);
    tcase_add_test(c, raw_scale_answers_any_finite_lambda);
    tcase_add_test(c, lambda_that_is_no_number_is_a_range_error);
    tcase_add_test(c, log_scale_refuses_lambda_not_above_zero);
    tcase_add_test(c, scale_outside_the_range_says_extrapolated);
    tcase_add_test(c, a_rounding_beyond_the_end_counts_as_the_end);
    tcase_add_test(c, nothing_given_is_refused);
    tcase_add_test(c, create_refuses_a_range_that_its_scale_cannot_take);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
