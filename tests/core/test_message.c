/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages are one line of UTF-8 with points in numbers, whatever goes in. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "core/context.h"
#include "support/check_main.h"

static struct hnas_context *ctx;

static void expect_message(const char *given, const char *want)
{
    hn_fail(ctx, HNAS_E_IO, "%s", given);
    ck_assert_str_eq(hnas_context_message(ctx), want);
}

START_TEST(a_message_is_one_line)
{
    expect_message("a\nb\r\tc\x7f", "a?b??c?");
    expect_message("plain \"text\" \\ {}", "plain \"text\" \\ {}");
    expect_message("\xce\xbb and \xe2\x82\xac", "\xce\xbb and \xe2\x82\xac");
}
END_TEST

START_TEST(what_is_no_character_is_a_question_mark)
{
    expect_message("\xff\xfe", "??");
    expect_message("a\xce", "a?");
    expect_message("\xc0\xaf", "??");             /* longer than need be */
    expect_message("\xed\xa0\x80", "???");        /* a surrogate */
    expect_message("\xf5\x80\x80\x80z", "????z"); /* above U+10FFFF */
}
END_TEST

START_TEST(a_long_message_ends_in_a_whole_character)
{
    char given[2 * HN_MESSAGE_BYTES];

    for (size_t i = 0; i + 2 < sizeof given; i += 2)
        memcpy(given + i, "\xce\xbb", 3);
    hn_fail(ctx, HNAS_E_IO, "%s", given);
    ck_assert_uint_eq(strlen(hnas_context_message(ctx)), HN_MESSAGE_BYTES - 1);
    ck_assert_int_eq(hnas_context_message(ctx)[HN_MESSAGE_BYTES - 2], '?');
}
END_TEST

/* With a decimal comma, where the system has such a locale. */
START_TEST(a_number_has_a_point)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
                                        "fr_FR.UTF-8", "sv_SE.UTF-8"};
    size_t i = 0;

    while (i < 4 && !setlocale(LC_ALL, names[i]))
        i++;
    if (i == 4)
        puts("skipped: a_number_has_a_point (no comma locale here)");
    hn_fail(ctx, HNAS_E_RANGE, "tau: %g", 0.5);
    ck_assert_str_eq(hnas_context_message(ctx), "tau: 0.5");
    if (i < 4) { /* the host's is as it was */
        char text[8];

        snprintf(text, sizeof text, "%g", 0.5);
        ck_assert_str_eq(text, "0,5");
    }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(a_null_argument_is_named_where_there_is_a_context)
{
    hn_fail(ctx, HNAS_E_IO, "an older line");
    ck_assert_int_eq(hn_fail_null(ctx, "mul: out or b"), HNAS_E_ARG);
    ck_assert_str_eq(hnas_context_message(ctx), "mul: out or b is NULL");
    ck_assert_int_eq(hn_fail_null(NULL, "mul: out or b"), HNAS_E_ARG);
}
END_TEST

static void setup(void)
{
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
}

static void teardown(void)
{
    hn_context_close(ctx);
}

int main(void)
{
    Suite *s = suite_create("core");
    TCase *t = tcase_create("message");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_message_is_one_line);
    tcase_add_test(t, what_is_no_character_is_a_question_mark);
    tcase_add_test(t, a_long_message_ends_in_a_whole_character);
    tcase_add_test(t, a_number_has_a_point);
    tcase_add_test(t, a_null_argument_is_named_where_there_is_a_context);
    suite_add_tcase(s, t);
    return run_suite(s);
}
