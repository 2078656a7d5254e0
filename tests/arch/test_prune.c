/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host's table says of architectures and paths. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arch/path.h"
#include "space.h"
#include "support/check_main.h"

enum { E = SPACE_EDGES, O = SPACE_OPS, N = E * O };

static const int32_t rules[] = {HNAS_RULE_ARGMAX, HNAS_RULE_TOP2,
                                HNAS_RULE_TOP2_RAW, HNAS_RULE_THRESHOLD};

static struct hnas_context *ctx;
static struct test_space net;
static hnas_hyper *hyper;

static double uniform(void)
{
    return (double)rand() / RAND_MAX;
}

static void setup(void)
{
    static const char *const names[2] = {"normal", "reduce"};
    hnas_hyper_opts o;

    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    test_space_init(&net, ctx, 4, O, 1);
    hnas_hyper_opts_init(&o, sizeof o);
    o.n_tables = 2;
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        o.names[k] = names[k];
        o.rows[k] = E;
        o.cols[k] = O;
    }
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &o), HNAS_OK);
    srand(23);
    for (int64_t i = 0; i < hnas_params_get_count(&hyper->params); i++)
        for (int j = 0; j < N; j++)
            hn_real(hnas_params_get_tensor(&hyper->params, i))[j] =
                (real)(float)(2 * uniform() - 1);
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hn_context_close(ctx);
}

/* Numbers without a short binary form, so that sums round. */
static void make_table(void)
{
    net.space.has_table = 1;
    net.space.fixed_table = 10 * uniform();
    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int i = 0; i < N; i++)
            net.cost[k][HNAS_COST_TABLE][i] = i % O ? 100 * uniform() : 0;
}

static hnas_path *path_of(int32_t rule)
{
    hnas_path *path;

    ck_assert_int_eq(
        hn_path_create(&path, &net.space, hyper, hn_arch_rule_find(rule), 0.55),
        HNAS_OK);
    return path;
}

/* The rows of the kept edges whose source holds something. */
static double by_hand(const hnas_arch *arch)
{
    double total = net.space.fixed_table;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const hnas_arch_edge *edge = hnas_arch_get_edges(arch, k);
        int alive[6] = {1, 1, 0, 0, 0, 0};

        for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, k); i++) {
            const int32_t e =
                edge[i].to * (edge[i].to - 1) / 2 - 1 + edge[i].from;

            if (!alive[edge[i].from])
                continue;
            total += net.cost[k][HNAS_COST_TABLE][e * O + edge[i].op];
            alive[edge[i].to] |= edge[i].op > 0;
        }
    }
    return total;
}

START_TEST(pieces_and_their_architectures_cost_the_same_by_the_table)
{
    for (int i = 0; i < 12; i++) {
        hnas_path *path;
        int differ = 0;

        make_table();
        path = path_of(rules[i % 4]);
        for (int32_t p = 0; p < hnas_path_get_count(path); p++) {
            hnas_arch *arch;
            double cost;

            ck_assert_int_eq(hnas_path_get_arch(&arch, path, p), HNAS_OK);
            cost = hnas_arch_get_table_cost(arch);
            ck_assert(cost == hnas_path_get_table_cost(path, p));
            ck_assert_double_eq_tol(cost, by_hand(arch), 1e-9);
            differ += p && cost != hnas_path_get_table_cost(path, p - 1);
            hnas_arch_destroy(arch);
        }
        ck_assert_int_gt(differ, 3);
        ck_assert(isnan(hnas_path_get_table_cost(path, -1)));
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(a_budget_of_the_table_finds_the_largest_piece_that_fits)
{
    for (int i = 0; i < 4; i++) {
        hnas_path *path;
        double limit = -1;

        make_table();
        path = path_of(rules[i]);
        for (int k = 0; k < 300; k++, limit += 10.7) {
            int32_t index, want = -1, smallest = 0;
            const hnas_status st =
                hnas_path_find_table_budget(&index, path, limit);

            for (int32_t p = 0; p < hnas_path_get_count(path); p++) {
                const double cost = hnas_path_get_table_cost(path, p);

                if (cost < hnas_path_get_table_cost(path, smallest))
                    smallest = p;
                if (cost <= limit &&
                    (want < 0 || cost > hnas_path_get_table_cost(path, want)))
                    want = p;
            }
            ck_assert_int_eq(st, want < 0 ? HNAS_INFEASIBLE : HNAS_OK);
            ck_assert_int_eq(index, want < 0 ? smallest : want);
        }
        hnas_path_destroy(path);
    }
}
END_TEST

START_TEST(without_a_table_its_cost_is_refused)
{
    const double alpha[N] = {0};
    const double *const alphas[2] = {alpha, alpha};
    double quality[4096] = {0};
    int32_t index = 7, list[4096];
    hnas_path *path = path_of(HNAS_RULE_ARGMAX);
    hnas_arch *arch;

    ck_assert_int_lt(hnas_path_get_count(path), 4096);
    ck_assert(isnan(hnas_path_get_table_cost(path, 0)));
    ck_assert_int_eq(hnas_path_find_table_budget(&index, path, 1e9),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_path_find_budget(&index, path, HNAS_COST_TABLE, 1000),
                     HNAS_E_STATE);
    ck_assert_int_eq(
        hnas_path_pareto(list, &index, path, HNAS_COST_TABLE, quality),
        HNAS_E_STATE);
    ck_assert_int_eq(hnas_path_find_table_budget(&index, path, NAN),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_path_find_table_budget(NULL, path, 1), HNAS_E_ARG);
    ck_assert_int_eq(index, 7);
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, alphas,
                                        HNAS_RULE_ARGMAX, HNAS_COST_TABLE, 0.5),
                     HNAS_E_STATE);
    ck_assert_ptr_null(arch);
    ck_assert_int_eq(hnas_path_get_arch(&arch, path, 0), HNAS_OK);
    ck_assert(isnan(hnas_arch_get_table_cost(arch)));
    hnas_arch_destroy(arch);
    hnas_path_destroy(path);
}
END_TEST

START_TEST(ties_go_to_the_lower_cost_of_the_table)
{
    const double alpha[N] = {0};
    const double *const alphas[2] = {alpha, alpha};
    hnas_arch *arch;

    make_table();
    for (int e = 0; e < E; e++)
        for (int o = 0; o < O; o++)
            net.cost[0][HNAS_COST_TABLE][e * O + o] = (o + 3 * e) % O;
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, alphas,
                                        HNAS_RULE_ARGMAX, HNAS_COST_TABLE, 0.5),
                     HNAS_OK);
    for (int e = 0; e < E; e++)
        ck_assert_int_eq(hnas_arch_get_edges(arch, 0)[e].op, 5 * e % O);
    hnas_arch_destroy(arch);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arch");
    TCase *t = tcase_create("prune");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t,
                   pieces_and_their_architectures_cost_the_same_by_the_table);
    tcase_add_test(t, a_budget_of_the_table_finds_the_largest_piece_that_fits);
    tcase_add_test(t, without_a_table_its_cost_is_refused);
    tcase_add_test(t, ties_go_to_the_lower_cost_of_the_table);
    suite_add_tcase(s, t);
    return run_suite(s);
}
