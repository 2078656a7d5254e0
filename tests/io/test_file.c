/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static hnas_status replace(const char *path, const char *text)
{
    const struct hn_part parts[2] = {{text, strlen(text)}, {"\n", 1}};

    return hn_file_replace(ctx, path, parts, 2);
}

static void expect_text(const char *path, const char *want)
{
    size_t n;
    char *text = (char *)fixture_read(path, &n);

    ck_assert_str_eq(text, want);
    free(text);
}

START_TEST(a_file_is_made_and_replaced)
{
    const char *path = fixture_path("f");

    ck_assert_int_eq(replace(path, "one"), HNAS_OK);
    expect_text(path, "one\n");
    ck_assert_int_eq(replace(path, "2"), HNAS_OK);
    expect_text(path, "2\n");
    ck_assert_int_eq(fixture_count_files(), 1);
}
END_TEST

START_TEST(the_mode_of_a_file_is_kept)
{
    const char *path = fixture_path("f");
    struct stat about;

    fixture_write(path, "x", 1);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(replace(path, "y"), HNAS_OK);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_new_file_follows_the_umask)
{
    const char *path = fixture_path("f");
    const mode_t before = umask(027);
    struct stat about;

    ck_assert_int_eq(replace(path, "y"), HNAS_OK);
    umask(before);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_link_stays_and_its_target_is_replaced)
{
    const char *path = fixture_path("f"), *link = fixture_path("link");
    struct stat about;

    fixture_write(path, "x", 1);
    ck_assert_int_eq(symlink("f", link), 0);
    ck_assert_int_eq(replace(link, "y"), HNAS_OK);
    ck_assert_int_eq(lstat(link, &about), 0);
    ck_assert(S_ISLNK(about.st_mode));
    expect_text(path, "y\n");
}
END_TEST

START_TEST(what_is_not_a_file_is_left_alone)
{
    const char *folder = fixture_path("d"), *link = fixture_path("link");
    struct stat about;

    ck_assert_int_eq(mkdir(folder, 0700), 0);
    expect_failure(replace(folder, "y"), HNAS_E_IO, "/d: can't write: not a");
    expect_failure(replace("/dev/null", "y"), HNAS_E_IO, "/dev/null: ");
    ck_assert_int_eq(stat("/dev/null", &about), 0);
    ck_assert(S_ISCHR(about.st_mode));
    ck_assert_int_eq(symlink("nowhere", link), 0);
    expect_failure(replace(link, "y"), HNAS_E_IO, "/link: can't follow");
    ck_assert_int_eq(fixture_count_files(), 2);
}
END_TEST

START_TEST(a_missing_folder_is_an_error)
{
    const char *path = fixture_path("no/f");

    expect_failure(replace(path, "y"), HNAS_E_IO, path);
    ck_assert_int_eq(fixture_count_files(), 0);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_an_error)
{
    static char path[10000];

    memset(path, 'x', sizeof path - 1);
    expect_failure(replace(path, "y"), HNAS_E_IO, "xxx: can't ");
    path[4095] = '\0';
    expect_failure(replace(path, "y"), HNAS_E_IO, "xxx: can't ");
}
END_TEST

START_TEST(an_unwritable_folder_leaves_the_old_file)
{
    const char *path = fixture_path("f"), *folder = fixture_path(".");
    const int is_root = geteuid() == 0;
    hnas_status st;

    fixture_write(path, "old", 3);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    if (is_root) /* whom no mode stops */
        ck_assert_int_eq(seteuid(65534), 0);
    st = replace(path, "new");
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(folder, 0700), 0);
    expect_failure(st, HNAS_E_IO, strerror(EACCES));
    expect_failure(st, HNAS_E_IO, path);
    expect_text(path, "old");
    ck_assert_int_eq(fixture_count_files(), 1);
}
END_TEST

/* The limit on a file's size makes the write fail half-way. */
START_TEST(a_failed_write_leaves_the_old_file_and_nothing_else)
{
    static char large[100000];
    const char *path = fixture_path("f");
    struct rlimit before, low;
    hnas_status st;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    memset(large, 'x', sizeof large - 1);
    fixture_write(path, "old", 3);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 50000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    st = replace(path, large);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    expect_failure(st, HNAS_E_IO, path);
    expect_failure(st, HNAS_E_IO, strerror(EFBIG));
    expect_text(path, "old");
    ck_assert_int_eq(fixture_count_files(), 1);
}
END_TEST

START_TEST(a_foreign_temporary_is_not_touched)
{
    const char *path = fixture_path("f");
    char name[64];
    const char *foreign;

    snprintf(name, sizeof name, "f.%ld-0.tmp", (long)getpid());
    foreign = fixture_path(name);
    fixture_write(foreign, "mine", 4);
    ck_assert_int_eq(replace(path, "y"), HNAS_OK);
    expect_text(path, "y\n");
    expect_text(foreign, "mine");
    ck_assert_int_eq(fixture_count_files(), 2);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file");

    tcase_add_test(t, a_file_is_made_and_replaced);
    tcase_add_test(t, the_mode_of_a_file_is_kept);
    tcase_add_test(t, a_new_file_follows_the_umask);
    tcase_add_test(t, a_link_stays_and_its_target_is_replaced);
    tcase_add_test(t, what_is_not_a_file_is_left_alone);
    tcase_add_test(t, a_missing_folder_is_an_error);
    tcase_add_test(t, a_path_that_is_too_long_is_an_error);
    tcase_add_test(t, an_unwritable_folder_leaves_the_old_file);
    tcase_add_test(t, a_failed_write_leaves_the_old_file_and_nothing_else);
    tcase_add_test(t, a_foreign_temporary_is_not_touched);
    return fixture_run(t);
}
