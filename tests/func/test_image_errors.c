/* SPDX-License-Identifier: BSD-3-Clause */
/* What image funcs and the head refuse. */
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"

static hnas_context *ctx;
static hnas_tensor *x, *other, *flat, *gates, *labels, *out;

static hnas_tensor *tensor(int32_t dtype, int32_t rank, int64_t a, int64_t b,
                           int64_t c, int64_t d)
{
    const int64_t dims[4] = {a, b, c, d};
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, dtype, rank, dims), 0);
    return t;
}

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    x = tensor(TEST_REAL, 4, 2, 3, 4, 4);
    other = tensor(TEST_REAL, 4, 2, 3, 4, 5);
    flat = tensor(TEST_REAL, 2, 2, 3, 0, 0);
    gates = tensor(TEST_REAL, 2, 2, 2, 0, 0);
    labels = tensor(HNAS_INT32, 1, 2, 0, 0, 0);
}

static void teardown(void)
{
    hnas_tensor_unref(x);
    hnas_tensor_unref(other);
    hnas_tensor_unref(flat);
    hnas_tensor_unref(gates);
    hnas_tensor_unref(labels);
    hnas_context_destroy(ctx);
}

static void expect(hnas_status got, hnas_status want)
{
    ck_assert_msg(got == want, "%s, want %s: %s", hnas_status_name(got),
                  hnas_status_name(want), hnas_context_message(ctx));
    ck_assert_ptr_null(out);
    out = x;
}

START_TEST(pools_refuse)
{
    expect(hnas_max_pool_3x3(&out, NULL, x, 0), HNAS_E_RANGE);
    expect(hnas_max_pool_3x3(&out, NULL, x, 3), HNAS_E_RANGE);
    expect(hnas_avg_pool_3x3(&out, NULL, x, 3), HNAS_E_RANGE);
    expect(hnas_max_pool_3x3(&out, NULL, flat, 1), HNAS_E_SHAPE);
    expect(hnas_avg_pool_3x3(&out, NULL, flat, 1), HNAS_E_SHAPE);
    expect(hnas_global_avg_pool(&out, NULL, flat), HNAS_E_SHAPE);
    expect(hnas_max_pool_3x3(&out, NULL, NULL, 1), HNAS_E_ARG);
    expect(hnas_avg_pool_3x3(&out, NULL, NULL, 1), HNAS_E_ARG);
    expect(hnas_global_avg_pool(&out, NULL, NULL), HNAS_E_ARG);
    expect(hnas_max_pool_3x3(&out, NULL, labels, 1), HNAS_E_TYPE);
}
END_TEST

START_TEST(convolutions_refuse_windows_beyond_their_range)
{
    hnas_tensor *w = tensor(TEST_REAL, 4, 1, 3, 1, 1);
    hnas_conv_opts o;

    for (int i = 0; i < 5; i++) {
        hnas_conv_opts_init(&o, sizeof o);
        if (i < 2)
            o.stride[0] = i ? 4097 : 0;
        else if (i == 2)
            o.dilation[1] = 4097;
        else
            o.pad[1] = i == 3 ? (1 << 16) + 1 : -(1 << 16) - 1;
        expect(hnas_conv2d(&out, NULL, x, w, &o), HNAS_E_RANGE);
    }
    hnas_conv_opts_init(&o, sizeof o);
    o.stride[0] = 4096;
    out = NULL;
    ck_assert_int_eq(hnas_conv2d(&out, NULL, x, w, &o), HNAS_OK);
    hnas_tensor_unref(out);
    hnas_tensor_unref(w);
    w = tensor(TEST_REAL, 4, 1, 3, 4097, 1);
    out = NULL;
    expect(hnas_conv2d(&out, NULL, x, w, NULL), HNAS_E_RANGE);
    hnas_tensor_unref(w);
}
END_TEST

/* Running statistics take no part in what hnas_norm_update moves. */
START_TEST(a_pass_in_running_statistics_leaves_nothing_to_update)
{
    hnas_tensor *mean, *y;
    hnas_tape *tape;
    hnas_norm *n;
    double value[96], before[3], after[3];

    ck_assert_int_eq(hnas_norm_create(&n, ctx, 3, 0), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    hnas_norm_get_tensors(n, NULL, NULL, &mean, NULL);
    for (int i = 0; i < 96; i++)
        value[i] = i % 7;
    ck_assert_int_eq(hnas_tensor_set(x, HNAS_FLOAT64, value, 96), HNAS_OK);
    ck_assert_int_eq(hnas_batch_norm(&y, tape, x, n), HNAS_OK);
    hnas_tensor_unref(y);
    hnas_norm_update(n, 0.5);
    ck_assert_int_eq(hnas_tensor_get(mean, HNAS_FLOAT64, before, 3), HNAS_OK);
    ck_assert(before[0] != 0);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_RUNNING_STATS), HNAS_OK);
    ck_assert_int_eq(hnas_batch_norm(&y, tape, x, n), HNAS_OK);
    hnas_tensor_unref(y);
    hnas_norm_update(n, 0.5);
    ck_assert_int_eq(hnas_tensor_get(mean, HNAS_FLOAT64, after, 3), HNAS_OK);
    ck_assert(before[0] == after[0]);
    hnas_norm_destroy(n);
    hnas_tape_destroy(tape);
}
END_TEST

START_TEST(batch_norm_refuses)
{
    hnas_norm *n = (hnas_norm *)&n;

    ck_assert_int_eq(hnas_norm_create(&n, ctx, 0, 0), HNAS_E_SHAPE);
    ck_assert_ptr_null(n);
    ck_assert_int_eq(hnas_norm_create(&n, NULL, 1, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_norm_create(NULL, ctx, 1, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_norm_create(&n, ctx, 5, 0), HNAS_OK);
    expect(hnas_batch_norm(&out, NULL, x, n), HNAS_E_SHAPE);
    expect(hnas_batch_norm(&out, NULL, flat, n), HNAS_E_SHAPE);
    expect(hnas_batch_norm(&out, NULL, x, NULL), HNAS_E_ARG);
    ck_assert_str_eq(hnas_context_message(ctx),
                     "batch_norm: out or norm is NULL");
    expect(hnas_batch_norm(&out, NULL, NULL, n), HNAS_E_ARG);
    hnas_norm_destroy(n);
    hnas_norm_destroy(NULL);
}
END_TEST

START_TEST(concat_refuses)
{
    hnas_tensor *in[2] = {x, other}, *hole[2] = {x, NULL};
    hnas_tensor *rank[2] = {x, flat};

    expect(hnas_concat(&out, NULL, in, 2), HNAS_E_SHAPE);
    expect(hnas_concat(&out, NULL, rank, 2), HNAS_E_SHAPE);
    expect(hnas_concat(&out, NULL, hole, 2), HNAS_E_ARG);
    expect(hnas_concat(&out, NULL, in, 0), HNAS_E_ARG);
    expect(hnas_concat(&out, NULL, in, INT64_MAX), HNAS_E_ARG);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "want 1..1024"));
    expect(hnas_concat(&out, NULL, NULL, 1), HNAS_E_ARG);
}
END_TEST

START_TEST(mix_refuses)
{
    const int64_t index[2] = {0, 3}, far[2] = {0, 4}, below[2] = {-1, 0};
    hnas_tensor *in[2] = {x, x}, *bad[2] = {x, other}, *hole[2] = {x, NULL};
    hnas_tensor *three = tensor(TEST_REAL, 3, 3, 2, 2, 0);

    expect(hnas_mix(&out, NULL, bad, 2, gates, index), HNAS_E_SHAPE);
    expect(hnas_mix(&out, NULL, in, 2, gates, far), HNAS_E_RANGE);
    expect(hnas_mix(&out, NULL, in, 2, gates, below), HNAS_E_RANGE);
    expect(hnas_mix(&out, NULL, in, 2, three, index), HNAS_E_SHAPE);
    expect(hnas_mix(&out, NULL, in, 2, labels, index), HNAS_E_TYPE);
    expect(hnas_mix(&out, NULL, in, 2, x, index), HNAS_E_SHAPE);
    expect(hnas_mix(&out, NULL, hole, 2, gates, index), HNAS_E_ARG);
    expect(hnas_mix(&out, NULL, in, 0, gates, index), HNAS_E_ARG);
    expect(hnas_mix(&out, NULL, in, 2, NULL, index), HNAS_E_ARG);
    expect(hnas_mix(&out, NULL, in, 2, gates, NULL), HNAS_E_ARG);
    hnas_tensor_unref(three);
}
END_TEST

START_TEST(linear_and_cross_entropy_refuse)
{
    hnas_tensor *w = tensor(TEST_REAL, 2, 4, 2, 0, 0);
    hnas_tensor *good = tensor(TEST_REAL, 2, 4, 3, 0, 0);
    hnas_tensor *bias = tensor(TEST_REAL, 1, 5, 0, 0, 0);
    hnas_tensor *more = tensor(HNAS_INT32, 1, 3, 0, 0, 0);
    const int32_t high[2] = {0, 3}, low[2] = {-1, 0};

    expect(hnas_linear(&out, NULL, flat, w, NULL), HNAS_E_SHAPE);
    expect(hnas_linear(&out, NULL, flat, good, bias), HNAS_E_SHAPE);
    expect(hnas_linear(&out, NULL, x, good, NULL), HNAS_E_SHAPE);
    expect(hnas_linear(&out, NULL, flat, NULL, NULL), HNAS_E_ARG);
    expect(hnas_linear(&out, NULL, flat, labels, NULL), HNAS_E_TYPE);
    expect(hnas_cross_entropy(&out, NULL, flat, flat), HNAS_E_TYPE);
    expect(hnas_cross_entropy(&out, NULL, flat, more), HNAS_E_SHAPE);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(ctx), "labels [3], want [2]"));
    expect(hnas_cross_entropy(&out, NULL, x, labels), HNAS_E_SHAPE);
    expect(hnas_cross_entropy(&out, NULL, NULL, labels), HNAS_E_ARG);
    expect(hnas_cross_entropy(&out, NULL, flat, NULL), HNAS_E_ARG);
    hnas_tensor_set(labels, HNAS_INT32, high, 2);
    expect(hnas_cross_entropy(&out, NULL, flat, labels), HNAS_E_RANGE);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "label 3"));
    hnas_tensor_set(labels, HNAS_INT32, low, 2);
    expect(hnas_cross_entropy(&out, NULL, flat, labels), HNAS_E_RANGE);
    hnas_tensor_unref(w);
    hnas_tensor_unref(good);
    hnas_tensor_unref(bias);
    hnas_tensor_unref(more);
}
END_TEST

START_TEST(a_refused_func_leaves_the_tape_usable)
{
    const int32_t high[2] = {0, 3}, good[2] = {0, 2};
    hnas_tensor *loss;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    hnas_tensor_set_wanted(flat, 1);
    hnas_tensor_set(labels, HNAS_INT32, high, 2);
    expect(hnas_cross_entropy(&out, tape, flat, labels), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_tape_get_count(tape), 0);
    hnas_tensor_set(labels, HNAS_INT32, good, 2);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, flat, labels), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("image_errors");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pools_refuse);
    tcase_add_test(t, convolutions_refuse_windows_beyond_their_range);
    tcase_add_test(t, a_pass_in_running_statistics_leaves_nothing_to_update);
    tcase_add_test(t, batch_norm_refuses);
    tcase_add_test(t, concat_refuses);
    tcase_add_test(t, mix_refuses);
    tcase_add_test(t, linear_and_cross_entropy_refuse);
    tcase_add_test(t, a_refused_func_leaves_the_tape_usable);
    suite_add_tcase(s, t);
    return run_suite(s);
}
