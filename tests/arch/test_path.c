/* SPDX-License-Identifier: BSD-3-Clause */
/* The path over the stored range, under every rule. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/dd.h"
#include "arch/path.h"
#include "space.h"
#include "support/check_main.h"
#include "support/memory.h"

enum { E = SPACE_EDGES, O = SPACE_OPS, N = E * O };

static const int32_t rules[] = {HNAS_RULE_ARGMAX, HNAS_RULE_TOP2,
                                HNAS_RULE_TOP2_RAW, HNAS_RULE_THRESHOLD};
static const double theta = 0.55; /* among the alphas that fill makes */

static struct hnas_context *ctx;
static struct test_space net;
static hnas_hyper *hyper;

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    test_space_init(&net, ctx, 4, O, 1);
    hyper = NULL;
    srand(17);
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hn_context_close(ctx);
}

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

/* Every parameter in [-1, 1]; `levels` > 0: one of so many values, so that
 * lines meet, coincide and tie. */
static void fill(int levels)
{
    for (int64_t i = 0; i < hnas_params_get_count(&hyper->params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(&hyper->params, i);
        const int64_t n = hnas_tensor_get_count(t);

        for (int64_t j = 0; j < n; j++)
            hn_real(t)[j] =
                (real)(float)(levels
                                  ? 2.0 * (rand() % levels) / (levels - 1) - 1
                                  : 2.0 * rand() / RAND_MAX - 1);
    }
}

static hnas_path *path_of(int32_t rule)
{
    hnas_path *path;

    ck_assert_int_eq(hn_path_create(&path, &net.space, hyper,
                                    hn_arch_rule_find(rule), theta),
                     HNAS_OK);
    return path;
}

static hnas_arch *arch_of(const hnas_path *path, int32_t index)
{
    hnas_arch *arch;

    ck_assert_int_eq(hnas_path_get_arch(&arch, path, index), HNAS_OK);
    return arch;
}

/* What the rule says of alpha at lambda. */
static hnas_arch *by_alpha(double lambda, int32_t rule)
{
    double normal[N], reduce[N];
    const double *const alpha[2] = {normal, reduce};
    hnas_arch *arch;

    hnas_hyper_eval(normal, N, hyper, 0, lambda);
    hnas_hyper_eval(reduce, N, hyper, 1, lambda);
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, alpha, rule,
                                        HNAS_COST_PARAMS, theta),
                     HNAS_OK);
    return arch;
}

static double grid(int i, int n)
{
    return i == n ? 1e-1 : fmin(1e-4 * pow(1000, (double)i / n), 1e-1);
}

/* Off the breakpoints, where rounding of alpha cannot matter. */
static int is_inside(const hnas_path_piece *p, double lambda)
{
    return lambda > p->lo * (1 + 1e-9) && lambda < p->hi * (1 - 1e-9);
}

static void expect_grid_agrees(int32_t rule, int levels, int n)
{
    hnas_path *path = path_of(rule);
    hnas_arch *piece = NULL;
    int32_t last = -1;

    for (int i = 0; i <= n; i++) {
        const double lambda = grid(i, n);
        const int32_t at = hnas_path_find(path, lambda);
        hnas_path_piece p;
        hnas_arch *want;

        ck_assert(at >= last && at >= 0);
        hnas_path_get_piece(path, at, &p);
        if (at != last) {
            hnas_arch_destroy(piece);
            piece = arch_of(path, at);
            last = at;
        }
        ck_assert(p.lo <= lambda && (lambda < p.hi || i == n));
        if (!is_inside(&p, lambda))
            continue;
        want = by_alpha(lambda, rule);
        /* alpha rounds: where lines tie all along it may choose otherwise */
        if (levels == 0)
            ck_assert_int_eq(hnas_arch_is_equal(piece, want), 1);
        hnas_arch_destroy(want);
    }
    hnas_arch_destroy(piece);
    hnas_path_destroy(path);
}

START_TEST(path_agrees_with_a_grid_under_every_rule)
{
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int round = 0; round < 5; round++) {
        fill(0);
        for (int r = 0; r < 4; r++)
            expect_grid_agrees(rules[r], 0, 3000);
    }
}
END_TEST

START_TEST(path_of_knots_agrees_with_a_grid)
{
    for (int scale = HNAS_SCALE_RAW; scale <= HNAS_SCALE_LOG; scale++) {
        make(HNAS_HYPER_PIECEWISE, scale);
        fill(0);
        for (int r = 0; r < 4; r++)
            expect_grid_agrees(rules[r], 0, 3000);
    }
}
END_TEST

START_TEST(path_of_an_mlp_is_sampled_and_says_so)
{
    hnas_path *path;
    hnas_arch *arch;

    make(HNAS_HYPER_MLP, HNAS_SCALE_LOG);
    fill(0);
    path = path_of(HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_path_is_sampled(path), 1);
    ck_assert_int_gt(hnas_path_get_count(path), 5);
    for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
        hnas_path_piece p;
        hnas_arch *want;

        hnas_path_get_piece(path, i, &p);
        arch = arch_of(path, i);
        want = by_alpha(p.lo, HNAS_RULE_TOP2);
        ck_assert_int_eq(hnas_arch_is_equal(arch, want), 1);
        ck_assert(isnan(arch->lo) && arch->lambda == p.lo);
        hnas_arch_destroy(arch);
        hnas_arch_destroy(want);
    }
    hnas_path_destroy(path);
}
END_TEST

START_TEST(pieces_tile_the_range_and_differ)
{
    const int levels[] = {0, 2, 3, 5};

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int round = 0; round < 40; round++) {
        hnas_path *path;
        hnas_path_piece p;
        double end = 1e-4, s = -1;
        hnas_arch *before = NULL;

        fill(levels[round % 4]);
        path = path_of(rules[round / 4 % 4]);
        for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
            hnas_arch *arch = arch_of(path, i);
            hnas_cost cost;

            hnas_path_get_piece(path, i, &p);
            hnas_arch_get_cost(arch, &cost, NULL);
            ck_assert(p.lo == end && p.lo < p.hi);
            ck_assert(i ? p.s_lo > s : p.s_lo == s);
            ck_assert_int_eq(hnas_arch_is_equal(arch, before), 0);
            ck_assert_int_eq(memcmp(&cost, &p.cost, sizeof cost), 0);
            ck_assert(arch->lambda == p.lo && arch->hi == p.hi);
            hnas_arch_destroy(before);
            before = arch;
            end = p.hi;
            s = p.s_lo;
        }
        ck_assert(end == 1e-1);
        ck_assert_int_eq(hnas_path_find(path, 1e-1),
                         hnas_path_get_count(path) - 1);
        ck_assert_int_eq(hnas_path_find(path, 0.2), -1);
        ck_assert_int_eq(hnas_path_find(path, NAN), -1);
        hnas_arch_destroy(before);
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(a_query_and_the_path_say_the_same)
{
    const int levels[] = {0, 3, 5};

    for (int round = 0; round < 48; round++) {
        const int32_t rule = rules[round % 4];
        hnas_path *path;

        make(round < 24 ? HNAS_HYPER_LINEAR : HNAS_HYPER_PIECEWISE,
             HNAS_SCALE_LOG);
        fill(levels[round % 3]);
        path = path_of(rule);
        for (int i = 0; i < 40; i++) {
            hnas_path_piece p;
            hnas_arch *arch, *want;
            double lambda = grid(i / 2, 20);
            int32_t at = hnas_path_find(path, lambda);

            hnas_path_get_piece(path, at, &p);
            if (i % 2)
                lambda = p.lo;
            want = arch_of(path, at);
            ck_assert_int_eq(
                hn_arch_derive(&arch, &net.space, hyper, lambda, rule, theta),
                HNAS_OK);
            ck_assert_int_eq(hnas_arch_is_equal(arch, want), 1);
            ck_assert(arch->lambda == lambda && arch->lo == p.lo &&
                      arch->hi == p.hi);
            hnas_arch_destroy(arch);
            hnas_arch_destroy(want);
        }
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(rules_keep_two_edges_a_node_even_where_all_tie)
{
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int r = 1; r < 3; r++) {
        hnas_path *path;
        hnas_arch *arch;

        fill(2);
        if (r == 1)
            for (int t = 0; t < 2; t++)
                memset(hn_real(hyper->table[t].b1), 0, N * sizeof(real));
        path = path_of(rules[r]);
        for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
            arch = arch_of(path, i);
            ck_assert_int_eq(hnas_arch_get_edge_count(arch, 0), 8);
            ck_assert_int_eq(hnas_arch_get_edge_count(arch, 1), 8);
            hnas_arch_destroy(arch);
        }
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(equal_rows_go_to_the_cheaper_edge_then_to_the_lower_source)
{
    hnas_arch *arch;
    hnas_path *path;

    test_space_init(&net, ctx, 2, 2, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 10; i++) {
        hn_real(hyper->table[0].b1)[i] = (real)(i % 2);
        hn_real(hyper->table[0].b2)[i] = (real)(0.5 * (i % 2));
    }
    net.cost[0][HNAS_COST_PARAMS][4 * 2 + 1] = 1;
    for (int r = 1; r < 4; r++) {
        path = path_of(rules[r]);
        arch = arch_of(path, hnas_path_get_count(path) - 1);
        ck_assert_int_eq(hnas_arch_get_edge_count(arch, 0), 4);
        ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[2].from, 0);
        ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[3].from, 2);
        hnas_arch_destroy(arch);
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(threshold_drops_an_edge_where_its_sigmoid_falls_below)
{
    const double level = hn_dd_logit(theta).hi;
    hnas_path_piece p;
    hnas_path *path;

    test_space_init(&net, ctx, 1, 2, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 4; i++)
        hn_real(hyper->table[0].b1)[i] = hn_real(hyper->table[0].b2)[i] = 0;
    hn_real(hyper->table[0].b1)[1] = -1; /* crosses the level falling */
    path = path_of(HNAS_RULE_THRESHOLD);
    ck_assert_int_eq(hnas_path_get_count(path), 2);
    hnas_path_get_piece(path, 1, &p);
    ck_assert(p.s_lo == -level);
    ck_assert_int_eq(hn_path_ops(path, 0, 0)[0], 1);
    ck_assert_int_eq(hn_path_ops(path, 1, 0)[0], -1);
    hnas_path_destroy(path);
}
END_TEST

START_TEST(softmax_roots_are_where_weights_meet)
{
    /* two edges that keep one of two: weights 1 / (1 + exp(x)) with x = s and
     * x = ln 2 - s; they meet at s = ln 2 / 2 */
    hnas_path_piece p;
    hnas_path *path;

    test_space_init(&net, ctx, 2, 2, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 10; i++)
        hn_real(hyper->table[0].b1)[i] = hn_real(hyper->table[0].b2)[i] = 0;
    hn_real(hyper->table[0].b2)[4 + 1] = 9; /* edge 2 is always kept */
    hn_real(hyper->table[0].b1)[6] = 1;
    hn_real(hyper->table[0].b1)[8] = -1;
    hn_real(hyper->table[0].b2)[8] = (real)0.6875;
    path = path_of(HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_path_get_count(path), 2);
    hnas_path_get_piece(path, 1, &p);
    ck_assert(fabs(p.s_lo - 0.34375) < 1e-14);
    ck_assert_int_eq(hn_path_ops(path, 0, 0)[3], 1);
    ck_assert_int_eq(hn_path_ops(path, 1, 0)[4], 1);
    hnas_path_destroy(path);
}
END_TEST

START_TEST(softmax_of_parameters_beyond_exp_ends)
{
    hnas_path_piece last;
    hnas_path *path;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(0);
    for (int64_t i = 0; i < hnas_params_get_count(&hyper->params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(&hyper->params, i);

        for (int64_t j = 0; j < hnas_tensor_get_count(t); j++)
            hn_real(t)[j] *= (real)1e38;
    }
    path = path_of(HNAS_RULE_TOP2);
    hnas_path_get_piece(path, hnas_path_get_count(path) - 1, &last);
    ck_assert(last.hi == hyper->scale.hi);
    hnas_path_destroy(path);
}
END_TEST

/* Rows alike but for an operation that hardly weighs: their softmax weights
 * differ by less than rounding, and are not told apart for long. */
START_TEST(softmax_of_edges_that_all_but_tie_ends)
{
    clock_t begin;
    hnas_path *path;

    test_space_init(&net, ctx, 4, 3, 1);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int32_t t = 0; t < hyper->opts.n_tables; t++)
        for (int64_t e = 0; e < hyper->table[t].rows; e++) {
            real *slope = hn_real(hyper->table[t].b1) + 3 * e;
            real *offset = hn_real(hyper->table[t].b2) + 3 * e;

            slope[0] = 0;
            slope[1] = 50;
            slope[2] = -50;
            offset[0] = (real)(-60 - 1e-3 * (double)e);
            offset[1] = offset[2] = 0;
        }
    begin = clock();
    path = path_of(HNAS_RULE_TOP2);
    ck_assert((double)(clock() - begin) / CLOCKS_PER_SEC < 20);
    hnas_path_destroy(path);
}
END_TEST

START_TEST(budget_is_the_largest_that_fits)
{
    hnas_path *path;
    hnas_path_piece best, p;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(0);
    path = path_of(HNAS_RULE_ARGMAX);
    for (int64_t limit = 0; limit < 3000; limit += 50) {
        int32_t index;
        const hnas_status st =
            hnas_path_find_budget(&index, path, HNAS_COST_PARAMS, limit);

        hnas_path_get_piece(path, index, &best);
        ck_assert_int_eq(st,
                         best.cost.params <= limit ? HNAS_OK : HNAS_INFEASIBLE);
        for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
            hnas_path_get_piece(path, i, &p);
            if (st == HNAS_INFEASIBLE)
                ck_assert(p.cost.params >= best.cost.params);
            else if (p.cost.params <= limit)
                ck_assert(p.cost.params < best.cost.params ||
                          (p.cost.params == best.cost.params && i >= index));
        }
    }
    hnas_path_destroy(path);
}
END_TEST

START_TEST(pareto_lists_what_nothing_beats)
{
    hnas_path *path;
    double *quality;
    int32_t *index, n = 0, count, at = 0;

    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(0);
    path = path_of(HNAS_RULE_ARGMAX);
    count = hnas_path_get_count(path);
    quality = calloc((size_t)count, sizeof *quality);
    index = calloc((size_t)count, sizeof *index);
    for (int32_t i = 0; i < count; i++)
        quality[i] = i % 7 == 3 ? NAN : rand() % 10;
    ck_assert_int_eq(hnas_path_pareto(index, &n, path, HNAS_COST_MACS, quality),
                     HNAS_OK);
    ck_assert_int_gt(n, 0);
    for (int32_t i = 0; i < count; i++) {
        const int listed = at < n && index[at] == i;
        int beaten = isnan(quality[i]);
        hnas_path_piece a, b;

        hnas_path_get_piece(path, i, &a);
        for (int32_t j = 0; j < count; j++) {
            hnas_path_get_piece(path, j, &b);
            if (b.cost.macs <= a.cost.macs && quality[j] >= quality[i] &&
                (b.cost.macs < a.cost.macs || quality[j] > quality[i] || j < i))
                beaten = 1;
        }
        ck_assert_int_eq(listed, !beaten);
        at += listed;
    }
    free(quality);
    free(index);
    hnas_path_destroy(path);
}
END_TEST

START_TEST(a_change_is_told_as_text)
{
    char text[80], cut[10];
    size_t length;
    hnas_path *path;

    test_space_init(&net, ctx, 1, 3, 0);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    for (int i = 0; i < 6; i++)
        hn_real(hyper->table[0].b1)[i] = hn_real(hyper->table[0].b2)[i] = 0;
    hn_real(hyper->table[0].b1)[1] = -1;
    hn_real(hyper->table[0].b1)[2] = 1;
    path = path_of(HNAS_RULE_ARGMAX);
    ck_assert_int_eq(hnas_path_get_count(path), 2);
    ck_assert_int_eq(
        hnas_path_write_change(path, 1, text, sizeof text, &length), HNAS_OK);
    ck_assert_str_eq(text, "normal 0 -> 2: a -> b");
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_int_eq(hnas_path_write_change(path, 1, cut, sizeof cut, &length),
                     HNAS_OK);
    ck_assert_str_eq(cut, "normal 0 ");
    ck_assert_int_eq(
        hnas_path_write_change(path, 0, text, sizeof text, &length), HNAS_OK);
    ck_assert_str_eq(text, "");
    hnas_path_destroy(path);
    hn_real(hyper->table[0].b2)[1] = (real)(log(0.55 / 0.45));
    path = path_of(HNAS_RULE_THRESHOLD);
    ck_assert_int_eq(hnas_path_write_change(path, hnas_path_get_count(path) - 1,
                                            text, sizeof text, &length),
                     HNAS_OK);
    ck_assert_str_eq(text, "normal 0 -> 2: b added");
    hnas_path_destroy(path);
}
END_TEST

START_TEST(no_memory_leaves_nothing)
{
    struct countdown memory;
    hnas_context_opts o;
    hnas_context *tight;
    hnas_path *path = NULL;
    hnas_arch *arch = NULL;
    int failures = 0;

    countdown_opts(&o, &memory);
    ck_assert_int_eq(hnas_context_create(&tight, &o), HNAS_OK);
    make(HNAS_HYPER_LINEAR, HNAS_SCALE_LOG);
    fill(0);
    net.space.ctx = tight;
    for (int64_t n = 0; !arch; n++) {
        const int64_t before = memory.n_live;

        memory.left = n;
        if (hn_path_create(&path, &net.space, hyper,
                           hn_arch_rule_find(HNAS_RULE_THRESHOLD),
                           theta) == HNAS_OK)
            hnas_path_get_arch(&arch, path, 0);
        memory.left = -1;
        if (!arch) {
            hnas_path_destroy(path);
            path = NULL;
            ck_assert_int_eq(memory.n_live, before);
            failures++;
        }
    }
    ck_assert_int_gt(failures, 10);
    hnas_arch_destroy(arch);
    hnas_path_destroy(path);
    hnas_context_destroy(tight);
    ck_assert_int_eq(memory.n_live, 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    hnas_path *path;
    hnas_arch *arch = (hnas_arch *)&arch;
    int32_t n = 7;
    size_t length;

    make(HNAS_HYPER_CONSTANT, HNAS_SCALE_LOG);
    path = path_of(HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_path_get_count(path), 1);
    ck_assert_int_eq(hnas_path_get_arch(&arch, path, 1), HNAS_E_RANGE);
    ck_assert_ptr_null(arch);
    ck_assert_int_eq(hnas_path_get_arch(&arch, NULL, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_path_find_budget(&n, path, 4, 0), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_path_find_budget(&n, NULL, 0, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_path_pareto(&n, &n, path, 0, NULL), HNAS_E_ARG);
    ck_assert_int_eq(n, 7);
    ck_assert_int_eq(hnas_path_write_change(path, -1, NULL, 0, &length),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_path_write_change(path, 0, NULL, 9, &length),
                     HNAS_E_ARG);
    hnas_path_destroy(path);
    hnas_path_destroy(NULL);
    ck_assert_int_eq(hnas_path_create(&path, NULL, hyper, NULL), HNAS_E_ARG);
    ck_assert_int_eq(
        hn_arch_derive(&arch, &net.space, hyper, 0.01, HNAS_RULE_THRESHOLD, 1),
        HNAS_E_RANGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch path");
    TCase *c = tcase_create("path");

    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, path_agrees_with_a_grid_under_every_rule);
    tcase_add_test(c, path_of_knots_agrees_with_a_grid);
    tcase_add_test(c, path_of_an_mlp_is_sampled_and_says_so);
    tcase_add_test(c, pieces_tile_the_range_and_differ);
    tcase_add_test(c, a_query_and_the_path_say_the_same);
    tcase_add_test(c, rules_keep_two_edges_a_node_even_where_all_tie);
    tcase_add_test(c,
                   equal_rows_go_to_the_cheaper_edge_then_to_the_lower_source);
    tcase_add_test(c, threshold_drops_an_edge_where_its_sigmoid_falls_below);
    tcase_add_test(c, softmax_roots_are_where_weights_meet);
    tcase_add_test(c, softmax_of_parameters_beyond_exp_ends);
    tcase_add_test(c, softmax_of_edges_that_all_but_tie_ends);
    tcase_add_test(c, budget_is_the_largest_that_fits);
    tcase_add_test(c, pareto_lists_what_nothing_beats);
    tcase_add_test(c, a_change_is_told_as_text);
    tcase_add_test(c, no_memory_leaves_nothing);
    tcase_add_test(c, wrong_arguments_are_refused);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
