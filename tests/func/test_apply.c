/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's own func: y = a^2 b. */
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/tangentcheck.h"

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

/* What the host's func is told and asked to do. */
struct host {
    int64_t n;
    int n_forward, n_backward;
    hnas_status forward_answer, backward_answer;
    int wants_b; /* whether din[1] was there */
};

#ifdef HN_REAL_DOUBLE
typedef double element;
#else
typedef float element;
#endif

/* Element i in row-major order. */
static element *at(const hnas_array *a, int64_t i)
{
    int64_t j = 0;

    for (int32_t k = a->rank - 1; k >= 0; k--) {
        j += i % a->dims[k] * a->strides[k];
        i /= a->dims[k];
    }
    return (element *)a->data + j;
}

static hnas_status forward(void *user, const hnas_array *in, int32_t n_in,
                           const hnas_array *out)
{
    struct host *h = user;

    h->n_forward++;
    ck_assert_int_eq(n_in, 2);
    ck_assert_int_eq(out->dtype, TEST_REAL);
    for (int64_t i = 0; i < h->n; i++) {
        ck_assert(*at(out, i) == 0); /* zeroed before the call */
        *at(out, i) = *at(&in[0], i) * *at(&in[0], i) * *at(&in[1], i);
    }
    return h->forward_answer;
}

static hnas_status backward(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din)
{
    struct host *h = user;

    h->n_backward++;
    ck_assert_int_eq(n_in, 2);
    ck_assert_ptr_nonnull(out->data);
    h->wants_b = din[1].data != NULL;
    for (int64_t i = 0; i < h->n; i++) {
        if (din[0].data)
            *at(&din[0], i) +=
                2 * *at(&in[0], i) * *at(&in[1], i) * *at(dout, i);
        if (din[1].data)
            *at(&din[1], i) += *at(&in[0], i) * *at(&in[0], i) * *at(dout, i);
    }
    return h->backward_answer;
}

/* (x0^2 x1)' = 2 x0 x1 x0' + x0^2 x1' */
static hnas_status tangent(void *user, hnas_tensor **out, hnas_tape *tape,
                           hnas_tensor *const *in, hnas_tensor *const *move,
                           int32_t n_in, hnas_tensor *result)
{
    hnas_tensor *t[4] = {NULL, NULL, NULL, NULL};
    hnas_status st = hnas_mul(&t[0], tape, in[0], in[move[0] ? 1 : 0]);

    (void)user, (void)n_in, (void)result;
    if (st == HNAS_OK && !move[0])
        st = hnas_mul(out, tape, t[0], move[1]);
    if (st == HNAS_OK && move[0])
        st = hnas_mul(&t[1], tape, t[0], move[0]);
    if (st == HNAS_OK && move[0])
        st = hnas_affine(move[1] ? &t[2] : out, tape, t[1], 2, 0);
    if (st == HNAS_OK && move[0] && move[1]) {
        hnas_tensor_unref(t[0]);
        t[0] = NULL;
        hnas_tensor_unref(t[1]);
        t[1] = NULL;
        st = hnas_mul(&t[0], tape, in[0], in[0]);
        if (st == HNAS_OK)
            st = hnas_mul(&t[1], tape, t[0], move[1]);
        if (st == HNAS_OK)
            st = hnas_add(out, tape, t[1], t[2]);
    }
    for (int i = 0; i < 4; i++)
        hnas_tensor_unref(t[i]);
    return st;
}

static const hnas_func_table table = {sizeof table, "square_times", forward,
                                      backward, tangent};

struct use {
    struct host host;
    hnas_shape shape;
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          hnas_tensor *const *x, void *user)
{
    struct use *u = user;

    return hnas_func_apply(out, tape, &table, x, 2, &u->shape, &u->host);
}

static void reference(double *y, const double *const *x, void *user)
{
    const struct use *u = user;

    for (int64_t i = 0; i < u->host.n; i++)
        y[i] = x[0][i] * x[0][i] * x[1][i];
}

static const hnas_shape shapes[] = {
    {0, {0}},       {1, {7}},          {2, {5, 3}},
    {3, {2, 1, 7}}, {4, {2, 3, 5, 7}}, {4, {1, 8, 1, 3}},
};

START_TEST(a_host_func_computes_and_gives_gradients)
{
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            struct use u = {.shape = shapes[i]};
            struct grad_case c = {.name = "apply",
                                  .n_leaves = 2,
                                  .shape = shapes[i],
                                  .record = record,
                                  .reference = reference,
                                  .user = &u};

            u.host.n = shape_count(shapes[i].rank, shapes[i].dims);
            for (int k = 0; k < 2; k++) {
                c.leaf[k].kind = shapes[i].rank == 4 ? LEAF_IMAGE : LEAF_ANY;
                c.leaf[k].rank = shapes[i].rank;
                memcpy(c.leaf[k].dims, shapes[i].dims, sizeof c.leaf[k].dims);
                c.leaf[k].lo = -1;
                c.leaf[k].hi = 1;
            }
            c.leaf[1].constant = round & 1;
            c.no_tangent = 1; /* it would count too */
            gradcheck(ctx, &c, &rnd);
            ck_assert_int_eq(u.host.n_forward, 2); /* on a tape and without */
            ck_assert_int_eq(u.host.n_backward, 1);
            ck_assert_int_eq(u.host.wants_b, !(round & 1));
            tangentcheck(ctx, &c, &rnd);
        }
}
END_TEST

static hnas_tensor *pair[2], *out;

static void make_pair(void)
{
    const int64_t n = 3;

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hnas_tensor_create(&pair[i], ctx, TEST_REAL, 1, &n),
                         0);
        hnas_tensor_set_wanted(pair[i], 1);
    }
    out = pair[0];
}

static void drop_pair(void)
{
    hnas_tensor_unref(pair[0]);
    hnas_tensor_unref(pair[1]);
}

START_TEST(a_failing_forward_is_named)
{
    struct host h = {.n = 3, .forward_answer = HNAS_E_IO};
    const hnas_shape shape = {1, {3}};
    hnas_tape *tape;

    make_pair();
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_func_apply(&out, tape, &table, pair, 2, &shape, &h),
                     HNAS_E_OP);
    ck_assert_ptr_null(out);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "square_times"));
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "HNAS_E_IO"));
    ck_assert_int_eq(hnas_tape_get_count(tape), 0);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 2, &shape, &h),
                     HNAS_E_OP);
    h.forward_answer = HNAS_OK;
    ck_assert_int_eq(hnas_func_apply(&out, tape, &table, pair, 2, &shape, &h),
                     HNAS_OK);
    hnas_tensor_unref(out);
    hnas_tape_destroy(tape);
    drop_pair();
}
END_TEST

START_TEST(a_failing_or_missing_backward_is_named)
{
    struct host h = {.n = 3, .backward_answer = HNAS_E_NAN};
    const hnas_func_table one_way = {sizeof one_way, "one_way", forward, NULL,
                                     NULL};
    const hnas_func_table *const tables[2] = {&table, &one_way};
    const hnas_status want[2] = {HNAS_E_OP, HNAS_E_UNSUPPORTED};
    const hnas_shape shape = {1, {3}};
    hnas_tape *tape;

    make_pair();
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    for (int i = 0; i < 2; i++) {
        hnas_tensor *y, *loss;

        ck_assert_int_eq(hnas_tape_reset(tape, 0), 0);
        ck_assert_int_eq(
            hnas_func_apply(&y, tape, tables[i], pair, 2, &shape, &h), 0);
        ck_assert_int_eq(hnas_sum(&loss, tape, y), 0);
        ck_assert_int_eq(hnas_tape_backward(tape, loss), want[i]);
        ck_assert_ptr_nonnull(
            strstr(hnas_context_message(ctx), tables[i]->name));
        hnas_tensor_unref(y);
        hnas_tensor_unref(loss);
    }
    hnas_tape_destroy(tape);
    drop_pair();
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    struct host h = {.n = 3};
    const hnas_shape shape = {1, {3}}, zero = {1, {0}}, deep = {5, {1}};
    hnas_func_table bad[3] = {table, table, table};
    hnas_tensor *hole[2];

    make_pair();
    hole[0] = pair[0];
    hole[1] = NULL;
    bad[0].size = 0;
    bad[1].name = NULL;
    bad[2].forward = NULL;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            hnas_func_apply(&out, NULL, &bad[i], pair, 2, &shape, &h),
            HNAS_E_ARG);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 2, &zero, &h),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 2, &deep, &h),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 0, &shape, &h),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 17, &shape, &h),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, hole, 2, &shape, &h),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, NULL, pair, 2, &shape, &h),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_func_apply(&out, NULL, &table, pair, 2, NULL, &h),
                     HNAS_E_ARG);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(h.n_forward, 0);
    drop_pair();
}
END_TEST

/* y = x, whose tangent is said to be 2 x' + 1 by a batch-norm, which leaves it
 * pending. */
static hnas_status copy(void *user, const hnas_array *in, int32_t n_in,
                        const hnas_array *y)
{
    (void)n_in;
    for (int64_t i = 0; i < *(int64_t *)user; i++)
        *at(y, i) = *at(&in[0], i);
    return HNAS_OK;
}

static hnas_norm *doubling;

static hnas_status pending_tangent(void *user, hnas_tensor **moved,
                                   hnas_tape *tape, hnas_tensor *const *in,
                                   hnas_tensor *const *move, int32_t n_in,
                                   hnas_tensor *result)
{
    (void)user, (void)in, (void)n_in, (void)result;
    return hnas_batch_norm(moved, tape, move[0], doubling);
}

enum { CHANNELS = 8, PIXELS = 6 };

static void make_doubling(void)
{
    hnas_tensor *weight, *bias, *mean, *variance;
    element two[CHANNELS], one[CHANNELS];

    for (int i = 0; i < CHANNELS; i++) {
        two[i] = 2;
        one[i] = 1;
    }
    ck_assert_int_eq(hnas_norm_create(&doubling, ctx, CHANNELS, 1), 0);
    hnas_norm_get_tensors(doubling, &weight, &bias, &mean, &variance);
    ck_assert_int_eq(hnas_tensor_set(weight, TEST_REAL, two, CHANNELS), 0);
    ck_assert_int_eq(hnas_tensor_set(bias, TEST_REAL, one, CHANNELS), 0);
    hnas_tensor_set_wanted(weight, 0);
    hnas_tensor_set_wanted(bias, 0);
}

/* The tangent of sum(conv(max(f(x), 0))), x and x' all ones, the kernel too. */
static double tangent_through_a_convolution(void)
{
    static const hnas_func_table f = {sizeof f, "copy", copy, NULL,
                                      pending_tangent};
    const hnas_shape shape = {4, {1, CHANNELS, 2, 3}};
    const int64_t kernel[4] = {1, CHANNELS, 1, 1};
    int64_t n = CHANNELS * PIXELS;
    element ones[CHANNELS * PIXELS];
    hnas_tensor *x, *dx, *w, *y, *z, *sum, *t;
    hnas_conv_opts relu;
    hnas_tape *tape;
    double value;

    for (int64_t i = 0; i < n; i++)
        ones[i] = 1;
    hnas_conv_opts_init(&relu, sizeof relu);
    relu.relu = 1;
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, TEST_REAL, 4, shape.dims), 0);
    ck_assert_int_eq(hnas_tensor_create(&dx, ctx, TEST_REAL, 4, shape.dims), 0);
    ck_assert_int_eq(hnas_tensor_create(&w, ctx, TEST_REAL, 4, kernel), 0);
    ck_assert_int_eq(hnas_tensor_set(x, TEST_REAL, ones, n), 0);
    ck_assert_int_eq(hnas_tensor_set(dx, TEST_REAL, ones, n), 0);
    ck_assert_int_eq(hnas_tensor_set(w, TEST_REAL, ones, CHANNELS), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_RUNNING_STATS), 0);
    ck_assert_int_eq(hnas_func_apply(&y, tape, &f, &x, 1, &shape, &n), 0);
    ck_assert_int_eq(hnas_conv2d(&z, tape, y, w, &relu), 0);
    ck_assert_int_eq(hnas_sum(&sum, tape, z), 0);
    ck_assert_int_eq(hnas_tape_tangent(&t, tape, sum, &x, &dx, 1), 0);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, &value, 1), 0);
    hnas_tensor_unref(x);
    hnas_tensor_unref(dx);
    hnas_tensor_unref(w);
    hnas_tensor_unref(y);
    hnas_tensor_unref(z);
    hnas_tensor_unref(sum);
    hnas_tensor_unref(t);
    hnas_tape_destroy(tape);
    return value;
}

START_TEST(a_tangent_that_is_left_pending_is_computed)
{
    make_doubling();
    /* 2 * 1 / sqrt(1 + epsilon) + 1 of each */
    ck_assert_double_eq_tol(tangent_through_a_convolution(),
                            3 * CHANNELS * PIXELS, 1e-2);
    hnas_norm_destroy(doubling);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("apply");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_host_func_computes_and_gives_gradients);
    tcase_add_test(t, a_failing_forward_is_named);
    tcase_add_test(t, a_failing_or_missing_backward_is_named);
    tcase_add_test(t, bad_arguments_are_refused);
    tcase_add_test(t, a_tangent_that_is_left_pending_is_computed);
    suite_add_tcase(s, t);
    return run_suite(s);
}
