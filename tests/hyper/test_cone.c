/* SPDX-License-Identifier: BSD-3-Clause */
/* The projection against a brute-force oracle: Dykstra's alternating
 * projections onto the half-spaces that the method names, pair by pair. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hyper/hyper.h"
#include "support/check_main.h"

enum { MAX_OPS = 8, SWEEPS = 20000 };

static struct hnas_context *ctx;
static hnas_hyper *hyper;

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    hyper = NULL;
    srand(7);
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hn_context_close(ctx);
}

static void make(int64_t rows, int64_t cols)
{
    hnas_hyper_opts o;

    hnas_hyper_destroy(hyper);
    hnas_hyper_opts_init(&o, sizeof o);
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = rows;
    o.cols[0] = cols;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
}

static void set(const double *b1, int64_t n)
{
    ck_assert_int_eq(hnas_tensor_set(hyper->table[0].b1, HNAS_FLOAT64, b1, n),
                     HNAS_OK);
}

static void get(double *b1, int64_t n)
{
    ck_assert_int_eq(hnas_tensor_get(hyper->table[0].b1, HNAS_FLOAT64, b1, n),
                     HNAS_OK);
}

static int is_cheaper(int i, int j, const double *cost, const int32_t *zero)
{
    if (zero[i] || zero[j])
        return zero[i] && !zero[j];
    return cost[i] < cost[j];
}

/* Dykstra's algorithm over {x_i >= x_j} and {x_o <= 0}. */
static void oracle(double *x, int n, const double *cost, const int32_t *zero,
                   int clip)
{
    double lambda[MAX_OPS][MAX_OPS] = {{0}}, bound[MAX_OPS] = {0};

    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double moved = 0;

        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                double old = lambda[i][j], gap;

                if (!is_cheaper(i, j, cost, zero))
                    continue;
                x[i] -= old;
                x[j] += old;
                gap = (x[j] - x[i]) / 2;
                lambda[i][j] = gap > 0 ? gap : 0;
                x[i] += lambda[i][j];
                x[j] -= lambda[i][j];
                moved += fabs(lambda[i][j] - old);
            }
        for (int o = 0; o < n && clip; o++) {
            const double old = bound[o];

            if (cost[o] == 0)
                continue;
            x[o] += old;
            bound[o] = x[o] > 0 ? x[o] : 0;
            x[o] -= bound[o];
            moved += fabs(bound[o] - old);
        }
        if (moved < 1e-13)
            return;
    }
}

START_TEST(project_equals_the_brute_force_projection)
{
    for (int round = 0; round < 600; round++) {
        const int n = 1 + rand() % MAX_OPS, clip = round % 2;
        double b1[MAX_OPS], want[MAX_OPS], got[MAX_OPS], cost[MAX_OPS];
        int32_t zero[MAX_OPS] = {0};

        for (int o = 0; o < n; o++) {
            cost[o] = rand() % 4; /* ties are common */
            b1[o] = (double)(float)(4.0 * rand() / RAND_MAX - 2);
        }
        if (round % 3)
            zero[rand() % n] = 1;
        if (round % 7 == 1)
            zero[rand() % n] = 1;
        for (int o = 0; o < n; o++)
            if (zero[o])
                cost[o] = 0;
        make(1, n);
        set(b1, n);
        ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, clip),
                         HNAS_OK);
        get(got, n);
        memcpy(want, b1, sizeof want);
        oracle(want, n, cost, zero, clip);
        for (int o = 0; o < n; o++)
            ck_assert_double_eq_tol(got[o], want[o], 2e-6);
    }
}
END_TEST

START_TEST(project_leaves_a_row_inside_the_cone_alone)
{
    const double cost[5] = {0, 0, 3, 3, 9};
    const int32_t zero[5] = {1, 0, 0, 0, 0};
    const double b1[5] = {0.7, 0.1, -0.3, 0.1, -0.3};
    double before[5], after[5];

    make(1, 5);
    set(b1, 5);
    get(before, 5);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    get(after, 5);
    ck_assert_mem_eq(after, before, sizeof after);
}
END_TEST

START_TEST(project_twice_is_project_once)
{
    enum { N = 40 * MAX_OPS };
    double b1[N], once[N], twice[N], cost[N];
    const int32_t zero[MAX_OPS] = {1, 0, 0, 0, 0, 0, 0, 0};

    for (int clip = 0; clip < 2; clip++) {
        for (int i = 0; i < N; i++) {
            cost[i] = zero[i % MAX_OPS] ? 0 : rand() % 3;
            b1[i] = 2.0 * rand() / RAND_MAX - 1;
        }
        make(40, MAX_OPS);
        set(b1, N);
        ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, clip), 0);
        get(once, N);
        ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, clip), 0);
        get(twice, N);
        ck_assert_mem_eq(once, twice, sizeof once);
    }
}
END_TEST

START_TEST(project_makes_slopes_fall_as_cost_rises)
{
    enum { ROWS = 50, N = ROWS * MAX_OPS };
    double b1[N], cost[N];
    const int32_t zero[MAX_OPS] = {0, 0, 1, 0, 0, 0, 0, 0};

    for (int i = 0; i < N; i++) {
        cost[i] = i % MAX_OPS == 2 ? 0 : rand() % 5;
        b1[i] = 2.0 * rand() / RAND_MAX - 1;
    }
    make(ROWS, MAX_OPS);
    set(b1, N);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    get(b1, N);
    for (int e = 0; e < ROWS; e++)
        for (int i = 0; i < MAX_OPS; i++)
            for (int j = 0; j < MAX_OPS; j++)
                if (is_cheaper(i, j, cost + e * MAX_OPS, zero))
                    ck_assert(b1[e * MAX_OPS + i] >= b1[e * MAX_OPS + j]);
}
END_TEST

/* Two slopes of one row pool to their mean. */
static void expect_pooled(const double cost[2], const double b1[2],
                          const int32_t zero[2])
{
    double got[2];

    make(1, 2);
    set(b1, 2);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    get(got, 2);
    ck_assert(got[0] == got[1] && got[0] == (b1[0] + b1[1]) / 2);
}

START_TEST(project_averages_two_that_violate)
{
    expect_pooled((double[]){1, 2}, (double[]){0, 1}, (int32_t[]){0, 0});
}
END_TEST

START_TEST(project_puts_the_zero_operation_before_a_free_one)
{
    expect_pooled((double[]){0, 0}, (double[]){1, -1}, (int32_t[]){0, 1});
}
END_TEST

START_TEST(project_puts_a_zero_operation_that_costs_where_its_cost_is)
{
    expect_pooled((double[]){10, 1}, (double[]){1, -1}, (int32_t[]){1, 0});
}
END_TEST

/* However fine: a step is not lost to a grid. */
START_TEST(project_leaves_knots_inside_the_cone_alone)
{
    enum { K = 64, O = 3 };
    const double cost[O] = {0, 1, 2};
    const int32_t zero[O] = {1, 0, 0};
    hnas_hyper_opts o;
    real *knots, before[K * O];

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = HNAS_HYPER_PIECEWISE;
    o.knots = K;
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = 1;
    o.cols[0] = O;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    knots = hn_real(hyper->table[0].knots);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < O; i++)
            before[k * O + i] = knots[k * O + i] =
                (real)(0.37 - 0.01 * i * k + 1e-6 * (k == K - 1 && i == 0));
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    ck_assert_mem_eq(knots, before, sizeof before);
}
END_TEST

START_TEST(project_leaves_equal_costs_unordered)
{
    const double cost[3] = {1, 1, 1}, b1[3] = {-1, 3, 0.5};
    const int32_t zero[3] = {0, 0, 0};
    double got[3];

    make(1, 3);
    set(b1, 3);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    get(got, 3);
    ck_assert_mem_eq(got, b1, sizeof got);
}
END_TEST

START_TEST(clip_pulls_the_free_operation_down_too)
{
    const double cost[2] = {0, 1}, b1[2] = {0, 2};
    const int32_t zero[2] = {0, 0};
    double got[2];

    make(1, 2);
    set(b1, 2);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 1), HNAS_OK);
    get(got, 2);
    ck_assert(got[0] == 0 && got[1] == 0);
}
END_TEST

START_TEST(project_treats_each_row_by_its_own_cost)
{
    const double cost[4] = {1, 2, 2, 1}, b1[4] = {1, -1, 1, -1};
    const int32_t zero[2] = {0, 0};
    double got[4];

    make(2, 2);
    set(b1, 4);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_OK);
    get(got, 4);
    ck_assert(got[0] == 1 && got[1] == -1);
    ck_assert(got[2] == 0 && got[3] == 0);
}
END_TEST

START_TEST(project_refuses_bad_numbers_and_changes_nothing)
{
    double cost[2] = {1, 2}, b1[2] = {-1, 1}, got[2];
    int32_t zero[2] = {0, 0};

    make(1, 2);
    set(b1, 2);
    cost[1] = NAN;
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_E_RANGE);
    cost[1] = -1;
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_E_RANGE);
    cost[1] = 2;
    ck_assert_int_eq(hnas_hyper_project(hyper, 1, cost, zero, 0), HNAS_E_RANGE);
    zero[1] = 1;
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 1), HNAS_E_RANGE);
    zero[1] = 0;
    get(got, 2);
    ck_assert_mem_eq(got, b1, sizeof got);
    hn_real(hyper->table[0].b1)[0] = (real)NAN;
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_E_NAN);
    ck_assert(hn_real(hyper->table[0].b1)[1] == 1);
}
END_TEST

/* A table of one edge and two operations. */
static void make_pair(int32_t kind)
{
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = kind;
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = 1;
    o.cols[0] = 2;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
}

START_TEST(knots_whose_differences_leave_the_range_are_refused)
{
    const double cost[2] = {0, 1};
    const int32_t zero[2] = {0, 0};
    real *knot;

    make_pair(HNAS_HYPER_PIECEWISE);
    knot = hn_real(hyper->table[0].knots);
    knot[0] = HN_REAL_MAX / 2;
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0), HNAS_E_RANGE);
    ck_assert(knot[0] == HN_REAL_MAX / 2);
}
END_TEST

/* A curve has no slope that costs could order. */
START_TEST(project_refuses_a_kind_without_a_cone)
{
    const double cost[2] = {1, 2};
    const int32_t zero[2] = {0, 0};

    make_pair(HNAS_HYPER_MLP);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 0),
                     HNAS_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "mlp"));
    ck_assert_int_eq(hnas_hyper_project(NULL, 0, cost, zero, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, NULL, zero, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, NULL, 0), HNAS_E_ARG);
}
END_TEST

START_TEST(project_of_a_constant_has_nothing_to_do)
{
    const double cost[2] = {1, 2};
    const int32_t zero[2] = {0, 0};

    make_pair(HNAS_HYPER_CONSTANT);
    ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, 1), HNAS_OK);
}
END_TEST

START_TEST(every_increment_of_knots_is_projected)
{
    enum { K = 4, E = 2, O = 5, N = E * O };
    const double cost[N] = {0, 3, 1, 3, 2, 0, 1, 1, 1, 5};
    const int32_t zero[O] = {1, 0, 0, 0, 0};
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = HNAS_HYPER_PIECEWISE;
    o.knots = K;
    o.init_std = 1;
    o.n_tables = 1;
    o.names[0] = "normal";
    o.rows[0] = E;
    o.cols[0] = O;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    for (int round = 0; round < 200; round++) {
        const int clip = round % 2;
        real *knots = hn_real(hyper->table[0].knots);
        double before[K * N], want[N], mean, mean_before;

        for (int i = 0; i < K * N; i++)
            before[i] =
                (double)(knots[i] = (real)(2.0 * rand() / RAND_MAX - 1));
        ck_assert_int_eq(hnas_hyper_project(hyper, 0, cost, zero, clip),
                         HNAS_OK);
        for (int k = 1; k < K; k++)
            for (int e = 0; e < E; e++) {
                const double *c = cost + e * O;

                for (int i = 0; i < O; i++)
                    want[i] = before[k * N + e * O + i] -
                              before[(k - 1) * N + e * O + i];
                oracle(want, O, c, zero, clip);
                for (int i = 0; i < O; i++) {
                    const double step = (double)knots[k * N + e * O + i] -
                                        (double)knots[(k - 1) * N + e * O + i];

                    ck_assert_double_eq_tol(step, want[i], 2e-5);
                    ck_assert(!clip || c[i] == 0 || step <= 0);
                    for (int j = 0; j < O; j++) /* exactly */
                        ck_assert(
                            !is_cheaper(i, j, c, zero) ||
                            step >= (double)knots[k * N + e * O + j] -
                                        (double)knots[(k - 1) * N + e * O + j]);
                }
            }
        for (int i = 0; i < N; i++) {
            mean = mean_before = 0;
            for (int k = 0; k < K; k++) {
                mean += (double)knots[k * N + i] / K;
                mean_before += before[k * N + i] / K;
            }
            ck_assert_double_eq_tol(mean, mean_before, 1e-5);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hyper cone");
    TCase *c = tcase_create("cone");

    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, project_equals_the_brute_force_projection);
    tcase_add_test(c, project_leaves_a_row_inside_the_cone_alone);
    tcase_add_test(c, project_twice_is_project_once);
    tcase_add_test(c, project_makes_slopes_fall_as_cost_rises);
    tcase_add_test(c, project_averages_two_that_violate);
    tcase_add_test(c, project_puts_the_zero_operation_before_a_free_one);
    tcase_add_test(c,
                   project_puts_a_zero_operation_that_costs_where_its_cost_is);
    tcase_add_test(c, project_leaves_knots_inside_the_cone_alone);
    tcase_add_test(c, project_leaves_equal_costs_unordered);
    tcase_add_test(c, clip_pulls_the_free_operation_down_too);
    tcase_add_test(c, project_treats_each_row_by_its_own_cost);
    tcase_add_test(c, project_refuses_bad_numbers_and_changes_nothing);
    tcase_add_test(c, knots_whose_differences_leave_the_range_are_refused);
    tcase_add_test(c, project_refuses_a_kind_without_a_cone);
    tcase_add_test(c, project_of_a_constant_has_nothing_to_do);
    tcase_add_test(c, every_increment_of_knots_is_projected);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
