/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves that keep older files, while the system fails at the k-th call or the
 * process is killed in it, for every k: the newest whole state is always
 * there, and so are older ones. */
#define _XOPEN_SOURCE 700
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"
#include "support/check_main.h"
#include "world.h"

enum { MOST_KEPT = 4, SAVES = 4 };

static struct life life;

/* The text of a save is its number, so that a file tells which one it is. */
static hnas_status save_number(int number, int n_kept)
{
    const char *path = fault_path("file");
    char text[16];
    hnas_status st = hnas_file_keep(life.ctx, path, n_kept);

    snprintf(text, sizeof text, "%d", number);
    return st < 0 ? st : hnas_search_save(life.search, path, text);
}

/* The number in a file, 0: no such file.  A file that is there is whole. */
static int number_of(int age)
{
    char name[16];
    hnas_search *s;
    int number;

    snprintf(name, sizeof name, age ? "file.%d" : "file", age);
    if (access(fault_path(name), F_OK) != 0)
        return 0;
    ck_assert_msg(hnas_search_load(&s, life.ctx, fault_path(name)) == HNAS_OK,
                  "%s: %s", name, hnas_context_message(life.ctx));
    number = atoi(hnas_search_get_text(s));
    hnas_search_destroy(s);
    return number;
}

/* What a loader finds. */
static int newest(void)
{
    hnas_search *s;
    int32_t age;
    int number;

    ck_assert_int_eq(
        hnas_search_load_kept(&s, life.ctx, fault_path("file"), &age), HNAS_OK);
    number = atoi(hnas_search_get_text(s));
    hnas_search_destroy(s);
    return number;
}

/* As many saves as are kept, the last one of number SAVES. */
static void fill(int n_kept)
{
    static int is_filled[MOST_KEPT + 1]; /* and looked at */

    fault_clean();
    for (int i = SAVES - n_kept + 1; i <= SAVES; i++)
        ck_assert_int_eq(save_number(i, n_kept), HNAS_OK);
    for (int age = 0; age <= MOST_KEPT && !is_filled[n_kept]; age++)
        ck_assert_int_eq(number_of(age), age < n_kept ? SAVES - age : 0);
    is_filled[n_kept] = 1;
}

/* After a save that was disturbed: its number, or the one before, is what a
 * loader finds; older ones are in order; the next save is as ever. */
static void look(int n_kept, const char *what, int k)
{
    int last = newest();

    ck_assert_msg(last == SAVES || last == SAVES + 1, "%s %d (%s): found %d",
                  what, k, shim.what, last);
    for (int age = 1; age < MOST_KEPT; age++) {
        const int number = number_of(age);

        if (!number)
            continue;
        ck_assert_msg(number <= last && (age == 1 || number < last),
                      "%s %d (%s): %d at age %d", what, k, shim.what, number,
                      age);
        last = number;
    }
    /* only where a file has one name it is away for a moment */
    if (shim.fault != SHIM_DENIED)
        ck_assert_int_gt(number_of(0), 0);
    ck_assert_int_eq(save_number(SAVES + 2, n_kept), HNAS_OK);
    ck_assert_int_eq(number_of(0), SAVES + 2);
    ck_assert_int_ge(number_of(1), n_kept > 1 ? SAVES : 0);
    ck_assert_int_eq(number_of(n_kept), 0);
}

static int fail_once(int n_kept, int k, enum fault fault)
{
    hnas_status st;

    fill(n_kept);
    shim_arm(k, fault);
    st = save_number(SAVES + 1, n_kept);
    shim.left = -1;
    ck_assert_msg(st == HNAS_OK || st == HNAS_E_IO, "%s of call %d (%s): %s",
                  shim_names[fault], k, shim.what, hnas_status_name(st));
    if (st == HNAS_OK)
        ck_assert_int_eq(number_of(0), SAVES + 1);
    else
        ck_assert(strstr(hnas_context_message(life.ctx), fault_path("file")));
    look(n_kept, shim_names[fault], k);
    ck_assert_int_eq(fault_count_files(), n_kept);
    return shim.n_failed;
}

START_TEST(a_failing_save_loses_no_older_file)
{
    static const enum fault faults[] = {
        SHIM_NO_SPACE, SHIM_IO_ERROR, SHIM_INTERRUPT, SHIM_SHORT, SHIM_DENIED};
    int n = 0;

    for (int kept = 1; kept <= MOST_KEPT; kept += 3)
        for (size_t f = 0; f < sizeof faults / sizeof *faults; f++)
            for (int k = 0; fail_once(kept, k, faults[f]); k++)
                n++;
    printf("%d failing calls\n", n);
    ck_assert_int_gt(n, 100);
}
END_TEST

/* A save in a child that is killed at its k-th call; 0: there was none. */
static int kill_once(int n_kept, int k)
{
    int status;
    pid_t child;

    fill(n_kept);
    fflush(stdout);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        shim_arm(k, SHIM_KILL);
        save_number(SAVES + 1, n_kept);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert_int_eq(number_of(0), SAVES + 1);
        return 0;
    }
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    look(n_kept, "kill", k);
    /* what it was writing may be left, under a name of its own */
    ck_assert_int_le(fault_count_files(), n_kept + 1);
    return 1;
}

START_TEST(a_killed_save_loses_no_older_file)
{
    int n = 0;

    for (int kept = 1; kept <= MOST_KEPT; kept += 3)
        for (int k = 0; kill_once(kept, k); k++)
            n++;
    printf("%d kills inside a save\n", n);
    ck_assert_int_ge(n, 100);
}
END_TEST

/* A file system without second names: the file is moved. */
START_TEST(a_file_with_one_name_is_moved)
{
    int k = -1;

    do {
        fill(3);
        shim_arm(++k, SHIM_DENIED);
        hnas_file_keep(life.ctx, fault_path("file"), 3);
        shim.left = -1;
        ck_assert_int_gt(shim.n_failed, 0);
    } while (strcmp(shim.what, "link") != 0);
    ck_assert_int_eq(number_of(0), 0);
    ck_assert_int_eq(number_of(1), SAVES);
    ck_assert_int_eq(newest(), SAVES);
    ck_assert_int_eq(number_of(2), SAVES - 1);
}
END_TEST

static void setup(void)
{
    life_open(&life, 1);
}

static void teardown(void)
{
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("keeps");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_failing_save_loses_no_older_file);
    tcase_add_test(t, a_killed_save_loses_no_older_file);
    tcase_add_test(t, a_file_with_one_name_is_moved);
    suite_add_tcase(s, t);
    return run_suite(s);
}
