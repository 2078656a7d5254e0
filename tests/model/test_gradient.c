/* SPDX-License-Identifier: BSD-3-Clause */
/* Gradients of whole networks against central differences in double: all
 * operations, affine batch-norm, auxiliary head, drop path, smoothing. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

static struct world w;
static hnas_train_opts opts;

/* The training loss, and gradients, of step 0; nothing moves. */
static double loss_of(hnas_model *m)
{
    hnas_train_info info;

    ck_assert_int_eq(hnas_model_train(m, &opts), 0);
    ck_assert_msg(hnas_model_step(m, &w.batch, &info) == HNAS_OK, "%s",
                  hnas_context_message(w.ctx));
    return info.loss;
}

static void check_tensor(hnas_model *m, hnas_tensor *t, const char *name)
{
    const int64_t n = hnas_tensor_get_count(t);
    double *value = malloc((size_t)n * sizeof *value);
    double *gradient = malloc((size_t)n * sizeof *gradient);
    const double h = 1e-6;

    ck_assert(value && gradient);
    loss_of(m);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, value, n), 0);
    ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT64, gradient, n), 0);
    for (int i = 0; i < 2; i++) {
        const int64_t j = random_int(&w.random, n);
        const double keep = value[j];
        double up, down, want;

        value[j] = keep + h;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        up = loss_of(m);
        value[j] = keep - h;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        down = loss_of(m);
        value[j] = keep;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, value, n), 0);
        want = (up - down) / (2 * h);
        ck_assert_msg(fabs(gradient[j] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s[%d]: gradient %.10g, differences say %.10g", name,
                      (int)j, gradient[j], want);
    }
    free(value);
    free(gradient);
}

static void check(hnas_arch *arch)
{
    hnas_model *m = world_model(&w, arch);
    const hnas_params *p = hnas_model_get_params(m);

    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        if (hnas_params_get_kind(p, i) == HNAS_PARAM_WEIGHT)
            check_tensor(m, hnas_params_get_tensor(p, i),
                         hnas_params_get_name(p, i));
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}

static void setup(void)
{
    world_open(&w, 2);
    hnas_train_opts_init(&opts, sizeof opts);
    opts.rate = 0;
    opts.norm_momentum = 0;
}

static void teardown(void)
{
    world_close(&w);
}

/* max, average, skip, separable, dilated among them */
static const int mixed[2][WORLD_EDGES] = {{4, 1, 2, 3, 6}, {7, 3, 2, 5, 4}};

START_TEST(gradients_agree_with_differences)
{
    check(world_arch(&w, mixed));
}
END_TEST

START_TEST(gradients_with_everything_on_agree_with_differences)
{
    w.opts.affine = w.opts.auxiliary = 1;
    opts.drop_path = 0.3;
    opts.label_smoothing = 0.2;
    check(world_arch(&w, mixed));
}
END_TEST

START_TEST(gradients_with_dead_nodes_agree_with_differences)
{
    static const int dead[2][WORLD_EDGES] = {{0, 0, 4, 0, 5}, {0, 0, 0, 4, 6}};

    check(world_arch(&w, dead));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("gradient");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, gradients_agree_with_differences);
    tcase_add_test(t, gradients_with_everything_on_agree_with_differences);
    tcase_add_test(t, gradients_with_dead_nodes_agree_with_differences);
    suite_add_tcase(s, t);
    return run_suite(s);
}
