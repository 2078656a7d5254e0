/* SPDX-License-Identifier: BSD-3-Clause */
/* Pending values: looking at one changes nothing, the host's floating-point
 * mode comes back, and computing does not depend on it. */
#include <fenv.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

enum { N_X = 2 * 3 * 5 * 5, N_W = 4 * 3 * 9 };

static hnas_context *ctx;
static hnas_tape *tape;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
}

static void teardown(void)
{
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

static hnas_tensor *filled(int32_t rank, const int64_t *dims, int seed)
{
    hnas_tensor *t;
    float v[1024];

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, rank, dims), 0);
    for (int64_t i = 0; i < hnas_tensor_get_count(t); i++)
        v[i] = (float)((i * 37 + seed * 11) % 29 - 14) / 16;
    ck_assert_int_eq(
        hnas_tensor_set(t, HNAS_FLOAT32, v, hnas_tensor_get_count(t)), 0);
    return t;
}

/* conv -> batch-norm -> mix (or ReLU and conv), and w's gradient. */
static void gradient(float g[N_W], int look, int mix)
{
    const int64_t xd[4] = {2, 3, 5, 5}, wd[4] = {4, 3, 3, 3};
    const int64_t gd[2] = {1, 1}, ud[4] = {4, 4, 1, 1}, zero = 0;
    hnas_tensor *x = filled(4, xd, 1), *w = filled(4, wd, 2);
    hnas_tensor *gate = filled(2, gd, 5), *u = filled(4, ud, 3);
    hnas_tensor *z, *v, *y, *square, *loss;
    hnas_conv_opts relu;
    hnas_norm *norm;
    float values[2 * 4 * 9];

    hnas_conv_opts_init(&relu, sizeof relu);
    relu.relu = 1;
    ck_assert_int_eq(hnas_norm_create(&norm, ctx, 4, 0), 0);
    ck_assert_int_eq(hnas_tensor_set_wanted(w, 1), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hnas_conv2d(&z, tape, x, w, NULL), 0);
    ck_assert_int_eq(hnas_batch_norm(&v, tape, z, norm), 0);
    if (look)
        ck_assert_int_eq(hnas_tensor_get(v, HNAS_FLOAT32, values, 2 * 4 * 9),
                         0);
    if (mix)
        ck_assert_int_eq(hnas_mix(&y, tape, &v, 1, gate, &zero), 0);
    else
        ck_assert_int_eq(hnas_conv2d(&y, tape, v, u, &relu), 0);
    ck_assert_int_eq(hnas_mul(&square, tape, y, y), 0);
    ck_assert_int_eq(hnas_mul(&loss, tape, square, y), 0);
    hnas_tensor_unref(square);
    ck_assert_int_eq(hnas_sum(&square, tape, loss), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, square), 0);
    ck_assert_int_eq(hnas_tensor_get_gradient(w, HNAS_FLOAT32, g, N_W), 0);
    hnas_tensor_unref(x);
    hnas_tensor_unref(w);
    hnas_tensor_unref(u);
    hnas_tensor_unref(gate);
    hnas_tensor_unref(z);
    hnas_tensor_unref(v);
    hnas_tensor_unref(y);
    hnas_tensor_unref(square);
    hnas_tensor_unref(loss);
    hnas_norm_destroy(norm);
}

START_TEST(looking_at_a_pending_value_changes_no_gradient)
{
    for (int mix = 0; mix < 2; mix++) {
        float a[N_W], b[N_W];

        gradient(a, 0, mix);
        gradient(b, 1, mix);
        ck_assert_mem_eq(a, b, sizeof a);
    }
}
END_TEST

START_TEST(the_rounding_mode_of_the_host_is_neither_used_nor_changed)
{
    float a[N_W], b[N_W];

    gradient(a, 0, 1);
    ck_assert_int_eq(fesetround(FE_UPWARD), 0);
    gradient(b, 0, 1);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("pending");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, looking_at_a_pending_value_changes_no_gradient);
    tcase_add_test(t,
                   the_rounding_mode_of_the_host_is_neither_used_nor_changed);
    suite_add_tcase(s, t);
    return run_suite(s);
}
