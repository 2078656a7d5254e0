/* SPDX-License-Identifier: BSD-3-Clause */
/* Every bundled operation against PyTorch in double: both strides, even and
 * odd sizes, forward and all gradients, fused and plain. */
#include <stdio.h>
#include <string.h>

#include "../support/check_main.h"
#include "../support/golden.h"
#include "hnas/hnas.h"

#ifdef HN_REAL_DOUBLE
static const double bound = 1e-10;
#else
static const double bound = 2e-5;
#endif

static hnas_context *ctx;
static hnas_tape *tape;
static struct golden *golden;

static void open_golden(void)
{
    golden = golden_open("ops.safetensors");
}

static void close_golden(void)
{
    golden_close(golden);
}

/* A context that may use the kernels of a mask, on two threads. */
static void begin(uint32_t cpu_mask)
{
    hnas_context_opts o;

    hnas_context_opts_init(&o, sizeof o);
    o.cpu_mask = cpu_mask;
    o.n_threads = 2;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
}

static void end(void)
{
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

static hnas_tensor *leaf(const struct golden_array *a)
{
    hnas_tensor *t;

    ck_assert_int_eq(
        hnas_tensor_create(&t, ctx, bound < 1e-6 ? HNAS_FLOAT64 : HNAS_FLOAT32,
                           a->rank, a->dims),
        HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, a->data, a->count), 0);
    return t;
}

static void compare(const char *what, const double *got,
                    const struct golden_array *want)
{
    const double d = golden_distance(got, want->data, want->count);

    ck_assert_msg(d <= bound, "%s: relative L2 error %g, bound %g", what, d,
                  bound);
}

/* sum(y * dy) has the gradient dy. */
static hnas_tensor *objective(hnas_tensor *y, hnas_tensor *dy)
{
    hnas_tensor *product, *loss;

    ck_assert_int_eq(hnas_mul(&product, tape, y, dy), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, product), HNAS_OK);
    hnas_tensor_unref(product);
    return loss;
}

static void check_gradients(const char *key, const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const struct golden_array *want = golden_find(
            golden, "%s/g.%s", key, hnas_params_get_name(params, i));
        double got[4096];
        char what[256];

        if (hnas_params_get_kind(params, i) != HNAS_PARAM_WEIGHT)
            continue;
        ck_assert_msg(want != NULL, "%s: no golden gradient", key);
        ck_assert_int_eq(
            hnas_tensor_get_gradient(hnas_params_get_tensor(params, i),
                                     HNAS_FLOAT64, got, want->count),
            HNAS_OK);
        snprintf(what, sizeof what, "%s", want->name);
        compare(what, got, want);
    }
}

static void check_op(const char *name, int stride, const char *size,
                     int32_t mode)
{
    char key[128];
    const struct golden_array *gx, *gy, *gdx;
    const hnas_op_desc desc = {sizeof desc, 6, stride};
    hnas_tensor *x, *dy, *y, *loss;
    const hnas_params *params;
    double got[4096];
    hnas_op *op;

    snprintf(key, sizeof key, "%s/s%d/%s", name, stride, size);
    gx = golden_find(golden, "%s/x", key);
    gy = golden_find(golden, "%s/y", key);
    gdx = golden_find(golden, "%s/dx", key);
    ck_assert_msg(gx && gy && gdx, "%s is not in the golden file", key);
    ck_assert_int_eq(hnas_op_create(&op, ctx, name, &desc), HNAS_OK);
    params = hnas_op_get_params(op);
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const struct golden_array *w = golden_find(
            golden, "%s/w.%s", key, hnas_params_get_name(params, i));

        if (w)
            ck_assert_int_eq(hnas_tensor_set(hnas_params_get_tensor(params, i),
                                             HNAS_FLOAT64, w->data, w->count),
                             HNAS_OK);
    }
    x = leaf(gx);
    dy = leaf(golden_find(golden, "%s/dy", key));
    ck_assert_int_eq(hnas_tensor_set_wanted(x, 1), HNAS_OK);
    ck_assert_int_eq(hnas_tape_reset(tape, mode), HNAS_OK);
    ck_assert_int_eq(hnas_op_apply(&y, tape, op, x), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT64, got, gy->count), 0);
    compare(gy->name, got, gy);
    loss = objective(y, dy);
    if (hnas_tape_backward(tape, loss) < 0)
        ck_abort_msg("%s: %s", key, hnas_context_message(ctx));
    ck_assert_int_eq(hnas_tensor_get_gradient(x, HNAS_FLOAT64, got, gdx->count),
                     0);
    compare(gdx->name, got, gdx);
    check_gradients(key, params);
    hnas_tensor_unref(loss);
    hnas_tensor_unref(y);
    hnas_tensor_unref(x);
    hnas_tensor_unref(dy);
    hnas_op_destroy(op);
}

static void check_level(uint32_t cpu_mask, int32_t mode)
{
    int64_t n = 0;

    begin(cpu_mask);
    for (int64_t i = 0; i < hnas_op_get_count(ctx); i++, n++) {
        const char *name = hnas_op_get(ctx, i)->name;

        check_op(name, 1, "6x8", mode);
        check_op(name, 1, "7x5", mode);
        check_op(name, 2, "6x8", mode);
        check_op(name, 2, "7x5", mode);
    }
    ck_assert_int_eq(n, 10);
    end();
}

/* Every level of kernels; those the CPU lacks fall back to a lower one. */
static void check_all(int32_t mode)
{
    check_level(0, mode);
    check_level(HNAS_CPU_AVX2, mode);
    check_level(HNAS_CPU_ALL, mode);
}

START_TEST(every_operation_agrees_with_pytorch)
{
    check_all(0);
}
END_TEST

START_TEST(every_operation_of_plain_funcs_agrees_with_pytorch)
{
    check_all(HNAS_TAPE_PLAIN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("op");
    TCase *t = tcase_create("golden");

    tcase_add_checked_fixture(t, open_golden, close_golden);
    tcase_add_test(t, every_operation_agrees_with_pytorch);
    tcase_add_test(t, every_operation_of_plain_funcs_agrees_with_pytorch);
    suite_add_tcase(s, t);
    return run_suite(s);
}
