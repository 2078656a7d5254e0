/* SPDX-License-Identifier: BSD-3-Clause */
/* Against the encodings that the Protocol Buffers guide prints. */
#include <string.h>

#include "fixture.h"
#include "io/protobuf.h"

static struct hn_text t;

static void expect(const char *bytes, size_t n)
{
    ck_assert_int_eq(t.status, HNAS_OK);
    ck_assert_uint_eq(t.length, n);
    ck_assert_int_eq(memcmp(t.data, bytes, n), 0);
    hn_text_finish(&t);
    hn_text_init(&t, ctx);
}

START_TEST(fields_are_encoded_as_published)
{
    size_t outer, inner;

    hn_text_init(&t, ctx);
    hn_pb_integer(&t, 1, 150);
    expect("\x08\x96\x01", 3);
    hn_pb_string(&t, 2, "testing");
    expect("\x12\x07testing", 9);
    hn_pb_integer(&t, 1, -2);
    expect("\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    hn_pb_float(&t, 3, 1.5f);
    expect("\x1d\x00\x00\xc0\x3f", 5);
    outer = hn_pb_begin(&t);
    inner = hn_pb_begin(&t);
    hn_pb_integer(&t, 1, 150);
    hn_pb_end(&t, 3, inner);
    hn_pb_end(&t, 20, outer);
    expect("\xa2\x01\x05\x1a\x03\x08\x96\x01", 8);
    hn_text_finish(&t);
}
END_TEST

START_TEST(a_long_message_gets_a_long_length)
{
    char zeros[300] = {0};
    size_t begin;

    hn_text_init(&t, ctx);
    hn_pb_integer(&t, 1, 0);
    begin = hn_pb_begin(&t);
    hn_text_bytes(&t, zeros, sizeof zeros);
    hn_pb_end(&t, 2, begin);
    ck_assert_uint_eq(t.length, 2 + 3 + 300);
    ck_assert_int_eq(memcmp(t.data, "\x08\x00\x12\xac\x02\x00", 6), 0);
    hn_text_finish(&t);
}
END_TEST

START_TEST(a_failure_stays)
{
    hn_text_init(&t, ctx);
    fixture_fail_allocation(0);
    hn_pb_string(&t, 2, "testing");
    ck_assert_int_eq(t.status, HNAS_E_NOMEM);
    hn_pb_end(&t, 1, hn_pb_begin(&t));
    hn_pb_integer(&t, 1, 7);
    ck_assert_int_eq(t.status, HNAS_E_NOMEM);
    ck_assert_uint_eq(t.length, 0);
    hn_text_finish(&t);
}
END_TEST

START_TEST(a_text_cuts_nothing_silently)
{
    static char word[600];
    char copy[4];
    size_t length;

    memset(word, 'x', sizeof word - 1);
    hn_text_init(&t, ctx);
    hn_text_put(&t, "%d-%s", 12, "ab");
    ck_assert_int_eq(hn_text_copy(copy, sizeof copy, &length, &t), HNAS_OK);
    ck_assert_str_eq(copy, "12-");
    ck_assert_uint_eq(length, 5);
    hn_text_put(&t, "%s", word);
    expect_failure(t.status, HNAS_E_LIMIT, "599 bytes");
    hn_text_finish(&t);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("protobuf");

    tcase_add_test(tests, fields_are_encoded_as_published);
    tcase_add_test(tests, a_long_message_gets_a_long_length);
    tcase_add_test(tests, a_failure_stays);
    tcase_add_test(tests, a_text_cuts_nothing_silently);
    return fixture_run(tests);
}
