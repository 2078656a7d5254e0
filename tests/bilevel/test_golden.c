/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole supernet against PyTorch in double: losses, gradients of both
 * orders from the same weights, and ten steps. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/golden.h"

#ifdef HN_REAL_DOUBLE
enum { REAL = HNAS_FLOAT64 };
static const double loss_bound = 1e-9, first_bound = 1e-8, fd_bound = 1e-6;
static const double run_bound = 1e-6, end_bound = 1e-6;
#else
enum { REAL = HNAS_FLOAT32 };
static const double loss_bound = 1e-5, first_bound = 1e-4, fd_bound = 1e-3;
static const double run_bound = 1e-3, end_bound = 1e-3;
#endif

enum { STEPS = 10 };

static hnas_context *ctx;
static hnas_supernet *net;
static hnas_hyper *hyper;
static struct golden *golden;

static const char *const table_names[2] = {"normal", "reduce"};

static void load(const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const char *name = hnas_params_get_name(params, i);
        const struct golden_array *a = golden_find(golden, "%s", name);

        if (hnas_params_get_kind(params, i) == HNAS_PARAM_BUFFER)
            continue;
        ck_assert_msg(a != NULL, "%s is not in the golden file", name);
        ck_assert_int_eq(hnas_tensor_set(hnas_params_get_tensor(params, i),
                                         HNAS_FLOAT64, a->data, a->count),
                         HNAS_OK);
    }
}

static void setup(void)
{
    hnas_supernet_opts n;
    hnas_hyper_opts h;

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    golden = golden_open("step.safetensors");
    hnas_supernet_opts_init(&n, sizeof n);
    n.image[1] = n.image[2] = 8;
    n.classes = 5;
    n.channels = 4;
    n.cells = 3;
    n.nodes = 2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &n), HNAS_OK);
    hnas_hyper_opts_init(&h, sizeof h);
    h.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        h.names[k] = table_names[k];
        h.rows[k] = 5;
        h.cols[k] = 8;
    }
    /* three cells: one normal, two reductions */
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), HNAS_OK);
    load(hnas_supernet_get_params(net));
    load(hnas_hyper_get_params(hyper));
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
    golden_close(golden);
}

/* Batch `index` of a part, as wrapped tensors. */
static hnas_batch batch(const char *part, int index)
{
    const struct golden_array *x = golden_find(golden, "%s/x", part);
    const struct golden_array *y = golden_find(golden, "%s/y", part);
    const int64_t n = y->dims[1], pixels = x->count / x->dims[0];
    int32_t labels[16];
    hnas_batch b;

    ck_assert_int_eq(hnas_tensor_create(&b.images, ctx, REAL, 4, x->dims + 1),
                     0);
    ck_assert_int_eq(hnas_tensor_set(b.images, HNAS_FLOAT64,
                                     x->data + index * pixels, pixels),
                     0);
    ck_assert_int_eq(hnas_tensor_create(&b.labels, ctx, HNAS_INT32, 1, &n), 0);
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)y->data[index * n + i];
    ck_assert_int_eq(hnas_tensor_set(b.labels, HNAS_INT32, labels, n), 0);
    return b;
}

static void drop(hnas_batch *b)
{
    hnas_tensor_unref(b->images);
    hnas_tensor_unref(b->labels);
}

static hnas_search *search_of(int32_t order, int full)
{
    hnas_preset p;
    hnas_search *s;

    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, ctx, "darts"), 0);
    p.search.bilevel.order = order;
    if (full) {
        p.search.bilevel.w.nesterov = 1;
        p.search.bilevel.w.clip = 0.5;
        p.search.bilevel.virtual_clip = 1;
        p.search.bilevel.u_rate = 3e-3;
        p.search.cost_weight = 10;
    }
    ck_assert_int_eq(hnas_search_create(&s, net, hyper, &p.search), 0);
    return s;
}

static void compare_gradients(const hnas_params *params, const char *prefix,
                              double bound)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const char *name = hnas_params_get_name(params, i);
        const struct golden_array *want =
            golden_find(golden, "%s/g.%s", prefix, name);
        double got[65536], d;

        if (!want)
            continue;
        ck_assert_int_eq(
            hnas_tensor_get_gradient(hnas_params_get_tensor(params, i),
                                     HNAS_FLOAT64, got, want->count),
            0);
        d = golden_distance(got, want->data, want->count);
        ck_assert_msg(d <= bound, "%s/g.%s: relative L2 error %g, bound %g",
                      prefix, name, d, bound);
    }
}

/* Of all gradients together: a small one of many may be mostly rounding. */
static void compare_all_gradients(const hnas_params *params, const char *prefix,
                                  double bound)
{
    double error = 0, size = 0;

    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const struct golden_array *want = golden_find(
            golden, "%s/g.%s", prefix, hnas_params_get_name(params, i));
        double got[65536];

        if (!want)
            continue;
        ck_assert_int_eq(
            hnas_tensor_get_gradient(hnas_params_get_tensor(params, i),
                                     HNAS_FLOAT64, got, want->count),
            0);
        for (int64_t j = 0; j < want->count; j++) {
            error += pow(got[j] - want->data[j], 2);
            size += pow(want->data[j], 2);
        }
    }
    ck_assert_msg(error <= bound * bound * size,
                  "%s: relative L2 error %g, bound %g", prefix,
                  sqrt(error / size), bound);
}

static void clear_gradients(const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++)
        hnas_tensor_clear_gradient(hnas_params_get_tensor(params, i));
}

/* Forward and backward of the first batch at a mode; the arena's peak. */
static size_t check_loss(int32_t mode, double value_bound, double bound)
{
    hnas_batch b = batch("train", 0);
    hnas_tensor *alpha, *gates[2], *logits, *loss;
    const struct golden_array *want = golden_find(golden, "start/train/loss");
    hnas_tape *tape;
    size_t peak;
    double got;

    clear_gradients(hnas_supernet_get_params(net));
    clear_gradients(hnas_hyper_get_params(hyper));
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, mode), 0);
    hnas_tape_defer(tape);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(hnas_hyper_apply(&alpha, tape, hyper, k, 1e-2), 0);
        ck_assert_int_eq(hnas_relax_softmax(&gates[k], tape, alpha, 1), 0);
        hnas_tensor_unref(alpha);
    }
    ck_assert_int_eq(
        hnas_supernet_apply(&logits, tape, net, b.images, gates, 0), 0);
    ck_assert_int_eq(hnas_cross_entropy(&loss, tape, logits, b.labels), 0);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &got, 1), 0);
    ck_assert_double_eq_tol(got, want->data[0], value_bound);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    if (mode & HNAS_TAPE_HALF) {
        compare_all_gradients(hnas_supernet_get_params(net), "start/train",
                              bound);
    } else {
        compare_gradients(hnas_supernet_get_params(net), "start/train", bound);
        compare_gradients(hnas_hyper_get_params(hyper), "start/train", bound);
    }
    for (int k = 0; k < 2; k++)
        hnas_tensor_unref(gates[k]);
    hnas_tensor_unref(logits);
    hnas_tensor_unref(loss);
    hnas_tape_get_memory(tape, NULL, &peak);
    hnas_tape_destroy(tape);
    drop(&b);
    return peak;
}

START_TEST(loss_and_weight_gradients_agree_with_pytorch)
{
    check_loss(0, loss_bound, first_bound);
}
END_TEST

START_TEST(in_half_precision_they_agree_to_a_few_percent_in_less_memory)
{
    const size_t full = check_loss(0, loss_bound, first_bound);
    const size_t half = check_loss(HNAS_TAPE_HALF, 1e-2, 0.06);

    ck_assert_msg(half < full, "%zu bytes, %zu in full precision", half, full);
}
END_TEST

static void check_order(int32_t order, const char *prefix, double bound)
{
    hnas_batch train = batch("train", 0), valid = batch("valid", 0);
    hnas_search *s = search_of(order, 0);

    ck_assert_int_eq(hnas_search_gradient(s, &train, &valid, 1e-2), 0);
    compare_gradients(hnas_hyper_get_params(hyper), prefix, bound);
    hnas_search_destroy(s);
    drop(&train);
    drop(&valid);
}

START_TEST(first_order_gradient_agrees_with_pytorch)
{
    check_order(HNAS_ORDER_FIRST, "start/first", first_bound);
}
END_TEST

START_TEST(second_order_gradient_agrees_with_pytorch)
{
    check_order(HNAS_ORDER_SECOND_FD, "start/second_fd", fd_bound);
}
END_TEST

START_TEST(exact_second_order_gradient_agrees_with_pytorch)
{
    check_order(HNAS_ORDER_SECOND_EXACT, "start/second_exact", first_bound);
}
END_TEST

static void compare_values(const hnas_params *params, const char *run)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        const char *name = hnas_params_get_name(params, i);
        const struct golden_array *want =
            golden_find(golden, "run/%s/%s", run, name);
        double got[65536], d;

        if (!want)
            continue;
        ck_assert_int_eq(hnas_tensor_get(hnas_params_get_tensor(params, i),
                                         HNAS_FLOAT64, got, want->count),
                         0);
        d = golden_distance(got, want->data, want->count);
        ck_assert_msg(d <= end_bound, "run/%s/%s: relative L2 error %g", run,
                      name, d);
    }
}

static void check_run(int32_t order, int full, const char *run)
{
    const double *want_train =
        golden_find(golden, "run/%s/train_loss", run)->data;
    const double *want_valid =
        golden_find(golden, "run/%s/valid_loss", run)->data;
    hnas_search *s = search_of(order, full);
    const double lambda = 1e-2;

    for (int i = 0; i < STEPS; i++) {
        hnas_batch train = batch("train", i), valid = batch("valid", i);
        hnas_step_info info;

        ck_assert_int_eq(hnas_search_step(s, &train, &valid, &lambda, 1, &info),
                         0);
        ck_assert_msg(fabs(info.train_loss - want_train[i]) <= run_bound,
                      "%s step %d: training loss %.12g, want %.12g", run, i,
                      info.train_loss, want_train[i]);
        ck_assert_msg(fabs(info.valid_loss - want_valid[i]) <= run_bound,
                      "%s step %d: validation loss %.12g, want %.12g", run, i,
                      info.valid_loss, want_valid[i]);
        drop(&train);
        drop(&valid);
    }
    compare_values(hnas_supernet_get_params(net), run);
    compare_values(hnas_hyper_get_params(hyper), run);
    hnas_search_destroy(s);
}

START_TEST(ten_first_order_steps_agree_with_pytorch)
{
    check_run(HNAS_ORDER_FIRST, 0, "first");
}
END_TEST

START_TEST(ten_second_order_steps_agree_with_pytorch)
{
    check_run(HNAS_ORDER_SECOND_FD, 0, "second_fd");
}
END_TEST

START_TEST(ten_steps_with_every_option_agree_with_pytorch)
{
    check_run(HNAS_ORDER_SECOND_FD, 1, "full");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("golden");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, loss_and_weight_gradients_agree_with_pytorch);
    tcase_add_test(
        t, in_half_precision_they_agree_to_a_few_percent_in_less_memory);
    tcase_add_test(t, first_order_gradient_agrees_with_pytorch);
    tcase_add_test(t, second_order_gradient_agrees_with_pytorch);
    tcase_add_test(t, exact_second_order_gradient_agrees_with_pytorch);
    tcase_add_test(t, ten_first_order_steps_agree_with_pytorch);
    tcase_add_test(t, ten_second_order_steps_agree_with_pytorch);
    tcase_add_test(t, ten_steps_with_every_option_agree_with_pytorch);
    suite_add_tcase(s, t);
    return run_suite(s);
}
