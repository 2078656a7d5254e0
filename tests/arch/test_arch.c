/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle, its lists, pruned costs and the connectivity report. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "space.h"
#include "support/check_main.h"

static struct hnas_context *ctx;
static struct test_space net;  /* 2 nodes, 5 edges, 3 operations */
static int64_t countdown = -1; /* of the failing allocator; -1: never */

static void *counted_alloc(void *user, size_t size_bytes, size_t alignment)
{
    (void)user;
    if (!countdown)
        return NULL;
    if (countdown > 0)
        countdown--;
    return aligned_alloc(alignment, size_bytes);
}

static void counted_free(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(memory);
}

static void setup(void)
{
    hnas_context_opts o;

    countdown = -1;
    hnas_context_opts_init(&o, sizeof o);
    o.alloc = counted_alloc;
    o.free = counted_free;
    ck_assert_int_eq(hn_context_open(&ctx, &o), HNAS_OK);
    test_space_init(&net, ctx, 2, 3, 1);
}

static void teardown(void)
{
    hn_context_close(ctx);
}

/* Edges: 0->2, 1->2, 0->3, 1->3, 2->3. */
static hnas_arch *build(const int32_t normal[5], const int32_t reduce[5])
{
    const int32_t *const op[2] = {normal, reduce};
    hnas_arch *arch;

    ck_assert_int_eq(hn_arch_build(&arch, &net.space, HNAS_RULE_ARGMAX, op),
                     HNAS_OK);
    return arch;
}

static const int32_t all_a[5] = {1, 1, 1, 1, 1};

START_TEST(kept_edges_come_by_target_with_names_of_their_own)
{
    const int32_t normal[5] = {2, -1, 0, 1, -1};
    hnas_arch *arch = build(normal, all_a);
    const hnas_arch_edge *e = hnas_arch_get_edges(arch, HNAS_NORMAL);

    net.names[2] = "gone";
    ck_assert_int_eq(hnas_arch_get_rule(arch), HNAS_RULE_ARGMAX);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 3);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_REDUCE), 5);
    ck_assert(e[0].from == 0 && e[0].to == 2 && e[0].op == 2);
    ck_assert(e[1].from == 0 && e[1].to == 3 && e[1].op == 0);
    ck_assert(e[2].from == 1 && e[2].to == 3 && e[2].op == 1);
    ck_assert_str_eq(e[0].op_name, "b");
    ck_assert_str_eq(e[1].op_name, "none");
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, 2), 0);
    ck_assert_ptr_null(hnas_arch_get_edges(arch, -1));
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(cost_is_the_fixed_part_and_the_kept_operations)
{
    const int32_t normal[5] = {2, 0, 1, 0, 2};
    hnas_arch *arch = build(normal, all_a);
    hnas_cost total, fixed;

    hnas_arch_get_cost(arch, &total, &fixed);
    ck_assert_int_eq(fixed.params, 7);
    ck_assert_int_eq(fixed.macs, 5);
    ck_assert_int_eq(fixed.bytes, 3);
    ck_assert_int_eq(total.params, 7 + (20 + 10 + 20) + 5 * 30);
    ck_assert_int_eq(total.macs, 5 + 100 * (50 + 150));
    ck_assert_int_eq(total.bytes, 3 + 4 * (50 + 150));
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(an_edge_that_leaves_a_node_without_input_costs_nothing)
{
    const int32_t normal[5] = {0, 0, 1, 0, 2}; /* node 2 holds zeros */
    hnas_arch *arch = build(normal, all_a);
    const hnas_arch_warning *w;
    hnas_cost total;

    hnas_arch_get_cost(arch, &total, NULL);
    ck_assert_int_eq(total.params, 7 + 10 + 150);
    ck_assert_int_eq(hnas_arch_get_warnings(arch, &w), 2);
    ck_assert_int_eq(w[0].code, HNAS_ARCH_INPUT_UNUSED);
    ck_assert_int_eq(w[0].kind, HNAS_NORMAL);
    ck_assert_int_eq(w[0].node, 1);
    ck_assert_int_eq(w[1].code, HNAS_ARCH_NODE_WITHOUT_INPUT);
    ck_assert_int_eq(w[1].node, 2);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_node_fed_by_a_dead_node_alone_is_dead_too)
{
    const int32_t reduce[5] = {0, 0, 0, 0, 2};
    hnas_arch *arch = build(all_a, reduce);
    const hnas_arch_warning *w;
    hnas_cost total;

    hnas_arch_get_cost(arch, &total, NULL);
    ck_assert_int_eq(total.params, 7 + 50);
    ck_assert_int_eq(hnas_arch_get_warnings(arch, &w), 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(w[i].kind, HNAS_REDUCE);
        ck_assert_int_eq(w[i].node, i);
    }
    ck_assert_int_eq(w[2].code, HNAS_ARCH_NODE_WITHOUT_INPUT);
    ck_assert_int_eq(w[3].code, HNAS_ARCH_NODE_DEAD);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_whole_architecture_has_no_remarks)
{
    const hnas_arch_warning *w;
    hnas_arch *arch = build(all_a, all_a);

    ck_assert_int_eq(hnas_arch_get_warnings(arch, &w), 0);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_kind_without_cells_has_no_edges_cost_or_remark)
{
    const int32_t *const op[2] = {all_a, NULL};
    hnas_arch *arch;
    hnas_cost total;

    test_space_init(&net, ctx, 2, 3, 0);
    ck_assert_int_eq(hn_arch_build(&arch, &net.space, HNAS_RULE_ARGMAX, op),
                     HNAS_OK);
    hnas_arch_get_cost(arch, &total, NULL);
    ck_assert_int_eq(total.params, 7 + 50);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_REDUCE), 0);
    ck_assert_int_eq(hnas_arch_get_warnings(arch, NULL), 0);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(equal_means_the_same_operations)
{
    const int32_t other[5] = {1, 1, 2, 1, 1}, less[5] = {1, 1, -1, 1, 1};
    hnas_arch *a = build(all_a, all_a), *b = build(all_a, all_a);
    hnas_arch *c = build(all_a, other), *d = build(less, all_a);

    hn_arch_set_lambda(b, 0.5, 0, 1);
    ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
    ck_assert_int_eq(hnas_arch_is_equal(a, c), 0);
    ck_assert_int_eq(hnas_arch_is_equal(a, d), 0);
    ck_assert_int_eq(hnas_arch_is_equal(a, NULL), 0);
    hnas_arch_destroy(a);
    hnas_arch_destroy(b);
    hnas_arch_destroy(c);
    hnas_arch_destroy(d);
    hnas_arch_destroy(NULL);
}
END_TEST

START_TEST(create_takes_edges_in_any_order)
{
    const hnas_arch_edge normal[5] = {{2, 3, 2, NULL},
                                      {1, 2, 0, NULL},
                                      {0, 3, 1, NULL},
                                      {0, 2, 1, NULL},
                                      {1, 3, 0, NULL}};
    const hnas_arch_edge reduce[5] = {{0, 2, 1, NULL},
                                      {1, 2, 1, NULL},
                                      {0, 3, 1, NULL},
                                      {1, 3, 1, NULL},
                                      {2, 3, 1, NULL}};
    const hnas_arch_edge *const edges[2] = {normal, reduce};
    const int32_t n[2] = {5, 5}, same[5] = {1, 0, 1, 0, 2};
    hnas_arch *arch, *want = build(same, all_a);
    double lambda, lo, hi;

    ck_assert_int_eq(
        hn_arch_create(&arch, &net.space, HNAS_RULE_ARGMAX, edges, n), HNAS_OK);
    ck_assert_int_eq(hnas_arch_is_equal(arch, want), 1);
    hnas_arch_get_lambda(arch, &lambda, &lo, &hi);
    ck_assert(isnan(lambda) && isnan(lo) && isnan(hi));
    hnas_arch_destroy(arch);
    hnas_arch_destroy(want);
}
END_TEST

START_TEST(create_passes_over_a_kind_without_cells)
{
    const hnas_arch_edge normal[5] = {{0, 2, 1, NULL},
                                      {1, 2, 1, NULL},
                                      {0, 3, 1, NULL},
                                      {1, 3, 1, NULL},
                                      {2, 3, 1, NULL}};
    const hnas_arch_edge *const edges[2] = {normal, normal};
    const int32_t n[2] = {5, 0}, more[2] = {5, 1};
    hnas_arch *arch;

    test_space_init(&net, ctx, 2, 3, 0); /* it still has a list of edges */
    ck_assert_int_gt(net.space.kind[HNAS_REDUCE].n_edges, 0);
    ck_assert_int_eq(
        hn_arch_create(&arch, &net.space, HNAS_RULE_ARGMAX, edges, n), HNAS_OK);
    ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_REDUCE), 0);
    hnas_arch_destroy(arch);
    ck_assert_int_eq(
        hn_arch_create(&arch, &net.space, HNAS_RULE_ARGMAX, edges, more),
        HNAS_E_MISMATCH);
}
END_TEST

START_TEST(create_refuses_what_does_not_fit_the_space_or_the_rule)
{
    const hnas_arch_edge ok[4] = {
        {0, 2, 1, NULL}, {1, 2, 1, NULL}, {0, 3, 1, NULL}, {1, 3, 1, NULL}};
    const struct {
        int32_t rule, n;
        hnas_arch_edge edge[4];
    } bad[] = {
        {HNAS_RULE_TOP2, 1, {{0, 1, 1, NULL}}},
        {HNAS_RULE_TOP2, 1, {{2, 3, 3, NULL}}},
        {HNAS_RULE_TOP2, 1, {{2, 3, -1, NULL}}},
        {HNAS_RULE_TOP2, 1, {{2, 3, 0, NULL}}},
        {HNAS_RULE_TOP2, 2, {{2, 3, 1, NULL}, {2, 3, 2, NULL}}},
        {HNAS_RULE_TOP2,
         3,
         {{2, 3, 1, NULL}, {0, 3, 1, NULL}, {1, 3, 1, NULL}}},
        {HNAS_RULE_ARGMAX,
         4,
         {{0, 2, 1, NULL}, {1, 2, 1, NULL}, {0, 3, 1, NULL}, {1, 3, 1, NULL}}},
    };
    const hnas_arch_edge *edges[2] = {ok, ok};
    const int32_t four[2] = {4, 4};
    hnas_arch *arch;

    ck_assert_int_eq(
        hn_arch_create(&arch, &net.space, HNAS_RULE_TOP2, edges, four),
        HNAS_OK);
    hnas_arch_destroy(arch);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int32_t n[2] = {4, bad[i].n};

        edges[1] = bad[i].edge;
        ck_assert_int_eq(
            hn_arch_create(&arch, &net.space, bad[i].rule, edges, n),
            HNAS_E_MISMATCH);
        ck_assert_ptr_null(arch);
        ck_assert_str_ne(hnas_context_message(ctx), "");
    }
    ck_assert_int_eq(hn_arch_create(&arch, &net.space, 9, edges, four),
                     HNAS_E_RANGE);
    test_space_init(&net, ctx, 2, 3, 0);
    edges[1] = ok;
    ck_assert_int_eq(
        hn_arch_create(&arch, &net.space, HNAS_RULE_TOP2, edges, four),
        HNAS_E_MISMATCH);
}
END_TEST

START_TEST(a_table_belongs_to_each_kind_that_has_cells)
{
    ck_assert_int_eq(hn_space_table(&net.space, HNAS_NORMAL), 0);
    ck_assert_int_eq(hn_space_table(&net.space, HNAS_REDUCE), 1);
    net.space.kind[HNAS_NORMAL].n_cells = 0;
    ck_assert_int_eq(hn_space_table(&net.space, HNAS_NORMAL), -1);
    ck_assert_int_eq(hn_space_table(&net.space, HNAS_REDUCE), 0);
}
END_TEST

START_TEST(create_survives_every_failing_allocation)
{
    const hnas_arch_edge list[2] = {{0, 2, 1, NULL}, {0, 3, 1, NULL}};
    const hnas_arch_edge *const edges[2] = {list, list};
    const int32_t two[2] = {2, 2};
    const size_t before = ctx->alloc.now_bytes;
    int64_t n = 0;

    for (;; n++) {
        hnas_arch *arch;
        hnas_status st;

        countdown = n;
        st = hn_arch_create(&arch, &net.space, HNAS_RULE_TOP2, edges, two);
        countdown = -1;
        if (st == HNAS_OK) {
            hnas_arch_destroy(arch);
            break;
        }
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        ck_assert_ptr_null(arch);
        ck_assert_uint_eq(ctx->alloc.now_bytes, before);
    }
    ck_assert_int_gt(n, 8);
    ck_assert_uint_eq(ctx->alloc.now_bytes, before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch");
    TCase *c = tcase_create("arch");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, kept_edges_come_by_target_with_names_of_their_own);
    tcase_add_test(c, cost_is_the_fixed_part_and_the_kept_operations);
    tcase_add_test(c, an_edge_that_leaves_a_node_without_input_costs_nothing);
    tcase_add_test(c, a_node_fed_by_a_dead_node_alone_is_dead_too);
    tcase_add_test(c, a_whole_architecture_has_no_remarks);
    tcase_add_test(c, a_kind_without_cells_has_no_edges_cost_or_remark);
    tcase_add_test(c, equal_means_the_same_operations);
    tcase_add_test(c, create_takes_edges_in_any_order);
    tcase_add_test(c, create_passes_over_a_kind_without_cells);
    tcase_add_test(c, create_refuses_what_does_not_fit_the_space_or_the_rule);
    tcase_add_test(c, a_table_belongs_to_each_kind_that_has_cells);
    tcase_add_test(c, create_survives_every_failing_allocation);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
