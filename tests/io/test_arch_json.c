/* SPDX-License-Identifier: BSD-3-Clause */
#include "../arch/space.h"
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/arch_json.h"
#include "io/json.h"

enum { NODES = 2, EDGES = 5, OPS = 4 };

static struct test_space space;
static char text[4096];

/* A network with normal cells, and with reduction cells or without. */
static void init_space(int32_t n_reduce)
{
    test_space_init(&space, ctx, NODES, OPS, n_reduce);
    if (!n_reduce)
        space.space.kind[HNAS_REDUCE].n_edges = 0;
}

static const char *write_json(const hnas_arch *a)
{
    size_t length;

    ck_assert_int_eq(hnas_arch_write_json(a, text, sizeof text, &length),
                     HNAS_OK);
    ck_assert_uint_eq(length, strlen(text));
    return text;
}

static hnas_arch *read_json(const char *json)
{
    hnas_arch *a;
    hnas_status st = hn_arch_read_json(&a, &space.space, json, strlen(json));

    ck_assert_msg(st == HNAS_OK, "%s: %s", json, ctx->message);
    return a;
}

/* The operation of each edge, -1: dropped. */
static hnas_arch *make_arch(int32_t rule, const int32_t *normal,
                            const int32_t *reduce)
{
    const int32_t *const op[HNAS_N_KINDS] = {normal, reduce};
    hnas_arch *a;

    ck_assert_int_eq(hn_arch_build(&a, &space.space, rule, op), HNAS_OK);
    return a;
}

START_TEST(the_object_is_that_of_the_contract)
{
    static const int32_t normal[EDGES] = {1, 2, 3, 0, 1};
    hnas_arch *a;

    init_space(0);
    a = make_arch(HNAS_RULE_ARGMAX, normal, NULL);
    hn_arch_set_lambda(a, 0.01, 1e-4, 0.1);
    ck_assert_str_eq(
        write_json(a),
        "{\"lambda\": 0.01, \"rule\": \"argmax\", \"status\": \"ok\", "
        "\"interval\": [0.0001, 0.1], \"cost\": {\"params\": 77, \"macs\": "
        "7005, \"bytes\": 283, \"fixed_params\": 7}, \"normal\": [[[\"a\", 0], "
        "[\"b\", 1]], [[\"c\", 0], [\"none\", 1], [\"a\", 2]]], \"reduce\": "
        "[], \"warnings\": []}");
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(outside_the_range_there_is_no_interval)
{
    static const int32_t normal[EDGES] = {1, 2, 3, 0, 1};
    hnas_arch *a;

    init_space(0);
    a = make_arch(HNAS_RULE_ARGMAX, normal, NULL);
    hn_arch_set_lambda(a, 7, (double)NAN, (double)NAN);
    a->is_extrapolated = 1;
    ck_assert_ptr_nonnull(strstr(write_json(a),
                                 "{\"lambda\": 7, \"rule\": \"argmax\", "
                                 "\"status\": \"extrapolated\", "
                                 "\"interval\": null, "));
    hn_arch_set_lambda(a, (double)NAN, (double)NAN, (double)NAN);
    a->is_extrapolated = 0;
    ck_assert_ptr_nonnull(strstr(write_json(a),
                                 "{\"lambda\": null, \"rule\": \"argmax\", "
                                 "\"status\": \"ok\", \"interval\": null, "));
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(remarks_are_written_in_words)
{
    static const int32_t normal[EDGES] = {1, 0, 1, 0, 1};
    static const int32_t reduce[EDGES] = {0, 0, 1, 1, 0};
    hnas_arch *a;

    init_space(1);
    a = make_arch(HNAS_RULE_ARGMAX, normal, reduce);
    ck_assert_ptr_nonnull(
        strstr(write_json(a),
               "\"warnings\": [{\"code\": \"input_unused\", \"kind\": "
               "\"normal\", \"node\": 1, \"text\": \"normal cell: nothing "
               "reads input 1\"}, {\"code\": \"node_without_input\", \"kind\": "
               "\"reduce\", \"node\": 2, \"text\": \"reduce cell: node 2 has "
               "no input, it is zeros in the output\"}]"));
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(what_is_written_is_read)
{
    static const int32_t normal[][EDGES] = {{1, 2, 3, 0, 1}, {0, 0, 0, 0, 0}};
    static const int32_t pruned[][EDGES] = {{1, 2, 3, -1, 1},
                                            {-1, -1, 3, 2, -1},
                                            {1, 1, -1, -1, -1},
                                            {-1, -1, -1, -1, -1}};

    init_space(1);
    for (int i = 0; i < 6; i++) {
        const int32_t *op = i < 2 ? normal[i] : pruned[i - 2];
        hnas_arch *a =
            make_arch(i < 2 ? HNAS_RULE_ARGMAX : HNAS_RULE_TOP2, op, op);
        hnas_arch *b;
        char first[sizeof text];

        hn_arch_set_lambda(a, 1.0 / 3, i ? 0.1 : (double)NAN,
                           i ? 0.7 : (double)NAN);
        a->is_extrapolated = i % 2;
        strcpy(first, write_json(a));
        b = read_json(first);
        ck_assert(hnas_arch_is_equal(a, b));
        ck_assert_int_eq(b->is_extrapolated, i % 2);
        ck_assert_str_eq(write_json(b), first);
        hnas_arch_destroy(a);
        hnas_arch_destroy(b);
    }
}
END_TEST

START_TEST(three_keys_are_enough)
{
    hnas_arch *a;
    double lambda, lo, hi;

    init_space(0);
    a = read_json("{\"reduce\":[],\"rule\":\"top2\",\"normal\":"
                  "[[[\"c\",1],[\"a\",0]],[[\"b\",2]]],\"note\":{}}");
    ck_assert_int_eq(hnas_arch_get_rule(a), HNAS_RULE_TOP2);
    ck_assert_int_eq(hnas_arch_get_edge_count(a, HNAS_NORMAL), 3);
    ck_assert_str_eq(hnas_arch_get_edges(a, HNAS_NORMAL)[0].op_name, "a");
    hnas_arch_get_lambda(a, &lambda, &lo, &hi);
    ck_assert(isnan(lambda) && isnan(lo) && isnan(hi));
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(bad_texts_are_refused_with_a_reason)
{
#define HEAD "{\"rule\":\"top2\",\"reduce\":[],\"normal\":"
    static const struct {
        const char *json;
        hnas_status status;
        const char *words;
    } table[] = {
        {"", HNAS_E_FORMAT, "architecture: byte 0"},
        {"[]", HNAS_E_FORMAT, "want an object"},
        {"{}", HNAS_E_FORMAT, "no \"rule\""},
        {"{\"rule\":1}", HNAS_E_FORMAT, "no \"rule\""},
        {"{\"rule\":\"best\"}", HNAS_E_NAME, "rule \"best\": unknown"},
        {"{\"rule\":\"top2\"}", HNAS_E_FORMAT, "no list \"normal\""},
        {"{\"rule\":\"top2\",\"normal\":[[],[]]}", HNAS_E_FORMAT,
         "no list \"reduce\""},
        {HEAD "{}}", HNAS_E_FORMAT, "no list \"normal\""},
        {HEAD "[[]]}", HNAS_E_MISMATCH, "normal cell of 1 nodes, want 2"},
        {HEAD "[[],[],[]]}", HNAS_E_MISMATCH, "3 nodes, want 2"},
        {HEAD "[[],1]}", HNAS_E_FORMAT, "want a list a node"},
        {HEAD "[[],[1]]}", HNAS_E_FORMAT, "normal node 3: want pairs"},
        {HEAD "[[],[[]]]}", HNAS_E_FORMAT, "normal node 3: want pairs"},
        {HEAD "[[],[[\"a\"]]]}", HNAS_E_FORMAT, "node 3: want pairs"},
        {HEAD "[[],[[0,\"a\"]]]}", HNAS_E_FORMAT, "node 3: want pairs"},
        {HEAD "[[],[[\"a\",1.5]]]}", HNAS_E_FORMAT, "node 3: want pairs"},
        {HEAD "[[],[[\"a\",-1]]]}", HNAS_E_FORMAT, "node 3: want pairs"},
        {HEAD "[[],[[\"a\",4294967296]]]}", HNAS_E_FORMAT, "want pairs"},
        {HEAD "[[],[[\"z\",0]]]}", HNAS_E_NAME,
         "node 3: operation \"z\" is not"},
        {HEAD "[[],[[\"a\",3]]]}", HNAS_E_MISMATCH, "3 -> 3"},
        {HEAD "[[],[[\"a\",0],[\"b\",0]]]}", HNAS_E_MISMATCH, "twice"},
        {HEAD "[[],[]],\"lambda\":\"x\"}", HNAS_E_FORMAT, "\"lambda\""},
        {HEAD "[[],[]],\"status\":\"fine\"}", HNAS_E_FORMAT, "\"status\""},
        {HEAD "[[],[]],\"status\":1}", HNAS_E_FORMAT, "\"status\""},
        {HEAD "[[],[]],\"interval\":[1]}", HNAS_E_FORMAT, "\"interval\""},
        {HEAD "[[],[]],\"interval\":[2,1]}", HNAS_E_FORMAT, "\"interval\""},
        {HEAD "[[],[]],\"interval\":[1,null]}", HNAS_E_FORMAT, "\"interval\""},
        {"{\"rule\":\"top2\",\"normal\":[[],[]],\"reduce\":[[],[]]}",
         HNAS_E_MISMATCH, "reduce cell of 2 nodes, want 0"},
        {"{\"rule\":\"argmax\",\"normal\":[[],[]],\"reduce\":[]}",
         HNAS_E_MISMATCH, "missing, but the rule argmax"},
    };

    init_space(0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        hnas_arch *a;
        hnas_status st = hn_arch_read_json(&a, &space.space, table[i].json,
                                           strlen(table[i].json));

        ck_assert_ptr_null(a);
        expect_failure(st, table[i].status, table[i].words);
    }
#undef HEAD
}
END_TEST

START_TEST(a_small_buffer_is_filled_and_told_the_length)
{
    static const int32_t normal[EDGES] = {1, 2, 3, 0, 1};
    char small[8] = "xxxxxxx";
    size_t length, full;
    hnas_arch *a;

    init_space(0);
    a = make_arch(HNAS_RULE_ARGMAX, normal, NULL);
    full = strlen(write_json(a));
    ck_assert_int_eq(hnas_arch_write_json(a, NULL, 0, &length), HNAS_OK);
    ck_assert_uint_eq(length, full);
    ck_assert_int_eq(hnas_arch_write_json(a, small, 7, &length), HNAS_OK);
    ck_assert_uint_eq(length, full);
    ck_assert_mem_eq(small, "{\"lamb\0", 8);
    ck_assert_int_eq(hnas_arch_write_json(a, NULL, 1, &length), HNAS_E_ARG);
    ck_assert_int_eq(hnas_arch_write_json(a, small, 7, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_arch_write_json(NULL, small, 7, &length), HNAS_E_ARG);
    hnas_arch_destroy(a);
}
END_TEST

START_TEST(without_memory_it_fails_and_leaks_nothing)
{
    static const int32_t normal[EDGES] = {1, 2, 3, 0, 1};
    hnas_arch *a, *b = NULL;
    size_t length;
    hnas_status st = HNAS_E_NOMEM;

    init_space(0);
    a = make_arch(HNAS_RULE_ARGMAX, normal, NULL);
    for (int n = 0; st < 0; n++) {
        fixture_fail_allocation(n);
        st = hnas_arch_write_json(a, text, sizeof text, &length);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    for (int n = 0; !b; n++) {
        fixture_fail_allocation(n);
        st = hn_arch_read_json(&b, &space.space, text, length);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    fixture_fail_allocation(-1);
    ck_assert(hnas_arch_is_equal(a, b));
    hnas_arch_destroy(a);
    hnas_arch_destroy(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("arch_json");

    tcase_add_test(t, the_object_is_that_of_the_contract);
    tcase_add_test(t, outside_the_range_there_is_no_interval);
    tcase_add_test(t, remarks_are_written_in_words);
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, three_keys_are_enough);
    tcase_add_test(t, bad_texts_are_refused_with_a_reason);
    tcase_add_test(t, a_small_buffer_is_filled_and_told_the_length);
    tcase_add_test(t, without_memory_it_fails_and_leaks_nothing);
    return fixture_run(t);
}
