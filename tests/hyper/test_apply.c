/* SPDX-License-Identifier: BSD-3-Clause */
/* The hypernetwork on a tape. */
#include <check.h>
#include <math.h>

#include "hnas/func.h"
#include "hyper/hyper.h"
#include "support/check_main.h"

enum { E = 2, O = 3, N = E * O };

static hnas_context *ctx;
static hnas_tape *tape;
static hnas_hyper *hyper;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    hyper = NULL;
}

static void teardown(void)
{
    hnas_tape_destroy(tape);
    hnas_hyper_destroy(hyper);
    hnas_context_destroy(ctx);
}

static void make(int32_t kind)
{
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = kind;
    o.init_std = 1;
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = E;
    o.cols[0] = O;
    o.embedding = 5;
    o.tile = E;
    o.embed_s = 1;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    if (hyper->table[0].b1)
        hn_fill_uniform(hyper->table[0].b1, 1, 0);
    if (hyper->table[0].w2)
        hn_fill_uniform(hyper->table[0].w2, 1, 0);
    if (hyper->table[0].v)
        hn_fill_uniform(hyper->table[0].v, 1, 0);
}

START_TEST(apply_records_what_eval_computes)
{
    const double lambdas[] = {1e-4, 3e-4, 0.05, 1e-1};

    for (int kind = HNAS_HYPER_LINEAR; kind <= HNAS_HYPER_EMBEDDING; kind++) {
        hnas_hyper_destroy(hyper);
        make(kind);
        for (int i = 0; i < 4; i++) {
            hnas_tensor *alpha;
            double got[N], want[N];

            ck_assert_int_eq(
                hnas_hyper_apply(&alpha, tape, hyper, 0, lambdas[i]), HNAS_OK);
            ck_assert_int_eq(hnas_tensor_get(alpha, HNAS_FLOAT64, got, N),
                             HNAS_OK);
            ck_assert_int_eq(hnas_hyper_eval(want, N, hyper, 0, lambdas[i]),
                             HNAS_OK);
            for (int j = 0; j < N; j++)
                ck_assert_double_eq_tol(got[j], want[j], 1e-6);
            hnas_tensor_unref(alpha);
        }
    }
}
END_TEST

/* loss = sum alpha^2: d/db1 = 2 s alpha, d/db2 = 2 alpha. */
START_TEST(apply_sends_gradients_to_slopes_and_offsets)
{
    hnas_tensor *alpha, *square, *loss;
    double value[N], g1[N], g2[N], s;

    make(HNAS_HYPER_LINEAR);
    ck_assert_int_eq(hnas_hyper_apply(&alpha, tape, hyper, 0, 0.02), HNAS_OK);
    ck_assert_int_eq(hnas_mul(&square, tape, alpha, alpha), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, square), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    hnas_hyper_eval(value, N, hyper, 0, 0.02);
    hnas_hyper_scale(&s, hyper, 0.02);
    hnas_tensor_get_gradient(hyper->table[0].b1, HNAS_FLOAT64, g1, N);
    hnas_tensor_get_gradient(hyper->table[0].b2, HNAS_FLOAT64, g2, N);
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq_tol(g1[i], 2 * s * value[i], 1e-5);
        ck_assert_double_eq_tol(g2[i], 2 * value[i], 1e-5);
    }
    hnas_tensor_unref(loss);
    hnas_tensor_unref(square);
    hnas_tensor_unref(alpha);
}
END_TEST

/* sum alpha^2 at lambda. */
static double sum_of_squares(double lambda)
{
    double alpha[N], sum = 0;

    hnas_hyper_eval(alpha, N, hyper, 0, lambda);
    for (int i = 0; i < N; i++)
        sum += alpha[i] * alpha[i];
    return sum;
}

/* Against central differences of eval, every parameter of every kind. */
START_TEST(apply_sends_gradients_to_every_parameter)
{
    const double lambdas[] = {1e-4, 2e-3, 0.05, 1e-1};
    const double step = sizeof(real) == sizeof(double) ? 1e-5 : 0x1p-9;
    const double bound = sizeof(real) == sizeof(double) ? 1e-7 : 1e-3;

    for (int round = 0; round < 20; round++) {
        hnas_tensor *alpha, *square, *loss;
        const double lambda = lambdas[round / 5];

        hnas_hyper_destroy(hyper);
        make(round % 5);
        ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
        ck_assert_int_eq(hnas_hyper_apply(&alpha, tape, hyper, 0, lambda),
                         HNAS_OK);
        ck_assert_int_eq(hnas_mul(&square, tape, alpha, alpha), HNAS_OK);
        ck_assert_int_eq(hnas_sum(&loss, tape, square), HNAS_OK);
        ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
        for (int64_t p = 0; p < hnas_params_get_count(&hyper->params); p++) {
            hnas_tensor *t = hnas_params_get_tensor(&hyper->params, p);
            const int64_t n = hnas_tensor_get_count(t);
            double g[256];

            ck_assert_int_le(n, 256);
            hnas_tensor_get_gradient(t, HNAS_FLOAT64, g, n);
            for (int64_t i = 0; i < n; i++) {
                const real kept = hn_real(t)[i];
                double up, down;

                hn_real(t)[i] = kept + (real)step;
                up = sum_of_squares(lambda);
                hn_real(t)[i] = kept - (real)step;
                down = sum_of_squares(lambda);
                hn_real(t)[i] = kept;
                ck_assert_double_eq_tol(g[i], (up - down) / (2 * step),
                                        bound * (1 + fabs(g[i])));
            }
        }
        hnas_tensor_unref(loss);
        hnas_tensor_unref(square);
        hnas_tensor_unref(alpha);
    }
}
END_TEST

START_TEST(two_knots_are_the_linear_kind)
{
    double want[N], got[N];
    hnas_hyper *linear;
    hnas_hyper_opts o;

    make(HNAS_HYPER_LINEAR);
    linear = hyper;
    hnas_hyper_get_opts(linear, &o, sizeof o);
    o.kind = HNAS_HYPER_PIECEWISE;
    o.knots = 2;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    for (int i = 0; i < N; i++) {
        const real b1 = hn_real(linear->table[0].b1)[i];
        const real b2 = hn_real(linear->table[0].b2)[i];

        hn_real(hyper->table[0].knots)[i] = b2 - b1;
        hn_real(hyper->table[0].knots)[N + i] = b2 + b1;
    }
    for (double lambda = 1e-5; lambda < 2; lambda *= 3) {
        hnas_hyper_eval(want, N, linear, 0, lambda);
        hnas_hyper_eval(got, N, hyper, 0, lambda);
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(got[i], want[i], 2e-6);
    }
    hnas_hyper_destroy(linear);
}
END_TEST

START_TEST(embeddings_are_shared_by_the_rows_of_a_tile)
{
    hnas_hyper_opts o;
    double v[12 * 2], moved[12 * 2];
    int64_t n_changed = 0;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = HNAS_HYPER_EMBEDDING;
    o.n_tables = 1;
    o.names[0] = "kernels";
    o.rows[0] = 12;
    o.cols[0] = 2;
    o.weights = 1;
    o.tile = 5;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_E_RANGE);
    o.tile = 4;
    o.embedding = 0;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_E_RANGE);
    o.embedding = 3;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    /* z 3 x 3, w 12 x 3, b 12, w_out 2 x 3, b_out 2 */
    ck_assert_int_eq(
        hnas_params_get_elements(&hyper->params, HNAS_PARAM_WEIGHT),
        9 + 36 + 12 + 6 + 2);
    ck_assert_int_eq(hnas_hyper_eval(v, 24, hyper, 0, 1e-2), HNAS_OK);
    hn_real(hyper->table[0].z)[1 * 3 + 2] += 1; /* of the second tile */
    ck_assert_int_eq(hnas_hyper_eval(moved, 24, hyper, 0, 1e-2), HNAS_OK);
    for (int i = 0; i < 24; i++) {
        ck_assert(i / 8 == 1 || v[i] == moved[i]);
        n_changed += v[i] != moved[i];
    }
    ck_assert_int_eq(n_changed, 8);
}
END_TEST

START_TEST(apply_refuses_lambda_outside_the_range)
{
    const double bad[] = {1e-5, 1, 0, NAN};

    make(HNAS_HYPER_LINEAR);
    for (int i = 0; i < 4; i++) {
        hnas_tensor *alpha = (hnas_tensor *)&alpha;

        ck_assert_int_eq(hnas_hyper_apply(&alpha, tape, hyper, 0, bad[i]),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(alpha);
        ck_assert_str_ne(hnas_context_message(ctx), "");
    }
}
END_TEST

START_TEST(apply_without_a_tape_computes)
{
    hnas_tensor *alpha;

    make(HNAS_HYPER_LINEAR);
    ck_assert_int_eq(hnas_hyper_apply(&alpha, NULL, hyper, 0, 0.1), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_count(alpha), N);
    hnas_tensor_unref(alpha);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hyper apply");
    TCase *c = tcase_create("apply");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, apply_records_what_eval_computes);
    tcase_add_test(c, apply_sends_gradients_to_slopes_and_offsets);
    tcase_add_test(c, apply_sends_gradients_to_every_parameter);
    tcase_add_test(c, two_knots_are_the_linear_kind);
    tcase_add_test(c, embeddings_are_shared_by_the_rows_of_a_tile);
    tcase_add_test(c, apply_refuses_lambda_outside_the_range);
    tcase_add_test(c, apply_without_a_tape_computes);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
