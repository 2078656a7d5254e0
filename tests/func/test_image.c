/* SPDX-License-Identifier: BSD-3-Clause */
/* batch_norm, pools, concat, global_avg_pool, mix. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/reference.h"

static hnas_context *ctx;
static struct random rnd;

static void setup(void)
{
    hnas_context_opts o;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = 2;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    rnd.state = 1;
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

/* Shapes with ones and primes, more images than a chunk. */
static const int64_t shapes[][4] = {
    {1, 1, 1, 2},  {1, 3, 5, 7},  {2, 8, 4, 4},  {3, 16, 1, 5}, {9, 2, 3, 3},
    {2, 17, 7, 1}, {5, 5, 2, 13}, {17, 1, 3, 2}, {2, 11, 9, 9},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

struct image {
    int64_t d[4], stride;
    int32_t average;
    hnas_norm *norm;
    double mean[32], variance[32]; /* running, where used */
    int32_t running;
    int64_t n_x, part[4]; /* concat's channels */
    int64_t index[4], n_gates, per_image;
};

static void image_leaf(struct grad_leaf *l, const int64_t d[4])
{
    l->kind = LEAF_IMAGE;
    l->rank = 4;
    memcpy(l->dims, d, sizeof l->dims);
    l->lo = -1;
    l->hi = 1;
}

static void output(struct grad_case *c, int64_t n, int64_t ch, int64_t h,
                   int64_t w)
{
    const hnas_shape s = {4, {n, ch, h, w}};

    c->shape = s;
}

/* ---- batch_norm ---- */

static hnas_status record_norm(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    const struct image *v = user;

    return hnas_batch_norm(out, tape, x[0], v->norm);
}

static void norm(double *y, const double *const *x, void *user)
{
    const struct image *v = user;

    ref_batch_norm(y, x[0], v->d, NULL, NULL, v->running ? v->mean : NULL,
                   v->running ? v->variance : NULL);
}

static void set_running(struct image *v)
{
    hnas_tensor *mean, *variance;

    hnas_norm_get_tensors(v->norm, NULL, NULL, &mean, &variance);
    for (int64_t c = 0; c < v->d[1]; c++) {
        v->mean[c] = (double)(float)random_in(&rnd, -1, 1);
        v->variance[c] = (double)(float)random_in(&rnd, 0.2, 2);
    }
    hnas_tensor_set(mean, HNAS_FLOAT64, v->mean, v->d[1]);
    hnas_tensor_set(variance, HNAS_FLOAT64, v->variance, v->d[1]);
}

static void check_norm(int32_t running, int32_t mode)
{
    for (int i = 0; i < 2 * N_SHAPES; i++) {
        struct grad_case c = {.name = "batch_norm",
                              .n_leaves = 1,
                              .record = record_norm,
                              .reference = norm,
                              .float_bound = 2e-4,
                              .mode = mode};
        struct image v = {.running = running};

        memcpy(v.d, shapes[i % N_SHAPES], sizeof v.d);
        if (v.d[0] * v.d[2] * v.d[3] < 4)
            continue; /* too curved for differences */
        ck_assert_int_eq(hnas_norm_create(&v.norm, ctx, v.d[1], 0), 0);
        set_running(&v);
        image_leaf(&c.leaf[0], v.d);
        output(&c, v.d[0], v.d[1], v.d[2], v.d[3]);
        c.user = &v;
        gradcheck(ctx, &c, &rnd);
        hnas_norm_destroy(v.norm);
    }
}

START_TEST(batch_norm_normalises)
{
    check_norm(0, 0);
    check_norm(0, HNAS_TAPE_PLAIN);
}
END_TEST

START_TEST(batch_norm_with_running_statistics_is_a_line)
{
    check_norm(1, HNAS_TAPE_RUNNING_STATS);
    check_norm(1, HNAS_TAPE_RUNNING_STATS | HNAS_TAPE_PLAIN);
}
END_TEST

/* Its weight and bias are leaves of the norm's own. */
START_TEST(batch_norm_gives_gradients_to_weight_and_bias)
{
    const int64_t d[4] = {3, 5, 4, 3};
    double x[180], y[180], sums[2][5] = {{0}}, got[5];
    const struct grad_leaf l = {
        .kind = LEAF_IMAGE, .rank = 4, .dims = {3, 5, 4, 3}, .lo = -1, .hi = 1};
    hnas_tensor *leaf = grad_leaf_make(ctx, &l, &rnd, x), *v, *s, *out;
    hnas_tensor *weight, *bias;
    hnas_norm *n;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_norm_create(&n, ctx, 5, 1), 0);
    hnas_norm_get_tensors(n, &weight, &bias, NULL, NULL);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_batch_norm(&v, tape, leaf, n), 0);
    ck_assert_int_eq(hnas_mul(&s, tape, v, leaf), 0);
    ck_assert_int_eq(hnas_sum(&out, tape, s), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, out), 0);
    ref_batch_norm(y, x, d, NULL, NULL, NULL, NULL);
    for (int i = 0; i < 180; i++) {
        sums[0][i / 12 % 5] += y[i] * x[i];
        sums[1][i / 12 % 5] += x[i];
    }
    hnas_tensor_get_gradient(weight, HNAS_FLOAT64, got, 5);
    for (int c = 0; c < 5; c++)
        ck_assert_double_eq_tol(got[c], sums[0][c], 1e-3);
    hnas_tensor_get_gradient(bias, HNAS_FLOAT64, got, 5);
    for (int c = 0; c < 5; c++)
        ck_assert_double_eq_tol(got[c], sums[1][c], 1e-4);
    hnas_tensor_unref(v);
    hnas_tensor_unref(s);
    hnas_tensor_unref(out);
    hnas_tensor_unref(leaf);
    hnas_norm_destroy(n);
    hnas_tape_destroy(tape);
}
END_TEST

START_TEST(running_statistics_move_only_when_asked)
{
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN, .rank = 4, .dims = {2, 1, 3, 2}, .lo = 1, .hi = 3};
    double x[12], mean = 0, square = 0, m, v;
    hnas_tensor *leaf = grad_leaf_make(ctx, &l, &rnd, x), *y, *tm, *tv;
    hnas_norm *n;

    ck_assert_int_eq(hnas_norm_create(&n, ctx, 1, 0), 0);
    hnas_norm_get_tensors(n, NULL, NULL, &tm, &tv);
    hnas_norm_update(n, 0.1); /* no pass yet */
    ck_assert_int_eq(hnas_batch_norm(&y, NULL, leaf, n), 0);
    hnas_tensor_get(tm, HNAS_FLOAT64, &m, 1);
    hnas_tensor_get(tv, HNAS_FLOAT64, &v, 1);
    ck_assert(m == 0 && v == 1);
    hnas_norm_update(n, 0.1);
    for (int i = 0; i < 12; i++) {
        mean += x[i] / 12;
        square += x[i] * x[i];
    }
    hnas_tensor_get(tm, HNAS_FLOAT64, &m, 1);
    hnas_tensor_get(tv, HNAS_FLOAT64, &v, 1);
    ck_assert_double_eq_tol(m, 0.1 * mean, 1e-5);
    ck_assert_double_eq_tol(v, 0.9 + 0.1 * (square - 12 * mean * mean) / 11,
                            1e-5); /* unbiased */
    hnas_tensor_unref(y);
    hnas_tensor_unref(leaf);
    hnas_norm_destroy(n);
}
END_TEST

/* ---- pools ---- */

static hnas_status record_pool(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    const struct image *v = user;

    return v->average ? hnas_avg_pool_3x3(out, tape, x[0], v->stride)
                      : hnas_max_pool_3x3(out, tape, x[0], v->stride);
}

static void pool(double *y, const double *const *x, void *user)
{
    const struct image *v = user;

    ref_pool(y, x[0], v->d, v->stride, v->average);
}

static void check_pool(int32_t average)
{
    for (int i = 0; i < 2 * N_SHAPES; i++) {
        struct grad_case c = {.name = average ? "avg_pool" : "max_pool",
                              .n_leaves = 1,
                              .record = record_pool,
                              .reference = pool};
        struct image v = {.stride = 1 + i / N_SHAPES, .average = average};

        memcpy(v.d, shapes[i % N_SHAPES], sizeof v.d);
        image_leaf(&c.leaf[0], v.d);
        output(&c, v.d[0], v.d[1], (v.d[2] + v.stride - 1) / v.stride,
               (v.d[3] + v.stride - 1) / v.stride);
        c.user = &v;
        gradcheck(ctx, &c, &rnd);
    }
}

START_TEST(avg_pool_leaves_its_border_out_of_the_mean)
{
    check_pool(1);
}
END_TEST

START_TEST(max_pool_takes_the_largest)
{
    check_pool(0);
}
END_TEST

START_TEST(the_first_of_equal_values_gets_the_gradient)
{
    const int64_t dims[4] = {1, 1, 2, 2};
    const double v[4] = {3, 3, 3, 3};
    double g[4];
    hnas_tensor *x, *y, *s;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, TEST_REAL, 4, dims), 0);
    hnas_tensor_set(x, HNAS_FLOAT64, v, 4);
    hnas_tensor_set_wanted(x, 1);
    ck_assert_int_eq(hnas_max_pool_3x3(&y, tape, x, 1), 0);
    ck_assert_int_eq(hnas_sum(&s, tape, y), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, s), 0);
    hnas_tensor_get_gradient(x, HNAS_FLOAT64, g, 4);
    ck_assert(g[0] == 4 && g[1] == 0 && g[2] == 0 && g[3] == 0);
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
    hnas_tensor_unref(s);
    hnas_tape_destroy(tape);
}
END_TEST

/* ---- concat, global_avg_pool ---- */

static hnas_status record_concat(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    const struct image *v = user;

    return hnas_concat(out, tape, x, v->n_x);
}

static void concat(double *y, const double *const *x, void *user)
{
    const struct image *v = user;
    int64_t n = 0, at = 0;

    for (int64_t i = 0; i < v->n_x; i++)
        n += v->part[i];
    for (int64_t i = 0; i < v->n_x; i++) {
        const int64_t d[4] = {v->d[0], v->part[i], v->d[2], v->d[3]};

        ref_put_channels(y, n, at, x[i], d);
        at += v->part[i];
    }
}

START_TEST(concat_joins_channels)
{
    for (int i = 0; i < 3 * N_SHAPES; i++) {
        struct grad_case c = {
            .name = "concat", .record = record_concat, .reference = concat};
        struct image v = {.n_x = 1 + random_int(&rnd, 4)};
        int64_t n = 0;

        memcpy(v.d, shapes[i % N_SHAPES], sizeof v.d);
        c.n_leaves = (int32_t)v.n_x;
        for (int64_t k = 0; k < v.n_x; k++) {
            v.part[k] = v.d[1] = 1 + random_int(&rnd, 9);
            n += v.part[k];
            image_leaf(&c.leaf[k], v.d);
        }
        output(&c, v.d[0], n, v.d[2], v.d[3]);
        c.user = &v;
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

static hnas_status record_global(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    (void)user;
    return hnas_global_avg_pool(out, tape, x[0]);
}

static void global(double *y, const double *const *x, void *user)
{
    const struct image *v = user;
    const int64_t n = v->d[2] * v->d[3];

    for (int64_t i = 0; i < v->d[0] * v->d[1]; i++) {
        y[i] = 0;
        for (int64_t p = 0; p < n; p++)
            y[i] += x[0][i * n + p] / (double)n;
    }
}

START_TEST(global_avg_pool_is_the_mean_of_each_channel)
{
    for (int i = 0; i < N_SHAPES; i++) {
        struct grad_case c = {.name = "global_avg_pool",
                              .n_leaves = 1,
                              .record = record_global,
                              .reference = global};
        struct image v;

        memcpy(v.d, shapes[i], sizeof v.d);
        image_leaf(&c.leaf[0], v.d);
        c.shape.rank = 2;
        memcpy(c.shape.dims, v.d, sizeof v.d);
        c.user = &v;
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

/* ---- mix ---- */

static hnas_status record_mix(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const *x, void *user)
{
    const struct image *v = user;

    return hnas_mix(out, tape, x, v->n_x, x[v->n_x], v->index);
}

static void mix(double *y, const double *const *x, void *user)
{
    const struct image *v = user;
    const int64_t n = v->d[1] * v->d[2] * v->d[3];

    for (int64_t i = 0; i < v->d[0] * n; i++) {
        const double *gates =
            x[v->n_x] + (v->per_image ? i / n * v->n_gates : 0);

        y[i] = 0;
        for (int64_t t = 0; t < v->n_x; t++)
            y[i] += gates[v->index[t]] * x[t][i];
    }
}

START_TEST(mix_weighs_its_inputs_by_gates)
{
    for (int i = 0; i < 4 * N_SHAPES; i++) {
        const int64_t e = 1 + random_int(&rnd, 3), o = 1 + random_int(&rnd, 3);
        struct grad_case c = {
            .name = "mix", .record = record_mix, .reference = mix};
        struct image v = {.n_x = 1 + random_int(&rnd, 4),
                          .n_gates = e * o,
                          .per_image = i & 1};
        struct grad_leaf *gates = &c.leaf[v.n_x];

        memcpy(v.d, shapes[i % N_SHAPES], sizeof v.d);
        for (int64_t t = 0; t < v.n_x; t++) {
            image_leaf(&c.leaf[t], v.d);
            v.index[t] = random_int(&rnd, v.n_gates); /* may be shared */
        }
        c.n_leaves = (int32_t)v.n_x + 1;
        gates->rank = v.per_image ? 3 : 2;
        gates->dims[0] = v.d[0];
        gates->dims[v.per_image] = e;
        gates->dims[1 + v.per_image] = o;
        gates->lo = -1;
        gates->hi = 1;
        output(&c, v.d[0], v.d[1], v.d[2], v.d[3]);
        c.user = &v;
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("image");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, batch_norm_normalises);
    tcase_add_test(t, batch_norm_with_running_statistics_is_a_line);
    tcase_add_test(t, batch_norm_gives_gradients_to_weight_and_bias);
    tcase_add_test(t, running_statistics_move_only_when_asked);
    tcase_add_test(t, avg_pool_leaves_its_border_out_of_the_mean);
    tcase_add_test(t, max_pool_takes_the_largest);
    tcase_add_test(t, the_first_of_equal_values_gets_the_gradient);
    tcase_add_test(t, concat_joins_channels);
    tcase_add_test(t, global_avg_pool_is_the_mean_of_each_channel);
    tcase_add_test(t, mix_weighs_its_inputs_by_gates);
    suite_add_tcase(s, t);
    return run_suite(s);
}
