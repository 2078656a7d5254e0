/* SPDX-License-Identifier: BSD-3-Clause */
/* Gradients of whole supernets against central differences in double, for
 * different sets of operations. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

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

struct world {
    hnas_supernet *net;
    hnas_tensor *x, *labels, *alpha[2];
    int per_image;
    int32_t mode;
};

static uint32_t state;

static double unit(void)
{
    state = state * 1664525u + 1013904223u;
    return state / 4294967296.0;
}

static hnas_tensor *random_tensor(int32_t rank, const int64_t *dims)
{
    hnas_tensor *t;
    double v[4096];

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT64, rank, dims), 0);
    for (int64_t i = 0; i < hnas_tensor_get_count(t); i++)
        v[i] = 2 * unit() - 1;
    ck_assert_int_eq(
        hnas_tensor_set(t, HNAS_FLOAT64, v, hnas_tensor_get_count(t)), 0);
    return t;
}

static double evaluate(struct world *w, int backward)
{
    hnas_tensor *gates[2], *logits, *loss;
    double value;

    ck_assert_int_eq(hnas_tape_reset(tape, w->mode), 0);
    for (int k = 0; k < 2; k++) {
        if (w->per_image)
            gates[k] = hnas_tensor_ref(w->alpha[k]);
        else
            ck_assert_int_eq(
                hnas_relax_softmax(&gates[k], tape, w->alpha[k], 1), 0);
    }
    ck_assert_int_eq(hnas_supernet_apply(&logits, tape, w->net, w->x, gates, 0),
                     0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, w->labels), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    if (backward)
        ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    for (int k = 0; k < 2; k++)
        hnas_tensor_unref(gates[k]);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    return value;
}

/* A few elements of one tensor. */
static void check_tensor(struct world *w, hnas_tensor *t, const char *name)
{
    const int64_t n = hnas_tensor_get_count(t);
    double value[65536], gradient[65536];
    const double h = 1e-6;

    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, value, n), 0);
    ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT64, gradient, n), 0);
    for (int i = 0; i < 2; i++) {
        const int64_t j = (int64_t)(unit() * (double)n);
        const double keep = value[j];
        double up, down, want;

        value[j] = keep + h;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        up = evaluate(w, 0);
        value[j] = keep - h;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        down = evaluate(w, 0);
        value[j] = keep;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        want = (up - down) / (2 * h);
        ck_assert_msg(fabs(gradient[j] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s[%d]: gradient %.10g, differences say %.10g", name,
                      (int)j, gradient[j], want);
    }
}

static void check_net(const char *const *ops, int n_ops, int nodes, int cells,
                      int per_image, int32_t mode)
{
    const int64_t image[4] = {3, 2, 5, 6}, n = 3;
    const int32_t labels[3] = {0, 2, 1};
    struct world w = {.per_image = per_image, .mode = mode};
    const int64_t e = nodes * (nodes + 3) / 2;
    const int64_t rows[3] = {3, e, n_ops};
    hnas_supernet_opts o;
    const hnas_params *p;

    state = 7;
    hnas_supernet_opts_init(&o, sizeof o);
    memcpy(o.image, image + 1, sizeof o.image);
    o.classes = 3;
    o.channels = 3;
    o.cells = cells;
    o.nodes = nodes;
    o.n_ops = n_ops;
    o.ops = ops;
    ck_assert_int_eq(hnas_supernet_create(&w.net, ctx, &o), 0);
    w.x = random_tensor(4, image);
    ck_assert_int_eq(hnas_tensor_set_wanted(w.x, 1), 0);
    ck_assert_int_eq(hnas_tensor_create(&w.labels, ctx, HNAS_INT32, 1, &n), 0);
    ck_assert_int_eq(hnas_tensor_set(w.labels, HNAS_INT32, labels, n), 0);
    for (int k = 0; k < 2; k++) {
        w.alpha[k] =
            random_tensor(per_image ? 3 : 2, per_image ? rows : rows + 1);
        ck_assert_int_eq(hnas_tensor_set_wanted(w.alpha[k], 1), 0);
    }
    evaluate(&w, 1);
    check_tensor(&w, w.x, "x");
    check_tensor(&w, w.alpha[0], "alpha.normal");
    check_tensor(&w, w.alpha[1], "alpha.reduce");
    p = hnas_supernet_get_params(w.net);
    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        if (hnas_params_get_kind(p, i) == HNAS_PARAM_WEIGHT)
            check_tensor(&w, hnas_params_get_tensor(p, i),
                         hnas_params_get_name(p, i));
    for (int k = 0; k < 2; k++)
        hnas_tensor_unref(w.alpha[k]);
    hnas_tensor_unref(w.x);
    hnas_tensor_unref(w.labels);
    hnas_supernet_destroy(w.net);
}

static const char *const all[] = {
    "none",         "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "dil_conv_5x5", "conv_7x1_1x7", "sep_conv_7x7",
};

START_TEST(gradients_of_skips_agree_with_differences)
{
    check_net(all + 3, 1, 2, 1, 0, 0);
}
END_TEST

START_TEST(gradients_of_pools_agree_with_differences)
{
    check_net(all + 1, 2, 2, 1, 0, 0);
}
END_TEST

START_TEST(gradients_of_separable_convolutions_agree_with_differences)
{
    check_net(all + 4, 1, 2, 1, 0, 0);
}
END_TEST

START_TEST(gradients_of_dilated_convolutions_agree_with_differences)
{
    check_net(all + 5, 1, 2, 1, 0, 0);
}
END_TEST

START_TEST(gradients_of_all_operations_agree_with_differences)
{
    check_net(all, 8, 2, 3, 0, 0);
}
END_TEST

START_TEST(gradients_of_plain_funcs_agree_with_differences)
{
    check_net(all, 8, 2, 3, 0, HNAS_TAPE_PLAIN);
}
END_TEST

START_TEST(gradients_of_gates_an_image_agree_with_differences)
{
    check_net(all, 8, 2, 3, 1, 0);
}
END_TEST

START_TEST(gradients_with_running_statistics_agree_with_differences)
{
    check_net(all, 8, 2, 3, 0, HNAS_TAPE_RUNNING_STATS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("gradient");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, gradients_of_skips_agree_with_differences);
    tcase_add_test(t, gradients_of_pools_agree_with_differences);
    tcase_add_test(t,
                   gradients_of_separable_convolutions_agree_with_differences);
    tcase_add_test(t, gradients_of_dilated_convolutions_agree_with_differences);
    tcase_add_test(t, gradients_of_all_operations_agree_with_differences);
    tcase_add_test(t, gradients_of_plain_funcs_agree_with_differences);
    tcase_add_test(t, gradients_of_gates_an_image_agree_with_differences);
    tcase_add_test(t, gradients_with_running_statistics_agree_with_differences);
    suite_add_tcase(s, t);
    return run_suite(s);
}
