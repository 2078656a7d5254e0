/* SPDX-License-Identifier: BSD-3-Clause */
/* relax_softmax, relax_sigmoid, relax_gumbel. */
#include <math.h>
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"

static hnas_context *ctx;
static struct random rnd;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    rnd.state = 1;
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

struct relax {
    int64_t e, o, n_images; /* n_images 0: one draw */
    double tau;
    int32_t hard;
};

static void softmax_row(double *p, const double *a, const double *noise,
                        int64_t n, double tau)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += p[i] = exp((a[i] + (noise ? noise[i] : 0)) / tau);
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum;
}

static hnas_status record_softmax(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *const *x, void *user)
{
    const struct relax *r = user;

    return hnas_relax_softmax(out, tape, x[0], r->tau);
}

static void softmax(double *y, const double *const *x, void *user)
{
    const struct relax *r = user;

    for (int64_t e = 0; e < r->e; e++)
        softmax_row(y + e * r->o, x[0] + e * r->o, NULL, r->o, r->tau);
}

static hnas_status record_sigmoid(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_relax_sigmoid(out, tape, x[0]);
}

static void sigmoid(double *y, const double *const *x, void *user)
{
    const struct relax *r = user;

    for (int64_t i = 0; i < r->e * r->o; i++)
        y[i] = 1 / (1 + exp(-x[0][i]));
}

static hnas_status record_gumbel(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    const struct relax *r = user;

    return hnas_relax_gumbel(out, tape, x[0], x[1], r->tau, r->hard);
}

static void gumbel(double *y, const double *const *x, void *user)
{
    const struct relax *r = user;
    const int64_t rows = r->e * (r->n_images ? r->n_images : 1);

    for (int64_t i = 0; i < rows; i++)
        softmax_row(y + i * r->o, x[0] + i % r->e * r->o, x[1] + i * r->o, r->o,
                    r->tau);
}

static struct relax draw_shape(void)
{
    static const int64_t sizes[] = {1, 2, 3, 5, 8, 13};
    static const double taus[] = {0.2, 1, 5};
    const struct relax r = {.e = sizes[random_int(&rnd, 6)],
                            .o = sizes[random_int(&rnd, 6)],
                            .tau = taus[random_int(&rnd, 3)]};

    return r;
}

static void alpha_leaf(struct grad_leaf *l, const struct relax *r)
{
    l->rank = 2;
    l->dims[0] = r->e;
    l->dims[1] = r->o;
    l->lo = -2;
    l->hi = 2;
}

static void noise_leaf(struct grad_leaf *l, const struct relax *r)
{
    alpha_leaf(l, r);
    l->constant = 1;
    if (!r->n_images)
        return;
    l->rank = 3;
    l->dims[0] = r->n_images;
    l->dims[1] = r->e;
    l->dims[2] = r->o;
}

START_TEST(softmax_and_sigmoid_are_their_formulas)
{
    for (int i = 0; i < 80; i++) {
        struct relax r = draw_shape();
        struct grad_case c = {.name = i & 1 ? "softmax" : "sigmoid",
                              .n_leaves = 1,
                              .shape = {2, {r.e, r.o}},
                              .record = i & 1 ? record_softmax : record_sigmoid,
                              .reference = i & 1 ? softmax : sigmoid,
                              .user = &r};

        alpha_leaf(&c.leaf[0], &r);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

START_TEST(soft_gumbel_is_softmax_with_noise_a_step_or_an_image)
{
    for (int i = 0; i < 60; i++) {
        struct relax r = draw_shape();
        struct grad_case c = {.name = "gumbel",
                              .n_leaves = 2,
                              .shape = {2, {r.e, r.o}},
                              .record = record_gumbel,
                              .reference = gumbel,
                              .user = &r};

        if (i & 1) {
            const hnas_shape s = {3, {3, r.e, r.o}};

            r.n_images = 3;
            c.shape = s;
        }
        alpha_leaf(&c.leaf[0], &r);
        noise_leaf(&c.leaf[1], &r);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

/* Gates of one table by each relaxation; and the gradient of sum(y * dy). */
struct result {
    double y[64], g[64];
};

static void run(struct result *out, hnas_tensor *alpha, hnas_tensor *noise,
                hnas_tensor *dy, double tau, int32_t hard)
{
    const int64_t n = hnas_tensor_get_count(alpha);
    hnas_tensor *y, *product, *loss;
    hnas_tape *tape;

    hnas_tensor_clear_gradient(alpha);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_relax_gumbel(&y, tape, alpha, noise, tau, hard), 0);
    ck_assert_int_eq(hnas_mul(&product, tape, y, dy), 0);
    ck_assert_int_eq(hnas_sum(&loss, tape, product), 0);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT64, out->y, n), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), 0);
    ck_assert_int_eq(hnas_tensor_get_gradient(alpha, HNAS_FLOAT64, out->g, n),
                     0);
    hnas_tensor_unref(y);
    hnas_tensor_unref(product);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
}

START_TEST(hard_gumbel_is_one_hot_with_the_gradient_of_the_soft_one)
{
    enum { E = 5, O = 7 };
    const struct relax r = {.e = E, .o = O};
    struct grad_leaf a = {0}, u = {0};
    double alpha[E * O], noise[E * O], dy[E * O];
    struct result soft, hard;
    hnas_tensor *ta, *tu, *td;

    alpha_leaf(&a, &r);
    noise_leaf(&u, &r);
    ta = grad_leaf_make(ctx, &a, &rnd, alpha);
    tu = grad_leaf_make(ctx, &u, &rnd, noise);
    td = grad_leaf_make(ctx, &u, &rnd, dy);
    run(&soft, ta, tu, td, 0.7, 0);
    run(&hard, ta, tu, td, 0.7, 1);
    ck_assert_mem_eq(soft.g, hard.g, E * O * sizeof(double));
    for (int e = 0; e < E; e++) {
        int best = 0;

        for (int o = 1; o < O; o++)
            if (alpha[e * O + o] + noise[e * O + o] >
                alpha[e * O + best] + noise[e * O + best])
                best = o;
        for (int o = 0; o < O; o++)
            ck_assert(hard.y[e * O + o] == (o == best));
    }
    hnas_tensor_unref(ta);
    hnas_tensor_unref(tu);
    hnas_tensor_unref(td);
}
END_TEST

static hnas_tensor *table(const double *v, int64_t e, int64_t o)
{
    const int64_t dims[2] = {e, o};
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, TEST_REAL, 2, dims), 0);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, v, e * o), 0);
    return t;
}

START_TEST(rows_sum_to_one_however_large_alpha_is)
{
    const double extreme[] = {1e30,  -1e30, 0,    700, -700, 710,
                              1e-30, 0,     1e-4, 88,  89,   -104};
    const double taus[] = {1e-4, 1, 1e4};
    hnas_tensor *alpha = table(extreme, 4, 3);
    double p[12];

    for (int i = 0; i < 3; i++) {
        hnas_tensor *y;

        ck_assert_int_eq(hnas_relax_softmax(&y, NULL, alpha, taus[i]), 0);
        hnas_tensor_get(y, HNAS_FLOAT64, p, 12);
        for (int e = 0; e < 12; e += 3)
            ck_assert_double_eq_tol(p[e] + p[e + 1] + p[e + 2], 1, 1e-6);
        hnas_tensor_unref(y);
        ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, alpha, alpha, taus[i], 0),
                         0);
        hnas_tensor_get(y, HNAS_FLOAT64, p, 12);
        for (int e = 0; e < 12; e += 3)
            ck_assert_double_eq_tol(p[e] + p[e + 1] + p[e + 2], 1, 1e-6);
        hnas_tensor_unref(y);
    }
    hnas_tensor_unref(alpha);
}
END_TEST

START_TEST(sigmoid_saturates_without_overflow)
{
    const double v[4] = {1e30, -1e30, 0, -800};
    hnas_tensor *alpha = table(v, 2, 2), *y;
    double p[4];

    ck_assert_int_eq(hnas_relax_sigmoid(&y, NULL, alpha), 0);
    hnas_tensor_get(y, HNAS_FLOAT64, p, 4);
    ck_assert(p[0] == 1 && p[1] == 0 && p[2] == 0.5);
    ck_assert(p[3] >= 0 && p[3] < 1e-30);
    hnas_tensor_unref(y);
    hnas_tensor_unref(alpha);
}
END_TEST

START_TEST(a_tau_outside_its_range_is_refused)
{
    const double v[4] = {0, 1, 2, 3};
    const double bad[] = {
        0, -1, 9e-5, 1.1e4, (double)NAN, (double)INFINITY, 1e300, -0.0};
    hnas_tensor *alpha = table(v, 2, 2), *y = alpha;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(hnas_relax_softmax(&y, NULL, alpha, bad[i]),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(y);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "tau"));
        ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, alpha, alpha, bad[i], 1),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(y);
    }
    hnas_tensor_unref(alpha);
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    const double v[12] = {0};
    const int64_t dims[3] = {2, 3, 2}, wrong[3] = {2, 2, 3};
    hnas_tensor *alpha = table(v, 3, 2), *other = table(v, 2, 3), *y = alpha;
    hnas_tensor *three, *labels, *image;

    ck_assert_int_eq(hnas_tensor_create(&three, ctx, TEST_REAL, 3, dims), 0);
    ck_assert_int_eq(hnas_tensor_create(&image, ctx, TEST_REAL, 3, wrong), 0);
    ck_assert_int_eq(hnas_tensor_create(&labels, ctx, HNAS_INT32, 2, dims), 0);
    ck_assert_int_eq(hnas_relax_softmax(&y, NULL, three, 1), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_relax_softmax(&y, NULL, labels, 1), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_relax_softmax(&y, NULL, NULL, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_relax_softmax(NULL, NULL, alpha, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_relax_sigmoid(&y, NULL, labels), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_relax_sigmoid(&y, NULL, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, alpha, other, 1, 0),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, alpha, image, 1, 0),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, three, alpha, 1, 0),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_relax_gumbel(&y, NULL, alpha, NULL, 1, 0),
                     HNAS_E_ARG);
    ck_assert_ptr_null(y);
    hnas_tensor_unref(alpha);
    hnas_tensor_unref(other);
    hnas_tensor_unref(three);
    hnas_tensor_unref(image);
    hnas_tensor_unref(labels);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("relax");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, softmax_and_sigmoid_are_their_formulas);
    tcase_add_test(t, soft_gumbel_is_softmax_with_noise_a_step_or_an_image);
    tcase_add_test(t, hard_gumbel_is_one_hot_with_the_gradient_of_the_soft_one);
    tcase_add_test(t, rows_sum_to_one_however_large_alpha_is);
    tcase_add_test(t, sigmoid_saturates_without_overflow);
    tcase_add_test(t, a_tau_outside_its_range_is_refused);
    tcase_add_test(t, shapes_that_do_not_fit_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
