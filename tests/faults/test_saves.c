/* SPDX-License-Identifier: BSD-3-Clause */
/* Saving while the system fails: the k-th open, write, fsync, close, chmod or
 * rename, for every k. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shim.h"
#include "support/check_main.h"
#include "world.h"

/* ---- saves ---- */

static struct life life;

static hnas_status save_search(const char *path)
{
    return hnas_search_save(life.search, path, "new");
}

static hnas_status save_model(const char *path)
{
    return hnas_model_save(life.model, path, "new");
}

static hnas_status save_set(const char *path)
{
    return hnas_set_save(life.set, path, "new");
}

static hnas_status save_onnx(const char *path)
{
    return hnas_model_save_onnx(life.model, path);
}

static hnas_status save_html(const char *path)
{
    return hnas_path_save_html(life.path, path, NULL);
}

typedef hnas_status (*save_fn)(const char *path);

static const char old[] = "the old file\n";

static void put_old(const char *path)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    fputs(old, f);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0640), 0);
}

/* The size of a file, and whether it holds the old contents. */
static long look(const char *path, int *is_old)
{
    char text[sizeof old] = "";
    FILE *f = fopen(path, "rb");
    long size;

    ck_assert_ptr_nonnull(f);
    *is_old =
        fread(text, 1, sizeof old, f) == sizeof old - 1 && !strcmp(text, old);
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    fclose(f);
    return size;
}

static int n_unsynced; /* saves refused since the file could not be synced */

/* One save with the k-th call failing; whether there was a k-th call. */
static int save_once(save_fn save, int k, enum fault fault, long want)
{
    const char *path = fault_path("file");
    struct stat about;
    hnas_status st;
    int is_old;
    long size;

    put_old(path);
    shim_arm(k, fault);
    st = save(path);
    shim.left = -1;
    size = look(path, &is_old);
    if (st == HNAS_OK)
        ck_assert_msg(size == want, "%s of call %d (%s): %d bytes, want %d",
                      shim_names[fault], k, shim.what, (int)size, (int)want);
    else
        ck_assert_msg(is_old && st == HNAS_E_IO &&
                          strstr(hnas_context_message(life.ctx), path),
                      "%s of call %d (%s): %s: %s", shim_names[fault], k,
                      shim.what, hnas_status_name(st),
                      hnas_context_message(life.ctx));
    ck_assert_msg(fault_count_files() == 1, "%s of call %d (%s): litter",
                  shim_names[fault], k, shim.what);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_mode & 0777, 0640);
    n_unsynced += st == HNAS_E_IO && !strcmp(shim.what, "fsync");
    /* An interruption or a short write is no reason to give up. */
    if (fault == SHIM_SHORT ||
        (fault == SHIM_INTERRUPT && !strcmp(shim.what, "write")))
        ck_assert_int_eq(st, HNAS_OK);
    return shim.n_failed;
}

static void check_saves(save_fn save)
{
    int is_old, n = 0;
    long want;

    put_old(fault_path("file"));
    ck_assert_int_eq(save(fault_path("file")), HNAS_OK);
    want = look(fault_path("file"), &is_old);
    ck_assert(!is_old);
    n_unsynced = 0;
    for (int f = 0; f < SHIM_KILL; f++)
        for (int k = 0; save_once(save, k, (enum fault)f, want); k++)
            n++;
    ck_assert_int_gt(n, 4 * 6);
    ck_assert_int_ge(n_unsynced, 2); /* no room, and a failing disk */
    printf("%d failing calls\n", n);
}

START_TEST(a_search_is_saved_whole_or_not_at_all)
{
    check_saves(save_search);
}
END_TEST

START_TEST(a_network_is_saved_whole_or_not_at_all)
{
    check_saves(save_model);
    check_saves(save_onnx);
}
END_TEST

START_TEST(a_set_and_a_page_are_saved_whole_or_not_at_all)
{
    check_saves(save_set);
    check_saves(save_html);
}
END_TEST

static void setup(void)
{
    life_open(&life, 1);
    ck_assert_int_eq(
        hnas_search_derive(&life.arch, life.search, 1e-3, HNAS_RULE_ARGMAX),
        HNAS_OK);
    ck_assert_int_eq(life_model(&life), HNAS_OK);
    ck_assert_int_eq(hnas_path_create(&life.path, life.net, life.hyper, NULL),
                     HNAS_OK);
    ck_assert_int_eq(hnas_set_create(&life.set, life.net, life.path), HNAS_OK);
}

static void teardown(void)
{
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("saves");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_search_is_saved_whole_or_not_at_all);
    tcase_add_test(t, a_network_is_saved_whole_or_not_at_all);
    tcase_add_test(t, a_set_and_a_page_are_saved_whole_or_not_at_all);
    suite_add_tcase(s, t);
    return run_suite(s);
}
