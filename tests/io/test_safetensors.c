/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/safetensors.h"

static const float f32[6] = {0, -1.5f, 2, 3e38f, -4, 0.1f};
static const double f64[1] = {0.1};
static const int32_t i32[2] = {-1, 7};
static const int64_t i64[1] = {INT64_MIN};
static const uint8_t u8[3] = {0, 128, 255};
static const struct hn_st_entry entries[] = {
    {"bytes", HNAS_UINT8, 1, {3}, u8},
    {"w.\"quoted\" \xc3\xa9", HNAS_FLOAT32, 2, {2, 3}, f32},
    {"scalar", HNAS_FLOAT64, 0, {0}, f64},
    {"ints", HNAS_INT32, 4, {1, 2, 1, 1}, i32},
    {"long", HN_ST_INT64, 1, {1}, i64},
};
static const struct hn_st_pair pairs[] = {
    {"text", "two\nlines, \"quotes\" and \xe2\x82\xac"}, {"empty", ""}};

static hnas_status write_sample(const char *path)
{
    return hn_st_write(ctx, path, entries, 5, pairs, 2);
}

static void expect_entry(const struct hn_st_file *f,
                         const struct hn_st_entry *want)
{
    const struct hn_st_entry *got = hn_st_find(f, want->name);
    size_t bytes;

    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->name, want->name);
    ck_assert_int_eq(got->dtype, want->dtype);
    ck_assert_int_eq(got->rank, want->rank);
    for (int32_t i = 0; i < want->rank; i++)
        ck_assert_int_eq(got->dims[i], want->dims[i]);
    ck_assert_int_eq(hn_st_entry_bytes(&bytes, got), 0);
    ck_assert_mem_eq(got->data, want->data, bytes);
    ck_assert_uint_eq((uintptr_t)got->data % hn_st_type_bytes(got->dtype), 0);
}

START_TEST(what_is_written_is_read)
{
    const char *path = fixture_path("f");
    struct hn_st_file *f;

    ck_assert_int_eq(write_sample(path), HNAS_OK);
    ck_assert_int_eq(hn_st_open(&f, ctx, path), HNAS_OK);
    ck_assert_int_eq(hn_st_count(f), 5);
    for (int i = 0; i < 5; i++)
        expect_entry(f, &entries[i]);
    ck_assert_str_eq(hn_st_get(f, 0)->name, "bytes");
    ck_assert_str_eq(hn_st_get(f, 4)->name, entries[1].name);
    ck_assert_ptr_null(hn_st_find(f, "none"));
    ck_assert_ptr_null(hn_st_find(f, "__metadata__"));
    ck_assert_str_eq(hn_st_meta(f, "text"), pairs[0].value);
    ck_assert_str_eq(hn_st_meta(f, "empty"), "");
    ck_assert_ptr_null(hn_st_meta(f, "none"));
    hn_st_close(f);
}
END_TEST

START_TEST(a_file_may_be_empty_of_arrays)
{
    const char *path = fixture_path("f");
    struct hn_st_file *f;

    ck_assert_int_eq(hn_st_write(ctx, path, NULL, 0, NULL, 0), HNAS_OK);
    ck_assert_int_eq(hn_st_open(&f, ctx, path), HNAS_OK);
    ck_assert_int_eq(hn_st_count(f), 0);
    hn_st_close(f);
}
END_TEST

START_TEST(bytes_depend_on_nothing_but_the_arguments)
{
    size_t n, m;
    unsigned char *a, *b;

    ck_assert_int_eq(write_sample(fixture_path("a")), HNAS_OK);
    ck_assert_int_eq(write_sample(fixture_path("b")), HNAS_OK);
    a = fixture_read(fixture_path("a"), &n);
    b = fixture_read(fixture_path("b"), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(a, b, n);
    free(a);
    free(b);
}
END_TEST

START_TEST(arrays_load_into_tensors_of_their_shape)
{
    static const int64_t dims[2] = {2, 3}, turned[2] = {3, 2};
    const char *path = fixture_path("f");
    struct hn_st_file *f;
    hnas_tensor *t, *other;
    float got[6];

    ck_assert_int_eq(write_sample(path), HNAS_OK);
    ck_assert_int_eq(hn_st_open(&f, ctx, path), HNAS_OK);
    hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 2, dims);
    hnas_tensor_create(&other, ctx, HNAS_FLOAT32, 2, turned);
    ck_assert_int_eq(hn_st_load(t, f, entries[1].name), HNAS_OK);
    hnas_tensor_get(t, HNAS_FLOAT32, got, 6);
    ck_assert_mem_eq(got, f32, sizeof got);
    expect_failure(hn_st_load(other, f, entries[1].name), HNAS_E_MISMATCH,
                   "quoted");
    expect_failure(hn_st_load(t, f, "none"), HNAS_E_FORMAT,
                   "array \"none\": not in the file");
    hnas_tensor_unref(t);
    hnas_tensor_unref(other);
    hn_st_close(f);
}
END_TEST

static void expect_refusal(const char *path, const char *what, size_t where)
{
    struct hn_st_file *f;
    hnas_status st = hn_st_open(&f, ctx, path);

    ck_assert_msg(st == HNAS_E_FORMAT || st == HNAS_E_TRUNCATED ||
                      st == HNAS_E_RANGE,
                  "%s at byte %zu gives %s", what, where, hnas_status_name(st));
    ck_assert_ptr_null(f);
    ck_assert_ptr_nonnull(strstr(ctx->message, path));
}

START_TEST(every_changed_byte_is_found)
{
    const char *path = fixture_path("f");
    size_t n;
    unsigned char *bytes;

    ck_assert_int_eq(write_sample(path), HNAS_OK);
    bytes = fixture_read(path, &n);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 9; k++) {
            const int change = k < 8 ? 1 << k : 0xff;

            fixture_poke(path, i, (unsigned char)(bytes[i] ^ change));
            expect_refusal(path, "a change", i);
        }
        fixture_poke(path, i, bytes[i]);
    }
    free(bytes);
}
END_TEST

START_TEST(every_truncation_and_any_tail_is_found)
{
    const char *path = fixture_path("f");
    size_t n;
    unsigned char *bytes;

    ck_assert_int_eq(write_sample(path), HNAS_OK);
    bytes = fixture_read(path, &n);
    fixture_poke(path, n, 0);
    expect_refusal(path, "a tail", n);
    while (n-- > 0) {
        ck_assert_int_eq(truncate(path, (off_t)n), 0);
        expect_refusal(path, "a cut", n);
    }
    free(bytes);
}
END_TEST

/* A file with this header and a buffer of zeros, its checksum right. */
static void write_crafted(const char *path, const char *arrays, size_t buffer)
{
    static unsigned char file[1024];
    char digits[9];
    size_t n;
    char *crc;

    memset(file, 0, sizeof file);
    n = (size_t)sprintf((char *)file + 8,
                        "{\"__metadata__\":{\"crc32\":\"00000000\"}%s}",
                        arrays);
    while (n % 8)
        file[8 + n++] = ' ';
    file[0] = (unsigned char)n;
    file[1] = (unsigned char)(n >> 8);
    file[8 + n] = 0;
    sprintf(digits, "%08x",
            (unsigned)crc32(0, file, (unsigned)(8 + n + buffer)));
    crc = strstr((char *)file + 8, "00000000");
    memcpy(crc, digits, 8);
    fixture_write(path, file, 8 + n + buffer);
}

#define ARRAY(name, dtype, shape, offsets)                                     \
    ",\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape                 \
    "],\"data_offsets\":[" offsets "]}"

START_TEST(inconsistent_headers_are_refused)
{
    static const struct {
        const char *arrays;
        size_t buffer;
        const char *words; /* NULL: it is good */
    } table[] = {
        {ARRAY("a", "F32", "2", "0,8"), 8, NULL},
        {ARRAY("a", "F32", "2", "4,12") ARRAY("b", "I32", "", "0,4"), 12, NULL},
        {"", 8, "8 bytes belong to no array"},
        {ARRAY("a", "F32", "2", "0,8"), 9, "1 bytes belong to no array"},
        {ARRAY("a", "F32", "2", "0,8"), 7, "beyond the end"},
        {ARRAY("a", "F32", "2", "0,12"), 12, "do not fit"},
        {ARRAY("a", "F32", "2", "8,0"), 8, "do not fit"},
        {ARRAY("a", "F32", "2", "4,12"), 12, "gap"},
        {ARRAY("a", "U8", "2", "0,2") ARRAY("b", "U8", "2", "1,3"), 3,
         "\"b\": overlaps"},
        {ARRAY("a", "U8", "2", "0,2") ARRAY("b", "U8", "2", "0,2"), 2,
         "overlaps"},
        {ARRAY("a", "U8", "2", "0,2") ARRAY("b", "U8", "2", "3,5"), 5,
         "\"b\": leaves a gap"},
        {ARRAY("a", "U8", "2", "0,2") ARRAY("b", "F32", "1", "2,6"), 6,
         "alignment"},
        {ARRAY("a", "U8", "2", "0,2") ARRAY("a", "U8", "2", "2,4"), 4,
         "\"a\" twice"},
        {ARRAY("a", "F16", "2", "0,4"), 4, "dtype"},
        {ARRAY("a", "U8", "0", "0,0"), 0, "shape"},
        {ARRAY("a", "U8", "-1", "0,1"), 1, "shape"},
        {ARRAY("a", "U8", "1.0", "0,1"), 1, "shape"},
        {ARRAY("a", "U8", "1,1,1,1,1", "0,1"), 1, "shape"},
        {ARRAY("a", "F64", "4611686018427387904,4", "0,0"), 0, "shape"},
        {ARRAY("a", "U8", "9223372036854775807,2", "0,0"), 0, "shape"},
        {ARRAY("a", "U8", "1", "0,1,2"), 1, "data_offsets"},
        {ARRAY("a", "U8", "1", "0"), 1, "data_offsets"},
        {ARRAY("a", "U8", "1", "-1,0"), 1, "data_offsets"},
        {ARRAY("a", "U8", "1", "0,9223372036854775807"), 1, "do not fit"},
        {ARRAY("a", "U8", "9223372036854775807", "0,9223372036854775807"), 1,
         "beyond the end"},
        {",\"a\":1", 0, "want dtype"},
        {",\"a\":{}", 0, "want dtype"},
        {",\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],"
         "\"x\":1}",
         1, "want dtype"},
    };
    const char *path = fixture_path("f");

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct hn_st_file *f;
        hnas_status st;

        write_crafted(path, table[i].arrays, table[i].buffer);
        st = hn_st_open(&f, ctx, path);
        if (table[i].words)
            expect_failure(st, HNAS_E_FORMAT, table[i].words);
        else
            ck_assert_msg(st == HNAS_OK, "%s", ctx->message);
        hn_st_close(f);
    }
}
END_TEST

START_TEST(files_of_another_kind_are_refused)
{
    static const char huge[] = "\xff\xff\xff\xff\xff\xff\xff\x7f{}      ";
    static const char plain[] = "\x08\0\0\0\0\0\0\0{}      ";
    static const char list[] = "\x08\0\0\0\0\0\0\0[]      ";
    const char *path = fixture_path("f");
    struct hn_st_file *f;

    expect_failure(hn_st_open(&f, ctx, path), HNAS_E_IO, "can't open");
    fixture_write(path, huge, 16);
    expect_failure(hn_st_open(&f, ctx, path), HNAS_E_FORMAT,
                   "not a safetensors file: it would have a header of "
                   "9223372036854775807");
    fixture_write(path, plain, 16);
    expect_failure(hn_st_open(&f, ctx, path), HNAS_E_FORMAT, "no checksum");
    fixture_write(path, list, 16);
    expect_failure(hn_st_open(&f, ctx, path), HNAS_E_FORMAT, "no checksum");
}
END_TEST

START_TEST(doubled_names_and_bad_shapes_are_not_written)
{
    const char *path = fixture_path("f");
    struct hn_st_entry bad[2] = {entries[0], entries[0]};
    const struct hn_st_pair crc = {"crc32", "x"}, latin = {"k", "\xe9"};

    expect_failure(hn_st_write(ctx, path, bad, 2, NULL, 0), HNAS_E_NAME,
                   "\"bytes\" twice");
    bad[1].name = "__metadata__";
    expect_failure(hn_st_write(ctx, path, bad, 2, NULL, 0), HNAS_E_NAME,
                   "\"__metadata__\" twice");
    expect_failure(hn_st_write(ctx, path, bad, 1, &crc, 1), HNAS_E_NAME,
                   "\"crc32\" twice");
    expect_failure(hn_st_write(ctx, path, bad, 1, &latin, 1), HNAS_E_FORMAT,
                   "UTF-8");
    bad[0].dims[0] = 0;
    expect_failure(hn_st_write(ctx, path, bad, 1, NULL, 0), HNAS_E_SHAPE,
                   "\"bytes\"");
    bad[0].dims[0] = 1;
    bad[0].dtype = 9;
    expect_failure(hn_st_write(ctx, path, bad, 1, NULL, 0), HNAS_E_SHAPE,
                   "type 9");
    ck_assert_int_eq(fixture_count_files(), 0);
}
END_TEST

START_TEST(without_memory_the_old_file_stays)
{
    const char *path = fixture_path("f");
    struct hn_st_file *f = NULL;
    hnas_status st;

    ck_assert_int_eq(write_sample(path), HNAS_OK);
    for (int n = 0; !f; n++) {
        fixture_fail_allocation(n);
        st = write_sample(path);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        fixture_fail_allocation(n);
        st = hn_st_open(&f, ctx, path);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        ck_assert_int_eq(fixture_count_files(), 1);
    }
    hn_st_close(f);
    ck_assert_int_eq(hn_st_open(&f, ctx, path), HNAS_OK);
    hn_st_close(f);
}
END_TEST

/* With an argument: only write the sample there, for check_safetensors.py. */
int main(int argc, char **argv)
{
    TCase *t;

    if (argc == 2) {
        hnas_status st = hn_context_open(&ctx, NULL);

        if (st == HNAS_OK)
            st = write_sample(argv[1]);
        hn_context_close(ctx);
        return st == HNAS_OK ? 0 : 1;
    }
    t = tcase_create("safetensors");
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, a_file_may_be_empty_of_arrays);
    tcase_add_test(t, bytes_depend_on_nothing_but_the_arguments);
    tcase_add_test(t, arrays_load_into_tensors_of_their_shape);
    tcase_add_test(t, every_changed_byte_is_found);
    tcase_add_test(t, every_truncation_and_any_tail_is_found);
    tcase_add_test(t, inconsistent_headers_are_refused);
    tcase_add_test(t, files_of_another_kind_are_refused);
    tcase_add_test(t, doubled_names_and_bad_shapes_are_not_written);
    tcase_add_test(t, without_memory_the_old_file_stays);
    return fixture_run(t);
}
