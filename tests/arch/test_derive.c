/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures from the lines of a hypernetwork at lambda. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "space.h"
#include "support/check_main.h"

enum { E = SPACE_EDGES, O = SPACE_OPS, N = E * O, MAX_PIECES = 512 };

static struct hnas_context *ctx;
static struct test_space net;
static hnas_hyper *hyper;

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    test_space_init(&net, ctx, 4, O, 1);
    hyper = NULL;
    srand(13);
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hn_context_close(ctx);
}

/* A hypernetwork that fits the space. */
static void make(int32_t kind, int32_t scale)
{
    static const char *const names[2] = {"normal", "reduce"};
    hnas_hyper_opts o;

    hnas_hyper_destroy(hyper);
    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = kind;
    o.scale = scale;
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        if (net.space.kind[k].n_cells) {
            o.names[o.n_tables] = names[k];
            o.rows[o.n_tables] = net.space.kind[k].n_edges;
            o.cols[o.n_tables++] = net.space.n_ops;
        }
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
}

/* Slopes and offsets in [-1, 1]; in raw scale offsets as small as s. */
static void fill(double offset_size)
{
    for (int t = 0; t < hyper->opts.n_tables; t++)
        for (int64_t i = 0; i < hyper->table[t].rows * hyper->table[t].cols;
             i++) {
            hn_real(hyper->table[t].b1)[i] =
                (real)(float)(2.0 * rand() / RAND_MAX - 1);
            hn_real(hyper->table[t].b2)[i] =
                (real)(float)(offset_size * (2.0 * rand() / RAND_MAX - 1));
        }
}

static hnas_arch *derive(double lambda, int32_t rule)
{
    hnas_arch *arch;

    ck_assert_int_eq(
        hn_arch_derive(&arch, &net.space, hyper, lambda, rule, 0.85), HNAS_OK);
    return arch;
}

/* All pieces of the range, walked from interval to interval. */
static int walk(hnas_arch **piece)
{
    const double hi = hyper->opts.lambda_hi;
    double at = hyper->opts.lambda_lo, end;
    int n = 0;

    do {
        double lambda, lo;

        ck_assert_int_lt(n, MAX_PIECES);
        piece[n] = derive(at, HNAS_RULE_ARGMAX);
        hnas_arch_get_lambda(piece[n], &lambda, &lo, &end);
        ck_assert(lambda == at && lo == at && end <= hi);
        n++;
        if (end == at) /* a breakpoint on the end of the range itself */
            break;
        at = end;
    } while (end < hi);
    return n;
}

static void release(hnas_arch **piece, int n)
{
    for (int i = 0; i < n; i++)
        hnas_arch_destroy(piece[i]);
}

/* Whether piece p holds an argmax at lambda, up to what rounding can hide. */
static int is_argmax(const hnas_arch *p, double lambda)
{
    double alpha[N];

    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const hnas_arch_edge *edge = hnas_arch_get_edges(p, k);

        hnas_hyper_eval(alpha, N, hyper, k, lambda);
        for (int e = 0; e < E; e++)
            for (int o = 0; o < O; o++)
                if (alpha[e * O + o] > alpha[e * O + edge[e].op] + 1e-13)
                    return 0;
    }
    return 1;
}

static void expect_grid_inside_intervals(int32_t scale, double offset_size)
{
    enum { GRID = 100000 };
    hnas_arch *piece[MAX_PIECES];
    int n, at = 0;

    make(HNAS_HYPER_LINEAR, scale);
    fill(offset_size);
    n = walk(piece);
    ck_assert_int_gt(n, 20);
    for (int i = 0; i <= GRID; i++) {
        const double t = (double)i / GRID;
        const double lambda = i == GRID ? 1e-1
                                        : (scale == HNAS_SCALE_LOG
                                               ? fmin(1e-4 * pow(1000, t), 1e-1)
                                               : 1e-4 + t * (1e-1 - 1e-4));

        while (at + 1 < n && piece[at + 1]->lo <= lambda)
            at++;
        if (i % 1000 == 0) {
            hnas_arch *arch = derive(lambda, HNAS_RULE_ARGMAX);

            ck_assert_int_eq(hnas_arch_is_equal(arch, piece[at]), 1);
            ck_assert(arch->lo == piece[at]->lo && arch->hi == piece[at]->hi);
            hnas_arch_destroy(arch);
        }
        ck_assert(is_argmax(piece[at], lambda));
    }
    for (int i = 1; i < n; i++)
        ck_assert_int_eq(hnas_arch_is_equal(piece[i - 1], piece[i]), 0);
    release(piece, n);
}

START_TEST(intervals_agree_with_a_grid_in_log_scale)
{
    expect_grid_inside_intervals(HNAS_SCALE_LOG, 1);
}
END_TEST

START_TEST(intervals_agree_with_a_grid_in_raw_scale)
{
    expect_grid_inside_intervals(HNAS_SCALE_RAW, 0.05);
}
END_TEST

START_TEST(a_piece_begins_at_its_lower_end_and_ends_before_its_upper)
{
    hnas_arch *piece[MAX_PIECES];
    int n;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(1);
    n = walk(piece);
    for (int i = 1; i < n; i++) {
        hnas_arch *before =
            derive(nextafter(piece[i]->lo, 0), HNAS_RULE_ARGMAX);

        ck_assert_int_eq(hnas_arch_is_equal(before, piece[i - 1]), 1);
        ck_assert(before->hi == piece[i]->lo);
        hnas_arch_destroy(before);
    }
    ck_assert(piece[n - 1]->hi == 1e-1);
    release(piece, n);
}
END_TEST

START_TEST(a_single_edge_changes_at_the_crossing_to_the_larger_slope)
{
    const struct {
        double b1[2], b2[2], s;
    } lines[] = {
        {{0, 1}, {0.25, 0}, 0.25},
        {{-1, 1}, {0, 0}, 0},
        {{-3, 0}, {0, 0.5}, -1.0 / 6},
    };

    test_space_init(&net, ctx, 1, 2, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 3; i++) {
        double lambda, crossing;
        hnas_arch *arch;

        for (int o = 0; o < 4; o++) {
            hn_real(hyper->table[0].b1)[o] = (real)lines[i].b1[o % 2];
            hn_real(hyper->table[0].b2)[o] = (real)lines[i].b2[o % 2];
        }
        hnas_hyper_unscale(&crossing, hyper, lines[i].s);
        arch = derive(crossing, HNAS_RULE_ARGMAX);
        ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[0].op, 1);
        ck_assert(arch->lo == crossing && arch->hi == 1e-1);
        hnas_arch_destroy(arch);
        lambda = nextafter(crossing, 0);
        arch = derive(lambda, HNAS_RULE_ARGMAX);
        ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[0].op, 0);
        ck_assert(arch->lo == 1e-4 && arch->hi == crossing);
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(equal_slopes_compare_offsets_and_equal_lines_cost)
{
    const double b2[3] = {0.25, 0.5, 0.5};
    hnas_arch *arch;

    test_space_init(&net, ctx, 1, 3, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 6; i++) {
        hn_real(hyper->table[0].b1)[i] = 1;
        hn_real(hyper->table[0].b2)[i] = (real)b2[i % 3];
    }
    net.cost[0][HNAS_COST_PARAMS][3 + 2] = 1; /* edge 1: c is the cheaper */
    arch = derive(0.02, HNAS_RULE_ARGMAX);
    ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[0].op, 1);
    ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[1].op, 2);
    ck_assert(arch->lo == 1e-4 && arch->hi == 1e-1);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(size_never_rises_with_lambda_inside_the_cone)
{
    const int32_t zero[O] = {1, 0, 0, 0, 0, 0, 0, 0};

    for (int round = 0; round < 20; round++) {
        hnas_arch *piece[MAX_PIECES];
        int n;

        make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
        fill(1);
        for (int k = 0; k < HNAS_N_KINDS; k++) {
            for (int i = 0; i < N; i++) /* some operations cost the same */
                net.cost[k][HNAS_COST_PARAMS][i] = 10 * (i % O / 2);
            ck_assert_int_eq(hnas_hyper_project(hyper, k,
                                                net.cost[k][HNAS_COST_PARAMS],
                                                zero, 0),
                             HNAS_OK);
        }
        n = walk(piece);
        for (int i = 1; i < n; i++)
            ck_assert_int_le(piece[i]->total.params,
                             piece[i - 1]->total.params);
        release(piece, n);
    }
}
END_TEST

START_TEST(outside_the_range_the_end_segment_is_prolonged)
{
    const double lambdas[] = {1e-9, 1, 1e300};
    hnas_arch *arch;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, lambdas[i],
                                        HNAS_RULE_ARGMAX, 0.85),
                         HNAS_EXTRAPOLATED);
        ck_assert(arch->lambda == lambdas[i]);
        ck_assert_int_eq(arch->is_extrapolated, 1);
        ck_assert(isnan(arch->lo) && isnan(arch->hi));
        ck_assert(is_argmax(arch, lambdas[i]));
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(any_finite_raw_lambda_is_answered)
{
    const double lambdas[] = {-1e308, 0, 1e308};
    hnas_arch *arch;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_RAW);
    fill(1);
    hn_real(hyper->table[0].b1)[3] = (real)1e30;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, lambdas[i],
                                        HNAS_RULE_ARGMAX, 0.85),
                         HNAS_EXTRAPOLATED);
        if (lambdas[i] > 0)
            ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[0].op, 3);
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(lambda_that_is_no_number_is_a_range_error)
{
    hnas_arch *arch = (hnas_arch *)&arch;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, NAN, 0, 0.85),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(arch);
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, 0, 0, 0.85),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, 0.01, 5, 0.85),
                     HNAS_E_RANGE);
    hn_real(hyper->table[1].b1)[5] = (real)NAN;
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, 0.01, 0, 0.85),
                     HNAS_E_NAN);
}
END_TEST

START_TEST(a_constant_stays_on_the_whole_range)
{
    hnas_arch *arch, *other;

    make(HNAS_HYPER_CONSTANT, HNAS_SCALE_LOG);
    arch = derive(0.02, HNAS_RULE_ARGMAX);
    ck_assert(arch->lo == 1e-4 && arch->hi == 1e-1);
    other = derive(17, HNAS_RULE_ARGMAX); /* ignored */
    ck_assert_int_eq(hnas_arch_is_equal(arch, other), 1);
    hnas_arch_destroy(arch);
    hnas_arch_destroy(other);
}
END_TEST

START_TEST(top2_at_lambda_is_top2_of_its_alpha)
{
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(1);
    for (int i = 0; i < 50; i++) {
        const double lambda = 1e-4 * pow(1000, i / 50.0);
        double normal[N], reduce[N];
        const double *const alpha[2] = {normal, reduce};
        hnas_arch *arch = derive(lambda, HNAS_RULE_TOP2), *want;

        hnas_hyper_eval(normal, N, hyper, 0, lambda);
        hnas_hyper_eval(reduce, N, hyper, 1, lambda);
        ck_assert_int_eq(hn_arch_from_alpha(&want, &net.space, alpha,
                                            HNAS_RULE_TOP2, HNAS_COST_PARAMS,
                                            0.85),
                         HNAS_OK);
        ck_assert_int_eq(hnas_arch_is_equal(arch, want), 1);
        ck_assert(arch->lambda == lambda);
        ck_assert_int_eq(arch->is_extrapolated, 0);
        ck_assert(arch->lo <= lambda && lambda < arch->hi);
        hnas_arch_destroy(arch);
        hnas_arch_destroy(want);
    }
}
END_TEST

START_TEST(top2_takes_edges_whose_weight_grows_where_weights_are_equal)
{
    /* at s = 0 all alphas are 0; just above, edges 1 and 2 of node 3 lead */
    const double b1[3] = {-1, 1, 2};
    double centre;
    hnas_arch *arch;

    test_space_init(&net, ctx, 2, 2, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_RAW);
    memset(hn_real(hyper->table[0].b2), 0, 10 * sizeof(real));
    for (int e = 0; e < 3; e++)
        hn_real(hyper->table[0].b1)[(2 + e) * 2 + 1] = (real)b1[e];
    hyper->scale.lo = hyper->opts.lambda_lo = -1;
    centre = 0;
    arch = derive(centre, HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[2].from, 1);
    ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[3].from, 2);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_missing_kind_has_no_table)
{
    hnas_arch *arch;

    net.space.kind[HNAS_NORMAL].n_cells = 0;
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(1);
    ck_assert_int_eq(hyper->opts.n_tables, 1);
    arch = derive(0.01, HNAS_RULE_ARGMAX);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 0);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_REDUCE), E);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_hypernetwork_of_another_shape_is_a_mismatch)
{
    hnas_arch *arch = (hnas_arch *)&arch;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    net.space.kind[HNAS_REDUCE].n_cells = 0;
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, 0.01, 0, 0.85),
                     HNAS_E_MISMATCH);
    ck_assert_ptr_null(arch);
    test_space_init(&net, ctx, 3, O, 1);
    ck_assert_int_eq(hn_arch_derive(&arch, &net.space, hyper, 0.01, 0, 0.85),
                     HNAS_E_MISMATCH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch derive");
    TCase *c = tcase_create("derive");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, intervals_agree_with_a_grid_in_log_scale);
    tcase_add_test(c, intervals_agree_with_a_grid_in_raw_scale);
    tcase_add_test(c,
                   a_piece_begins_at_its_lower_end_and_ends_before_its_upper);
    tcase_add_test(c,
                   a_single_edge_changes_at_the_crossing_to_the_larger_slope);
    tcase_add_test(c, equal_slopes_compare_offsets_and_equal_lines_cost);
    tcase_add_test(c, size_never_rises_with_lambda_inside_the_cone);
    tcase_add_test(c, outside_the_range_the_end_segment_is_prolonged);
    tcase_add_test(c, any_finite_raw_lambda_is_answered);
    tcase_add_test(c, lambda_that_is_no_number_is_a_range_error);
    tcase_add_test(c, a_constant_stays_on_the_whole_range);
    tcase_add_test(c, top2_at_lambda_is_top2_of_its_alpha);
    tcase_add_test(c,
                   top2_takes_edges_whose_weight_grows_where_weights_are_equal);
    tcase_add_test(c, a_missing_kind_has_no_table);
    tcase_add_test(c, a_hypernetwork_of_another_shape_is_a_mismatch);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
