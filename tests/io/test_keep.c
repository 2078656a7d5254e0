/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults/world.h"

static void put(const char *name, const char *text)
{
    fixture_write(fixture_path(name), text, strlen(text));
}

static void expect_text(const char *name, const char *want)
{
    size_t n;
    char *text;

    if (!want) {
        ck_assert_int_ne(access(fixture_path(name), F_OK), 0);
        return;
    }
    text = (char *)fixture_read(fixture_path(name), &n);
    ck_assert_str_eq(text, want);
    free(text);
}

static void keep(const char *name, int32_t n_files)
{
    ck_assert_int_eq(hnas_file_keep(ctx, fixture_path(name), n_files), HNAS_OK);
}

START_TEST(each_save_makes_the_kept_files_one_older)
{
    keep("f", 3); /* nothing is there yet */
    ck_assert_int_eq(fixture_count_files(), 0);
    for (int i = 1; i <= 5; i++) {
        char text[8];

        snprintf(text, sizeof text, "%d", i);
        keep("f", 3);
        ck_assert_int_eq(
            hnas_file_replace(ctx, fixture_path("f"), text, strlen(text)), 0);
        ck_assert_int_eq(fixture_count_files(), i < 3 ? i : 3);
    }
    expect_text("f", "5");
    expect_text("f.1", "4");
    expect_text("f.2", "3");
}
END_TEST

START_TEST(fewer_files_are_kept_when_asked)
{
    put("f", "new");
    put("f.1", "1");
    put("f.2", "2");
    put("f.7", "7");
    keep("f", 2);
    expect_text("f.1", "new");
    expect_text("f.2", NULL);
    expect_text("f.7", NULL);
    keep("f", 1);
    expect_text("f", "new");
    ck_assert_int_eq(fixture_count_files(), 1);
}
END_TEST

START_TEST(a_gap_is_filled_before_a_file_goes)
{
    put("f", "new");
    put("f.2", "2");
    put("f.3", "3");
    keep("f", 4);
    expect_text("f.1", "new");
    expect_text("f.2", "2");
    expect_text("f.3", "3");
}
END_TEST

START_TEST(a_file_is_kept_once_however_often_it_is_asked_for)
{
    put("f", "new");
    put("f.1", "1");
    for (int i = 0; i < 3; i++)
        keep("f", 3);
    expect_text("f.1", "new");
    expect_text("f.2", "1");
    expect_text("f.3", NULL);
}
END_TEST

START_TEST(the_mode_stays_and_a_link_is_followed)
{
    struct stat about;

    put("f", "new");
    ck_assert_int_eq(chmod(fixture_path("f"), 0600), 0);
    ck_assert_int_eq(symlink("f", fixture_path("link")), 0);
    keep("link", 2);
    ck_assert_int_eq(hnas_file_replace(ctx, fixture_path("link"), "x", 1), 0);
    expect_text("f", "x");
    expect_text("f.1", "new");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stat(fixture_path(i ? "f.1" : "f"), &about), 0);
        ck_assert_int_eq(about.st_mode & 0777, 0600);
    }
}
END_TEST

START_TEST(bad_arguments_of_keeping_are_refused)
{
    put("f", "new");
    ck_assert_int_eq(hnas_file_keep(NULL, "f", 2), HNAS_E_ARG);
    ck_assert_int_eq(hnas_file_keep(ctx, NULL, 2), HNAS_E_ARG);
    expect_failure(hnas_file_keep(ctx, fixture_path("f"), 0), HNAS_E_RANGE,
                   "keep 0 files");
    expect_failure(hnas_file_keep(ctx, fixture_path("f"), 101), HNAS_E_RANGE,
                   "keep 101 files");
    expect_failure(hnas_file_keep(ctx, fixture_path("."), 2), HNAS_E_IO,
                   "not a regular file");
    ck_assert_int_eq(fixture_count_files(), 1);
}
END_TEST

/* ---- going back ---- */

static struct life life;

/* Three files whose texts are "2" (newest), "1", "0". */
static void save_three(void)
{
    life_open(&life, 1);
    for (int i = 0; i < 3; i++) {
        const char text[2] = {(char)('0' + i), '\0'};

        ck_assert_int_eq(hnas_file_keep(life.ctx, fixture_path("s"), 3), 0);
        ck_assert_int_eq(hnas_search_save(life.search, fixture_path("s"), text),
                         HNAS_OK);
    }
}

/* Load s and expect the search with that text, so many saves old. */
static void expect_age(int32_t want, const char *text)
{
    hnas_search *s;
    int32_t age = -1;

    ck_assert_int_eq(
        hnas_search_load_kept(&s, life.ctx, fixture_path("s"), &age), HNAS_OK);
    ck_assert_int_eq(age, want);
    ck_assert_str_eq(hnas_search_get_text(s), text);
    hnas_search_destroy(s);
}

static void damage(const char *name, size_t at)
{
    size_t n;
    unsigned char *bytes = fixture_read(fixture_path(name), &n);

    ck_assert_uint_lt(at, n);
    bytes[at] ^= 0x10;
    fixture_write(fixture_path(name), bytes, n);
    free(bytes);
}

START_TEST(a_good_file_is_loaded_whatever_lies_beside_it)
{
    save_three();
    damage("s.1", 100);
    expect_age(0, "2");
    life_close(&life);
}
END_TEST

START_TEST(any_damage_leads_to_the_file_before)
{
    size_t n;

    save_three();
    free(fixture_read(fixture_path("s"), &n));
    for (size_t at = 0; at < n; at += at < 600 ? 1 : 97) {
        damage("s", at);
        expect_age(1, "1");
        damage("s", at);
    }
    ck_assert_int_eq(truncate(fixture_path("s"), (off_t)1 << 40), 0);
    expect_age(1, "1"); /* a hole makes it larger than any */
    ck_assert_int_eq(truncate(fixture_path("s"), 7), 0);
    expect_age(1, "1");
    ck_assert_int_eq(unlink(fixture_path("s")), 0);
    expect_age(1, "1");
    damage("s.1", 3000);
    expect_age(2, "0");
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), fixture_path("s.2")));
    ck_assert_ptr_nonnull(strstr(hnas_context_message(life.ctx), "; instead "));
    life_close(&life);
}
END_TEST

START_TEST(without_a_good_file_the_newest_one_says_why)
{
    static const char *const names[] = {"s", "s.1", "s.2"};
    hnas_search *s = (hnas_search *)&s;
    int32_t age = -1;

    save_three();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(truncate(fixture_path(names[i]), 2000 - 500 * i), 0);
    ck_assert_int_eq(
        hnas_search_load_kept(&s, life.ctx, fixture_path("s"), &age),
        hnas_search_load(&s, life.ctx, fixture_path("s")));
    ck_assert_ptr_null(s);
    ck_assert_int_eq(age, 0);
    ck_assert_ptr_null(strstr(hnas_context_message(life.ctx), "instead"));
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), fixture_path("s")));
    life_close(&life);
}
END_TEST

START_TEST(what_is_no_damage_is_no_reason_to_go_back)
{
    hnas_search *s = (hnas_search *)&s;
    int32_t age = -1;

    save_three();
    ck_assert_int_eq(hnas_path_create(&life.path, life.net, life.hyper, NULL),
                     HNAS_OK);
    ck_assert_int_eq(hnas_set_create(&life.set, life.net, life.path), HNAS_OK);
    ck_assert_int_eq(hnas_set_save(life.set, fixture_path("s"), NULL), HNAS_OK);
    ck_assert_int_eq(
        hnas_search_load_kept(&s, life.ctx, fixture_path("s"), &age),
        HNAS_E_MISMATCH);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(age, 0);
    ck_assert_int_eq(
        hnas_search_load_kept(&s, life.ctx, fixture_path("s"), NULL),
        HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_load_kept(NULL, life.ctx, "s", &age),
                     HNAS_E_ARG);
    life_close(&life);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("keep");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_save_makes_the_kept_files_one_older);
    tcase_add_test(t, fewer_files_are_kept_when_asked);
    tcase_add_test(t, a_gap_is_filled_before_a_file_goes);
    tcase_add_test(t, a_file_is_kept_once_however_often_it_is_asked_for);
    tcase_add_test(t, the_mode_stays_and_a_link_is_followed);
    tcase_add_test(t, bad_arguments_of_keeping_are_refused);
    tcase_add_test(t, a_good_file_is_loaded_whatever_lies_beside_it);
    tcase_add_test(t, any_damage_leads_to_the_file_before);
    tcase_add_test(t, without_a_good_file_the_newest_one_says_why);
    tcase_add_test(t, what_is_no_damage_is_no_reason_to_go_back);
    return fixture_run(t);
}
