/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check_main.h"
#include "support/memory.h"

static struct countdown hooks;
static struct hn_allocator a;

static void setup(void)
{
    hnas_context_opts ignored;

    countdown_opts(&ignored, &hooks);
    hn_allocator_init(&a);
    a.alloc = countdown_alloc;
    a.free = countdown_free;
    a.user = &hooks;
}

static void teardown(void)
{
    ck_assert_int_eq(hooks.n_live, 0);
    ck_assert_uint_eq(a.now_bytes, 0);
}

START_TEST(blocks_are_aligned_and_apart)
{
    enum { N = 200 };
    unsigned char *p[N];

    for (size_t i = 0; i < N; i++) {
        p[i] = hn_alloc(&a, i);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % HN_ALIGN, 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_eq(p[i][j], i);
    for (size_t i = 0; i < N; i++)
        hn_free(&a, p[i]);
}
END_TEST

START_TEST(bytes_are_counted_now_and_at_the_peak)
{
    void *p = hn_alloc(&a, 1000), *q;
    const size_t one = a.now_bytes;

    ck_assert_uint_ge(one, 1000);
    q = hn_alloc(&a, 5000);
    ck_assert_uint_ge(a.now_bytes, 6000);
    ck_assert_uint_eq(a.peak_bytes, a.now_bytes);
    hn_free(&a, q);
    ck_assert_uint_eq(a.now_bytes, one);
    ck_assert_uint_ge(a.peak_bytes, 6000);
    hn_free(&a, p);
    ck_assert_uint_eq(a.now_bytes, 0);
    hn_free(&a, NULL);
    ck_assert_uint_eq(a.now_bytes, 0);
}
END_TEST

/* The host is told at free what it was asked for. */
static size_t asked, told;

static void *asking(void *user, size_t size_bytes, size_t alignment)
{
    asked = size_bytes;
    ck_assert_uint_eq(alignment, HN_ALIGN);
    ck_assert_uint_eq(size_bytes % alignment, 0);
    return countdown_alloc(user, size_bytes, alignment);
}

static void telling(void *user, void *memory, size_t size_bytes)
{
    told = size_bytes;
    countdown_free(user, memory, size_bytes);
}

START_TEST(a_host_is_told_the_size_it_was_asked_for)
{
    a.alloc = asking;
    a.free = telling;
    for (size_t n = 1; n < 400; n += 37) {
        void *p = hn_alloc(&a, n);

        hn_free(&a, p);
        ck_assert_uint_eq(told, asked);
    }
}
END_TEST

START_TEST(a_size_that_overflows_gives_null_without_asking)
{
    const size_t live = (size_t)hooks.n_live;

    ck_assert_ptr_null(hn_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(hn_alloc(&a, SIZE_MAX - HN_ALIGN));
    ck_assert_ptr_null(hn_zalloc(&a, SIZE_MAX - 1));
    ck_assert_ptr_null(hn_alloc_array(&a, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(hn_alloc_array(&a, 3, SIZE_MAX / 2));
    ck_assert_ptr_null(
        hn_alloc_dims(&a, 3, (int64_t[]){1 << 30, 1 << 30, 16}, 1));
    ck_assert_ptr_null(hn_alloc_dims(&a, 2, (int64_t[]){INT64_MAX, 2}, 2));
    ck_assert_ptr_null(hn_alloc_dims(&a, 2, (int64_t[]){4, -1}, 1));
    ck_assert_uint_eq((size_t)hooks.n_live, live);
    ck_assert_int_eq(hooks.n_failed, 0);
}
END_TEST

START_TEST(an_array_of_dims_has_their_product_of_elements)
{
    const int64_t dims[3] = {3, 5, 7};
    const size_t empty = a.now_bytes;
    int32_t *all = hn_alloc_dims(&a, 3, dims, sizeof *all);
    size_t of_dims;

    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < 3 * 5 * 7; i++)
        ck_assert_int_eq(all[i], 0);
    of_dims = a.now_bytes;
    hn_free(&a, all);
    ck_assert_uint_eq(a.now_bytes, empty);
    all = hn_alloc_array(&a, 3 * 5 * 7, sizeof *all);
    ck_assert_uint_eq(a.now_bytes, of_dims);
    hn_free(&a, all);
}
END_TEST

START_TEST(sizes_multiply_and_add_up_to_the_largest)
{
    size_t r;

    ck_assert_int_eq(hn_size_mul(&r, SIZE_MAX / 2, 2), 0);
    ck_assert_uint_eq(r, SIZE_MAX - 1);
    ck_assert_int_ne(hn_size_mul(&r, SIZE_MAX / 2 + 1, 2), 0);
    ck_assert_int_eq(hn_size_mul(&r, 0, SIZE_MAX), 0);
    ck_assert_uint_eq(r, 0);
    ck_assert_int_eq(hn_size_add(&r, SIZE_MAX - 1, 1), 0);
    ck_assert_uint_eq(r, SIZE_MAX);
    ck_assert_int_ne(hn_size_add(&r, SIZE_MAX, 1), 0);
}
END_TEST

START_TEST(zeroed_memory_and_arrays_are_zero)
{
    unsigned char *p = hn_alloc(&a, 300), *q;

    memset(p, 0xff, 300);
    hn_free(&a, p);
    p = hn_zalloc(&a, 300);
    q = hn_alloc_array(&a, 100, 3);
    for (int i = 0; i < 300; i++)
        ck_assert(p[i] == 0 && q[i] == 0);
    hn_free(&a, p);
    hn_free(&a, q);
}
END_TEST

START_TEST(a_copied_string_is_its_own)
{
    char text[] = "normal", *copy = hn_strdup(&a, text);

    text[0] = 'x';
    ck_assert_str_eq(copy, "normal");
    hn_free(&a, copy);
    copy = hn_strdup(&a, "");
    ck_assert_str_eq(copy, "");
    hn_free(&a, copy);
}
END_TEST

START_TEST(a_refusing_host_gives_null_and_counts_nothing)
{
    hooks.left = 0;
    ck_assert_ptr_null(hn_alloc(&a, 10));
    ck_assert_ptr_null(hn_zalloc(&a, 10));
    ck_assert_ptr_null(hn_alloc_array(&a, 10, 10));
    ck_assert_ptr_null(hn_strdup(&a, "text"));
    ck_assert_uint_eq(a.now_bytes, 0);
    ck_assert_uint_eq(a.peak_bytes, 0);
    ck_assert_int_eq(hooks.n_failed, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("alloc");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, blocks_are_aligned_and_apart);
    tcase_add_test(t, bytes_are_counted_now_and_at_the_peak);
    tcase_add_test(t, a_host_is_told_the_size_it_was_asked_for);
    tcase_add_test(t, a_size_that_overflows_gives_null_without_asking);
    tcase_add_test(t, an_array_of_dims_has_their_product_of_elements);
    tcase_add_test(t, sizes_multiply_and_add_up_to_the_largest);
    tcase_add_test(t, zeroed_memory_and_arrays_are_zero);
    tcase_add_test(t, a_copied_string_is_its_own);
    tcase_add_test(t, a_refusing_host_gives_null_and_counts_nothing);
    suite_add_tcase(s, t);
    return run_suite(s);
}
