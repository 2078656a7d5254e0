/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures from tables of alpha, under each rule. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "space.h"
#include "support/check_main.h"

static struct hnas_context *ctx;
static struct test_space net;

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    test_space_init(&net, ctx, 2, 3, 0); /* one kind, 5 edges, 3 operations */
    srand(11);
}

static void teardown(void)
{
    hn_context_close(ctx);
}

static hnas_arch *derive(const double *alpha, int32_t rule, int32_t metric)
{
    const double *const tables[2] = {alpha, NULL};
    hnas_arch *arch;

    ck_assert_int_eq(
        hn_arch_from_alpha(&arch, &net.space, tables, rule, metric, 0.85),
        HNAS_OK);
    return arch;
}

START_TEST(argmax_keeps_the_best_operation_of_every_edge)
{
    const double alpha[15] = {1, 0, 2, 0, 5, -1, 3, 2, 1, 0, 0, 1, -3, -1, -2};
    const int32_t want[5] = {2, 1, 0, 2, 1};
    hnas_arch *arch = derive(alpha, HNAS_RULE_ARGMAX, HNAS_COST_PARAMS);

    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 5);
    for (int e = 0; e < 5; e++)
        ck_assert_int_eq(hnas_arch_get_edges(arch, HNAS_NORMAL)[e].op, want[e]);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(equal_alphas_go_to_the_lower_cost_then_to_the_lower_index)
{
    const double alpha[15] = {0};
    hnas_arch *arch;

    for (int e = 0; e < 5; e++) {
        net.cost[0][HNAS_COST_MACS][3 * e] = 9;
        net.cost[0][HNAS_COST_MACS][3 * e + 1] = 4;
        net.cost[0][HNAS_COST_MACS][3 * e + 2] = e == 2 ? 3 : 4;
    }
    arch = derive(alpha, HNAS_RULE_ARGMAX, HNAS_COST_MACS);
    for (int e = 0; e < 5; e++)
        ck_assert_int_eq(hnas_arch_get_edges(arch, HNAS_NORMAL)[e].op,
                         e == 2 ? 2 : 1);
    hnas_arch_destroy(arch);
    arch = derive(alpha, HNAS_RULE_ARGMAX, HNAS_COST_PARAMS);
    ck_assert_int_eq(hnas_arch_get_edges(arch, HNAS_NORMAL)[0].op, 0);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(top2_keeps_two_edges_a_node_and_never_the_zero_operation)
{
    /* node 3 (edges 2, 3, 4): weights of the best non-zero operation, with the
     * zero operation in the denominator: edge 2 has little beside none */
    const double alpha[15] = {9, 0, 1, 0, 5, -1, 8, 3, 1, 0, 2, 1, 0, 1, 0};
    const int32_t from[4] = {0, 1, 1, 2}, to[4] = {2, 2, 3, 3};
    const int32_t op[4] = {2, 1, 1, 1};
    hnas_arch *arch = derive(alpha, HNAS_RULE_TOP2, HNAS_COST_PARAMS);
    const hnas_arch_edge *e = hnas_arch_get_edges(arch, HNAS_NORMAL);

    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(e[i].from, from[i]);
        ck_assert_int_eq(e[i].to, to[i]);
        ck_assert_int_eq(e[i].op, op[i]);
    }
    hnas_arch_destroy(arch);
}
END_TEST

/* DARTS' own way: sort a node's edges by their weight, take two. */
START_TEST(top2_equals_sorting_softmax_weights)
{
    enum { E = SPACE_EDGES, O = SPACE_OPS };

    test_space_init(&net, ctx, 4, O, 0);
    for (int round = 0; round < 500; round++) {
        double alpha[E * O], weight[E];
        int32_t best[E], at = 0;
        hnas_arch *arch;
        const hnas_arch_edge *kept;

        for (int i = 0; i < E * O; i++)
            alpha[i] = 4.0 * rand() / RAND_MAX;
        for (int e = 0; e < E; e++) {
            double sum = 0;

            best[e] = 1;
            for (int o = 0; o < O; o++) {
                sum += exp(alpha[e * O + o]);
                if (o && alpha[e * O + o] > alpha[e * O + best[e]])
                    best[e] = o;
            }
            weight[e] = exp(alpha[e * O + best[e]]) / sum;
        }
        arch = derive(alpha, HNAS_RULE_TOP2, HNAS_COST_PARAMS);
        kept = hnas_arch_get_edges(arch, HNAS_NORMAL);
        ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 8);
        for (int e = 0; e < E; e++) {
            int larger = 0;

            for (int f = 0; f < E; f++)
                larger += net.to[f] == net.to[e] && weight[f] > weight[e];
            if (larger >= 2)
                continue;
            ck_assert_int_eq(kept[at].from, net.from[e]);
            ck_assert_int_eq(kept[at].to, net.to[e]);
            ck_assert_int_eq(kept[at].op, best[e]);
            at++;
        }
        ck_assert_int_eq(at, 8);
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(top2_breaks_ties_of_edges_by_cost_then_by_source)
{
    /* all rows of node 3 hold the same values in another order */
    const double alpha[15] = {0,   1,   0,   0,   1,   0,   0.3, 0.1,
                              0.7, 0.1, 0.3, 0.7, 0.3, 0.7, 0.1};
    hnas_arch *arch = derive(alpha, HNAS_RULE_TOP2, HNAS_COST_PARAMS);
    const hnas_arch_edge *e = hnas_arch_get_edges(arch, HNAS_NORMAL);

    ck_assert_int_eq(e[2].from, 0);
    ck_assert_int_eq(e[2].op, 2);
    ck_assert_int_eq(e[3].from, 2); /* operation 1, the cheaper one */
    ck_assert_int_eq(e[3].op, 1);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(top2_drops_an_edge_that_has_only_zero_operations)
{
    const double alpha[15] = {0};
    hnas_arch *arch;

    net.flags[1] = net.flags[2] = HNAS_OP_ZERO;
    arch = derive(alpha, HNAS_RULE_TOP2, HNAS_COST_PARAMS);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 0);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(alpha_must_be_numbers_and_there)
{
    double alpha[15] = {0};
    const double *tables[2] = {alpha, NULL};
    hnas_arch *arch = (hnas_arch *)&arch;

    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, tables, 9, 0, 0.85),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(arch);
    ck_assert_str_eq(hnas_context_message(ctx),
                     "rule: 9, want one of 0 argmax, 1 top2, 2 top2_raw, 3 "
                     "threshold");
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, tables, 0, 4, 0.85),
                     HNAS_E_RANGE);
    alpha[14] = NAN;
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, tables, 0, 0, 0.85),
                     HNAS_E_NAN);
    tables[0] = NULL;
    ck_assert_int_eq(hn_arch_from_alpha(&arch, &net.space, tables, 0, 0, 0.85),
                     HNAS_E_ARG);
    ck_assert_str_ne(hnas_context_message(ctx), "");
}
END_TEST

START_TEST(an_architecture_from_alpha_has_no_lambda)
{
    const double alpha[15] = {0};
    hnas_arch *arch = derive(alpha, HNAS_RULE_ARGMAX, HNAS_COST_PARAMS);
    double lambda, lo, hi;

    hnas_arch_get_lambda(arch, &lambda, &lo, &hi);
    ck_assert(isnan(lambda) && isnan(lo) && isnan(hi));
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(rules_are_found_by_number_and_by_name)
{
    ck_assert_str_eq(hn_arch_rule_find(HNAS_RULE_ARGMAX)->name, "argmax");
    ck_assert_int_eq(hn_arch_rule_named("top2")->id, HNAS_RULE_TOP2);
    ck_assert_ptr_null(hn_arch_rule_find(-1));
    ck_assert_ptr_null(hn_arch_rule_named("best"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch rules");
    TCase *c = tcase_create("rules");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, argmax_keeps_the_best_operation_of_every_edge);
    tcase_add_test(c,
                   equal_alphas_go_to_the_lower_cost_then_to_the_lower_index);
    tcase_add_test(c, top2_keeps_two_edges_a_node_and_never_the_zero_operation);
    tcase_add_test(c, top2_equals_sorting_softmax_weights);
    tcase_add_test(c, top2_breaks_ties_of_edges_by_cost_then_by_source);
    tcase_add_test(c, top2_drops_an_edge_that_has_only_zero_operations);
    tcase_add_test(c, alpha_must_be_numbers_and_there);
    tcase_add_test(c, an_architecture_from_alpha_has_no_lambda);
    tcase_add_test(c, rules_are_found_by_number_and_by_name);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
