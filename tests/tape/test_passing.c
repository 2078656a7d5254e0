/* SPDX-License-Identifier: BSD-3-Clause */
/* Tangents of separable convolutions: given back behind their last reader,
 * made again for the sweep, and the same gradients as without. */
#include <math.h>
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"
#include "tape/tape.h"

enum { N = 9, C = 8, H = 8, LAYERS = 3, N_GATES = 2 * LAYERS };

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tape *tape;
static hnas_tensor *x, *gates, *kernel[N_GATES], *weight[N_GATES], *top;
static hnas_tensor *move[2 * N_GATES + 1];
static hnas_norm *norm;

static hnas_tensor *leaf(int32_t rank, int64_t a, int64_t b, int64_t c)
{
    static struct random r = {3};
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = rank,
                                .dims = {a, b, c, c},
                                .lo = -1,
                                .hi = 1};
    double v[N * C * H * H];
    hnas_tensor *t = grad_leaf_make(ctx, &l, &r, v);

    hnas_tensor_set_wanted(t, 0);
    return t;
}

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_norm_create(&norm, ctx, C, 0), HNAS_OK);
    x = leaf(4, N, C, H);
    gates = leaf(2, LAYERS, 2, 1);
    hnas_tensor_set_wanted(gates, 1);
    top = leaf(4, 4, 2 * C, 1);
    move[2 * N_GATES] = leaf(4, 4, 2 * C, 1);
    for (int i = 0; i < N_GATES; i++) {
        kernel[i] = leaf(4, C, 1, 3);
        weight[i] = leaf(4, C, C, 1);
        move[2 * i] = leaf(4, C, 1, 3);
        move[2 * i + 1] = leaf(4, C, C, 1);
    }
}

static void teardown(void)
{
    for (int i = 0; i < N_GATES; i++) {
        hnas_tensor_unref(kernel[i]);
        hnas_tensor_unref(weight[i]);
        hnas_tensor_unref(move[2 * i]);
        hnas_tensor_unref(move[2 * i + 1]);
    }
    hnas_tensor_unref(move[2 * N_GATES]);
    hnas_tensor_unref(top);
    hnas_tensor_unref(gates);
    hnas_tensor_unref(x);
    hnas_norm_destroy(norm);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

static void ok(hnas_status st)
{
    ck_assert_msg(st == HNAS_OK, "%s", hnas_context_message(ctx));
}

/* y = p0 norm(sep(y)) + p1 norm(sep(norm(sep(y)))), as often as `layers`. */
static hnas_tensor *record_layer(hnas_tensor *y, int l)
{
    const int64_t index[2] = {2 * l, 2 * l + 1};
    hnas_tensor *z, *v[2], *out;
    hnas_conv_opts pad;

    hnas_conv_opts_init(&pad, sizeof pad);
    pad.pad[0] = pad.pad[1] = 1;
    for (int i = 0; i < 2; i++) {
        const int k = 2 * l + i;

        ok(hnas_separable_conv2d(&z, tape, i ? v[0] : y, kernel[k], weight[k],
                                 &pad));
        ok(hnas_batch_norm(&v[i], tape, z, norm));
        hnas_tensor_unref(z);
    }
    ok(hnas_mix(&out, tape, v, 2, gates, index));
    hnas_tensor_unref(v[0]);
    hnas_tensor_unref(v[1]);
    hnas_tensor_unref(y);
    return out;
}

/* conv(max(y and x side by side, 0)) */
static hnas_tensor *record_top(hnas_tensor *y)
{
    hnas_tensor *part[2] = {y, x}, *both, *out;
    hnas_conv_opts relu;

    hnas_conv_opts_init(&relu, sizeof relu);
    relu.relu = 1;
    ok(hnas_concat(&both, tape, part, 2));
    ok(hnas_conv2d(&out, tape, both, top, &relu));
    hnas_tensor_unref(both);
    hnas_tensor_unref(y);
    return out;
}

/* The tangent of a loss along all weights; deferred, so nothing is computed. */
static hnas_tensor *record(int layers, int mode)
{
    hnas_tensor *list[2 * N_GATES + 1], *y = hnas_tensor_ref(x);
    hnas_tensor *loss, *tangent;

    hnas_tensor_clear_gradient(gates);
    ok(hnas_tape_reset(tape, mode));
    hnas_tape_defer(tape);
    for (int l = 0; l < layers; l++)
        y = record_layer(y, l);
    if (layers > 1)
        y = record_top(y);
    ok(hnas_mul(&loss, tape, y, y));
    hnas_tensor_unref(y);
    y = loss;
    ok(hnas_sum(&loss, tape, y));
    hnas_tensor_unref(y);
    for (int i = 0; i < N_GATES; i++) {
        list[2 * i] = kernel[i];
        list[2 * i + 1] = weight[i];
    }
    list[2 * N_GATES] = top;
    ok(hnas_tape_tangent(&tangent, tape, loss, list, move,
                         layers > 1 ? 2 * N_GATES + 1 : 4));
    hnas_tensor_unref(loss);
    return tangent;
}

static void sweep(hnas_tensor *tangent, double gradient[N_GATES])
{
    ok(hnas_tape_backward(tape, tangent));
    ok(hnas_tensor_get_gradient(gates, HNAS_FLOAT64, gradient, N_GATES));
    hnas_tensor_unref(tangent);
}

/* Values that may pass, and those of them that hold no memory now. */
static void count(int *passing, int *passed)
{
    *passing = *passed = 0;
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        const struct hnas_tensor *t = tape->node[i]->out;

        *passing += t->record->passes;
        *passed += t->record->passes && !t->data;
    }
}

static int count_joined(void)
{
    int n = 0;

    for (int64_t i = 0; i < tape->n_nodes; i++)
        n += tape->node[i]->out->record->joined;
    return n;
}

/* The gradient of a sweep, and the same of plain funcs. */
static void expect_plain(hnas_tensor *tangent)
{
    double got[N_GATES], want[N_GATES];

    sweep(tangent, got);
    sweep(record(LAYERS, HNAS_TAPE_PLAIN), want);
    for (int i = 0; i < N_GATES; i++)
        ck_assert_double_le(fabs(got[i] - want[i]), 2e-4 * (1 + fabs(want[i])));
}

START_TEST(they_are_given_back_and_the_gradient_is_that_of_plain_funcs)
{
    const size_t image = N * C * H * H * sizeof(real);
    hnas_tensor *t = record(LAYERS, 0);
    size_t recorded, computed;
    int passing, passed;

    hnas_tape_get_memory(tape, &recorded, NULL);
    ok(hnas_tape_run(tape));
    hnas_tape_get_memory(tape, &computed, NULL);
    ck_assert_uint_lt(computed, recorded + image);
    count(&passing, &passed);
    ck_assert_int_eq(passing, N_GATES);
    ck_assert_int_eq(passed, N_GATES);
    ck_assert_int_eq(count_joined(), 2); /* a value and its tangent */
    expect_plain(t);
}
END_TEST

/* The first layer's convolutions read only what wants no gradient. */
START_TEST(none_is_left_behind_the_sweep_of_gates_alone)
{
    double ignored[N_GATES];
    int passing, passed;

    sweep(record(LAYERS, 0), ignored);
    count(&passing, &passed);
    ck_assert_int_eq(passed, passing);
}
END_TEST

START_TEST(one_that_somebody_holds_stays)
{
    hnas_tensor *t = record(LAYERS, 0), *held = NULL;
    int passing, passed;

    for (int64_t i = 0; i < tape->n_nodes && !held; i++)
        if (tape->node[i]->out->record->passes)
            held = hnas_tensor_ref(tape->node[i]->out);
    ok(hnas_tape_run(tape));
    count(&passing, &passed);
    ck_assert_int_eq(passed, passing - 1);
    expect_plain(t);
    hnas_tensor_unref(held);
}
END_TEST

START_TEST(without_memory_to_make_them_again_the_sweep_fails)
{
    double want[N_GATES], got[N_GATES];
    hnas_status st = HNAS_E_NOMEM;
    int n = 0;

    sweep(record(LAYERS, 0), want);
    for (; st != HNAS_OK; n++) {
        hnas_tensor *t;

        hnas_tape_destroy(tape); /* a new one has no memory to spare */
        ok(hnas_tape_create(&tape, ctx));
        t = record(LAYERS, 0);
        hooks.left = n;
        st = hnas_tape_backward(tape, t);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        hnas_tensor_unref(t);
    }
    ck_assert_int_gt(n, 1);
    ok(hnas_tensor_get_gradient(gates, HNAS_FLOAT64, got, N_GATES));
    ck_assert_mem_eq(got, want, sizeof got);
}
END_TEST

START_TEST(a_func_recorded_later_that_would_read_one_is_refused)
{
    hnas_tensor *t = record(1, 0), *second;
    const char *message;

    ok(hnas_tape_run(tape));
    ck_assert_int_eq(hnas_tape_tangent(&second, tape, t, &gates, &gates, 1),
                     HNAS_E_STATE);
    ck_assert_ptr_null(second);
    message = hnas_context_message(ctx);
    ck_assert_msg(strstr(message, "all its readers") != NULL, "%s", message);
    hnas_tensor_unref(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("passing");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t,
                   they_are_given_back_and_the_gradient_is_that_of_plain_funcs);
    tcase_add_test(t, none_is_left_behind_the_sweep_of_gates_alone);
    tcase_add_test(t, one_that_somebody_holds_stays);
    tcase_add_test(t, without_memory_to_make_them_again_the_sweep_fails);
    tcase_add_test(t, a_func_recorded_later_that_would_read_one_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
