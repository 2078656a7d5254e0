/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles: made, wrapped, viewed, counted, refused. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/memory.h"

static struct countdown hooks;
static hnas_context *ctx;
static size_t bytes_at_start;

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    bytes_at_start = held_bytes(ctx);
}

static void teardown(void)
{
    ck_assert_uint_eq(held_bytes(ctx), bytes_at_start);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

static const int64_t dims[4] = {2, 3, 4, 5};

/* 0, 1, 2, … in row-major order. */
static hnas_tensor *counting(int32_t dtype, int32_t rank)
{
    double v[120];
    hnas_tensor *t;

    for (int i = 0; i < 120; i++)
        v[i] = i;
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, dtype, rank, dims), HNAS_OK);
    ck_assert_int_eq(
        hnas_tensor_set(t, HNAS_FLOAT64, v, hnas_tensor_get_count(t)), HNAS_OK);
    return t;
}

START_TEST(a_new_tensor_is_zero_and_contiguous)
{
    static const int32_t types[4] = {HNAS_FLOAT32, HNAS_FLOAT64, HNAS_INT32,
                                     HNAS_UINT8};

    for (int i = 0; i < 4; i++)
        for (int32_t rank = 0; rank <= HNAS_MAX_RANK; rank++) {
            int64_t step = 1;
            double v[120];
            hnas_array a;
            hnas_tensor *t;

            ck_assert_int_eq(hnas_tensor_create(&t, ctx, types[i], rank, dims),
                             HNAS_OK);
            ck_assert_int_eq(hnas_tensor_get_array(t, &a), HNAS_OK);
            ck_assert_int_eq(a.dtype, types[i]);
            ck_assert_int_eq(a.rank, rank);
            for (int k = rank - 1; k >= 0; k--) {
                ck_assert_int_eq(a.dims[k], dims[k]);
                ck_assert_int_eq(a.strides[k], step);
                step *= dims[k];
            }
            ck_assert_int_eq(hnas_tensor_get_count(t), step);
            ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, step), 0);
            for (int64_t k = 0; k < step; k++)
                ck_assert(v[k] == 0);
            hnas_tensor_unref(t);
        }
}
END_TEST

START_TEST(create_refuses_bad_arguments)
{
    const int64_t zero[2] = {3, 0}, negative[2] = {-1, 3};
    const int64_t huge[4] = {1 << 20, 1 << 20, 1 << 20, 1 << 20};
    const int64_t largest[2] = {INT64_MAX, INT64_MAX};
    hnas_tensor *t = (hnas_tensor *)&t;

    ck_assert_int_eq(hnas_tensor_create(NULL, ctx, HNAS_FLOAT32, 1, dims),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_create(&t, NULL, HNAS_FLOAT32, 1, dims),
                     HNAS_E_ARG);
    ck_assert_ptr_null(t);
    for (int32_t d = -1; d <= 6; d += d ? 6 : 1)
        ck_assert_int_eq(hnas_tensor_create(&t, ctx, d == 6 ? 5 : d, 1, dims),
                         HNAS_E_TYPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 5, dims),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, -1, dims),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 1, NULL),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 2, zero),
                     HNAS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), ", 0]"));
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 2, negative),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_UINT8, 4, huge),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_UINT8, 2, largest),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_UINT8, 1, largest),
                     HNAS_E_SHAPE);
    ck_assert_ptr_null(t);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "elements"));
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 0, NULL), 0);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(create_survives_every_failing_allocation)
{
    hnas_tensor *t;
    hnas_status st = HNAS_E_NOMEM;

    for (int64_t n = 0; st != HNAS_OK; n++) {
        hooks.left = n;
        st = hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 2, dims);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !t));
        if (st < 0)
            ck_assert_uint_eq(held_bytes(ctx), bytes_at_start);
    }
    hnas_tensor_unref(t);
}
END_TEST

static int n_released;

static void release(void *user, void *data)
{
    ck_assert_ptr_eq(user, &n_released);
    ck_assert_ptr_nonnull(data);
    n_released++;
}

START_TEST(a_wrapped_array_is_read_and_written_in_place)
{
    float memory[6] = {0, 1, 2, 3, 4, 5};
    hnas_array a = {.size = sizeof a,
                    .data = memory,
                    .dtype = HNAS_FLOAT32,
                    .rank = 2,
                    .dims = {2, 3},
                    .release = release,
                    .release_user = &n_released};
    double v[6];
    hnas_tensor *t;

    n_released = 0;
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &a), HNAS_OK);
    memory[4] = 40;
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, 6), HNAS_OK);
    ck_assert(v[0] == 0 && v[4] == 40 && v[5] == 5);
    v[1] = -7;
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, v, 6), HNAS_OK);
    ck_assert(memory[1] == -7);
    ck_assert_int_eq(hnas_tensor_get_array(t, &a), HNAS_OK);
    ck_assert_ptr_eq(a.data, memory);
    ck_assert_int_eq(a.strides[0], 3);
    hnas_tensor_unref(t);
    ck_assert_int_eq(n_released, 1);
}
END_TEST

START_TEST(any_strides_are_read_in_the_order_of_axes)
{
    float memory[24];
    /* the transpose of a 4 x 6, and that backwards */
    hnas_array a = {.size = sizeof a,
                    .data = memory,
                    .dtype = HNAS_FLOAT32,
                    .rank = 2,
                    .dims = {6, 4},
                    .strides = {1, 6}};
    float v[24];
    hnas_tensor *t;

    for (int i = 0; i < 24; i++)
        memory[i] = (float)i;
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &a), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, v, 24), HNAS_OK);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 4; j++)
            ck_assert(v[i * 4 + j] == (float)(i + 6 * j));
    for (int i = 0; i < 24; i++)
        v[i] = (float)(100 + i);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, v, 24), HNAS_OK);
    ck_assert(memory[6 * 3 + 2] == 100 + 2 * 4 + 3);
    hnas_tensor_unref(t);
    a.data = memory + 23;
    a.strides[0] = -1;
    a.strides[1] = -6;
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &a), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, v, 24), HNAS_OK);
    ck_assert(v[0] == memory[23] && v[23] == memory[0]);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(wrap_refuses_bad_arrays_and_releases_nothing)
{
    float memory[4];
    const hnas_array good = {.size = sizeof good,
                             .data = memory,
                             .dtype = HNAS_FLOAT32,
                             .rank = 1,
                             .dims = {4},
                             .release = release,
                             .release_user = &n_released};
    hnas_array bad[5];
    const hnas_status want[5] = {HNAS_E_ARG, HNAS_E_ARG, HNAS_E_TYPE,
                                 HNAS_E_SHAPE, HNAS_E_SHAPE};
    hnas_tensor *t = (hnas_tensor *)&t;

    for (int i = 0; i < 5; i++)
        bad[i] = good;
    bad[0].size = 8;
    bad[1].data = NULL;
    bad[2].dtype = 9;
    bad[3].rank = 5;
    bad[4].dims[0] = 0;
    n_released = 0;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &bad[i]), want[i]);
        ck_assert_ptr_null(t);
    }
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_wrap(&t, NULL, &good), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_wrap(NULL, ctx, &good), HNAS_E_ARG);
    ck_assert_int_eq(n_released, 0);
}
END_TEST

START_TEST(a_view_shares_memory_and_keeps_its_base_alive)
{
    hnas_tensor *t = counting(HNAS_FLOAT32, 3), *view, *inner;
    const double nine[6] = {9, 9, 9, 9, 9, 9};
    double v[24];
    hnas_array a;

    ck_assert_int_eq(hnas_tensor_view(&view, t, 1, 1, 2), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_count(view), 16);
    ck_assert_int_eq(hnas_tensor_get(view, HNAS_FLOAT64, v, 16), HNAS_OK);
    ck_assert(v[0] == 4 && v[7] == 11 && v[8] == 16 && v[15] == 23);
    ck_assert_int_eq(hnas_tensor_view(&inner, view, 2, 3, 1), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_array(inner, &a), HNAS_OK);
    ck_assert_int_eq(a.strides[0], 12);
    ck_assert_int_eq(a.dims[2], 1);
    ck_assert_int_eq(hnas_tensor_set(inner, HNAS_FLOAT64, nine, 4), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, 24), HNAS_OK);
    ck_assert(v[7] == 9 && v[11] == 9 && v[19] == 9 && v[23] == 9);
    ck_assert(v[3] == 3 && v[6] == 6);
    hnas_tensor_unref(t);
    hnas_tensor_unref(view);
    ck_assert_int_eq(hnas_tensor_get(inner, HNAS_FLOAT64, v, 4), HNAS_OK);
    ck_assert(v[0] == 9);
    hnas_tensor_unref(inner);
}
END_TEST

START_TEST(view_refuses_what_lies_outside)
{
    hnas_tensor *t = counting(HNAS_INT32, 2), *view = t;
    static const struct {
        int32_t axis;
        int64_t first, count;
    } bad[] = {{-1, 0, 1},        {2, 0, 1},        {0, -1, 1}, {0, 0, 0},
               {0, 0, 3},         {0, 2, 1},        {1, 2, 2},  {1, 0, -1},
               {1, 0, INT64_MAX}, {1, INT64_MAX, 1}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(
            hnas_tensor_view(&view, t, bad[i].axis, bad[i].first, bad[i].count),
            HNAS_E_RANGE);
        ck_assert_ptr_null(view);
    }
    ck_assert_int_eq(hnas_tensor_view(&view, NULL, 0, 0, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_view(NULL, t, 0, 0, 1), HNAS_E_ARG);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(elements_convert_between_all_types)
{
    static const int32_t types[4] = {HNAS_FLOAT32, HNAS_FLOAT64, HNAS_INT32,
                                     HNAS_UINT8};
    union {
        float f[3];
        double d[3];
        int32_t i[3];
        uint8_t u[3];
    } v;
    const int64_t three = 3;

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            const double in[3] = {0, 17, 255};
            double out[3];
            hnas_tensor *t, *s;

            ck_assert_int_eq(hnas_tensor_create(&t, ctx, types[i], 1, &three),
                             0);
            ck_assert_int_eq(hnas_tensor_create(&s, ctx, types[j], 1, &three),
                             0);
            ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, in, 3), 0);
            ck_assert_int_eq(hnas_tensor_get(t, types[j], &v, 3), 0);
            ck_assert_int_eq(hnas_tensor_set(s, types[j], &v, 3), 0);
            ck_assert_int_eq(hnas_tensor_get(s, HNAS_FLOAT64, out, 3), 0);
            ck_assert_mem_eq(in, out, sizeof in);
            hnas_tensor_unref(t);
            hnas_tensor_unref(s);
        }
}
END_TEST

START_TEST(integers_stop_at_the_ends_of_their_range)
{
    static const double in[6] = {1e30, -1e30, (double)NAN, 3.7, -3.7, 256};
    static const int32_t want[6] = {INT32_MAX, INT32_MIN, 0, 3, -3, 256};
    static const uint8_t bytes[6] = {255, 0, 0, 3, 0, 255};
    const int64_t n = 6;
    int32_t wide[6];
    uint8_t narrow[6];
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT64, 1, &n), 0);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, in, n), 0);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_INT32, wide, n), 0);
    ck_assert_mem_eq(wide, want, sizeof want);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_UINT8, narrow, n), 0);
    ck_assert_mem_eq(narrow, bytes, sizeof bytes);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(copies_refuse_bad_arguments_and_change_nothing)
{
    hnas_tensor *t = counting(HNAS_FLOAT32, 1);
    float v[3] = {7, 7, 7};
    hnas_array a;

    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, v, 3), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, v, 1), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_get(t, 0, v, 2), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, NULL, 2), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_get(NULL, HNAS_FLOAT32, v, 2), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, v, 3), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_set(t, 5, v, 2), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, NULL, 2), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_set(NULL, HNAS_FLOAT32, v, 2), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT32, v, 3),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tensor_get_array(t, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tensor_get_array(NULL, &a), HNAS_E_ARG);
    ck_assert(v[0] == 7 && v[1] == 7 && v[2] == 7);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, v, 2), HNAS_OK);
    ck_assert(v[0] == 0 && v[1] == 1);
    hnas_tensor_unref(t);
}
END_TEST

START_TEST(the_last_reference_releases)
{
    float memory[1];
    const hnas_array a = {.size = sizeof a,
                          .data = memory,
                          .dtype = HNAS_FLOAT32,
                          .rank = 0,
                          .release = release,
                          .release_user = &n_released};
    hnas_tensor *t;

    n_released = 0;
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &a), HNAS_OK);
    ck_assert_ptr_eq(hnas_tensor_ref(t), t);
    hnas_tensor_unref(t);
    ck_assert_int_eq(n_released, 0);
    hnas_tensor_unref(t);
    ck_assert_int_eq(n_released, 1);
    ck_assert_ptr_null(hnas_tensor_ref(NULL));
    hnas_tensor_unref(NULL);
}
END_TEST

START_TEST(a_gradient_that_never_came_is_zero)
{
    hnas_tensor *t = counting(HN_REAL, 1), *view;
    double g[2] = {7, 7};

    ck_assert_int_eq(hnas_tensor_set_wanted(t, 1), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT64, g, 2), HNAS_OK);
    ck_assert(g[0] == 0 && g[1] == 0);
    hnas_tensor_clear_gradient(t);
    hnas_tensor_clear_gradient(NULL);
    ck_assert_int_eq(hnas_tensor_view(&view, t, 0, 0, 1), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set_wanted(view, 1), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tensor_set_wanted(NULL, 1), HNAS_E_ARG);
    hnas_tensor_unref(view);
    hnas_tensor_unref(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor");
    TCase *t = tcase_create("tensor");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_new_tensor_is_zero_and_contiguous);
    tcase_add_test(t, create_refuses_bad_arguments);
    tcase_add_test(t, create_survives_every_failing_allocation);
    tcase_add_test(t, a_wrapped_array_is_read_and_written_in_place);
    tcase_add_test(t, any_strides_are_read_in_the_order_of_axes);
    tcase_add_test(t, wrap_refuses_bad_arrays_and_releases_nothing);
    tcase_add_test(t, a_view_shares_memory_and_keeps_its_base_alive);
    tcase_add_test(t, view_refuses_what_lies_outside);
    tcase_add_test(t, elements_convert_between_all_types);
    tcase_add_test(t, integers_stop_at_the_ends_of_their_range);
    tcase_add_test(t, copies_refuse_bad_arguments_and_change_nothing);
    tcase_add_test(t, the_last_reference_releases);
    tcase_add_test(t, a_gradient_that_never_came_is_zero);
    suite_add_tcase(s, t);
    return run_suite(s);
}
