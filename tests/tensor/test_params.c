/* SPDX-License-Identifier: BSD-3-Clause */
/* The named list. */
#include <stdio.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/memory.h"
#include "tensor/params.h"

static struct countdown hooks;
static hnas_context *ctx;
static size_t bytes_at_start;
static struct hnas_params list;

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    bytes_at_start = held_bytes(ctx);
    hn_params_init(&list, ctx);
}

static void teardown(void)
{
    hn_params_finish(&list);
    ck_assert_uint_eq(held_bytes(ctx), bytes_at_start);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* A tensor of n elements in the list alone. */
static hnas_status add(const char *prefix, const char *name, int32_t kind,
                       int64_t n)
{
    hnas_tensor *t;
    hnas_status st;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 1, &n), 0);
    st = hn_params_add(&list, prefix, name, kind, t);
    hnas_tensor_unref(t);
    return st;
}

START_TEST(entries_keep_their_order_name_and_kind)
{
    char name[32];

    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "w%d", i);
        ck_assert_int_eq(add("cells.", name, 1 + i % 3, i + 1), HNAS_OK);
    }
    ck_assert_int_eq(hnas_params_get_count(&list), 50);
    for (int i = 0; i < 50; i++) {
        hnas_tensor *t = hnas_params_get_tensor(&list, i), *found;

        snprintf(name, sizeof name, "cells.w%d", i);
        ck_assert_str_eq(hnas_params_get_name(&list, i), name);
        ck_assert_int_eq(hnas_params_get_kind(&list, i), 1 + i % 3);
        ck_assert_int_eq(hnas_tensor_get_count(t), i + 1);
        ck_assert_int_eq(hnas_params_find(&found, &list, name), HNAS_OK);
        ck_assert_ptr_eq(found, t);
    }
}
END_TEST

START_TEST(many_entries_are_found_in_little_time)
{
    enum { MANY = 1 << 20 }; /* comparing names would take an hour */
    const int64_t one = 1;
    hnas_tensor *t;
    char name[32];

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 1, &one), 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "cells.%d.ops.weight", i);
        ck_assert_int_eq(hn_params_add(&list, "", name, 1, t), HNAS_OK);
    }
    for (int i = 0; i < MANY; i += 7) {
        snprintf(name, sizeof name, "cells.%d.ops.weight", i);
        ck_assert_ptr_eq(hn_params_find(&list, name), &list.entry[i]);
    }
    ck_assert_ptr_null(hn_params_find(&list, "cells.-1.ops.weight"));
    ck_assert_int_eq(hn_params_add(&list, "cells.", "9.ops.weight", 1, t),
                     HNAS_E_NAME);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(elements_are_counted_by_kind)
{
    add("", "a", HNAS_PARAM_WEIGHT, 10);
    add("", "b", HNAS_PARAM_BUFFER, 200);
    add("", "c", HNAS_PARAM_WEIGHT, 3000);
    ck_assert_int_eq(hnas_params_get_elements(&list, HNAS_PARAM_WEIGHT), 3010);
    ck_assert_int_eq(hnas_params_get_elements(&list, HNAS_PARAM_BUFFER), 200);
    ck_assert_int_eq(hnas_params_get_elements(&list, HNAS_PARAM_ARCH), 0);
    ck_assert_int_eq(hnas_params_get_elements(&list, 0), 3210);
    ck_assert_int_eq(hnas_params_get_elements(NULL, 0), 0);
}
END_TEST

START_TEST(outside_the_list_there_is_nothing)
{
    hnas_tensor *t = (hnas_tensor *)&t;

    add("", "a", HNAS_PARAM_WEIGHT, 1);
    for (int64_t i = -1; i <= 1; i += 2) {
        ck_assert_ptr_null(hnas_params_get_name(&list, i));
        ck_assert_int_eq(hnas_params_get_kind(&list, i), 0);
        ck_assert_ptr_null(hnas_params_get_tensor(&list, i));
    }
    ck_assert_int_eq(hnas_params_get_count(NULL), 0);
    ck_assert_ptr_null(hnas_params_get_name(NULL, 0));
    ck_assert_int_eq(hnas_params_find(&t, &list, "b"), HNAS_E_NAME);
    ck_assert_ptr_null(t);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "b: unknown"));
    ck_assert_int_eq(hnas_params_find(&t, &list, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_params_find(&t, NULL, "a"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_params_find(NULL, &list, "a"), HNAS_E_ARG);
}
END_TEST

START_TEST(a_name_is_taken_once)
{
    add("a.", "b", HNAS_PARAM_WEIGHT, 1);
    ck_assert_int_eq(add("", "a.b", HNAS_PARAM_WEIGHT, 1), HNAS_E_NAME);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "a.b"));
    ck_assert_int_eq(hnas_params_get_count(&list), 1);
}
END_TEST

START_TEST(a_list_is_appended_under_a_prefix)
{
    struct hnas_params all;
    hnas_tensor *t, *chosen[4];

    add("", "a", HNAS_PARAM_WEIGHT, 1);
    add("", "b", HNAS_PARAM_BUFFER, 2);
    hn_params_init(&all, ctx);
    ck_assert_int_eq(hn_params_add_all(&all, "x.", &list), HNAS_OK);
    ck_assert_int_eq(hn_params_add_all(&all, "y.", &list), HNAS_OK);
    ck_assert_int_eq(hnas_params_get_count(&all), 4);
    ck_assert_int_eq(hnas_params_find(&t, &all, "y.b"), HNAS_OK);
    ck_assert_ptr_eq(t, hnas_params_get_tensor(&list, 1));
    ck_assert_int_eq(hn_params_select(chosen, &all, HNAS_PARAM_BUFFER), 2);
    ck_assert_ptr_eq(chosen[0], t);
    ck_assert_ptr_eq(chosen[1], t);
    hn_params_finish(&all);
}
END_TEST

START_TEST(adding_survives_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    const int64_t n = 1;
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 1, &n), 0);
    for (int64_t k = 0; st != HNAS_OK; k++) {
        hooks.left = k;
        st = hn_params_add(&list, "", "a", HNAS_PARAM_WEIGHT, t);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        ck_assert_int_eq(hnas_params_get_count(&list), st == HNAS_OK);
    }
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(a_uniform_start_ignores_the_layout)
{
    const int64_t dims[4] = {3, 5, 2, 2};
    hnas_tensor *plain, *kernel;
    double a[60], b[60];

    ck_assert_int_eq(hn_tensor_new(&plain, ctx, HN_STRIDED, 4, dims), 0);
    ck_assert_int_eq(hn_tensor_new(&kernel, ctx, HN_KERNEL, 4, dims), 0);
    hn_fill_uniform(plain, 0.25, 9);
    hn_fill_uniform(kernel, 0.25, 9);
    hnas_tensor_get(plain, HNAS_FLOAT64, a, 60);
    hnas_tensor_get(kernel, HNAS_FLOAT64, b, 60);
    ck_assert_mem_eq(a, b, sizeof a);
    for (int i = 0; i < 60; i++)
        ck_assert(a[i] > -0.25 && a[i] < 0.25 && a[i] != 0);
    hn_fill_uniform(plain, 0.25, 8);
    hnas_tensor_get(plain, HNAS_FLOAT64, a, 60);
    ck_assert(a[0] != b[0]);
    hnas_tensor_unref(plain);
    hnas_tensor_unref(kernel);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor");
    TCase *t = tcase_create("params");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, entries_keep_their_order_name_and_kind);
    tcase_add_test(t, many_entries_are_found_in_little_time);
    tcase_add_test(t, elements_are_counted_by_kind);
    tcase_add_test(t, outside_the_list_there_is_nothing);
    tcase_add_test(t, a_name_is_taken_once);
    tcase_add_test(t, a_list_is_appended_under_a_prefix);
    tcase_add_test(t, adding_survives_every_failing_allocation);
    tcase_add_test(t, a_uniform_start_ignores_the_layout);
    suite_add_tcase(s, t);
    return run_suite(s);
}
