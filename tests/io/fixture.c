/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "op/op.h"
#include "support/check_main.h"
#include "support/memory.h"

struct hnas_context *ctx;
static char folder[64];
static char paths[4][512];
static size_t bytes_at_start, ops_bytes;
static int countdown;
static hnas_alloc_fn real_alloc;

static void *counting_alloc(void *user, size_t bytes, size_t alignment)
{
    if (countdown >= 0 && countdown-- == 0)
        return NULL;
    return real_alloc(user, bytes, alignment);
}

void fixture_fail_allocation(int n)
{
    countdown = n;
}

void fixture_open(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.40s/hnas-io-XXXXXX",
             parent && strlen(parent) <= 40 ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    countdown = -1;
    real_alloc = ctx->alloc.alloc;
    ctx->alloc.alloc = counting_alloc;
    bytes_at_start = held_bytes(ctx);
}

void fixture_register_ops(void)
{
    ck_assert_int_eq(hn_op_register_builtin(ctx), HNAS_OK);
    fixture_settle();
}

void fixture_settle(void)
{
    bytes_at_start = held_bytes(ctx);
}

void fixture_close(void)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    char path[512];

    ck_assert_uint_eq(held_bytes(ctx), bytes_at_start);
    hn_context_close(ctx);
    while ((e = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%.300s", folder, e->d_name);
        if (e->d_name[0] != '.')
            remove(path);
    }
    closedir(dir);
    ck_assert_int_eq(rmdir(folder), 0);
}

const char *fixture_path(const char *name)
{
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void fixture_write(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

void fixture_poke(const char *path, size_t offset, unsigned char byte)
{
    FILE *f = fopen(path, "r+b");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, (long)offset, SEEK_SET), 0);
    ck_assert_int_eq(fputc(byte, f), byte);
    ck_assert_int_eq(fclose(f), 0);
}

unsigned char *fixture_read(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    unsigned char *data;
    long n;

    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    data = malloc((size_t)n + 1);
    ck_assert_ptr_nonnull(data);
    *bytes = fread(data, 1, (size_t)n, f);
    ck_assert_int_eq((long)*bytes, n);
    data[n] = 0;
    fclose(f);
    return data;
}

int fixture_count_files(void)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    while ((e = readdir(dir)))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

void expect_equal_files(const char *a, const char *b)
{
    size_t n, k;
    unsigned char *x = fixture_read(a, &n), *y = fixture_read(b, &k);

    ck_assert_uint_eq(n, k);
    ck_assert_mem_eq(x, y, n);
    free(x);
    free(y);
}

void expect_failure(hnas_status got, hnas_status want, const char *words)
{
    ck_assert_msg(got == want, "%s, want %s: %s", hnas_status_name(got),
                  hnas_status_name(want), ctx->message);
    ck_assert_msg(strstr(ctx->message, words) != NULL,
                  "message \"%s\" lacks \"%s\"", ctx->message, words);
    ck_assert_ptr_null(strchr(ctx->message, '\n'));
}

/* With the bundled operations: in a context that takes the bare one's place. */
static struct hnas_context *bare;

static void open_ops(void)
{
    fixture_open();
    bare = ctx;
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hn_op_register_builtin(ctx), HNAS_OK);
    ctx->alloc.alloc = bare->alloc.alloc;
    ops_bytes = held_bytes(ctx);
}

static void close_ops(void)
{
    ck_assert_uint_eq(held_bytes(ctx), ops_bytes);
    hn_context_close(ctx);
    ctx = bare;
    fixture_close();
}

static int run(TCase *tests, void (*open)(void), void (*close)(void))
{
    Suite *suite = suite_create("io");

    tcase_add_checked_fixture(tests, open, close);
    tcase_set_timeout(tests, 300);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}

int fixture_run(TCase *tests)
{
    return run(tests, fixture_open, fixture_close);
}

int fixture_run_ops(TCase *tests)
{
    return run(tests, open_ops, close_ops);
}
