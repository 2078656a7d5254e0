/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "support/check_main.h"
#include "support/memory.h"

static struct countdown hooks;
static struct hn_allocator alloc;
static struct hn_arena arena;

static void setup(void)
{
    hnas_context_opts ignored;

    countdown_opts(&ignored, &hooks);
    hn_allocator_init(&alloc);
    alloc.alloc = countdown_alloc;
    alloc.free = countdown_free;
    alloc.user = &hooks;
    hn_arena_init(&arena, &alloc);
}

static void teardown(void)
{
    hn_arena_finish(&arena);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* Sizes from nothing to more than a block, and beyond a huge page. */
static const size_t sizes[] = {0,     1,       63,      64,      65,
                               1000,  100000,  200000,  300000,  1 << 20,
                               31415, 3000000, 5000001, 1 << 22, 7};
enum { N = sizeof sizes / sizeof sizes[0] };

START_TEST(pieces_are_aligned_and_apart)
{
    unsigned char *p[N];

    for (int i = 0; i < N; i++) {
        p[i] = hn_arena_take(&arena, sizes[i]);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % HN_ALIGN, 0);
        memset(p[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < sizes[i]; j += 61)
            ck_assert_uint_eq(p[i][j], (unsigned)i + 1);
}
END_TEST

/* Streams at equal places of a page would hinder each other in the caches. */
START_TEST(large_neighbours_begin_at_different_places_of_a_page)
{
    enum { MANY = 24, PAGE = 4096, IMAGES = 49 << 16 };
    uintptr_t at[MANY];

    for (int i = 0; i < MANY; i++) {
        void *p = hn_arena_take(&arena, IMAGES);

        ck_assert_ptr_nonnull(p);
        at[i] = (uintptr_t)p;
    }
    for (int i = 1; i < MANY; i++)
        for (int k = 1; k < 8 && k <= i; k++)
            ck_assert_uint_ne(at[i] % PAGE, at[i - k] % PAGE);
}
END_TEST

START_TEST(a_piece_given_back_is_taken_again)
{
    void *p = hn_arena_take(&arena, 1000), *q = hn_arena_take(&arena, 1000);

    ck_assert_ptr_ne(p, q);
    hn_arena_give(&arena, p, 1000);
    ck_assert_ptr_ne(hn_arena_take(&arena, 5000), p);
    ck_assert_ptr_eq(hn_arena_take(&arena, 1000), p);
    ck_assert_ptr_ne(hn_arena_take(&arena, 1000), p);
    hn_arena_give(&arena, q, 1000);
    hn_arena_give(&arena, p, 1000);
    ck_assert_ptr_eq(hn_arena_take(&arena, 1000), p);
    ck_assert_ptr_eq(hn_arena_take(&arena, 1000), q);
    hn_arena_give(&arena, NULL, 1000);
}
END_TEST

START_TEST(give_and_take_need_no_more_memory)
{
    size_t held;

    hn_arena_give(&arena, hn_arena_take(&arena, 100000), 100000);
    held = arena.held_bytes;
    for (int i = 0; i < 1000; i++)
        hn_arena_give(&arena, hn_arena_take(&arena, 100000), 100000);
    ck_assert_uint_eq(arena.held_bytes, held);
}
END_TEST

/* Large pieces in any order of sizes, never more than three at once. */
START_TEST(large_pieces_are_cut_and_joined)
{
    enum { PIECE = 100 << 10 };
    unsigned char *p[8], *q;
    size_t held;

    for (int i = 0; i < 8; i++)
        p[i] = hn_arena_take(&arena, PIECE);
    held = arena.held_bytes;
    hn_arena_give(&arena, p[2], PIECE);
    hn_arena_give(&arena, p[4], PIECE);
    ck_assert_ptr_eq(hn_arena_take(&arena, PIECE), p[4]); /* the last given */
    hn_arena_give(&arena, p[4], PIECE);
    hn_arena_give(&arena, p[3], PIECE); /* joins both */
    if (p[3] == p[2] + PIECE && p[4] == p[3] + PIECE) {
        q = hn_arena_take(&arena, 3 * PIECE);
        ck_assert_ptr_eq(q, p[2]);
        hn_arena_give(&arena, q, 3 * PIECE);
    }
    q = hn_arena_take(&arena, PIECE + (PIECE >> 1));
    ck_assert_ptr_nonnull(q);
    memset(q, 7, PIECE + (PIECE >> 1));
    ck_assert_ptr_nonnull(hn_arena_take(&arena, PIECE + (PIECE >> 1)));
    ck_assert_uint_eq(arena.held_bytes, held);
}
END_TEST

START_TEST(what_was_given_back_in_one_size_serves_another)
{
    void *p[16];
    size_t held;

    for (int i = 0; i < 16; i++)
        p[i] = hn_arena_take(&arena, 1 << 20);
    for (int i = 0; i < 16; i++)
        hn_arena_give(&arena, p[i], 1 << 20);
    held = arena.held_bytes;
    for (int i = 0; i < 64; i++)
        ck_assert_ptr_nonnull(hn_arena_take(&arena, 1 << 18));
    ck_assert_uint_eq(arena.held_bytes, held);
}
END_TEST

START_TEST(more_sizes_than_the_list_holds_do_no_harm)
{
    for (size_t i = 1; i <= 3 * HN_ARENA_SIZES; i++)
        hn_arena_give(&arena, hn_arena_take(&arena, i * HN_ALIGN),
                      i * HN_ALIGN);
    ck_assert_uint_eq(arena.now_bytes, 0);
    for (size_t i = 1; i <= 3 * HN_ARENA_SIZES; i++)
        ck_assert_ptr_nonnull(hn_arena_take(&arena, i * HN_ALIGN));
}
END_TEST

START_TEST(reset_keeps_the_memory_for_the_next_step)
{
    size_t held;
    int64_t live;

    for (int i = 0; i < N; i++)
        hn_arena_take(&arena, sizes[i]);
    held = arena.held_bytes;
    live = hooks.n_live;
    for (int round = 0; round < 5; round++) {
        hn_arena_reset(&arena);
        ck_assert_uint_eq(arena.now_bytes, 0);
        hooks.left = 0; /* nothing more from the host */
        for (int i = 0; i < N; i++)
            ck_assert_ptr_nonnull(hn_arena_take(&arena, sizes[i]));
    }
    ck_assert_uint_eq(arena.held_bytes, held);
    ck_assert_int_eq(hooks.n_live, live);
}
END_TEST

START_TEST(reset_forgets_pieces_given_back)
{
    void *p = hn_arena_take(&arena, 1000), *q;

    hn_arena_give(&arena, p, 1000);
    hn_arena_reset(&arena);
    ck_assert_ptr_eq(hn_arena_take(&arena, 1000), p);
    q = hn_arena_take(&arena, 1000);
    ck_assert_ptr_ne(q, p);
}
END_TEST

START_TEST(bytes_in_use_and_their_peak_are_told)
{
    void *p = hn_arena_take(&arena, 6400), *q = hn_arena_take(&arena, 640);

    ck_assert_uint_eq(arena.now_bytes, 7040);
    hn_arena_give(&arena, p, 6400);
    ck_assert_uint_eq(arena.now_bytes, 640);
    ck_assert_uint_eq(arena.peak_bytes, 7040);
    hn_arena_give(&arena, q, 640);
    hn_arena_take(&arena, 1);
    ck_assert_uint_eq(arena.now_bytes, HN_ALIGN);
    hn_arena_reset(&arena);
    ck_assert_uint_eq(arena.now_bytes, 0);
    ck_assert_uint_eq(arena.peak_bytes, 7040);
}
END_TEST

START_TEST(zeroed_pieces_are_zero_although_used_before)
{
    unsigned char *p = hn_arena_take(&arena, 5000);

    memset(p, 0xff, 5000);
    hn_arena_give(&arena, p, 5000);
    p = hn_arena_take_zero(&arena, 5000);
    for (int i = 0; i < 5000; i++)
        ck_assert_uint_eq(p[i], 0);
}
END_TEST

START_TEST(without_memory_take_gives_null_and_the_arena_goes_on)
{
    void *p = hn_arena_take(&arena, 100);
    const size_t now = arena.now_bytes;

    hooks.left = 0;
    ck_assert_ptr_null(hn_arena_take(&arena, 1 << 24));
    ck_assert_ptr_null(hn_arena_take_zero(&arena, SIZE_MAX));
    ck_assert_ptr_null(hn_arena_take(&arena, SIZE_MAX - HN_ALIGN));
    ck_assert_uint_eq(arena.now_bytes, now);
    ck_assert_ptr_nonnull(hn_arena_take(&arena, 100)); /* what is left */
    hooks.left = -1;
    ck_assert_ptr_nonnull(hn_arena_take(&arena, 1 << 24));
    memset(p, 1, 100);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("arena");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pieces_are_aligned_and_apart);
    tcase_add_test(t, large_neighbours_begin_at_different_places_of_a_page);
    tcase_add_test(t, a_piece_given_back_is_taken_again);
    tcase_add_test(t, give_and_take_need_no_more_memory);
    tcase_add_test(t, large_pieces_are_cut_and_joined);
    tcase_add_test(t, what_was_given_back_in_one_size_serves_another);
    tcase_add_test(t, more_sizes_than_the_list_holds_do_no_harm);
    tcase_add_test(t, reset_keeps_the_memory_for_the_next_step);
    tcase_add_test(t, reset_forgets_pieces_given_back);
    tcase_add_test(t, bytes_in_use_and_their_peak_are_told);
    tcase_add_test(t, zeroed_pieces_are_zero_although_used_before);
    tcase_add_test(t, without_memory_take_gives_null_and_the_arena_goes_on);
    suite_add_tcase(s, t);
    return run_suite(s);
}
