/* SPDX-License-Identifier: BSD-3-Clause */
/* A context that may hold so many bytes and no more. */
#include <string.h>

#include "support/check_main.h"
#include "world.h"

enum { N_LIMITS = 24 };

static struct life life;

static size_t peak_of(const struct life *l)
{
    size_t peak;

    hnas_context_get_memory(l->ctx, NULL, &peak);
    return peak;
}

static void expect_refused(hnas_status st, size_t limit)
{
    const char *said = hnas_context_message(life.ctx);

    ck_assert_int_eq(st, HNAS_E_NOMEM);
    ck_assert_msg(strstr(said, "of at most") != NULL, "%s", said);
    ck_assert(peak_of(&life) <= limit);
}

START_TEST(a_step_over_the_limit_changes_nothing)
{
    size_t opened, whole;
    uint64_t before, after;
    int n_refused = 0;

    life_open(&life, 1);
    opened = peak_of(&life);
    before = life_sum(&life);
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    whole = peak_of(&life);
    after = life_sum(&life);
    life_close(&life);
    for (int i = 0; i <= N_LIMITS; i++) {
        const size_t limit = opened + (whole - opened) * i / N_LIMITS;
        hnas_status st;

        life_open_within(&life, 1, limit);
        ck_assert(life_sum(&life) == before);
        st = life_step(&life);
        if (st == HNAS_OK) {
            ck_assert(life_sum(&life) == after);
        } else {
            expect_refused(st, limit);
            ck_assert(life_sum(&life) == before);
            n_refused++;
        }
        life_close(&life);
    }
    ck_assert_int_ge(n_refused, N_LIMITS / 2);
    ck_assert_int_le(n_refused, N_LIMITS); /* the last had enough */
}
END_TEST

/* A file's own bound, what it holds, is another one. */
START_TEST(a_file_larger_than_the_limit_is_no_bad_file)
{
    const char *path = fault_path("search");
    hnas_search *loaded;
    hnas_tensor *image;
    size_t now, peak, limit;

    life_open(&life, 1);
    ck_assert_int_eq(hnas_search_save(life.search, path, ""), HNAS_OK);
    hnas_context_get_memory(life.ctx, &now, NULL);
    ck_assert_int_eq(hnas_search_load(&loaded, life.ctx, path), HNAS_OK);
    hnas_search_destroy(loaded);
    peak = peak_of(&life);
    life_close(&life);

    limit = now + (peak - now) / 2;
    life_open_within(&life, 1, limit);
    expect_refused(hnas_search_load(&loaded, life.ctx, path), limit);
    ck_assert_ptr_null(loaded);
    life_close(&life);

    life_open_within(&life, 1, peak);
    ck_assert_int_eq(hnas_search_load(&loaded, life.ctx, path), HNAS_OK);
    expect_refused(hnas_tensor_create(&image, life.ctx, HNAS_FLOAT32, 1,
                                      &(int64_t){(int64_t)peak / 4}),
                   peak); /* still in force */
    hnas_search_destroy(loaded);
    life_close(&life);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("limit");

    tcase_set_timeout(t, 600);
    tcase_add_test(t, a_step_over_the_limit_changes_nothing);
    tcase_add_test(t, a_file_larger_than_the_limit_is_no_bad_file);
    suite_add_tcase(s, t);
    return run_suite(s);
}
