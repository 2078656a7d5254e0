/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "io/rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "fixture.h"
#include "hnas/data.h"
#include "tensor/tensor.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, STEP = 97, BATCH = 50 };

static void put_number(unsigned char *p, int64_t n)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(n >> (24 - 8 * i));
}

static unsigned char value_of(int64_t image)
{
    return (unsigned char)(image % 251 + 1);
}

/* Write n images of zeros, as holes where the file system has them, but for
 * each STEP-th one, whose first and last pixel are its value; its label is
 * that modulo 10. */
static void write_large(int64_t n)
{
    unsigned char head[16] = {0, 0, 8, 3}, label_head[8] = {0, 0, 8, 1};
    FILE *f = fopen(fixture_path("i"), "wb"),
         *l = fopen(fixture_path("l"), "wb");

    ck_assert(f && l);
    put_number(head + 4, n);
    put_number(head + 8, SIDE);
    put_number(head + 12, SIDE);
    put_number(label_head + 4, n);
    ck_assert_uint_eq(fwrite(head, 1, sizeof head, f), sizeof head);
    ck_assert_uint_eq(fwrite(label_head, 1, sizeof label_head, l),
                      sizeof label_head);
    for (int64_t i = 0; i < n; i++) {
        const int marked = i % STEP == 0;

        putc(marked ? value_of(i) % 10 : 0, l);
        if (!marked)
            continue;
        fseeko(f, 16 + i * PIXELS, SEEK_SET);
        putc(value_of(i), f);
        fseeko(f, 16 + i * PIXELS + PIXELS - 1, SEEK_SET);
        putc(value_of(i), f);
    }
    ck_assert_int_eq(fclose(f) | fclose(l), 0);
    ck_assert_int_eq(truncate(fixture_path("i"), 16 + n * PIXELS), 0);
}

static hnas_dataset *open_files(const char *images, const char *labels)
{
    hnas_dataset *d;

    ck_assert_int_eq(hnas_dataset_open_idx(&d, ctx, fixture_path(images),
                                           fixture_path(labels)),
                     HNAS_OK);
    return d;
}

static hnas_batches *make_batches(const hnas_dataset *d, int32_t shuffle)
{
    hnas_batches_opts o;
    hnas_batches *b;

    hnas_batches_opts_init(&o, sizeof o);
    o.batch = BATCH;
    o.shuffle = shuffle;
    ck_assert_int_eq(hnas_batches_create(&b, ctx, d, &o), HNAS_OK);
    return b;
}

/* A number of kB in /proc/self/status. */
static long status_kb(const char *name)
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    long kb = -1;

    ck_assert_ptr_nonnull(f);
    while (kb < 0 && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kb = atol(line + strlen(name));
    fclose(f);
    ck_assert_int_ge(kb, 0);
    return kb;
}

struct use {
    long anonymous_kb, file_kb; /* most that were resident at a time */
    size_t peak_bytes;          /* of the context, above what was there */
};

static void note(struct use *u)
{
    const long anonymous = status_kb("RssAnon:"), file = status_kb("RssFile:");

    u->anonymous_kb = anonymous > u->anonymous_kb ? anonymous : u->anonymous_kb;
    u->file_kb = file > u->file_kb ? file : u->file_kb;
}

/* Whether a batch's images and labels are those of write_large; returns the
 * number of marked ones. */
static int check_batch(hnas_batches *b, int64_t epoch, int64_t index)
{
    hnas_tensor *x, *y;
    int n = 0;

    ck_assert_int_eq(hnas_batches_get(b, epoch, index, &x, &y), HNAS_OK);
    for (int i = 0; i < BATCH; i++) {
        const float *image = (const float *)x->data + i * PIXELS;
        const int value = (int)(image[0] * 255 + 0.5f);

        ck_assert_float_eq(image[PIXELS - 1], image[0]);
        ck_assert_float_eq(image[PIXELS / 2], 0);
        ck_assert_int_eq(((const int32_t *)y->data)[i], value % 10);
        n += value > 0;
    }
    return n;
}

/* Use a data set of n images as a search does: moments, batches in order and
 * shuffled ones of two epochs. */
static struct use use_large(int64_t n)
{
    struct use u = {0, 0, 0};
    const size_t before = ctx->alloc.now_bytes;
    hnas_batches *plain, *shuffled;
    int n_marked = 0, n_shuffled = 0;
    double mean, std;
    hnas_dataset *d;

    write_large(n);
    ctx->alloc.peak_bytes = before;
    d = open_files("i", "l");
    ck_assert_int_eq(remove(fixture_path("i")) | remove(fixture_path("l")), 0);
    note(&u);
    ck_assert_int_eq(hnas_dataset_moments(d, 0, &mean, &std), HNAS_OK);
    ck_assert_double_gt(mean, 0);
    note(&u);
    plain = make_batches(d, 0);
    shuffled = make_batches(d, 1);
    for (int64_t i = 0; i < 400; i++) {
        n_marked += check_batch(plain, 0, i);
        n_shuffled += check_batch(shuffled, i % 2, i / 2);
        if (i % 100 == 99)
            note(&u);
    }
    ck_assert_int_eq(n_marked, (400 * BATCH + STEP - 1) / STEP);
    ck_assert_int_gt(n_shuffled, n_marked / 2);
    ck_assert_int_lt(n_shuffled, 2 * n_marked);
    hnas_batches_destroy(plain);
    hnas_batches_destroy(shuffled);
    hnas_dataset_destroy(d);
    u.peak_bytes = ctx->alloc.peak_bytes - before;
    return u;
}

/* 53 MiB and 419 MiB of pixels. */
START_TEST(the_working_set_does_not_grow_with_the_file)
{
    const struct use small = use_large(70000), large = use_large(560000);

    ck_assert_uint_lt(small.peak_bytes, 1 << 20);
    /* handles of the first pass are used again by the second */
    ck_assert_uint_lt(large.peak_bytes, small.peak_bytes + 4096);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* theirs keep what was freed, and notes about each byte */
    ck_assert_int_lt(labs(large.anonymous_kb - small.anonymous_kb), 512);
    ck_assert_int_lt(labs(large.file_kb - small.file_kb), 512);
#endif
}
END_TEST

static void pack(const char *from, const char *to)
{
    size_t n;
    unsigned char *bytes = fixture_read(fixture_path(from), &n);
    gzFile f = gzopen(fixture_path(to), "wb1");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(f), Z_OK);
    free(bytes);
}

START_TEST(a_plain_file_gives_the_batches_of_a_packed_one)
{
    hnas_dataset *d[2];
    hnas_batches *b[2];
    double moments[2][2];

    write_large(1000);
    pack("i", "i.gz");
    pack("l", "l.gz");
    d[0] = open_files("i", "l");
    d[1] = open_files("i.gz", "l.gz");
    for (int k = 0; k < 2; k++) {
        b[k] = make_batches(d[k], 1);
        ck_assert_int_eq(
            hnas_dataset_moments(d[k], 0, &moments[k][0], &moments[k][1]),
            HNAS_OK);
    }
    ck_assert_mem_eq(moments[0], moments[1], sizeof moments[0]);
    for (int64_t i = 0; i < 1000 / BATCH; i++) {
        hnas_tensor *x[2], *y[2];

        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(hnas_batches_get(b[k], 1, i, &x[k], &y[k]),
                             HNAS_OK);
        ck_assert_mem_eq(x[0]->data, x[1]->data,
                         BATCH * PIXELS * sizeof(float));
        ck_assert_mem_eq(y[0]->data, y[1]->data, BATCH * sizeof(int32_t));
    }
    for (int k = 0; k < 2; k++) {
        hnas_batches_destroy(b[k]);
        hnas_dataset_destroy(d[k]);
    }
}
END_TEST

/* Cut short under a mapping, this would be a signal. */
START_TEST(a_file_cut_short_in_use_is_an_error_and_may_grow_again)
{
    hnas_tensor *x, *y;
    double mean = 5, std = 6;
    hnas_dataset *d;
    hnas_batches *b;

    write_large(200);
    d = open_files("i", "l");
    b = make_batches(d, 0);
    check_batch(b, 0, 0);
    ck_assert_int_eq(truncate(fixture_path("i"), 16 + 120 * PIXELS), 0);
    expect_failure(hnas_batches_get(b, 0, 3, &x, &y), HNAS_E_TRUNCATED,
                   "/i: it became shorter while it was in use: 0 bytes");
    ck_assert_ptr_null(x);
    ck_assert_ptr_null(y);
    expect_failure(hnas_dataset_moments(d, 0, &mean, &std), HNAS_E_TRUNCATED,
                   "/i: it became shorter");
    ck_assert(mean == 5 && std == 6);
    ck_assert_int_eq(hnas_dataset_moments(d, 120, &mean, &std), HNAS_OK);
    ck_assert_int_eq(truncate(fixture_path("i"), 16 + 200 * PIXELS), 0);
    ck_assert_int_eq(hnas_batches_get(b, 0, 3, &x, &y), HNAS_OK);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(a_removed_file_reads_on)
{
    hnas_dataset *d;
    hnas_batches *b;

    write_large(200);
    d = open_files("i", "l");
    b = make_batches(d, 0);
    ck_assert_int_eq(remove(fixture_path("i")) | remove(fixture_path("l")), 0);
    for (int64_t i = 0; i < 4; i++)
        check_batch(b, 0, i);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

/* Rows of 3 bytes after 2 of a header; the file holds 1, 2, 3, ... */
static struct hn_file_rows *small_rows(int n_bytes)
{
    unsigned char bytes[64];
    struct hn_file_rows *r;
    int fd;

    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)i;
    fixture_write(fixture_path("r"), bytes, (size_t)n_bytes);
    fd = open(fixture_path("r"), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(hn_file_rows_open(&r, ctx, fixture_path("r"), fd, 2, 3),
                     HNAS_OK);
    return r;
}

START_TEST(rows_read_alike_in_any_order)
{
    static const int order[] = {0, 1, 9, 3, 4, 0, 9, 8, 7, 2, 2};
    struct hn_file_rows *r = small_rows(32);
    const unsigned char *row;

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        ck_assert_int_eq(hn_file_rows_get(r, order[i], &row), HNAS_OK);
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(row[k], 2 + 3 * order[i] + k);
    }
    hn_file_rows_close(r);
}
END_TEST

START_TEST(part_of_a_row_at_the_end_is_an_error)
{
    struct hn_file_rows *r = small_rows(10);
    const unsigned char *row;

    ck_assert_int_eq(hn_file_rows_get(r, 0, &row), HNAS_OK);
    ck_assert_int_eq(hn_file_rows_get(r, 1, &row), HNAS_OK);
    expect_failure(hn_file_rows_get(r, 2, &row), HNAS_E_TRUNCATED,
                   "/r: it became shorter while it was in use: 2 bytes from "
                   "byte 8 on, want 3");
    ck_assert_ptr_null(row);
    hn_file_rows_close(r);
}
END_TEST

START_TEST(what_the_system_refuses_to_read_is_named)
{
    struct hn_file_rows *r;
    const unsigned char *row;
    int fd;

    fixture_write(fixture_path("w"), "abc", 3);
    fd = open(fixture_path("w"), O_WRONLY);
    ck_assert_int_eq(hn_file_rows_open(&r, ctx, fixture_path("w"), fd, 0, 1),
                     HNAS_OK);
    expect_failure(hn_file_rows_get(r, 0, &row), HNAS_E_IO, "/w: can't read: ");
    hn_file_rows_close(r);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rows");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, the_working_set_does_not_grow_with_the_file);
    tcase_add_test(t, a_plain_file_gives_the_batches_of_a_packed_one);
    tcase_add_test(t, a_file_cut_short_in_use_is_an_error_and_may_grow_again);
    tcase_add_test(t, a_removed_file_reads_on);
    tcase_add_test(t, rows_read_alike_in_any_order);
    tcase_add_test(t, part_of_a_row_at_the_end_is_an_error);
    tcase_add_test(t, what_the_system_refuses_to_read_is_named);
    return fixture_run(t);
}
