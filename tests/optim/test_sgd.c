/* SPDX-License-Identifier: BSD-3-Clause */
/* SGD against the formulas of torch.optim.SGD, written out in double. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optim.h"
#include "support/check_main.h"

enum { N_A = 1237, N_B = 12, N = N_A + N_B, STEPS = 7 };

static struct hnas_context *ctx;
static hnas_tensor *param[2]; /* one plain, one in the layout of weights */
static double w[N], buf[N], grad[N];

static double random_unit(void)
{
    return 2.0 * rand() / RAND_MAX - 1;
}

static void setup(void)
{
    const int64_t a[1] = {N_A}, b[4] = {3, 2, 1, 2};

    srand(3);
    ck_assert_int_eq(hn_context_open(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hn_tensor_new(&param[0], ctx, HN_STRIDED, 1, a), 0);
    ck_assert_int_eq(hn_tensor_new(&param[1], ctx, HN_KERNEL, 4, b), 0);
    for (int i = 0; i < N; i++) {
        w[i] = random_unit();
        buf[i] = 0;
    }
    hnas_tensor_set(param[0], HNAS_FLOAT64, w, N_A);
    hnas_tensor_set(param[1], HNAS_FLOAT64, w + N_A, N_B);
}

static void teardown(void)
{
    hnas_tensor_unref(param[0]);
    hnas_tensor_unref(param[1]);
    hn_context_close(ctx);
}

/* Put one list of numbers into the gradients, through a tensor of the same
 * layout. */
static void set_gradient(const double *g)
{
    for (int p = 0; p < 2; p++) {
        hnas_tensor *t;

        ck_assert_int_eq(hn_tensor_new(&t, ctx, param[p]->layout,
                                       param[p]->rank, param[p]->dim),
                         HNAS_OK);
        hnas_tensor_set(t, HNAS_FLOAT64, p ? g + N_A : g, p ? N_B : N_A);
        memcpy(hn_tensor_grad(param[p]), t->data,
               (size_t)hn_tensor_extent(t) * sizeof(real));
        hnas_tensor_unref(t);
    }
}

static void random_gradient(double size)
{
    for (int i = 0; i < N; i++)
        grad[i] = size * random_unit();
    set_gradient(grad);
}

static void get_weights(double *out)
{
    hnas_tensor_get(param[0], HNAS_FLOAT64, out, N_A);
    hnas_tensor_get(param[1], HNAS_FLOAT64, out + N_A, N_B);
}

static double norm_of(const double *g)
{
    double sum = 0;

    for (int i = 0; i < N; i++)
        sum += g[i] * g[i];
    return sqrt(sum);
}

/* torch.nn.utils.clip_grad_norm_, then torch.optim.SGD.step. */
static void oracle_step(const hnas_sgd_opts *o, double rate, double *weights,
                        double *momentum)
{
    double kappa = o->clip > 0 ? o->clip / (norm_of(grad) + 1e-6) : 1;

    kappa = kappa < 1 ? kappa : 1;
    for (int i = 0; i < N; i++) {
        const double d = kappa * grad[i] + o->weight_decay * weights[i];

        momentum[i] = o->momentum * momentum[i] + d;
        weights[i] -=
            rate * (o->nesterov ? d + o->momentum * momentum[i] : momentum[i]);
    }
}

static hnas_optim *make(const hnas_sgd_opts *o)
{
    hnas_optim *optim;

    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, param, 2, o), HNAS_OK);
    return optim;
}

static hnas_sgd_opts settings(double momentum, double decay, double clip,
                              int32_t nesterov)
{
    hnas_sgd_opts o;

    hnas_sgd_opts_init(&o, sizeof o);
    o.momentum = momentum;
    o.weight_decay = decay;
    o.clip = clip;
    o.nesterov = nesterov;
    return o;
}

static void expect_weights(const double *want, double tolerance)
{
    double got[N];

    get_weights(got);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq_tol(got[i], want[i], tolerance);
}

START_TEST(sgd_steps_equal_the_formulas_of_torch)
{
    const hnas_sgd_opts all[] = {
        settings(0, 0, 0, 0),       settings(0.9, 0, 0, 0),
        settings(0.9, 3e-4, 0, 0),  settings(0.9, 3e-4, 5, 0),
        settings(0.9, 3e-4, 5, 1),  settings(0, 0.1, 0.5, 0),
        settings(0.5, 0.1, 0.5, 1),
    };

    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        hnas_optim *optim;

        teardown();
        setup();
        optim = make(&all[k]);
        for (int s = 0; s < STEPS; s++) {
            /* some gradients are clipped, some are not */
            random_gradient(s % 2 ? 0.01 : 10);
            oracle_step(&all[k], 0.1, w, buf);
            ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
            ck_assert_double_eq_tol(hn_optim_get_norm(optim), norm_of(grad),
                                    1e-6 * norm_of(grad));
            expect_weights(w, 2e-5);
        }
        ck_assert_int_eq(hnas_optim_get_steps(optim), STEPS);
        hnas_optim_destroy(optim);
    }
}
END_TEST

START_TEST(padding_lanes_stay_zero)
{
    const hnas_sgd_opts o = settings(0.9, 0.1, 5, 1);
    hnas_optim *optim = make(&o);
    const int64_t extent = hn_tensor_extent(param[1]);

    for (int s = 0; s < 3; s++) {
        random_gradient(1);
        ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    }
    for (int64_t i = 0; i < extent; i++)
        if (i % param[1]->cp >= 3)
            ck_assert(hn_real(param[1])[i] == 0);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(a_missing_gradient_is_zero)
{
    const hnas_sgd_opts o = settings(0, 0.5, 0, 0);
    hnas_optim *optim = make(&o);
    double want[N];

    get_weights(want);
    for (int i = 0; i < N; i++)
        want[i] *= 1 - 0.1 * 0.5;
    ck_assert_ptr_null(param[0]->grad);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    expect_weights(want, 1e-6);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(a_gradient_that_is_no_number_changes_nothing)
{
    const hnas_sgd_opts o = settings(0.9, 0.1, 5, 0);
    const double bad[] = {NAN, INFINITY};
    hnas_optim *optim = make(&o);
    double before[N], after[N];

    random_gradient(1);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    get_weights(before);
    for (int k = 0; k < 2; k++) {
        hn_tensor_grad(param[1])[0] = (real)bad[k];
        ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_E_NAN);
        ck_assert_str_ne(hnas_context_message(ctx), "");
        get_weights(after);
        ck_assert_mem_eq(before, after, sizeof before);
        ck_assert_int_eq(hnas_optim_get_steps(optim), 1);
    }
    hnas_optim_destroy(optim);
}
END_TEST

/* Of a gradient, or of a momentum that the rate makes too much. */
START_TEST(a_step_that_would_leave_no_number_changes_nothing)
{
    const double large = sizeof(real) == 4 ? 1e37 : 1e150;
    const double rate = sizeof(real) == 4 ? 50 : 1e160;

    for (int nesterov = 0; nesterov < 2; nesterov++) {
        const hnas_sgd_opts o = settings(0.9, 0.1, 0, nesterov);
        hnas_optim *optim = make(&o);
        double before[N], after[N], moved[N], kept[N_A];

        for (int k = 0; k < 2; k++) {
            random_gradient(1);
            hn_tensor_grad(param[0])[N_A - 1] = (real)large;
            if (k)
                ck_assert_int_eq(hnas_optim_step(optim, 0), HNAS_OK);
            get_weights(before);
            hnas_tensor_get(hn_optim_get_state(optim, 0, 0), HNAS_FLOAT64, kept,
                            N_A);
            if (k)
                random_gradient(1);
            ck_assert_int_eq(hnas_optim_step(optim, rate), HNAS_E_NAN);
            ck_assert_str_ne(hnas_context_message(ctx), "");
            get_weights(after);
            ck_assert_mem_eq(before, after, sizeof before);
            hnas_tensor_get(hn_optim_get_state(optim, 0, 0), HNAS_FLOAT64,
                            moved, N_A);
            ck_assert_mem_eq(moved, kept, sizeof kept);
            ck_assert_int_eq(hnas_optim_get_steps(optim), k);
        }
        ck_assert_int_eq(hnas_optim_step(optim, 1e-30), HNAS_OK);
        hnas_optim_destroy(optim);
    }
}
END_TEST

START_TEST(numbers_close_to_the_largest_are_taken)
{
    const hnas_sgd_opts o = settings(0, 0, 0, 0);
    const double large = sizeof(real) == 4 ? 1e37 : 1e150;
    const double rate = sizeof(real) == 4 ? 30 : 1.5e158;
    hnas_optim *optim = make(&o);
    double after[N];

    for (int i = 0; i < N; i++)
        grad[i] = i == 7 ? large : 0;
    set_gradient(grad);
    ck_assert_int_eq(hnas_optim_step(optim, rate), HNAS_OK);
    get_weights(after);
    ck_assert_double_eq_tol(after[7] / (-large * rate), 1, 1e-6);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(virtual_step_is_the_step_that_would_come)
{
    for (int k = 0; k < 4; k++) {
        const hnas_sgd_opts o = settings(0.9, 3e-4, 0.5, k & 1);
        hnas_sgd_opts seen = o;
        hnas_optim *optim;
        struct hn_virtual info;
        double copy[N], momentum[N], norm;
        real *dst[2];

        teardown();
        setup();
        optim = make(&o);
        random_gradient(1);
        ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
        oracle_step(&o, 0.1, w, buf);
        random_gradient(1);
        norm = norm_of(grad);
        if (!(k & 2))
            seen.clip = 0;
        memcpy(copy, w, sizeof copy);
        memcpy(momentum, buf, sizeof momentum);
        oracle_step(&seen, 0.2, copy, momentum);
        for (int p = 0; p < 2; p++)
            dst[p] = hn_alloc_array(
                &ctx->alloc, (size_t)hn_tensor_extent(param[p]), sizeof(real));
        ck_assert_int_eq(hn_sgd_virtual(&info, optim, 0.2, k & 2, dst), 0);
        expect_weights(w, 2e-6); /* not moved */
        for (int i = 0; i < N_A; i++)
            ck_assert_double_eq_tol(dst[0][i], copy[i], 2e-6);
        ck_assert_int_eq(hn_sgd_virtual(&info, optim, 0.2, k & 2, NULL), 0);
        expect_weights(copy, 2e-6);
        ck_assert_double_eq_tol(info.norm, norm, 1e-5 * norm);
        ck_assert_double_eq_tol(info.kappa, k & 2 ? 0.5 / (norm + 1e-6) : 1,
                                1e-6);
        ck_assert(info.nu == (k & 1 ? 1 + o.momentum : 1));
        ck_assert_int_eq(hnas_optim_get_steps(optim), 1);
        hnas_tensor_get(hn_optim_get_state(optim, 0, 0), HNAS_FLOAT64, copy,
                        N_A);
        for (int i = 0; i < N_A; i++)
            ck_assert_double_eq_tol(copy[i], buf[i], 2e-6);
        for (int p = 0; p < 2; p++)
            hn_free(&ctx->alloc, dst[p]);
        hnas_optim_destroy(optim);
    }
}
END_TEST

START_TEST(restore_brings_the_snapshot_back_bit_for_bit)
{
    const hnas_sgd_opts o = settings(0.9, 3e-4, 5, 0);
    hnas_optim *optim = make(&o);
    double first[N], second[N];

    random_gradient(1);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    ck_assert_int_eq(hn_optim_snapshot(optim), HNAS_OK);
    random_gradient(1);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    get_weights(first);
    hn_optim_restore(optim);
    ck_assert_int_eq(hnas_optim_get_steps(optim), 1);
    ck_assert_int_eq(hnas_optim_step(optim, 0.1), HNAS_OK);
    get_weights(second);
    ck_assert_mem_eq(first, second, sizeof first);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(state_is_one_named_tensor_a_parameter)
{
    const hnas_sgd_opts o = settings(0.9, 0, 0, 0);
    hnas_optim *optim = make(&o);

    ck_assert_int_eq(hn_optim_get_state_count(optim), 1);
    ck_assert_str_eq(hn_optim_get_state_name(optim, 0), "momentum");
    ck_assert(hn_same_shape(hn_optim_get_state(optim, 0, 1), param[1]));
    hn_optim_set_steps(optim, 12);
    ck_assert_int_eq(hnas_optim_get_steps(optim), 12);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(create_refuses_what_it_cannot_move)
{
    float numbers[8] = {0};
    hnas_array array;
    hnas_tensor *strided, *integers, *list[1], *twice[3];
    const int64_t two[1] = {2};
    hnas_sgd_opts bad;
    hnas_optim *optim;

    memset(&array, 0, sizeof array);
    array.size = sizeof array;
    array.data = numbers;
    array.dtype = HN_REAL;
    array.rank = 1;
    array.dims[0] = 2;
    array.strides[0] = 2;
    ck_assert_int_eq(hnas_tensor_wrap(&strided, ctx, &array), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_create(&integers, ctx, HNAS_INT32, 1, two),
                     HNAS_OK);
    list[0] = strided;
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, list, 1, NULL), HNAS_E_SHAPE);
    list[0] = integers;
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, list, 1, NULL), HNAS_E_TYPE);
    list[0] = NULL;
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, list, 1, NULL), HNAS_E_ARG);
    twice[0] = twice[2] = param[0];
    twice[1] = param[1];
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, twice, 3, NULL), HNAS_E_ARG);
    ck_assert_str_eq(hnas_context_message(ctx),
                     "params: a tensor twice, want each once");
    bad = settings(1, 0, 0, 0);
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, param, 2, &bad),
                     HNAS_E_RANGE);
    bad = settings(0, NAN, 0, 0);
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, param, 2, &bad),
                     HNAS_E_RANGE);
    bad = settings(0, 0, -1, 0);
    ck_assert_int_eq(hnas_sgd_create(&optim, ctx, param, 2, &bad),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(optim);
    hnas_tensor_unref(strided);
    hnas_tensor_unref(integers);
}
END_TEST

START_TEST(step_refuses_a_rate_that_is_no_number)
{
    hnas_optim *optim = make(NULL);

    ck_assert_int_eq(hnas_optim_step(optim, NAN), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_optim_step(optim, -1), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_optim_get_steps(optim), 0);
    hnas_optim_destroy(optim);
}
END_TEST

START_TEST(optimizer_keeps_its_parameters_alive)
{
    hnas_optim *optim = make(NULL);
    const int refs = atomic_load(&param[0]->refs);

    ck_assert_int_eq(refs, 2);
    hnas_optim_destroy(optim);
    ck_assert_int_eq(atomic_load(&param[0]->refs), 1);
    hnas_optim_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim sgd");
    TCase *c = tcase_create("sgd");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, sgd_steps_equal_the_formulas_of_torch);
    tcase_add_test(c, padding_lanes_stay_zero);
    tcase_add_test(c, a_missing_gradient_is_zero);
    tcase_add_test(c, a_gradient_that_is_no_number_changes_nothing);
    tcase_add_test(c, a_step_that_would_leave_no_number_changes_nothing);
    tcase_add_test(c, numbers_close_to_the_largest_are_taken);
    tcase_add_test(c, virtual_step_is_the_step_that_would_come);
    tcase_add_test(c, restore_brings_the_snapshot_back_bit_for_bit);
    tcase_add_test(c, state_is_one_named_tensor_a_parameter);
    tcase_add_test(c, create_refuses_what_it_cannot_move);
    tcase_add_test(c, step_refuses_a_rate_that_is_no_number);
    tcase_add_test(c, optimizer_keeps_its_parameters_alive);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
