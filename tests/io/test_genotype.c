/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures that stand alone: genotypes and objects without a net. */
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"
#include "support/memory.h"

static const char pairs[] =
    "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), "
    "('dil_conv_5x5', 1), ('max_pool_3x3', 2)], normal_concat=range(2, 4), "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_7x7', 1), ('skip_connect', 0), "
    "('conv_7x1_1x7', 2)], reduce_concat=range(2, 4))";
static const char triples[] =
    "Genotype(normal=[('sep_conv_3x3', 2, 1), ('skip_connect', 4, 2)], "
    "normal_concat=range(2, 5), reduce=[], reduce_concat=range(2, 5))";

static char text[4096];

static hnas_arch *read_arch(const char *from)
{
    hnas_arch *a;
    hnas_status st = hnas_arch_read(&a, ctx, from, strlen(from));

    ck_assert_msg(st == HNAS_OK, "%s: %s", from, ctx->message);
    return a;
}

static const char *write_text(const hnas_arch *a)
{
    size_t length;

    ck_assert_int_eq(hnas_arch_write_text(a, text, sizeof text, &length), 0);
    ck_assert_uint_eq(length, strlen(text));
    return text;
}

static void expect_edge(const hnas_arch *a, int kind, int i, int from, int to,
                        const char *op)
{
    const hnas_arch_edge *e = &hnas_arch_get_edges(a, kind)[i];

    ck_assert_int_eq(e->from, from);
    ck_assert_int_eq(e->to, to);
    ck_assert_str_eq(e->op_name, op);
}

START_TEST(pairs_are_two_edges_a_node)
{
    hnas_arch *a = read_arch(pairs);
    hnas_cost cost;

    ck_assert_int_eq(hnas_arch_get_rule(a), HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_NORMAL), 2);
    ck_assert_int_eq(hnas_arch_get_edge_count(a, HNAS_REDUCE), 4);
    expect_edge(a, HNAS_NORMAL, 1, 1, 2, "skip_connect");
    expect_edge(a, HNAS_NORMAL, 2, 1, 3, "dil_conv_5x5");
    expect_edge(a, HNAS_REDUCE, 3, 2, 3, "conv_7x1_1x7");
    hnas_arch_get_cost(a, &cost, NULL);
    ck_assert_int_eq(cost.params, -1);
    ck_assert_int_eq(cost.macs, -1);
    ck_assert_str_eq(write_text(a), pairs);
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(triples_name_their_node)
{
    hnas_arch *a = read_arch(triples);

    ck_assert_int_eq(hnas_arch_get_rule(a), HNAS_RULE_THRESHOLD);
    ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_NORMAL), 3);
    ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_REDUCE), 3);
    expect_edge(a, HNAS_NORMAL, 0, 1, 2, "sep_conv_3x3");
    expect_edge(a, HNAS_NORMAL, 1, 2, 4, "skip_connect");
    ck_assert_int_eq(hnas_arch_get_edge_count(a, HNAS_REDUCE), 0);
    ck_assert_str_eq(write_text(a), triples);
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(cells_that_keep_no_edge_are_read_back)
{
    static const char *const none[] = {
        "Genotype(normal=[], normal_concat=range(2, 5), reduce=[], "
        "reduce_concat=range(2, 5))",
        "Genotype(normal=[], normal_concat=range(2, 2), reduce=[], "
        "reduce_concat=range(2, 3))"};

    for (int i = 0; i < 2; i++) {
        hnas_arch *a = read_arch(none[i]);

        ck_assert_int_eq(hnas_arch_get_rule(a), HNAS_RULE_THRESHOLD);
        ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_REDUCE), i ? 1 : 3);
        ck_assert_int_eq(hnas_arch_get_node_count(a, HNAS_NORMAL), i ? 0 : 3);
        ck_assert_str_eq(write_text(a), none[i]);
        hnas_arch_destroy(a);
    }
}
END_TEST

START_TEST(every_edge_listed_is_argmax)
{
    static const char all[] =
        "Genotype(normal=[('none', 2, 0), ('sep_conv_3x3', 2, 1)], "
        "normal_concat=range(2, 3), reduce=[], reduce_concat=range(2, 2))";
    hnas_arch *a = read_arch(all);

    ck_assert_int_eq(hnas_arch_get_rule(a), HNAS_RULE_ARGMAX);
    ck_assert_ptr_null(hnas_arch_get_edges(a, HNAS_REDUCE));
    ck_assert_str_eq(write_text(a), all);
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(python_may_be_written_in_many_ways)
{
    hnas_arch *a = read_arch(pairs), *b;

    b = read_arch("# the cell\n DARTS_V9 = Genotype(\n"
                  "\treduce_concat = [2, 3,], # all\n"
                  "  reduce = [ (\"avg_pool_3x3\", 0), (\"sep_conv_7x7\",1,),"
                  "('skip_connect', 0), ('conv_7x1_1x7', 2), ],\r\n"
                  "  normal_concat=[2,3], normal=[('skip_connect', 1), "
                  "('sep_conv_3x3', 0), ('max_pool_3x3', 2), "
                  "('dil_conv_5x5', 1)])\n\n# the end");
    ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
    hnas_arch_destroy(a);
    hnas_arch_destroy(b);
}
END_TEST

START_TEST(an_object_needs_no_net)
{
    hnas_arch *a = read_arch(triples), *b;
    size_t length;

    ck_assert_int_eq(hnas_arch_write_json(a, text, sizeof text, &length), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"cost\": null"));
    b = read_arch(text);
    ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
    ck_assert_int_eq(hnas_arch_get_rule(b), HNAS_RULE_THRESHOLD);
    ck_assert_int_eq(hnas_arch_get_node_count(b, HNAS_NORMAL), 3);
    hnas_arch_destroy(b);
    b = read_arch(" {\"rule\": \"argmax\", \"normal\": [], \"reduce\": "
                  "[[[\"none\", 0], [\"none\", 1]]]}");
    ck_assert_int_eq(hnas_arch_get_node_count(b, HNAS_NORMAL), 0);
    ck_assert_int_eq(hnas_arch_get_edge_count(b, HNAS_REDUCE), 2);
    hnas_arch_destroy(a);
    hnas_arch_destroy(b);
}
END_TEST

/* A genotype with these lists. */
static const char *with(const char *normal, const char *concat)
{
    snprintf(text, sizeof text,
             "Genotype(normal=%s, normal_concat=%s, reduce=[], "
             "reduce_concat=[])",
             normal, concat);
    return text;
}

static void expect_refusal(const char *from, hnas_status want,
                           const char *words)
{
    hnas_arch *a = (hnas_arch *)&text;

    expect_failure(hnas_arch_read(&a, ctx, from, strlen(from)), want, words);
    ck_assert_ptr_null(a);
}

START_TEST(what_is_no_genotype_is_refused_by_its_line)
{
    expect_refusal("", HNAS_E_FORMAT, "ends early");
    expect_refusal("PRIMITIVES = [1]", HNAS_E_FORMAT, "\"[1]\"");
    expect_refusal("\n\n\x01\xff", HNAS_E_FORMAT, "byte 0x01 at 2: not text");
    expect_refusal("Genotype(\xff)", HNAS_E_FORMAT, "byte 0xff at 9: not text");
    expect_refusal("Genotype(!)", HNAS_E_FORMAT, "line 1: \"!)\"");
    expect_refusal("Genotype(normal=[('none', 0)]", HNAS_E_FORMAT,
                   "ends early, want ')'");
    expect_refusal("Genotype(other=[])", HNAS_E_FORMAT, "reduce_concat");
    expect_refusal("Genotype(normal=[], normal=[])", HNAS_E_FORMAT, "again");
    expect_refusal("Genotype(normal=[])", HNAS_E_FORMAT, "no normal_concat");
    expect_refusal("Genotype()", HNAS_E_FORMAT, "no normal");
    expect_refusal(with("[]", "[]"), HNAS_E_FORMAT, "no node");
    expect_refusal(with("[('none)]", "[2]"), HNAS_E_FORMAT, "in quotes");
    expect_refusal(with("[('none', -1)]", "[2]"), HNAS_E_FORMAT, "a number");
    expect_refusal(with("[('none')]", "[2]"), HNAS_E_FORMAT, "pairs");
    expect_refusal(with("[('none', 0), ('none', 2, 0)]", "[2]"), HNAS_E_FORMAT,
                   "throughout");
    expect_refusal(with("[('none', 1, 2, 3)]", "[2]"), HNAS_E_FORMAT, "')'");
    strcpy(text, pairs);
    expect_refusal(strcat(text, " X = 1"), HNAS_E_FORMAT, "nothing behind");
}
END_TEST

START_TEST(what_does_not_fit_is_refused_by_name)
{
    expect_refusal(with("[('a_b', 0), ('none', 1)]", "[2]"), HNAS_E_NAME,
                   "a_b");
    expect_refusal(with("[('none', 0), ('skip_connect', 1)]", "[2]"),
                   HNAS_E_MISMATCH, "zero operation");
    expect_refusal(with("[('skip_connect', 1), ('skip_connect', 1)]", "[2]"),
                   HNAS_E_MISMATCH, "twice");
    expect_refusal(with("[('skip_connect', 0), ('skip_connect', 2)]", "[2]"),
                   HNAS_E_MISMATCH, "normal edge 2 -> 2");
    expect_refusal(with("[('skip_connect', 0)]", "[2]"), HNAS_E_MISMATCH,
                   "1 edges, want 2");
    expect_refusal(with("[('skip_connect', 9, 0)]", "[2]"), HNAS_E_MISMATCH,
                   "0 -> 9");
    expect_refusal(with("[('skip_connect', 10000)]", "[2]"), HNAS_E_RANGE,
                   "above 9999");
    expect_refusal(with("[]", "[3]"), HNAS_E_UNSUPPORTED, "normal_concat");
    expect_refusal(with("[]", "range(3, 6)"), HNAS_E_UNSUPPORTED,
                   "normal_concat");
    expect_refusal(with("[]", "range(2, 20)"), HNAS_E_RANGE, "18 nodes");
    expect_refusal("Genotype(normal=[('none', 2, 0)], normal_concat=[2], "
                   "reduce=[('none', 3, 0)], reduce_concat=[2, 3])",
                   HNAS_E_MISMATCH, "2 nodes, want 1");
    expect_refusal("{\"rule\": \"top2\", \"normal\": [[[\"x\", 0]]], "
                   "\"reduce\": []}",
                   HNAS_E_NAME, "\"x\"");
}
END_TEST

START_TEST(no_cut_of_a_genotype_is_taken_for_one)
{
    hnas_arch *a;

    for (size_t n = 0; n < sizeof pairs - 1; n++)
        ck_assert_int_lt(hnas_arch_read(&a, ctx, pairs, n), 0);
    for (size_t i = 0; i < sizeof pairs - 1; i++) { /* and no change crashes */
        strcpy(text, pairs);
        text[i] = (char)(text[i] ^ (1 << i % 7));
        if (hnas_arch_read(&a, ctx, text, strlen(text)) == HNAS_OK)
            hnas_arch_destroy(a);
    }
}
END_TEST

START_TEST(too_much_is_refused)
{
    static char big[(64 << 10) + 2];
    char *p = big;

    memset(big, ' ', sizeof big - 1);
    expect_refusal(big, HNAS_E_LIMIT, "65537 bytes");
    p += sprintf(p, "Genotype(normal=[");
    for (int i = 0; i < 153; i++)
        p += sprintf(p, "('none', 2, 0), ");
    *p = '\0';
    expect_refusal(big, HNAS_E_LIMIT, "152 edges");
}
END_TEST

START_TEST(without_memory_nothing_leaks)
{
    const char *const from[] = {pairs, triples};
    hnas_arch *a = NULL;
    size_t length;

    for (int i = 0; i < 2; i++) {
        hnas_status st = HNAS_E_NOMEM;

        for (int n = 0; st == HNAS_E_NOMEM; n++) {
            const size_t before = held_bytes(ctx);

            fixture_fail_allocation(n);
            st = hnas_arch_read(&a, ctx, from[i], strlen(from[i]));
            fixture_fail_allocation(-1);
            if (st == HNAS_E_NOMEM)
                ck_assert_uint_eq(held_bytes(ctx), before);
        }
        ck_assert_int_eq(st, HNAS_OK);
        fixture_fail_allocation(0);
        ck_assert_int_eq(hnas_arch_write_text(a, text, sizeof text, &length),
                         HNAS_E_NOMEM);
        fixture_fail_allocation(-1);
        ck_assert_uint_eq(length, 0);
        hnas_arch_destroy(a);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("genotype");

    tcase_add_test(t, pairs_are_two_edges_a_node);
    tcase_add_test(t, triples_name_their_node);
    tcase_add_test(t, cells_that_keep_no_edge_are_read_back);
    tcase_add_test(t, every_edge_listed_is_argmax);
    tcase_add_test(t, python_may_be_written_in_many_ways);
    tcase_add_test(t, an_object_needs_no_net);
    tcase_add_test(t, what_is_no_genotype_is_refused_by_its_line);
    tcase_add_test(t, what_does_not_fit_is_refused_by_name);
    tcase_add_test(t, no_cut_of_a_genotype_is_taken_for_one);
    tcase_add_test(t, too_much_is_refused);
    tcase_add_test(t, without_memory_nothing_leaks);
    return fixture_run_ops(t);
}
