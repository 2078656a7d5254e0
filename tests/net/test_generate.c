/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights that a supernet generates: what they are at a lambda, what they
 * depend on, and what is refused. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"

enum { IMAGES = 3, CLASSES = 4, MOST = 16384 };

static hnas_context *ctx;
static hnas_supernet *net;
static hnas_tape *tape;
static hnas_tensor *x, *labels, *gates[2];
static struct random random_numbers;

static hnas_supernet_opts small(void)
{
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 6;
    o.classes = CLASSES;
    o.channels = 4;
    o.cells = 3;
    o.nodes = 2;
    o.head = HNAS_HEAD_GENERATED;
    o.knots = 3;
    return o;
}

static hnas_tensor *leaf(int32_t rank, int64_t a, int64_t b, int64_t c,
                         int64_t d)
{
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = rank,
                                .dims = {a, b, c, d},
                                .lo = -1,
                                .hi = 1,
                                .constant = 1};
    double v[MOST];

    return grad_leaf_make(ctx, &l, &random_numbers, v);
}

static void open_net(const hnas_supernet_opts *o)
{
    const int32_t label[IMAGES] = {0, 3, 1};
    const int64_t n = IMAGES;

    random_numbers.state = 5;
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, o), 0);
    x = leaf(4, IMAGES, 1, 6, 6);
    gates[0] = leaf(2, 5, 8, 0, 0);
    gates[1] = leaf(2, 5, 8, 0, 0);
    ck_assert_int_eq(hnas_tensor_create(&labels, ctx, HNAS_INT32, 1, &n), 0);
    ck_assert_int_eq(hnas_tensor_set(labels, HNAS_INT32, label, n), 0);
}

static void close_net(void)
{
    hnas_tensor_unref(x);
    hnas_tensor_unref(labels);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_supernet_destroy(net);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

static double loss_at(double lambda, int backward)
{
    hnas_tensor *logits, *loss;
    hnas_supernet_pass pass;
    double value;

    hnas_supernet_pass_init(&pass, sizeof pass);
    pass.gates[0] = gates[0];
    pass.gates[1] = gates[1];
    pass.lambda = lambda;
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hnas_supernet_apply_at(&logits, tape, net, x, &pass), 0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, labels), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &value, 1), 0);
    if (backward)
        ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    return value;
}

static void copy(hnas_tensor *to, const hnas_params *list, const char *name)
{
    const int64_t n = hnas_tensor_get_count(to);
    double v[MOST];
    hnas_tensor *from;

    ck_assert_int_eq(hnas_params_find(&from, list, name), 0);
    ck_assert_int_eq(hnas_tensor_get(from, HNAS_FLOAT64, v, n), 0);
    ck_assert_int_eq(hnas_tensor_set(to, HNAS_FLOAT64, v, n), 0);
}

static int64_t read_at(double lambda, const char *name, double *out)
{
    const hnas_params *list;
    hnas_tensor *t;

    ck_assert_int_eq(hnas_supernet_get_weights_at(&list, net, lambda), 0);
    ck_assert_int_eq(hnas_params_find(&t, list, name), 0);
    ck_assert_int_eq(
        hnas_tensor_get(t, HNAS_FLOAT64, out, hnas_tensor_get_count(t)), 0);
    return hnas_tensor_get_count(t);
}

START_TEST(a_head_is_linear_between_its_knots)
{
    const hnas_supernet_opts o = small();
    double knots[MOST], got[MOST];
    hnas_tensor *t;
    int64_t n;

    open_net(&o);
    ck_assert_int_eq(hnas_params_find(&t, hnas_supernet_get_params(net),
                                      "head.weight.knots"),
                     0);
    ck_assert_int_eq(
        hnas_tensor_get(t, HNAS_FLOAT64, knots, hnas_tensor_get_count(t)), 0);
    n = read_at(1e-4, "head.weight", got);
    ck_assert_int_eq(n, CLASSES * 32); /* 2 nodes of 16 channels */
    for (int64_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(got[i], knots[i], 1e-12);
    read_at(1e-1, "head.weight", got);
    for (int64_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(got[i], knots[2 * n + i], 1e-12);
    /* a quarter of the range: half way between the first two knots */
    read_at(1e-4 * pow(1e3, 0.25), "head.weight", got);
    for (int64_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(got[i], (knots[i] + knots[n + i]) / 2, 1e-6);
    close_net();
}
END_TEST

START_TEST(every_knot_starts_as_a_stored_head_does)
{
    const hnas_supernet_opts o = small();
    const char *const names[2] = {"head.weight.knots", "head.bias.knots"};
    double v[MOST], largest = 0;

    open_net(&o);
    for (int i = 0; i < 2; i++) {
        hnas_tensor *t;
        int64_t n;

        ck_assert_int_eq(
            hnas_params_find(&t, hnas_supernet_get_params(net), names[i]), 0);
        n = hnas_tensor_get_count(t);
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, n), 0);
        for (int64_t k = 0; k < n; k++)
            largest = fmax(largest, fabs(v[k]));
    }
    ck_assert(largest <= 1 / sqrt(32.0) + 1e-7 && largest > 0.9 / sqrt(32.0));
    close_net();
}
END_TEST

START_TEST(the_list_at_a_lambda_has_the_names_of_a_stored_net)
{
    hnas_supernet_opts o = small();
    const hnas_params *list, *want;
    hnas_supernet *stored;
    hnas_tensor *t;

    o.kernels = _i;
    open_net(&o);
    o.kernels = HNAS_KERNELS_STORED;
    o.head = HNAS_HEAD_PLAIN;
    ck_assert_int_eq(hnas_supernet_create(&stored, ctx, &o), 0);
    want = hnas_supernet_get_params(stored);
    ck_assert_int_eq(hnas_supernet_get_weights_at(&list, net, 3e-3), 0);
    ck_assert_int_eq(hnas_params_get_count(list), hnas_params_get_count(want));
    for (int64_t i = 0; i < hnas_params_get_count(want); i++) {
        const char *name = hnas_params_get_name(want, i);

        ck_assert_int_eq(hnas_params_find(&t, list, name), 0);
        ck_assert_int_eq(
            hnas_tensor_get_count(t),
            hnas_tensor_get_count(hnas_params_get_tensor(want, i)));
    }
    hnas_supernet_destroy(stored);
    close_net();
}
END_TEST

/* The first step of w moves the kernels apart in lambda. */
static void shift_kernels(void)
{
    double v[MOST];
    hnas_tensor *t;

    if (hnas_params_find(&t, hnas_supernet_get_params(net), "kernels.v") < 0)
        return;
    for (int64_t i = 0; i < hnas_tensor_get_count(t); i++)
        v[i] = random_in(&random_numbers, -1, 1);
    hnas_tensor_set(t, HNAS_FLOAT64, v, hnas_tensor_get_count(t));
}

START_TEST(a_pass_is_that_of_the_weights_at_its_lambda)
{
    hnas_supernet_opts o = small();
    const hnas_params *list, *p;
    double at, far;

    o.kernels = _i;
    open_net(&o);
    shift_kernels();
    at = loss_at(3e-3, 1);
    far = loss_at(1e-1, 0);
    ck_assert(fabs(at - far) > 1e-4);
    o.kernels = HNAS_KERNELS_STORED;
    /* a net that stores what the other one generates */
    ck_assert_int_eq(hnas_supernet_get_weights_at(&list, net, 3e-3), 0);
    o.head = HNAS_HEAD_PLAIN;
    {
        hnas_supernet *generating = net;

        ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), 0);
        p = hnas_supernet_get_params(net);
        for (int64_t i = 0; i < hnas_params_get_count(p); i++)
            copy(hnas_params_get_tensor(p, i), list,
                 hnas_params_get_name(p, i));
        ck_assert_double_eq_tol(loss_at(NAN, 0), at, 1e-6);
        ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
        hnas_supernet_destroy(generating);
    }
    close_net();
}
END_TEST

START_TEST(without_a_lambda_of_the_range_a_pass_is_refused)
{
    const hnas_supernet_opts o = small();
    const hnas_params *list;
    hnas_supernet_pass pass;
    hnas_tensor *y;

    open_net(&o);
    ck_assert_int_eq(hnas_supernet_apply(&y, tape, net, x, gates, 0),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(y);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "lambda"));
    hnas_supernet_pass_init(&pass, sizeof pass);
    pass.gates[0] = gates[0];
    pass.gates[1] = gates[1];
    pass.lambda = 0.2;
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hnas_supernet_apply_at(&y, tape, net, x, &pass),
                     HNAS_E_RANGE);
    pass.size = 0;
    ck_assert_int_eq(hnas_supernet_apply_at(&y, tape, net, x, &pass),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_supernet_get_weights_at(&list, net, NAN),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(list);
    close_net();
}
END_TEST

/* 36 kernels of edges and 5 of preprocess steps, in tiles of 4 x 4. */
START_TEST(kernels_of_all_layers_come_from_one_generator)
{
    hnas_supernet_opts o = small();
    int64_t stored, generated, n_parameters, n_weights;
    hnas_supernet *plain;

    o.head = HNAS_HEAD_PLAIN;
    o.kernels = HNAS_KERNELS_GENERATED;
    open_net(&o);
    o.kernels = HNAS_KERNELS_STORED;
    ck_assert_int_eq(hnas_supernet_create(&plain, ctx, &o), 0);
    stored = hnas_params_get_elements(hnas_supernet_get_params(plain),
                                      HNAS_PARAM_WEIGHT);
    generated = hnas_params_get_elements(hnas_supernet_get_params(net),
                                         HNAS_PARAM_WEIGHT);
    hnas_supernet_get_generated(net, &n_parameters, &n_weights);
    /* 5 edges of 6 kernels at 4, 8 and 16 channels, and preprocess steps */
    ck_assert_int_eq(n_weights, 30 * (4 * 4 + 8 * 8 + 16 * 16) + 2 * 12 * 4 +
                                    12 * 8 + 8 * 8 + 8 * 16 + 16 * 16);
    /* z, w, b, w_out, b_out */
    ck_assert_int_eq(n_parameters,
                     n_weights / 16 * 16 + 4 * 16 * 16 + 4 * 16 + 4 * 16 + 4);
    ck_assert_int_eq(generated - n_parameters, stored - n_weights);
    hnas_supernet_destroy(plain);
    /* no lambda is wanted: nothing depends on it */
    ck_assert(isfinite(loss_at(NAN, 1)));
    close_net();
}
END_TEST

START_TEST(settings_that_make_no_sense_are_refused)
{
    hnas_supernet_opts o = small();
    hnas_supernet *bad;

    open_net(&o);
    o.head = 7;
    ck_assert_int_eq(hnas_supernet_create(&bad, ctx, &o), HNAS_E_RANGE);
    o = small();
    o.kernels = 3;
    ck_assert_int_eq(hnas_supernet_create(&bad, ctx, &o), HNAS_E_RANGE);
    o.kernels = HNAS_KERNELS_GENERATED;
    o.embedding = 257;
    ck_assert_int_eq(hnas_supernet_create(&bad, ctx, &o), HNAS_E_RANGE);
    o = small();
    o.knots = 1;
    ck_assert_int_eq(hnas_supernet_create(&bad, ctx, &o), HNAS_E_RANGE);
    o = small();
    o.lambda_lo = 1;
    ck_assert_int_eq(hnas_supernet_create(&bad, ctx, &o), HNAS_E_RANGE);
    ck_assert_ptr_null(bad);
    close_net();
}
END_TEST

#ifdef HN_REAL_DOUBLE
/* A few elements of every weight, those of generators all the more. */
static void check_gradients(double lambda)
{
    const hnas_params *p = hnas_supernet_get_params(net);
    static double value[MOST], gradient[MOST];
    const double h = 1e-7; /* few rectifiers turn within */

    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        hnas_tensor *t = hnas_params_get_tensor(p, i);
        const int64_t n = hnas_tensor_get_count(t);
        const int is_edge = strstr(hnas_params_get_name(p, i), ".edges.") != 0;

        if (hnas_params_get_kind(p, i) != HNAS_PARAM_WEIGHT)
            continue;
        hnas_tensor_clear_gradient(t);
        loss_at(lambda, 1);
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, value, n), 0);
        ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT64, gradient, n),
                         0);
        for (int k = 0; k < (is_edge ? 1 : 12); k++) {
            const int64_t j = random_int(&random_numbers, n);
            const double keep = value[j];
            double up, want;

            value[j] = keep + h;
            hnas_tensor_set(t, HNAS_FLOAT64, value, n);
            up = loss_at(lambda, 0);
            value[j] = keep - h;
            hnas_tensor_set(t, HNAS_FLOAT64, value, n);
            want = (up - loss_at(lambda, 0)) / (2 * h);
            value[j] = keep;
            hnas_tensor_set(t, HNAS_FLOAT64, value, n);
            ck_assert_msg(fabs(gradient[j] - want) <= 1e-6 * (1 + fabs(want)),
                          "%s[%d]: gradient %.10g, differences say %.10g",
                          hnas_params_get_name(p, i), (int)j, gradient[j],
                          want);
        }
    }
}

START_TEST(gradients_of_generators_agree_with_differences)
{
    hnas_supernet_opts o = small();

    o.kernels = _i;
    o.embedding = 3;
    open_net(&o);
    shift_kernels();
    check_gradients(7e-4);
    check_gradients(1e-1);
    close_net();
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("generate");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_head_is_linear_between_its_knots);
    tcase_add_test(t, every_knot_starts_as_a_stored_head_does);
    tcase_add_loop_test(t, the_list_at_a_lambda_has_the_names_of_a_stored_net,
                        0, 3);
    tcase_add_loop_test(t, a_pass_is_that_of_the_weights_at_its_lambda, 0, 3);
    tcase_add_test(t, without_a_lambda_of_the_range_a_pass_is_refused);
    tcase_add_test(t, kernels_of_all_layers_come_from_one_generator);
    tcase_add_test(t, settings_that_make_no_sense_are_refused);
#ifdef HN_REAL_DOUBLE
    tcase_add_loop_test(t, gradients_of_generators_agree_with_differences, 0,
                        3);
#endif
    suite_add_tcase(s, t);
    return run_suite(s);
}
