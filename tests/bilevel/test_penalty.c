/* SPDX-License-Identifier: BSD-3-Clause */
/* What the regularisers add to the loss, and their gradients. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "bilevel/search.h"
#include "support/check_main.h"

enum { E = 5, O = 3, N = E * O };

static const double lambda = 1e-2;
static hnas_context *ctx;
static hnas_supernet *net;
static hnas_hyper *hyper;
static hnas_search *search;
static hnas_tape *tape;
static hnas_tensor *alpha[2];

/* What operation i of a kind costs in the host's table. */
static double table(int kind, int i)
{
    return (7 * i + 3 * kind) % 11 + 0.25;
}

static void set_table(void)
{
    double cost[2][N];

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < N; i++)
            cost[k][i] = table(k, i);
    ck_assert_int_eq(hnas_supernet_set_cost_table(
                         net, (const double *const[2]){cost[0], cost[1]}, N, 5),
                     0);
}

static void open_search(const hnas_search_opts *opts)
{
    static const char *const ops[] = {"none", "skip_connect", "sep_conv_3x3"};
    const int64_t dims[2] = {E, O};
    hnas_supernet_opts s;
    hnas_hyper_opts h;

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), 0);
    hnas_supernet_opts_init(&s, sizeof s);
    s.image[1] = s.image[2] = 4;
    s.channels = 2;
    s.cells = 3;
    s.nodes = 2;
    s.ops = ops;
    s.n_ops = O;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &s), 0);
    if (opts->metric == HNAS_COST_TABLE)
        set_table();
    hnas_hyper_opts_init(&h, sizeof h);
    h.n_tables = 2;
    h.names[0] = "normal";
    h.names[1] = "reduce";
    h.rows[0] = h.rows[1] = E;
    h.cols[0] = h.cols[1] = O;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), 0);
    ck_assert_int_eq(hnas_search_create(&search, net, hyper, opts), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    srand(5);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(
            hnas_tensor_create(&alpha[k], ctx,
                               sizeof(real) == 8 ? HNAS_FLOAT64 : HNAS_FLOAT32,
                               2, dims),
            0);
        for (int i = 0; i < N; i++)
            hn_real(alpha[k])[i] = (real)(float)(4.0 * rand() / RAND_MAX - 2);
        ck_assert_int_eq(hnas_tensor_set_wanted(alpha[k], 1), 0);
    }
}

static void close_search(void)
{
    hnas_tensor_unref(alpha[0]);
    hnas_tensor_unref(alpha[1]);
    hnas_tape_destroy(tape);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
}

/* The penalty of the settings by its formula, t = 1/4 of the steps. */
static double formula(const hnas_search_opts *o)
{
    double norm = 0, lse = 0, cost = 0, reference = 0;

    for (int k = 0; k < 2; k++)
        for (int e = 0; e < E; e++) {
            double sum = 0, weighted = 0;

            for (int i = e * O; i < (e + 1) * O; i++) {
                const double a = (double)hn_real(alpha[k])[i];

                norm += a * a;
                sum += exp(a);
                weighted += exp(a) * table(k, i);
                reference += table(k, i) / O;
            }
            cost += weighted / sum;
            lse += log(sum);
        }
    return o->l2 * norm + o->beta_decay * 0.25 * lse / (2 * E) +
           o->cost_weight * lambda * cost / reference;
}

static void expect_penalty(double l2, double beta_decay, double cost_weight)
{
    const double step = sizeof(real) == 8 ? 1e-5 : 0x1p-8;
    const double bound = sizeof(real) == 8 ? 1e-8 : 1e-4;
    hnas_search_opts o;
    hnas_tensor *zero, *loss;
    double value, gradient[N];

    hnas_search_opts_init(&o, sizeof o);
    o.cost_weight = cost_weight;
    o.metric = cost_weight > 0 ? HNAS_COST_TABLE : HNAS_COST_PARAMS;
    o.l2 = l2;
    o.beta_decay = beta_decay;
    o.bilevel.total_steps = 40;
    open_search(&o);
    search->bilevel->step = 10;
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hnas_sum(&zero, tape, alpha[0]), 0);
    ck_assert_int_eq(hnas_affine(&loss, tape, zero, 0, 0), 0);
    hnas_tensor_unref(zero);
    ck_assert_int_eq(
        hn_search_penalty(search, tape, lambda, alpha, alpha, &loss), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    ck_assert_double_eq_tol(value, formula(&o), 1e-5);
    for (int k = 0; k < 2; k++) {
        hnas_tensor_get_gradient(alpha[k], HNAS_FLOAT64, gradient, N);
        for (int i = 0; i < N; i++) {
            real *a = &hn_real(alpha[k])[i];
            const real kept = *a;
            double up, down;

            *a = kept + (real)step;
            up = formula(&o);
            *a = kept - (real)step;
            down = formula(&o);
            *a = kept;
            ck_assert_double_eq_tol(gradient[i], (up - down) / (2 * step),
                                    bound);
        }
    }
    hnas_tensor_unref(loss);
    close_search();
}

START_TEST(l2_adds_squares)
{
    expect_penalty(0.5, 0, 0);
}
END_TEST

START_TEST(beta_decay_adds_the_ramped_mean_of_log_sums)
{
    expect_penalty(0, 2, 0);
    expect_penalty(0.25, 3, 0);
}
END_TEST

START_TEST(cost_is_that_of_the_hosts_table)
{
    expect_penalty(0, 0, 20);
    expect_penalty(0.25, 3, 100);
}
END_TEST

START_TEST(negative_weights_are_refused)
{
    hnas_search_opts o;
    hnas_search *s;

    hnas_search_opts_init(&o, sizeof o);
    open_search(&o);
    o.l2 = -1;
    ck_assert_int_eq(hnas_search_create(&s, net, hyper, &o), HNAS_E_RANGE);
    o.l2 = 0;
    o.beta_decay = NAN;
    ck_assert_int_eq(hnas_search_create(&s, net, hyper, &o), HNAS_E_RANGE);
    close_search();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("penalty");

    tcase_add_test(t, l2_adds_squares);
    tcase_add_test(t, beta_decay_adds_the_ramped_mean_of_log_sums);
    tcase_add_test(t, cost_is_that_of_the_hosts_table);
    tcase_add_test(t, negative_weights_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
