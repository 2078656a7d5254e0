/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "hnas/data.h"
#include "io/dataset.h"

enum { N = 3, H = 2, W = 4, IMAGE_BYTES = 16 + N * H * W, LABEL_BYTES = 8 + N };

static unsigned char images[IMAGE_BYTES] = {0, 0, 8, 3, 0, 0, 0, N,
                                            0, 0, 0, H, 0, 0, 0, W};
static const unsigned char labels[LABEL_BYTES] = {0, 0, 8, 1, 0, 0,
                                                  0, N, 7, 0, 9};

static void write_gz(const char *path, const void *data, size_t bytes)
{
    gzFile f = gzopen(path, "wb9");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, data, (unsigned)bytes), (int)bytes);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

/* Write the good pair, plain. */
static void write_pair(void)
{
    for (int i = 0; i < N * H * W; i++)
        images[16 + i] = (unsigned char)(i * 10);
    fixture_write(fixture_path("i"), images, sizeof images);
    fixture_write(fixture_path("l"), labels, sizeof labels);
}

static hnas_status open_pair(hnas_dataset **out, const char *i, const char *l)
{
    return hnas_dataset_open_idx(out, ctx, fixture_path(i), fixture_path(l));
}

static void expect_bad(hnas_status want, const char *words)
{
    hnas_dataset *d;
    hnas_status st = open_pair(&d, "i", "l");

    ck_assert_ptr_null(d);
    expect_failure(st, want, words);
}

static void expect_good_data(hnas_dataset *d)
{
    int64_t dims[4];
    struct hn_normal normal;
    int32_t label;

    hnas_dataset_get_dims(d, dims);
    ck_assert_int_eq(dims[0], N);
    ck_assert_int_eq(dims[1], 1);
    ck_assert_int_eq(dims[2], H);
    ck_assert_int_eq(dims[3], W);
    ck_assert_int_eq(hnas_dataset_get_classes(d), 10);
    hn_normal_init(&normal, 0, 1 / 255.0);
    for (int n = 0; n < N; n++) {
        real pixel[H * W];

        ck_assert_int_eq(hn_dataset_image(pixel, d, n, &normal), HNAS_OK);
        ck_assert_int_eq(hn_dataset_label(&label, d, n), HNAS_OK);
        ck_assert_int_eq(label, labels[8 + n]);
        for (int i = 0; i < H * W; i++)
            ck_assert_int_eq((int)(pixel[i] + 0.5), images[16 + n * H * W + i]);
    }
    hnas_dataset_destroy(d);
}

START_TEST(plain_and_gzip_files_read_alike)
{
    hnas_dataset *d;

    write_pair();
    ck_assert_int_eq(open_pair(&d, "i", "l"), HNAS_OK);
    expect_good_data(d);
    write_gz(fixture_path("i"), images, sizeof images);
    write_gz(fixture_path("l.gz"), labels, sizeof labels);
    ck_assert_int_eq(open_pair(&d, "i", "l.gz"), HNAS_OK);
    expect_good_data(d);
}
END_TEST

START_TEST(gzip_members_in_a_row_are_one_file)
{
    hnas_dataset *d;
    size_t a, b;
    unsigned char *first, *second, both[512];

    write_pair();
    write_gz(fixture_path("a"), images, 20);
    write_gz(fixture_path("b"), images + 20, sizeof images - 20);
    first = fixture_read(fixture_path("a"), &a);
    second = fixture_read(fixture_path("b"), &b);
    ck_assert_uint_le(a + b, sizeof both);
    memcpy(both, first, a);
    memcpy(both + a, second, b);
    fixture_write(fixture_path("i"), both, a + b);
    free(first);
    free(second);
    ck_assert_int_eq(open_pair(&d, "i", "l"), HNAS_OK);
    expect_good_data(d);
}
END_TEST

START_TEST(rank_four_images_have_channels)
{
    static const unsigned char colour[20 + 12] = {0, 0, 8, 4, 0, 0, 0, 1, 0, 0,
                                                  0, 3, 0, 0, 0, 2, 0, 0, 0, 2};
    static const unsigned char one[9] = {0, 0, 8, 1, 0, 0, 0, 1, 4};
    hnas_dataset *d;
    int64_t dims[4];

    fixture_write(fixture_path("i"), colour, sizeof colour);
    fixture_write(fixture_path("l"), one, sizeof one);
    ck_assert_int_eq(open_pair(&d, "i", "l"), HNAS_OK);
    hnas_dataset_get_dims(d, dims);
    ck_assert_int_eq(dims[1], 3);
    ck_assert_int_eq(dims[2], 2);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(missing_files_are_named)
{
    expect_bad(HNAS_E_IO, "/i: can't open: ");
    write_pair();
    remove(fixture_path("l"));
    expect_bad(HNAS_E_IO, "/l: can't open: ");
}
END_TEST

START_TEST(a_folder_is_not_a_file)
{
    hnas_dataset *d;

    write_pair();
    expect_failure(
        hnas_dataset_open_idx(&d, ctx, fixture_path("."), fixture_path("l")),
        HNAS_E_IO, "not a file");
}
END_TEST

START_TEST(every_truncation_is_an_error)
{
    for (size_t n = 0; n < IMAGE_BYTES; n++) {
        write_pair();
        fixture_write(fixture_path("i"), images, n);
        expect_bad(HNAS_E_TRUNCATED, "/i: ");
    }
    for (size_t n = 0; n < LABEL_BYTES; n++) {
        write_pair();
        fixture_write(fixture_path("l"), labels, n);
        expect_bad(HNAS_E_TRUNCATED, "/l: ");
    }
}
END_TEST

START_TEST(every_gzip_truncation_is_an_error)
{
    size_t n;
    unsigned char *bytes;

    write_pair();
    write_gz(fixture_path("i"), images, sizeof images);
    bytes = fixture_read(fixture_path("i"), &n);
    for (size_t k = 2; k < n; k++) {
        fixture_write(fixture_path("i"), bytes, k);
        expect_bad(HNAS_E_TRUNCATED, "/i: ");
    }
    free(bytes);
}
END_TEST

START_TEST(a_damaged_gzip_file_is_an_error)
{
    size_t n;
    unsigned char *bytes;

    write_pair();
    write_gz(fixture_path("i"), images, sizeof images);
    bytes = fixture_read(fixture_path("i"), &n);
    bytes[n - 5] ^= 1; /* of the checksum */
    fixture_write(fixture_path("i"), bytes, n);
    expect_bad(HNAS_E_FORMAT, "/i: damaged gzip data");
    bytes[n - 5] ^= 1;
    bytes[n] = 'x';
    fixture_write(fixture_path("i"), bytes, n + 1);
    free(bytes);
    ck_assert_int_lt(hnas_dataset_open_idx(&(hnas_dataset *){NULL}, ctx,
                                           fixture_path("i"),
                                           fixture_path("l")),
                     0);
}
END_TEST

START_TEST(trailing_bytes_are_an_error)
{
    unsigned char more[IMAGE_BYTES + 1];

    write_pair();
    memcpy(more, images, sizeof images);
    more[IMAGE_BYTES] = 0;
    fixture_write(fixture_path("i"), more, sizeof more);
    expect_bad(HNAS_E_FORMAT, "/i: data go on after the 24 bytes");
    write_gz(fixture_path("i"), more, sizeof more);
    expect_bad(HNAS_E_FORMAT, "/i: data go on after the 24 bytes");
}
END_TEST

START_TEST(swapped_and_foreign_files_are_told_by_their_magic)
{
    hnas_dataset *d;

    write_pair();
    expect_failure(open_pair(&d, "l", "i"), HNAS_E_FORMAT,
                   "/l: magic 0x00000801, want 0x00000803");
    expect_failure(open_pair(&d, "i", "i"), HNAS_E_FORMAT,
                   "/i: magic 0x00000803, want 0x00000801");
    images[2] = 0x0d; /* float elements */
    fixture_write(fixture_path("i"), images, sizeof images);
    images[2] = 8;
    expect_bad(HNAS_E_FORMAT, "/i: magic 0x00000d03");
}
END_TEST

START_TEST(counts_must_agree)
{
    unsigned char two[LABEL_BYTES - 1];

    write_pair();
    memcpy(two, labels, sizeof two);
    two[7] = N - 1;
    fixture_write(fixture_path("l"), two, sizeof two);
    expect_bad(HNAS_E_MISMATCH, "/l: 2 labels, want 3");
}
END_TEST

START_TEST(an_empty_axis_is_an_error)
{
    write_pair();
    images[11] = 0;
    fixture_write(fixture_path("i"), images, sizeof images);
    images[11] = H;
    expect_bad(HNAS_E_FORMAT, "/i: axis 1 has length 0");
}
END_TEST

/* Headers that claim far more than is there cost no memory. */
START_TEST(a_lying_header_is_refused_with_little_memory)
{
    static const struct {
        unsigned char dims[12];
        hnas_status status;
    } claims[] = {
        {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
         HNAS_E_LIMIT},
        {{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2}, HNAS_E_LIMIT},
        {{0, 0, 192, 0, 0, 0, 1, 0, 0, 0, 1, 0}, HNAS_E_LIMIT}, /* ratio */
        {{0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0}, HNAS_E_TRUNCATED},
    };
    const size_t before = ctx->alloc.now_bytes;

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        unsigned char file[IMAGE_BYTES], label[LABEL_BYTES];

        write_pair();
        memcpy(file, images, sizeof file);
        memcpy(file + 4, claims[i].dims, 12);
        memcpy(label, labels, sizeof label);
        memcpy(label + 4, claims[i].dims, 4);
        write_gz(fixture_path("i"), file, sizeof file);
        write_gz(fixture_path("l"), label, sizeof label);
        expect_bad(claims[i].status, "/i: ");
    }
    ck_assert_uint_lt(ctx->alloc.peak_bytes - before, 3 << 20);
}
END_TEST

/* Bytes of address space in use. */
static rlim_t address_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long long pages = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lld", &pages), 1);
    fclose(f);
    return (rlim_t)(pages * sysconf(_SC_PAGESIZE));
}

START_TEST(a_gzip_bomb_is_refused_with_little_memory)
{
    static unsigned char zeros[1 << 20];
    const size_t before = ctx->alloc.now_bytes;
    const char *path = fixture_path("i");
    size_t n;
    gzFile f;

    write_pair();
    f = gzopen(path, "wb1");
    ck_assert_int_eq(gzwrite(f, images, sizeof images), sizeof images);
    for (int i = 0; i < 256; i++)
        ck_assert_int_eq(gzwrite(f, zeros, sizeof zeros), sizeof zeros);
    gzclose(f);
    free(fixture_read(path, &n));
    ck_assert_uint_lt(n, 4 << 20);
    expect_bad(HNAS_E_FORMAT, "/i: data go on");
    ck_assert_uint_lt(ctx->alloc.peak_bytes - before, 3 << 20);
}
END_TEST

/* 3 GiB of zeros in 3 MB: the same 64 MiB again and again, each a member. */
static void write_large_bomb(const char *path, const unsigned char dims[12])
{
    static unsigned char zeros[1 << 20];
    const char *member = fixture_path("member");
    unsigned char header[16], *packed;
    size_t n;
    FILE *f;
    gzFile z = gzopen(member, "wb9");

    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(gzwrite(z, zeros, sizeof zeros), sizeof zeros);
    gzclose(z);
    packed = fixture_read(member, &n);
    memcpy(header, images, 4);
    memcpy(header + 4, dims, 12);
    write_gz(path, header, sizeof header);
    f = fopen(path, "ab");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 48; i++)
        ck_assert_uint_eq(fwrite(packed, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    free(packed);
}

/* With 96 MiB of address space to go: nothing asks for more. */
START_TEST(gigabytes_in_a_small_file_are_refused_in_bounded_memory)
{
    static const struct {
        unsigned char dims[12];
        hnas_status want;
    } cases[] = {{{0, 0, 0, N, 0, 0, 0, H, 0, 0, 0, W}, HNAS_E_FORMAT},
                 {{0, 0, 192, 0, 0, 0, 1, 0, 0, 0, 1, 0}, HNAS_E_LIMIT},
                 {{0, 4, 0, 0, 0, 0, 128, 0, 0, 0, 128, 0}, HNAS_E_LIMIT}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rlimit before, low;

        write_pair();
        write_large_bomb(fixture_path("i"), cases[i].dims);
        ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
        low = before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        low.rlim_cur = address_bytes() + (96 << 20); /* theirs is terabytes */
#endif
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &low), 0);
        expect_bad(cases[i].want, "/i: ");
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    }
}
END_TEST

START_TEST(without_memory_it_fails_and_leaks_nothing)
{
    hnas_dataset *d = NULL;
    hnas_status st;

    write_pair();
    write_gz(fixture_path("i"), images, sizeof images);
    for (int n = 0; !d; n++) {
        fixture_fail_allocation(n);
        st = open_pair(&d, "i", "l");
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        ck_assert_int_eq(st == HNAS_OK, d != NULL);
    }
    expect_good_data(d);
}
END_TEST

START_TEST(null_arguments_are_refused)
{
    hnas_dataset *d;

    ck_assert_int_eq(hnas_dataset_open_idx(NULL, ctx, "a", "b"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_dataset_open_idx(&d, NULL, "a", "b"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_dataset_open_idx(&d, ctx, NULL, "b"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_dataset_open_idx(&d, ctx, "a", NULL), HNAS_E_ARG);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("idx");

    tcase_add_test(t, plain_and_gzip_files_read_alike);
    tcase_add_test(t, gzip_members_in_a_row_are_one_file);
    tcase_add_test(t, rank_four_images_have_channels);
    tcase_add_test(t, missing_files_are_named);
    tcase_add_test(t, a_folder_is_not_a_file);
    tcase_add_test(t, every_truncation_is_an_error);
    tcase_add_test(t, every_gzip_truncation_is_an_error);
    tcase_add_test(t, a_damaged_gzip_file_is_an_error);
    tcase_add_test(t, trailing_bytes_are_an_error);
    tcase_add_test(t, swapped_and_foreign_files_are_told_by_their_magic);
    tcase_add_test(t, counts_must_agree);
    tcase_add_test(t, an_empty_axis_is_an_error);
    tcase_add_test(t, a_lying_header_is_refused_with_little_memory);
    tcase_add_test(t, a_gzip_bomb_is_refused_with_little_memory);
    tcase_add_test(t, gigabytes_in_a_small_file_are_refused_in_bounded_memory);
    tcase_add_test(t, without_memory_it_fails_and_leaks_nothing);
    tcase_add_test(t, null_arguments_are_refused);
    return fixture_run(t);
}
