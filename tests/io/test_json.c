/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "io/json.h"

static struct hn_json *parse(const char *text)
{
    struct hn_json *json;
    hnas_status st = hn_json_parse(&json, ctx, "t", text, strlen(text));

    ck_assert_msg(st == HNAS_OK, "%s: %s", text, ctx->message);
    return json;
}

static void expect_refusal(const char *text, size_t length, hnas_status want)
{
    struct hn_json *json;
    hnas_status st = hn_json_parse(&json, ctx, "t", text, length);

    ck_assert_msg(st == want, "%s gives %s, want %s", text,
                  hnas_status_name(st), hnas_status_name(want));
    ck_assert_ptr_null(json);
    ck_assert_msg(strncmp(ctx->message, "t: ", 3) == 0, "%s", ctx->message);
}

START_TEST(all_kinds_of_value_are_read)
{
    struct hn_json *json =
        parse(" {\"b\" : [1, -2.5e1,\t\"x\"], \"a\":{},\n\"c\":[ ] , "
              "\"d\":[true,false,null]}\r\n");
    const struct hn_json_value *b = hn_json_get(json->root, "b"), *v;

    ck_assert_int_eq(json->root->type, HN_JSON_OBJECT);
    ck_assert_uint_eq(json->root->count, 4);
    ck_assert_str_eq(json->root->first->key, "a"); /* sorted */
    ck_assert_uint_eq(hn_json_get(json->root, "a")->count, 0);
    ck_assert_uint_eq(hn_json_get(json->root, "c")->count, 0);
    ck_assert_ptr_null(hn_json_get(json->root, "e"));
    ck_assert_ptr_null(hn_json_get(b, "a"));
    ck_assert_uint_eq(b->count, 3);
    ck_assert(b->first->is_integer && b->first->integer == 1);
    ck_assert(!b->first->next->is_integer);
    ck_assert_double_eq(b->first->next->number, -25);
    ck_assert_str_eq(b->first->next->next->text, "x");
    v = hn_json_get(json->root, "d")->first;
    ck_assert(v->type == HN_JSON_BOOL && v->integer == 1);
    ck_assert(v->next->type == HN_JSON_BOOL && v->next->integer == 0);
    ck_assert(v->next->next->type == HN_JSON_NULL);
    hn_json_destroy(json);
}
END_TEST

START_TEST(escapes_are_decoded)
{
    struct hn_json *json = parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9"
                                 "\\u20AC\\ud83d\\ude00\xc3\xa9\"");

    ck_assert_str_eq(json->root->text, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac"
                                       "\xf0\x9f\x98\x80\xc3\xa9");
    ck_assert_uint_eq(hn_json_offset(json, json->root), 1);
    hn_json_destroy(json);
}
END_TEST

/* Each breaks one rule. */
static const char *const bad[] = {
    "",
    " ",
    "{",
    "[",
    "\"",
    "]",
    "}",
    ",",
    ":",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\":1,}",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[1}",
    "{\"a\":1]",
    "1 2",
    "{} {}",
    "[]]",
    "tru",
    "True",
    "nul",
    "NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "+1",
    "01",
    "-",
    "-01",
    ".5",
    "1.",
    "1.e3",
    "1e",
    "1e+",
    "0x10",
    "1_0",
    "'a'",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800x\"",
    "\"\\",
    "\"\\u",
    "\"\\ud83d\\u",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xc3\"",
    "\"\xc3(\"",
    "\"\xe0\x80\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x80\x80\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "\xef\xbb\xbf{}",
    "/* c */ 1",
    "1 // c",
    "{\"a\":1,\"a\":2}",
    "[{\"k\":0,\"a\":1,\"\\u006b\":2}]",
};

START_TEST(what_is_not_json_is_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refusal(bad[i], strlen(bad[i]), HNAS_E_FORMAT);
    expect_refusal("\"a\0b\"", 5, HNAS_E_FORMAT);
    expect_refusal("1\0", 2, HNAS_E_FORMAT);
}
END_TEST

START_TEST(a_doubled_key_is_named)
{
    static const char text[] = "{\"a\":1,\"lambda\":2,\"lambda\":2}";

    expect_refusal(text, strlen(text), HNAS_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(ctx->message, "\"lambda\" twice"));
}
END_TEST

START_TEST(numbers_beyond_double_are_refused)
{
    char digits[200];

    expect_refusal("1e309", 5, HNAS_E_RANGE);
    expect_refusal("-1e999999999", 12, HNAS_E_RANGE);
    memset(digits, '1', sizeof digits);
    expect_refusal(digits, sizeof digits, HNAS_E_RANGE);
    hn_json_destroy(parse("1e-999"));
}
END_TEST

START_TEST(integers_are_exact_or_not_integers)
{
    static const struct {
        const char *text;
        int is_integer;
        int64_t integer;
    } table[] = {
        {"0", 1, 0},
        {"-0", 1, 0},
        {"9223372036854775807", 1, INT64_MAX},
        {"-9223372036854775808", 1, INT64_MIN},
        {"9223372036854775808", 0, 0},
        {"-9223372036854775809", 0, 0},
        {"1.0", 0, 0},
        {"1e2", 0, 0},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct hn_json *json = parse(table[i].text);

        ck_assert_int_eq(json->root->is_integer, table[i].is_integer);
        if (table[i].is_integer)
            ck_assert_int_eq(json->root->integer, table[i].integer);
        hn_json_destroy(json);
    }
}
END_TEST

START_TEST(nesting_ends_at_64_levels)
{
    char text[2 * 70 + 1];

    for (int depth = 63; depth <= 66; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        if (depth <= 64)
            hn_json_destroy(parse(text));
        else
            expect_refusal(text, strlen(text), HNAS_E_LIMIT);
    }
}
END_TEST

START_TEST(deep_and_large_texts_cost_little)
{
    const size_t n = (16 << 20) + 1;
    char *text = malloc(n);

    ck_assert_ptr_nonnull(text);
    memset(text, '[', n);
    expect_refusal(text, n, HNAS_E_LIMIT);
    expect_refusal(text, n - 1, HNAS_E_LIMIT);
    for (size_t i = 1; i < n; i++)
        text[i] = i % 2 ? '0' : ',';
    expect_refusal(text, n - 1, HNAS_E_LIMIT);
    free(text);
}
END_TEST

START_TEST(many_keys_are_sorted_and_found_twice)
{
    enum { KEYS = 20000 };
    char *text = malloc(KEYS * 16 + 64), *p = text;
    struct hn_json *json;

    *p++ = '{';
    for (int i = 0; i < KEYS; i++)
        p += sprintf(p, "\"%d\":%d,", i * 7919 % KEYS, i);
    strcpy(p, "\"z\":0}");
    json = parse(text);
    ck_assert_uint_eq(json->root->count, KEYS + 1);
    ck_assert_int_eq(hn_json_get(json->root, "7919")->integer, 1);
    hn_json_destroy(json);
    strcpy(p, "\"123\":0}");
    expect_refusal(text, strlen(text), HNAS_E_FORMAT);
    free(text);
}
END_TEST

/* Write one number, read it back. */
static double there_and_back(double x)
{
    struct hn_json_writer w;
    struct hn_json *json;
    double y;

    hn_json_writer_init(&w, ctx);
    hn_json_number(&w, x);
    ck_assert_int_eq(w.text.status, HNAS_OK);
    json = parse(w.text.data);
    y = json->root->number;
    hn_json_destroy(json);
    hn_json_writer_finish(&w);
    return y;
}

static void expect_numbers_round_trip(void)
{
    static const double edges[] = {0.0,
                                   -0.0,
                                   0.1,
                                   1e-4,
                                   1e22,
                                   5e-324,
                                   0x1p-1022,
                                   1.0 / 3,
                                   1e23,
                                   1.7976931348623157e308,
                                   123456789012345678.0};
    const struct hn_rng rng = {1, 2, HN_DRAW_EVAL, 0};

    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        const double back = there_and_back(edges[i]);

        ck_assert_mem_eq(&back, &edges[i], sizeof back);
    }
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t bits = hn_random_bits(&rng, i);
        double x, back;

        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        back = there_and_back(x);
        ck_assert_mem_eq(&x, &back, sizeof x);
    }
}

START_TEST(numbers_round_trip_bit_for_bit)
{
    expect_numbers_round_trip();
}
END_TEST

/* With a decimal comma, where the system has such a locale. */
START_TEST(the_locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
                                        "de_DE",       "fr_FR.UTF-8",
                                        "fr_FR",       "sv_SE.UTF-8"};
    struct hn_json_writer w;
    size_t i = 0;

    while (i < 6 && !setlocale(LC_ALL, names[i]))
        i++;
    if (i == 6)
        puts("skipped: the_locale_does_not_matter (no comma locale here)");
    hn_json_writer_init(&w, ctx);
    hn_json_number(&w, 0.5);
    ck_assert_str_eq(w.text.data, "0.5");
    hn_json_writer_finish(&w);
    expect_numbers_round_trip();
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(the_writer_writes_plain_json)
{
    struct hn_json_writer w;

    hn_json_writer_init(&w, ctx);
    hn_json_open(&w, '{');
    hn_json_key(&w, "a\"\\\n\x01\xc3\xa9");
    hn_json_open(&w, '[');
    hn_json_number(&w, 0.1);
    hn_json_number(&w, 50000);
    hn_json_number(&w, NAN);
    hn_json_number(&w, -INFINITY);
    hn_json_integer(&w, INT64_MIN);
    hn_json_open(&w, '[');
    hn_json_close(&w, ']');
    hn_json_close(&w, ']');
    hn_json_key(&w, "b");
    hn_json_string(&w, "x");
    hn_json_close(&w, '}');
    ck_assert_int_eq(w.text.status, HNAS_OK);
    ck_assert_str_eq(w.text.data,
                     "{\"a\\\"\\\\\\n\\u0001\xc3\xa9\": [0.1, 50000, null, "
                     "null, -9223372036854775808, []], \"b\": \"x\"}");
    hn_json_destroy(parse(w.text.data));
    hn_json_writer_finish(&w);
}
END_TEST

START_TEST(the_writer_refuses_what_is_not_utf8)
{
    struct hn_json_writer w;

    hn_json_writer_init(&w, ctx);
    hn_json_string(&w, "a\xff");
    expect_failure(w.text.status, HNAS_E_FORMAT, "byte 0xff, want UTF-8");
    hn_json_writer_finish(&w);
}
END_TEST

START_TEST(without_memory_it_fails_and_leaks_nothing)
{
    struct hn_json *json;
    hnas_status st = HNAS_E_NOMEM;

    for (int n = 0; st < 0; n++) {
        fixture_fail_allocation(n);
        st = hn_json_parse(&json, ctx, "t", "[1,{\"a\":2}]", 11);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    hn_json_destroy(json);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("json");

    tcase_add_test(t, all_kinds_of_value_are_read);
    tcase_add_test(t, escapes_are_decoded);
    tcase_add_test(t, what_is_not_json_is_refused);
    tcase_add_test(t, a_doubled_key_is_named);
    tcase_add_test(t, numbers_beyond_double_are_refused);
    tcase_add_test(t, integers_are_exact_or_not_integers);
    tcase_add_test(t, nesting_ends_at_64_levels);
    tcase_add_test(t, deep_and_large_texts_cost_little);
    tcase_add_test(t, many_keys_are_sorted_and_found_twice);
    tcase_add_test(t, numbers_round_trip_bit_for_bit);
    tcase_add_test(t, the_locale_does_not_matter);
    tcase_add_test(t, the_writer_writes_plain_json);
    tcase_add_test(t, the_writer_refuses_what_is_not_utf8);
    tcase_add_test(t, without_memory_it_fails_and_leaks_nothing);
    return fixture_run(t);
}
