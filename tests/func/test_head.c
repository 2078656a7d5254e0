/* SPDX-License-Identifier: BSD-3-Clause */
/* linear, cross_entropy, and what kernels are laid out with. */
#include <math.h>
#include <string.h>

#include "func/func.h"
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

struct head {
    int64_t n, in, out;
    int32_t bias;
    double smoothing;
    hnas_tensor *labels;
    int32_t label[64];
};

static hnas_status record_linear(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const *x, void *user)
{
    const struct head *h = user;

    return hnas_linear(out, tape, x[0], x[1], h->bias ? x[2] : NULL);
}

static void linear(double *y, const double *const *x, void *user)
{
    const struct head *h = user;

    for (int64_t n = 0; n < h->n; n++)
        for (int64_t o = 0; o < h->out; o++) {
            double sum = h->bias ? x[2][o] : 0;

            for (int64_t i = 0; i < h->in; i++)
                sum += x[0][n * h->in + i] * x[1][o * h->in + i];
            *y++ = sum;
        }
}

static void leaf(struct grad_leaf *l, int32_t rank, int64_t a, int64_t b,
                 double size)
{
    l->rank = rank;
    l->dims[0] = a;
    l->dims[1] = b;
    l->lo = -size;
    l->hi = size;
}

static const int64_t sizes[] = {1, 2, 3, 7, 8, 13, 31};

START_TEST(linear_multiplies_and_shifts)
{
    for (int i = 0; i < 80; i++) {
        struct head h = {.n = sizes[random_int(&rnd, 7)],
                         .in = sizes[random_int(&rnd, 7)],
                         .out = sizes[random_int(&rnd, 7)],
                         .bias = i & 1};
        struct grad_case c = {.name = "linear",
                              .n_leaves = 2 + h.bias,
                              .shape = {2, {h.n, h.out}},
                              .record = record_linear,
                              .reference = linear,
                              .user = &h};

        leaf(&c.leaf[0], 2, h.n, h.in, 1);
        leaf(&c.leaf[1], 2, h.out, h.in, 1);
        leaf(&c.leaf[2], 1, h.out, 1, 1);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

static hnas_status record_entropy(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *const *x, void *user)
{
    const struct head *h = user;

    return h->smoothing > 0
               ? hn_cross_entropy(out, tape, x[0], h->labels, h->smoothing)
               : hnas_cross_entropy(out, tape, x[0], h->labels);
}

static void entropy(double *y, const double *const *x, void *user)
{
    const struct head *h = user;

    y[0] = 0;
    for (int64_t n = 0; n < h->n; n++) {
        const double *row = x[0] + n * h->out;
        double top = row[0], sum = 0;

        for (int64_t k = 0; k < h->out; k++)
            top = fmax(top, row[k]);
        for (int64_t k = 0; k < h->out; k++)
            sum += exp(row[k] - top);
        for (int64_t k = 0; k < h->out; k++) {
            const double q = (1 - h->smoothing) * (k == h->label[n]) +
                             h->smoothing / (double)h->out;

            y[0] += q * (top + log(sum) - row[k]) / (double)h->n;
        }
    }
}

static void make_labels(struct head *h)
{
    ck_assert_int_eq(hnas_tensor_create(&h->labels, ctx, HNAS_INT32, 1, &h->n),
                     0);
    for (int64_t n = 0; n < h->n; n++)
        h->label[n] = (int32_t)random_int(&rnd, h->out);
    ck_assert_int_eq(hnas_tensor_set(h->labels, HNAS_INT32, h->label, h->n), 0);
}

START_TEST(cross_entropy_is_the_mean_of_minus_log_softmax)
{
    for (int i = 0; i < 60; i++) {
        struct head h = {.n = sizes[random_int(&rnd, 7)],
                         .out = sizes[random_int(&rnd, 7)],
                         .smoothing = i % 2 ? 0.1 * i / 60 : 0};
        struct grad_case c = {.name = "cross_entropy",
                              .n_leaves = 1,
                              .record = record_entropy,
                              .reference = entropy,
                              .user = &h};

        make_labels(&h);
        leaf(&c.leaf[0], 2, h.n, h.out, i % 3 ? 2 : 50);
        gradcheck(ctx, &c, &rnd);
        hnas_tensor_unref(h.labels);
    }
}
END_TEST

START_TEST(logits_as_large_as_they_get_do_not_overflow)
{
    const int64_t dims[2] = {2, 2}, n = 2;
    const double v[4] = {1e30, -1e30, -1e30, 1e30};
    const int32_t right[2] = {0, 1};
    hnas_tensor *x, *labels, *loss;
    double got;

    ck_assert_int_eq(hnas_tensor_create(&x, ctx, TEST_REAL, 2, dims), 0);
    ck_assert_int_eq(hnas_tensor_create(&labels, ctx, HNAS_INT32, 1, &n), 0);
    hnas_tensor_set(x, HNAS_FLOAT64, v, 4);
    hnas_tensor_set(labels, HNAS_INT32, right, 2);
    ck_assert_int_eq(hnas_cross_entropy(&loss, NULL, x, labels), 0);
    hnas_tensor_get(loss, HNAS_FLOAT64, &got, 1);
    ck_assert(got == 0);
    hnas_tensor_unref(x);
    hnas_tensor_unref(labels);
    hnas_tensor_unref(loss);
}
END_TEST

START_TEST(labels_of_any_stride_are_read)
{
    int32_t memory[6] = {1, 99, 0, 99, 2, 99};
    const hnas_array a = {.size = sizeof a,
                          .data = memory,
                          .dtype = HNAS_INT32,
                          .rank = 1,
                          .dims = {3},
                          .strides = {2}};
    struct head h = {.n = 3, .out = 3, .label = {1, 0, 2}};
    struct grad_case c = {.name = "strided labels",
                          .n_leaves = 1,
                          .record = record_entropy,
                          .reference = entropy,
                          .user = &h};

    ck_assert_int_eq(hnas_tensor_wrap(&h.labels, ctx, &a), 0);
    leaf(&c.leaf[0], 2, 3, 3, 2);
    gradcheck(ctx, &c, &rnd);
    hnas_tensor_unref(h.labels);
}
END_TEST

static hnas_status record_reshape(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *const *x, void *user)
{
    const struct head *h = user;
    const hnas_shape shape = {3, {h->out, h->in, h->n}};

    return hn_reshape(out, tape, x[0], &shape);
}

static void same(double *y, const double *const *x, void *user)
{
    const struct head *h = user;

    memcpy(y, x[0], (size_t)(h->n * h->in * h->out) * sizeof *y);
}

START_TEST(reshape_keeps_the_numbers_in_order)
{
    for (int i = 0; i < 20; i++) {
        struct head h = {.n = sizes[random_int(&rnd, 7)],
                         .in = sizes[random_int(&rnd, 5)],
                         .out = sizes[random_int(&rnd, 5)]};
        struct grad_case c = {.name = "reshape",
                              .n_leaves = 1,
                              .shape = {3, {h.out, h.in, h.n}},
                              .record = record_reshape,
                              .reference = same,
                              .user = &h};

        leaf(&c.leaf[0], 2, h.n * h.in, h.out, 1);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

/* A kernel of n_out x n_in, tiles of rows x columns from number first on. */
struct tiling {
    int64_t n_out, n_in, rows, columns, first, n_tiles;
};

static hnas_status record_tile(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *const *x, void *user)
{
    const struct tiling *t = user;

    return hn_tile(out, tape, x[0], t->first, t->rows, t->n_out, t->n_in);
}

static void tile(double *y, const double *const *x, void *user)
{
    const struct tiling *t = user;
    const int64_t across = (t->n_out + t->columns - 1) / t->columns;

    for (int64_t o = 0; o < t->n_out; o++)
        for (int64_t i = 0; i < t->n_in; i++) {
            const int64_t number =
                t->first + i / t->rows * across + o / t->columns;

            y[o * t->n_in + i] =
                x[0][(number * t->rows + i % t->rows) * t->columns +
                     o % t->columns];
        }
}

START_TEST(tile_lays_a_kernel_out_and_cuts_what_hangs_over)
{
    for (int i = 0; i < 60; i++) {
        struct tiling t = {.n_out = 1 + random_int(&rnd, 20),
                           .n_in = 1 + random_int(&rnd, 20),
                           .rows = 1 + random_int(&rnd, 7),
                           .columns = 1 + random_int(&rnd, 9),
                           .first = random_int(&rnd, 3)};
        struct grad_case c = {.name = "tile",
                              .n_leaves = 1,
                              .shape = {4, {t.n_out, t.n_in, 1, 1}},
                              .record = record_tile,
                              .reference = tile,
                              .user = &t};

        t.n_tiles = t.first + (t.n_in + t.rows - 1) / t.rows *
                                  ((t.n_out + t.columns - 1) / t.columns);
        leaf(&c.leaf[0], 2, (t.n_tiles + i % 2) * t.rows, t.columns, 1);
        gradcheck(ctx, &c, &rnd);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("func");
    TCase *t = tcase_create("head");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, linear_multiplies_and_shifts);
    tcase_add_test(t, cross_entropy_is_the_mean_of_minus_log_softmax);
    tcase_add_test(t, logits_as_large_as_they_get_do_not_overflow);
    tcase_add_test(t, labels_of_any_stride_are_read);
    tcase_add_test(t, reshape_keeps_the_numbers_in_order);
    tcase_add_test(t, tile_lays_a_kernel_out_and_cuts_what_hangs_over);
    suite_add_tcase(s, t);
    return run_suite(s);
}
