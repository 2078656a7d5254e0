/* SPDX-License-Identifier: BSD-3-Clause */
/* Training: it learns, its bits depend on no thread, a failed step leaves no
 * trace. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

static struct world w;

static hnas_train_opts everything(void)
{
    hnas_train_opts o;

    hnas_train_opts_init(&o, sizeof o);
    o.total_steps = 8;
    o.rate_steps = 2;
    o.drop_path = 0.4;
    o.label_smoothing = 0.1;
    return o;
}

static hnas_model *full_model(void)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_TOP2);
    hnas_train_opts o = everything();
    hnas_model *m;

    w.opts.affine = w.opts.auxiliary = 1;
    m = world_model(&w, arch);
    hnas_arch_destroy(arch);
    ck_assert_int_eq(hnas_model_train(m, &o), 0);
    return m;
}

START_TEST(a_batch_is_learnt)
{
    hnas_train_info info = {0};
    int64_t confusion[9] = {0};
    hnas_train_opts o;
    hnas_arch *arch;
    double accuracy;
    hnas_model *m;

    world_open(&w, 1);
    arch = world_random_arch(&w, HNAS_RULE_TOP2);
    m = world_model(&w, arch);
    hnas_train_opts_init(&o, sizeof o);
    o.rate = 0.1;
    o.total_steps = 60;
    ck_assert_int_eq(hnas_model_train(m, &o), 0);
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(hnas_model_step(m, &w.batch, &info), 0);
        ck_assert_int_eq(info.step, i + 1);
    }
    ck_assert_double_lt(info.loss, 0.05);
    ck_assert_int_eq(hnas_model_get_steps(m), 60);
    ck_assert_int_eq(hnas_model_calibrate(m, w.batch.images, 1), 0);
    ck_assert_int_eq(hnas_model_evaluate(m, &w.batch, confusion, 9), 0);
    hnas_confusion_measure(confusion, 3, &accuracy, NULL);
    ck_assert_double_eq(accuracy, 1);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
    world_close(&w);
}
END_TEST

START_TEST(rate_and_drop_path_follow_their_schedules)
{
    hnas_train_info info;
    hnas_model *m;

    world_open(&w, 1);
    m = full_model();
    for (int i = 0; i < 8; i++) {
        const int at = i / 2 * 2;

        ck_assert_int_eq(hnas_model_step(m, &w.batch, &info), 0);
        ck_assert_double_eq_tol(
            info.rate, 0.025 * (1 + cos(acos(-1) * at / 8)) / 2, 1e-15);
        ck_assert_double_eq_tol(info.drop_path, 0.4 * at / 8, 1e-15);
    }
    hnas_model_destroy(m);
    world_close(&w);
}
END_TEST

/* The state after steps with everything on. */
static double *run(int32_t n_threads, int64_t *n)
{
    hnas_model *m;
    double *state;

    world_open(&w, n_threads);
    m = full_model();
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    state = model_state(m, n);
    hnas_model_destroy(m);
    world_close(&w);
    return state;
}

START_TEST(bits_depend_on_no_number_of_threads)
{
    int64_t n, k;
    double *want = run(1, &n);

    for (int32_t threads = 2; threads <= 4; threads *= 2) {
        double *got = run(threads, &k);

        ck_assert_int_eq(k, n);
        ck_assert_msg(!memcmp(want, got, (size_t)n * sizeof *got),
                      "%d threads: other bits", (int)threads);
        free(got);
    }
    free(want);
}
END_TEST

static void expect_same(const double *before, int64_t n, const hnas_model *m)
{
    int64_t k;
    double *after = model_state(m, &k);

    ck_assert_int_eq(k, n);
    ck_assert(!memcmp(before, after, (size_t)n * sizeof *after));
    free(after);
}

START_TEST(a_failed_step_leaves_no_trace)
{
    const int32_t bad[WORLD_IMAGES] = {0, 1, 2, 0, 1, 2, 0, 1, 7};
    const int32_t good[WORLD_IMAGES] = {0, 1, 2};
    const int64_t one = 1, count = WORLD_IMAGES * 2 * WORLD_SIZE * WORLD_SIZE;
    hnas_batch other;
    hnas_train_info info = {.step = -1};
    float v[WORLD_IMAGES * 2 * WORLD_SIZE * WORLD_SIZE] = {0};
    double *before;
    hnas_model *m;
    int64_t n;

    world_open(&w, 1);
    m = full_model();
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    before = model_state(m, &n);
    other = world_batch(&w, 3);
    hnas_tensor_set(other.labels, HNAS_INT32, bad, WORLD_IMAGES);
    ck_assert_int_eq(hnas_model_step(m, &other, &info), HNAS_E_RANGE);
    expect_same(before, n, m);
    v[7] = NAN;
    hnas_tensor_set(other.images, HNAS_FLOAT32, v, count);
    ck_assert_int_eq(
        hnas_tensor_set(other.labels, HNAS_INT32, good, WORLD_IMAGES), 0);
    ck_assert_int_eq(hnas_model_step(m, &other, &info), HNAS_E_NAN);
    expect_same(before, n, m);
    /* of which variances are too large, although the loss is finite */
    for (int64_t i = 0; i < count; i++)
        v[i] = (float)(i % 7 - 3) * 1e19F;
    hnas_tensor_set(other.images, HNAS_FLOAT32, v, count);
    if (sizeof(real) == sizeof(float)) {
        ck_assert_int_eq(hnas_model_step(m, &other, &info), HNAS_E_NAN);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "running_"));
        expect_same(before, n, m);
        ck_assert_int_eq(hnas_model_calibrate(m, other.images, 1), HNAS_E_NAN);
        expect_same(before, n, m);
    }
    hnas_tensor_unref(other.labels);
    ck_assert_int_eq(
        hnas_tensor_create(&other.labels, w.ctx, HNAS_INT32, 1, &one), 0);
    ck_assert_int_eq(hnas_model_step(m, &other, &info), HNAS_E_SHAPE);
    hnas_tensor_unref(other.labels);
    other.labels = NULL;
    ck_assert_int_eq(hnas_model_step(m, &other, &info), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_step(m, NULL, &info), HNAS_E_ARG);
    expect_same(before, n, m);
    ck_assert_int_eq(info.step, -1);
    free(before);
    batch_drop(&other);
    hnas_model_destroy(m);
    world_close(&w);
}
END_TEST

START_TEST(the_average_of_inherited_weights_is_those)
{
    const float other[3] = {1, 2, 3};
    hnas_train_opts o = everything();
    struct random again; /* draws the same architecture */
    hnas_model *m, *from;
    hnas_tensor *t;
    float got[3];

    world_open(&w, 1);
    again = w.random;
    m = full_model();
    w.random = again;
    from = full_model();
    o.average = 0.5;
    ck_assert_int_eq(hnas_model_train(m, &o), 0);
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    hnas_params_find(&t, hnas_model_get_params(from), "head.bias");
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, other, 3), 0);
    ck_assert_int_eq(hnas_model_inherit(m, hnas_model_get_params(from)), 0);
    ck_assert_int_eq(hnas_model_swap_average(m), 0);
    hnas_params_find(&t, hnas_model_get_params(m), "head.bias");
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, got, 3), 0);
    ck_assert_mem_eq(got, other, sizeof got);
    /* trained weights that are swapped away are not lost */
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_STATE);
    hnas_model_destroy(from);
    hnas_model_destroy(m);
    world_close(&w);
}
END_TEST

START_TEST(the_average_of_the_weights_moves_and_swaps)
{
    double was[3], now[3], mean[3], got[3];
    hnas_train_opts o = everything();
    hnas_model *m;
    hnas_tensor *t;

    world_open(&w, 1);
    m = full_model();
    ck_assert_int_eq(hnas_model_swap_average(m), HNAS_E_STATE);
    o.average = 0.75;
    ck_assert_int_eq(hnas_model_train(m, &o), 0);
    hnas_params_find(&t, hnas_model_get_params(m), "head.bias");
    hnas_tensor_get(t, HNAS_FLOAT64, mean, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
        hnas_tensor_get(t, HNAS_FLOAT64, now, 3);
        for (int k = 0; k < 3; k++)
            mean[k] = 0.75 * mean[k] + 0.25 * now[k];
    }
    hnas_tensor_get(t, HNAS_FLOAT64, was, 3);
    ck_assert_int_eq(hnas_model_swap_average(m), 0);
    hnas_tensor_get(t, HNAS_FLOAT64, got, 3);
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(got[k], mean[k], 1e-6);
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), HNAS_E_STATE);
    ck_assert_int_eq(hnas_model_swap_average(m), 0);
    hnas_tensor_get(t, HNAS_FLOAT64, got, 3);
    ck_assert_mem_eq(got, was, 3 * sizeof *got);
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    hnas_model_destroy(m);
    world_close(&w);
}
END_TEST

START_TEST(settings_are_checked)
{
    hnas_train_opts o;
    hnas_arch *arch;
    hnas_model *m;

    world_open(&w, 1);
    arch = world_random_arch(&w, HNAS_RULE_TOP2);
    m = world_model(&w, arch);
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), HNAS_E_STATE);
    ck_assert_int_eq(hnas_model_get_steps(m), 0);
    hnas_train_opts_init(&o, sizeof o);
    o.rate = NAN;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_RANGE);
    hnas_train_opts_init(&o, sizeof o);
    o.drop_path = 1;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_RANGE);
    hnas_train_opts_init(&o, sizeof o);
    o.label_smoothing = -0.1;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_RANGE);
    hnas_train_opts_init(&o, sizeof o);
    o.rate_steps = 0;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_RANGE);
    hnas_train_opts_init(&o, sizeof o);
    o.sgd.momentum = 1;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_RANGE);
    o.size = 0;
    ck_assert_int_eq(hnas_model_train(m, &o), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_train(NULL, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_train(m, NULL), 0);
    ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    ck_assert_int_eq(hnas_model_train(m, NULL), 0); /* anew */
    ck_assert_int_eq(hnas_model_get_steps(m), 0);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
    world_close(&w);
}
END_TEST

START_TEST(identities_are_never_dropped)
{
    /* skip_connect everywhere: at stride 2 it is no identity */
    static const int op[2][WORLD_EDGES] = {{3, 3, 3, 3, 3}, {3, 3, 3, 3, 3}};
    hnas_arch *arch;
    hnas_model *m;
    int n_dropped = 0;

    world_open(&w, 1);
    arch = world_arch(&w, op);
    m = world_model(&w, arch);
    ck_assert_int_eq(hn_model_draw_paths(m, 50, 0, 0.25, 3), 0);
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 50; i++)
            for (int e = 0; e < WORLD_EDGES; e++) {
                const int halves =
                    (c == 1 || c == 2) && e < 4; /* from an input */
                const real g = hn_real(m->drop[c])[i * WORLD_EDGES + e];

                if (halves)
                    ck_assert(g == 0 || g == (real)(1 / 0.75));
                else
                    ck_assert(g == 1);
                n_dropped += g == 0;
            }
    ck_assert_int_ge(n_dropped, 60); /* of 400, 100 expected */
    ck_assert_int_le(n_dropped, 140);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("train");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_batch_is_learnt);
    tcase_add_test(t, rate_and_drop_path_follow_their_schedules);
    tcase_add_test(t, bits_depend_on_no_number_of_threads);
    tcase_add_test(t, a_failed_step_leaves_no_trace);
    tcase_add_test(t, the_average_of_the_weights_moves_and_swaps);
    tcase_add_test(t, the_average_of_inherited_weights_is_those);
    tcase_add_test(t, settings_are_checked);
    tcase_add_test(t, identities_are_never_dropped);
    suite_add_tcase(s, t);
    return run_suite(s);
}
