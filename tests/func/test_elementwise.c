/* SPDX-License-Identifier: BSD-3-Clause */
/* add, mul, affine, sum, relu, weighted_norm. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
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

/* Shapes with ones and primes, of every rank. */
static const hnas_shape shapes[] = {
    {0, {0}},           {1, {1}},          {1, {7}},
    {1, {64}},          {2, {1, 1}},       {2, {5, 3}},
    {2, {14, 8}},       {3, {3, 1, 5}},    {3, {2, 7, 11}},
    {4, {1, 1, 1, 1}},  {4, {2, 3, 5, 7}}, {4, {3, 8, 2, 13}},
    {4, {1, 17, 1, 4}},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

struct param {
    int64_t n;
    double factor, offset;
    int32_t power;
};

static hnas_status record_add(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_add(out, tape, x[0], x[1]);
}

static void add(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    for (int64_t i = 0; i < p->n; i++)
        y[i] = x[0][i] + x[1][i];
}

static hnas_status record_mul(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_mul(out, tape, x[0], x[1]);
}

static void mul(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    for (int64_t i = 0; i < p->n; i++)
        y[i] = x[0][i] * x[1][i];
}

static hnas_status record_square(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_mul(out, tape, x[0], x[0]);
}

static void square(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    for (int64_t i = 0; i < p->n; i++)
        y[i] = x[0][i] * x[0][i];
}

static hnas_status record_affine(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    const struct param *p = user;

    return hnas_affine(out, tape, x[0], p->factor, p->offset);
}

static void affine(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    for (int64_t i = 0; i < p->n; i++)
        y[i] = p->factor * x[0][i] + p->offset;
}

static hnas_status record_relu(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_relu(out, tape, x[0]);
}

static void relu(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    for (int64_t i = 0; i < p->n; i++)
        y[i] = fmax(x[0][i], 0);
}

static hnas_status record_sum(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_sum(out, tape, x[0]);
}

static void sum(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    y[0] = 0;
    for (int64_t i = 0; i < p->n; i++)
        y[0] += x[0][i];
}

static hnas_status record_norm(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    const struct param *p = user;

    return hnas_weighted_norm(out, tape, x[0], x[1], p->power);
}

static void norm(double *y, const double *const *x, void *user)
{
    const struct param *p = user;

    y[0] = 0;
    for (int64_t i = 0; i < p->n; i++)
        y[0] += x[1][i] * pow(fabs(x[0][i]), p->power);
}

/* Run a func over all shapes; kinds of the leaves as of rank 4 or not. */
static void check(const char *name, int32_t n_leaves,
                  hnas_status (*record)(hnas_tensor **, hnas_tape *,
                                        hnas_tensor *const *, void *),
                  void (*reference)(double *, const double *const *, void *),
                  struct param p, int scalar)
{
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N_SHAPES; i++) {
            struct grad_case c = {.name = name,
                                  .n_leaves = n_leaves,
                                  .shape = shapes[i],
                                  .record = record,
                                  .reference = reference,
                                  .user = &p};

            p.n = shape_count(shapes[i].rank, shapes[i].dims);
            for (int k = 0; k < n_leaves; k++) {
                c.leaf[k].rank = shapes[i].rank;
                memcpy(c.leaf[k].dims, shapes[i].dims, sizeof shapes[i].dims);
                c.leaf[k].kind =
                    shapes[i].rank == 4 && round ? LEAF_IMAGE : LEAF_ANY;
                c.leaf[k].lo = -2;
                c.leaf[k].hi = 2;
                c.leaf[k].gap = 1e-3;
            }
            if (scalar)
                c.shape.rank = 0;
            if (p.power) {
                c.leaf[0].kind = c.leaf[1].kind = LEAF_ANY;
                c.leaf[1].constant = 1;
            }
            gradcheck(ctx, &c, &rnd);
        }
}

START_TEST(add_adds)
{
    check("add", 2, record_add, add, (struct param){0}, 0);
}
END_TEST

START_TEST(mul_multiplies)
{
    check("mul", 2, record_mul, mul, (struct param){0}, 0);
}
END_TEST

START_TEST(a_tensor_times_itself_has_twice_the_gradient)
{
    check("square", 1, record_square, square, (struct param){0}, 0);
}
END_TEST

START_TEST(affine_scales_and_shifts)
{
    const double pairs[][2] = {{2.5, -1.25}, {0, 3}, {-1, 0}};

    for (int i = 0; i < 3; i++)
        check("affine", 1, record_affine, affine,
              (struct param){.factor = pairs[i][0], .offset = pairs[i][1]}, 0);
}
END_TEST

START_TEST(relu_rectifies)
{
    check("relu", 1, record_relu, relu, (struct param){0}, 0);
}
END_TEST

START_TEST(sum_adds_up)
{
    check("sum", 1, record_sum, sum, (struct param){0}, 1);
}
END_TEST

START_TEST(weighted_norm_is_that_of_both_powers)
{
    check("norm 1", 2, record_norm, norm, (struct param){.power = 1}, 1);
    check("norm 2", 2, record_norm, norm, (struct param){.power = 2}, 1);
}
END_TEST

START_TEST(relu_and_the_absolute_value_have_gradient_0_at_0)
{
    const int64_t n = 3;
    const double v[3] = {0, -1, 1}, one[3] = {1, 1, 1};
    double g[3];
    hnas_tensor *x, *w, *y, *s;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, TEST_REAL, 1, &n), 0);
    ck_assert_int_eq(hnas_tensor_create(&w, ctx, TEST_REAL, 1, &n), 0);
    hnas_tensor_set(x, HNAS_FLOAT64, v, 3);
    hnas_tensor_set(w, HNAS_FLOAT64, one, 3);
    hnas_tensor_set_wanted(x, 1);
    ck_assert_int_eq(hnas_relu(&y, tape, x), 0);
    ck_assert_int_eq(hnas_sum(&s, tape, y), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, s), 0);
    hnas_tensor_get_gradient(x, HNAS_FLOAT64, g, 3);
    ck_assert(g[0] == 0 && g[1] == 0 && g[2] == 1);
    hnas_tensor_unref(y);
    hnas_tensor_unref(s);
    hnas_tensor_clear_gradient(x);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
    ck_assert_int_eq(hnas_weighted_norm(&s, tape, x, w, 1), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, s), 0);
    hnas_tensor_get_gradient(x, HNAS_FLOAT64, g, 3);
    ck_assert(g[0] == 0 && g[1] == -1 && g[2] == 1);
    hnas_tensor_unref(s);
    hnas_tensor_set_wanted(w, 1); /* it would get none */
    ck_assert_int_eq(hnas_weighted_norm(&s, tape, x, w, 1), HNAS_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "weight"));
    hnas_tensor_unref(x);
    hnas_tensor_unref(w);
    hnas_tape_destroy(tape);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    const int64_t two[2] = {2, 3}, other[2] = {3, 2};
    hnas_tensor *a, *b, *labels, *out;

    ck_assert_int_eq(hnas_tensor_create(&a, ctx, TEST_REAL, 2, two), 0);
    ck_assert_int_eq(hnas_tensor_create(&b, ctx, TEST_REAL, 2, other), 0);
    ck_assert_int_eq(hnas_tensor_create(&labels, ctx, HNAS_INT32, 2, two), 0);
    out = a;
    ck_assert_int_eq(hnas_add(&out, NULL, a, b), HNAS_E_SHAPE);
    ck_assert_ptr_null(out);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(ctx), "[2, 3] and [3, 2]"));
    ck_assert_int_eq(hnas_mul(&out, NULL, a, b), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_weighted_norm(&out, NULL, a, b, 1), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_add(&out, NULL, a, labels), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_mul(&out, NULL, labels, a), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_relu(&out, NULL, labels), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_sum(&out, NULL, labels), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_affine(&out, NULL, labels, 1, 0), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_weighted_norm(&out, NULL, a, labels, 1), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_affine(&out, NULL, a, (double)NAN, 0), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_affine(&out, NULL, a, 0, (double)INFINITY),
                     HNAS_E_RANGE);
    for (int32_t power = 0; power <= 3; power += 3)
        ck_assert_int_eq(hnas_weighted_norm(&out, NULL, a, a, power),
                         HNAS_E_RANGE);
    ck_assert_int_eq(hnas_add(&out, NULL, NULL, a), HNAS_E_ARG);
    ck_assert_int_eq(hnas_add(&out, NULL, a, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_add(NULL, NULL, a, a), HNAS_E_ARG);
    ck_assert_int_eq(hnas_mul(&out, NULL, NULL, a), HNAS_E_ARG);
    ck_assert_int_eq(hnas_affine(&out, NULL, NULL, 1, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_sum(&out, NULL, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_relu(&out, NULL, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_weighted_norm(&out, NULL, a, NULL, 1), HNAS_E_ARG);
    ck_assert_ptr_null(out);
    hnas_tensor_unref(a);
    hnas_tensor_unref(b);
    hnas_tensor_unref(labels);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("elementwise");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, add_adds);
    tcase_add_test(t, mul_multiplies);
    tcase_add_test(t, a_tensor_times_itself_has_twice_the_gradient);
    tcase_add_test(t, affine_scales_and_shifts);
    tcase_add_test(t, relu_rectifies);
    tcase_add_test(t, sum_adds_up);
    tcase_add_test(t, weighted_norm_is_that_of_both_powers);
    tcase_add_test(t, relu_and_the_absolute_value_have_gradient_0_at_0);
    tcase_add_test(t, bad_arguments_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
