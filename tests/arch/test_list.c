/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures of lists alone, and of a network's own edges. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

static hnas_context *ctx;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

static const hnas_arch_edge normal[] = {{1, 3, -5, "dil_conv_3x3"},
                                        {1, 2, 99, "skip_connect"},
                                        {0, 2, 0, "sep_conv_7x7"}};

START_TEST(edges_are_sorted_and_numbered)
{
    const hnas_arch_edge *const edges[2] = {normal, NULL};
    const int32_t n[2] = {3, 0};
    const hnas_arch_edge *e;
    hnas_cost total, fixed;
    double lambda;
    hnas_arch *a;

    ck_assert_int_eq(hnas_arch_from_edges(&a, ctx, 3, HNAS_RULE_TOP2, edges, n),
                     HNAS_OK);
    e = hnas_arch_get_edges(a, HNAS_NORMAL);
    ck_assert_int_eq(hnas_arch_get_edge_count(a, HNAS_NORMAL), 3);
    ck_assert_str_eq(e[0].op_name, "sep_conv_7x7");
    ck_assert_str_eq(hnas_op_get(ctx, e[0].op)->name, "sep_conv_7x7");
    ck_assert_int_eq(e[2].to, 3);
    ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_NORMAL), 3);
    ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_REDUCE), 0);
    ck_assert_int_eq(hnas_arch_get_node_count(a, 2), 0);
    ck_assert_ptr_null(hnas_arch_get_edges(a, HNAS_REDUCE));
    hnas_arch_get_cost(a, &total, &fixed);
    ck_assert_int_eq(total.params, -1);
    ck_assert_int_eq(fixed.bytes, -1);
    hnas_arch_get_lambda(a, &lambda, NULL, NULL);
    ck_assert(isnan(lambda));
    ck_assert_int_eq(hnas_arch_get_warnings(a, NULL), 1); /* node 4 */
    hnas_arch_destroy(a);
}
END_TEST

static void expect(hnas_status want, int32_t nodes, int32_t rule, int32_t count,
                   const hnas_arch_edge *list)
{
    const hnas_arch_edge *const edges[2] = {list, NULL};
    const int32_t n[2] = {count, 0};
    hnas_arch *a = (hnas_arch *)&normal;

    ck_assert_int_eq(hnas_arch_from_edges(&a, ctx, nodes, rule, edges, n),
                     want);
    ck_assert_ptr_null(a);
}

START_TEST(what_does_not_fit_is_refused)
{
    const hnas_arch_edge other = {0, 2, 0, "other"};
    const int32_t n[2] = {0, 0};
    hnas_arch *a;

    expect(HNAS_E_RANGE, 0, HNAS_RULE_TOP2, 3, normal);
    expect(HNAS_E_RANGE, 17, HNAS_RULE_TOP2, 3, normal);
    expect(HNAS_E_RANGE, 2, 7, 3, normal);
    expect(HNAS_E_RANGE, 2, HNAS_RULE_TOP2, -1, normal);
    expect(HNAS_E_MISMATCH, 1, HNAS_RULE_TOP2, 3, normal);
    expect(HNAS_E_MISMATCH, 2, HNAS_RULE_ARGMAX, 3, normal);
    expect(HNAS_E_NAME, 2, HNAS_RULE_TOP2, 1, &other);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "other"));
    ck_assert_int_eq(hnas_arch_from_edges(&a, ctx, 1, HNAS_RULE_TOP2, NULL, n),
                     HNAS_E_ARG);
}
END_TEST

/* What a network was made of comes back, with what it costs. */
START_TEST(a_network_tells_its_architecture)
{
    const hnas_arch_edge *const edges[2] = {normal, normal};
    const int32_t n[2] = {3, 3};
    hnas_cost cost, model_cost;
    hnas_arch *a, *b;
    hnas_model *model;
    hnas_model_opts o;

    hnas_model_opts_init(&o, sizeof o);
    o.channels = 2;
    o.cells = 3;
    o.image[1] = o.image[2] = 8;
    ck_assert_int_eq(
        hnas_arch_from_edges(&a, ctx, 4, HNAS_RULE_THRESHOLD, edges, n), 0);
    ck_assert_int_eq(hnas_model_create(&model, ctx, a, &o), HNAS_OK);
    ck_assert_int_eq(hnas_model_get_arch(&b, model), HNAS_OK);
    ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
    ck_assert_int_eq(hnas_arch_get_rule(b), HNAS_RULE_THRESHOLD);
    ck_assert_int_eq(hnas_arch_get_node_count(b, HNAS_REDUCE), 4);
    hnas_arch_get_cost(b, &cost, NULL);
    hnas_model_get_cost(model, &model_cost, NULL);
    ck_assert_int_eq(cost.macs, model_cost.macs);
    hnas_arch_destroy(b);
    ck_assert_int_eq(hnas_model_get_arch(&b, NULL), HNAS_E_ARG);
    ck_assert_ptr_null(b);
    hnas_arch_destroy(a);
    hnas_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch");
    TCase *t = tcase_create("list");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, edges_are_sorted_and_numbered);
    tcase_add_test(t, what_does_not_fit_is_refused);
    tcase_add_test(t, a_network_tells_its_architecture);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
