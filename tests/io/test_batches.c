/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/data.h"
#include "tensor/tensor.h"

enum { N = 37, C = 2, H = 3, W = 2, CHW = C * H * W };

static uint8_t pixels[N * CHW];
static int32_t label_of[N];

/* Pixel p of image n is (7 n + p) mod 256, its label is n. */
static hnas_dataset *make_dataset(int32_t dtype)
{
    const int64_t dims[4] = {N, C, H, W};
    hnas_tensor *x, *y;
    hnas_dataset *d;

    for (int i = 0; i < N * CHW; i++)
        pixels[i] = (uint8_t)(7 * (i / CHW) + i % CHW);
    for (int i = 0; i < N; i++)
        label_of[i] = i;
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, dtype, 4, dims), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(x, HNAS_UINT8, pixels, N * CHW), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_create(&y, ctx, HNAS_INT32, 1, dims), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(y, HNAS_INT32, label_of, N), HNAS_OK);
    ck_assert_int_eq(hnas_dataset_create(&d, ctx, x, y), HNAS_OK);
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
    return d;
}

static hnas_batches_opts defaults(int64_t batch)
{
    hnas_batches_opts o;

    hnas_batches_opts_init(&o, sizeof o);
    o.batch = batch;
    return o;
}

static hnas_batches *make_batches(const hnas_dataset *d,
                                  const hnas_batches_opts *o)
{
    hnas_batches *b;

    ck_assert_int_eq(hnas_batches_create(&b, ctx, d, o), HNAS_OK);
    return b;
}

/* Copy out the labels of a batch; returns their number. */
static int64_t labels_of(int32_t *out, hnas_batches *b, int64_t epoch,
                         int64_t index)
{
    hnas_tensor *x, *y;
    int64_t n;

    ck_assert_int_eq(hnas_batches_get(b, epoch, index, &x, &y), HNAS_OK);
    n = hnas_tensor_get_count(y);
    ck_assert_int_eq(x->dim[0], n);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_INT32, out, n), HNAS_OK);
    return n;
}

/* All labels of an epoch in the order they come. */
static int64_t epoch_order(int32_t *out, hnas_batches *b, int64_t epoch)
{
    int64_t n = 0;

    for (int64_t i = 0; i < hnas_batches_get_count(b); i++)
        n += labels_of(out + n, b, epoch, i);
    return n;
}

START_TEST(an_epoch_covers_each_image_of_the_range_once)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *b;

    o.first = 5;
    o.count = 27;
    o.partial = 1;
    b = make_batches(d, &o);
    ck_assert_int_eq(hnas_batches_get_count(b), 4);
    for (int64_t epoch = 0; epoch < 5; epoch++) {
        int32_t order[N], seen[N] = {0};

        ck_assert_int_eq(epoch_order(order, b, epoch), 27);
        for (int i = 0; i < 27; i++)
            seen[order[i]]++;
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(seen[i], i >= 5 && i < 32);
    }
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(without_partial_the_rest_is_left_out)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *b = make_batches(d, &o);
    int32_t order[N];

    ck_assert_int_eq(hnas_batches_get_count(b), 4);
    ck_assert_int_eq(epoch_order(order, b, 0), 32);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(a_batch_is_a_pure_function_of_epoch_and_index)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *a = make_batches(d, &o), *b = make_batches(d, &o);
    int32_t want[N], got[N];

    for (int64_t epoch = 3; epoch >= 0; epoch--)
        for (int64_t i = 3; i >= 0; i--) {
            ck_assert_int_eq(labels_of(want, a, epoch, i), 8);
            ck_assert_int_eq(labels_of(got, b, 3 - epoch, i), 8);
            ck_assert_int_eq(labels_of(got, b, epoch, i), 8);
            ck_assert_mem_eq(want, got, 8 * sizeof *got);
        }
    hnas_batches_destroy(a);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(epochs_streams_and_seeds_give_other_orders)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(N);
    hnas_batches *b = make_batches(d, &o), *other;
    int32_t first[N], next[N];

    labels_of(first, b, 0, 0);
    labels_of(next, b, 1, 0);
    ck_assert_mem_ne(first, next, sizeof first);
    o.stream = 1;
    other = make_batches(d, &o);
    labels_of(next, other, 0, 0);
    ck_assert_mem_ne(first, next, sizeof first);
    hnas_batches_destroy(other);
    hnas_batches_destroy(b);
    o.stream = 0;
    ctx->seed++;
    b = make_batches(d, &o);
    labels_of(next, b, 0, 0);
    ck_assert_mem_ne(first, next, sizeof first);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

/* The order is part of every result; computed by a script that has Philox and
 * Fisher-Yates of its own. */
START_TEST(the_order_of_seed_0_never_changes)
{
    static const int32_t want[8] = {28, 5, 26, 16, 32, 7, 33, 30};
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *b = make_batches(d, &o);
    int32_t got[8];

    labels_of(got, b, 0, 0);
    ck_assert_mem_eq(got, want, sizeof got);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

/* Each position of a shuffled epoch sees each image about equally often. */
START_TEST(orders_are_uniform)
{
    enum { EPOCHS = 20000, K = 5 };
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(K);
    hnas_batches *b;
    int count[K][K] = {{0}};

    o.count = K;
    b = make_batches(d, &o);
    for (int64_t e = 0; e < EPOCHS; e++) {
        int32_t order[K];

        labels_of(order, b, e, 0);
        for (int i = 0; i < K; i++)
            count[i][order[i]]++;
    }
    for (int i = 0; i < K * K; i++) /* 5 standard deviations: 283 */
        ck_assert_int_lt(abs(count[i / K][i % K] - EPOCHS / K), 283);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(images_are_normalised_and_labels_stay_with_them)
{
    for (int k = 0; k < 2; k++) {
        hnas_dataset *d = make_dataset(k ? HNAS_FLOAT32 : HNAS_UINT8);
        hnas_batches_opts o = defaults(10);
        hnas_batches *b;
        hnas_tensor *x, *y;
        double got[10 * CHW], unit = k ? 1 : 255;
        int32_t label[10];

        o.mean = 0.25;
        o.std = 0.5;
        b = make_batches(d, &o);
        ck_assert_int_eq(hnas_batches_get(b, 2, 1, &x, &y), HNAS_OK);
        ck_assert_int_eq(x->dtype, HN_REAL);
        ck_assert_int_eq(x->rank, 4);
        ck_assert_int_eq(hnas_tensor_get(x, HNAS_FLOAT64, got, 10 * CHW),
                         HNAS_OK);
        hnas_tensor_get(y, HNAS_INT32, label, 10);
        for (int i = 0; i < 10 * CHW; i++) {
            const int p = pixels[label[i / CHW] * CHW + i % CHW];

            ck_assert_double_eq_tol(got[i], (p / unit - 0.25) / 0.5,
                                    1e-6 * (1 + p / unit));
        }
        hnas_batches_destroy(b);
        hnas_dataset_destroy(d);
    }
}
END_TEST

/* Images of 5 x 4 whose pixel says where it was: 1 + 4 row + column. */
static hnas_dataset *make_map(void)
{
    const int64_t dims[4] = {N, 1, 5, 4};
    hnas_tensor *x, *y;
    uint8_t v[N * 20];
    hnas_dataset *d;

    for (int i = 0; i < N * 20; i++)
        v[i] = (uint8_t)(1 + i % 20);
    for (int i = 0; i < N; i++)
        label_of[i] = i;
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, HNAS_UINT8, 4, dims), 0);
    ck_assert_int_eq(hnas_tensor_set(x, HNAS_UINT8, v, N * 20), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_create(&y, ctx, HNAS_INT32, 1, dims), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(y, HNAS_INT32, label_of, N), HNAS_OK);
    ck_assert_int_eq(hnas_dataset_create(&d, ctx, x, y), HNAS_OK);
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
    return d;
}

/* Whether an image of the map is one moved by (down, right), mirrored or
 * not, but for zeros in a square. */
static int is_moved(const float *v, int down, int right, int mirrored)
{
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 4; x++) {
            const int row = y - down, col = (mirrored ? 3 - x : x) - right;
            const int inside = row >= 0 && row < 5 && col >= 0 && col < 4;
            const double want = inside ? (1 + 4 * row + col) / 255.0 : 0;

            if (fabs(v[4 * y + x] - (want - 0.5)) > 1e-6 && v[4 * y + x] != 0)
                return 0;
        }
    return 1;
}

START_TEST(images_are_moved_flipped_and_cut_out_anew_each_epoch)
{
    hnas_dataset *d = make_map();
    hnas_batches_opts o = defaults(N);
    int seen[5][5][2] = {{{0}}}, n_kinds = 0, n_zeros = 0;
    hnas_batches *b, *again;
    float v[N * 20], w[N * 20];
    hnas_tensor *x, *y;

    o.shuffle = 0;
    o.shift = 2;
    o.flip = 1;
    o.cutout = 2;
    o.mean = 0.5;
    b = make_batches(d, &o);
    again = make_batches(d, &o);
    for (int epoch = 5; epoch >= 0; epoch--) {
        ck_assert_int_eq(hnas_batches_get(b, epoch, 0, &x, &y), 0);
        ck_assert_int_eq(hnas_tensor_get(x, HNAS_FLOAT32, v, N * 20), 0);
        for (int i = 0; i < N; i++) {
            int n = 0;

            for (int p = 0; p < 20; p++)
                n_zeros += v[20 * i + p] == 0;
            for (int k = 0; k < 50; k++)
                if (is_moved(v + 20 * i, k / 10 - 2, k / 2 % 5 - 2, k % 2)) {
                    seen[k / 10][k / 2 % 5][k % 2] = 1;
                    n++;
                }
            ck_assert_int_ge(n, 1);
        }
    }
    for (int k = 0; k < 50; k++)
        n_kinds += seen[k / 10][k / 2 % 5][k % 2];
    ck_assert_int_ge(n_kinds, 45);
    ck_assert_int_gt(n_zeros, 6 * N * 2); /* 4 pixels, fewer at borders */
    ck_assert_int_le(n_zeros, 6 * N * 4);
    ck_assert_int_eq(hnas_batches_get(again, 0, 0, &x, &y), 0);
    ck_assert_int_eq(hnas_tensor_get(x, HNAS_FLOAT32, w, N * 20), 0);
    ck_assert_mem_eq(v, w, sizeof v);
    ck_assert_int_eq(hnas_batches_get(again, 1, 0, &x, &y), 0);
    ck_assert_int_eq(hnas_tensor_get(x, HNAS_FLOAT32, w, N * 20), 0);
    ck_assert(memcmp(v, w, sizeof v));
    hnas_batches_destroy(b);
    hnas_batches_destroy(again);
    o.shift = 4;
    ck_assert_int_eq(hnas_batches_create(&b, ctx, d, &o), HNAS_E_RANGE);
    o.shift = 0;
    o.cutout = -1;
    ck_assert_int_eq(hnas_batches_create(&b, ctx, d, &o), HNAS_E_RANGE);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(strided_images_read_as_their_axes_say)
{
    /* channels last in memory */
    static float memory[2 * 2 * 3 * 2];
    int32_t label[2] = {0, 1};
    hnas_array a = {.size = sizeof a,
                    .data = memory,
                    .dtype = HNAS_FLOAT32,
                    .rank = 4,
                    .dims = {2, 2, 2, 3},
                    .strides = {12, 1, 6, 2}};
    hnas_array l = {.size = sizeof l,
                    .data = label,
                    .dtype = HNAS_INT32,
                    .rank = 1,
                    .dims = {2}};
    hnas_batches_opts o = defaults(2);
    hnas_tensor *x, *y, *bx, *by;
    hnas_dataset *d;
    hnas_batches *b;
    double want[24], got[24];

    for (int i = 0; i < 24; i++)
        memory[i] = (float)i;
    o.shuffle = 0;
    ck_assert_int_eq(hnas_tensor_wrap(&x, ctx, &a), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_wrap(&y, ctx, &l), HNAS_OK);
    ck_assert_int_eq(hnas_dataset_create(&d, ctx, x, y), HNAS_OK);
    b = make_batches(d, &o);
    ck_assert_int_eq(hnas_batches_get(b, 0, 0, &bx, &by), HNAS_OK);
    hnas_tensor_get(x, HNAS_FLOAT64, want, 24);
    hnas_tensor_get(bx, HNAS_FLOAT64, got, 24);
    ck_assert_mem_eq(want, got, sizeof want);
    ck_assert_double_eq(got[6], 1); /* channel 1 of the first pixel */
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
}
END_TEST

START_TEST(batches_after_the_first_take_no_memory)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *b;
    size_t held;
    int32_t order[N];

    o.partial = 1;
    b = make_batches(d, &o);
    labels_of(order, b, 0, 0);
    held = ctx->alloc.now_bytes;
    ctx->alloc.peak_bytes = held;
    for (int64_t e = 0; e < 3; e++)
        epoch_order(order, b, e);
    ck_assert_uint_eq(ctx->alloc.peak_bytes, held);
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(moments_are_those_of_all_pixels)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    double mean, std, sum = 0, squares = 0;
    const int n = 20 * CHW;

    for (int i = 0; i < n; i++)
        sum += pixels[i] / 255.0;
    for (int i = 0; i < n; i++)
        squares += pow(pixels[i] / 255.0 - sum / n, 2);
    ck_assert_int_eq(hnas_dataset_moments(d, 20, &mean, &std), HNAS_OK);
    ck_assert_double_eq_tol(mean, sum / n, 1e-14);
    ck_assert_double_eq_tol(std, sqrt(squares / n), 1e-14);
    expect_failure(hnas_dataset_moments(d, N + 1, &mean, &std), HNAS_E_RANGE,
                   "n_images: 38, want 0..37");
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(bad_images_and_labels_are_named)
{
    static const int64_t dims[4] = {4, 1, 1, 2};
    float x[8] = {0};
    int32_t y[4] = {0, 1, 2, 3};
    hnas_tensor *images, *labels, *three;
    hnas_dataset *d;

    hnas_tensor_create(&images, ctx, HNAS_FLOAT32, 4, dims);
    hnas_tensor_create(&labels, ctx, HNAS_INT32, 1, dims);
    x[5] = NAN;
    hnas_tensor_set(images, HNAS_FLOAT32, x, 8);
    expect_failure(hnas_dataset_create(&d, ctx, images, labels), HNAS_E_NAN,
                   "image 2 ");
    x[5] = -INFINITY;
    hnas_tensor_set(images, HNAS_FLOAT32, x, 8);
    expect_failure(hnas_dataset_create(&d, ctx, images, labels), HNAS_E_NAN,
                   "image 2 ");
    ck_assert_ptr_null(d);
    x[5] = 0;
    y[3] = -1;
    hnas_tensor_set(images, HNAS_FLOAT32, x, 8);
    hnas_tensor_set(labels, HNAS_INT32, y, 4);
    expect_failure(hnas_dataset_create(&d, ctx, images, labels), HNAS_E_RANGE,
                   "label 3 is -1");
    expect_failure(hnas_dataset_create(&d, ctx, labels, labels), HNAS_E_TYPE,
                   "images: ");
    expect_failure(hnas_dataset_create(&d, ctx, images, images), HNAS_E_TYPE,
                   "labels: ");
    hnas_tensor_view(&three, labels, 0, 0, 3);
    expect_failure(hnas_dataset_create(&d, ctx, images, three), HNAS_E_SHAPE,
                   "labels: ");
    hnas_tensor_unref(three);
    hnas_tensor_unref(images);
    hnas_tensor_unref(labels);
}
END_TEST

START_TEST(bad_options_are_named)
{
    static const struct {
        hnas_batches_opts o;
        const char *words;
    } table[] = {
        {{.batch = 0, .std = 1}, "batch: 0"},
        {{.batch = 38, .std = 1}, "batch: 38 images, want 1..37"},
        {{.batch = 6, .first = 32, .std = 1}, "batch: 6 images, want 1..5"},
        {{.batch = 1, .first = -1, .std = 1}, "first: -1"},
        {{.batch = 1, .first = 37, .std = 1}, "first: 37, want 0..36"},
        {{.batch = 1, .first = 30, .count = 8, .std = 1}, "count: 8"},
        {{.batch = 1, .count = -1, .std = 1}, "count: -1"},
        {{.batch = 1, .std = 0}, "std: 0"},
        {{.batch = 1, .std = (double)NAN}, "std: "},
        {{.batch = 1, .std = 1, .mean = (double)INFINITY}, "mean: inf"},
        {{.batch = 1, .std = 1, .stream = 1 << 24}, "stream: 16777216"},
    };
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches *b;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        hnas_batches_opts o = table[i].o;

        o.size = sizeof o;
        expect_failure(hnas_batches_create(&b, ctx, d, &o), HNAS_E_RANGE,
                       table[i].words);
        ck_assert_ptr_null(b);
    }
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(a_batch_larger_than_the_range_may_be_partial)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(INT64_MAX);
    hnas_batches *b;
    hnas_tensor *x, *y;

    o.partial = 1;
    b = make_batches(d, &o);
    ck_assert_int_eq(hnas_batches_get_count(b), 1);
    ck_assert_int_eq(hnas_batches_get(b, 0, 0, &x, &y), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_count(y), N);
    expect_failure(hnas_batches_get(b, 0, 1, &x, &y), HNAS_E_RANGE, "index: 1");
    ck_assert_ptr_null(x);
    expect_failure(hnas_batches_get(b, -1, 0, &x, &y), HNAS_E_RANGE,
                   "epoch: -1");
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

START_TEST(without_memory_it_fails_and_leaks_nothing)
{
    hnas_dataset *d = make_dataset(HNAS_UINT8);
    hnas_batches_opts o = defaults(8);
    hnas_batches *b = NULL;
    hnas_status st;

    o.partial = 1;
    for (int n = 0; !b; n++) {
        fixture_fail_allocation(n);
        st = hnas_batches_create(&b, ctx, d, &o);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    hnas_batches_destroy(b);
    hnas_dataset_destroy(d);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("batches");

    tcase_add_test(t, an_epoch_covers_each_image_of_the_range_once);
    tcase_add_test(t, without_partial_the_rest_is_left_out);
    tcase_add_test(t, a_batch_is_a_pure_function_of_epoch_and_index);
    tcase_add_test(t, epochs_streams_and_seeds_give_other_orders);
    tcase_add_test(t, the_order_of_seed_0_never_changes);
    tcase_add_test(t, orders_are_uniform);
    tcase_add_test(t, images_are_normalised_and_labels_stay_with_them);
    tcase_add_test(t, images_are_moved_flipped_and_cut_out_anew_each_epoch);
    tcase_add_test(t, strided_images_read_as_their_axes_say);
    tcase_add_test(t, batches_after_the_first_take_no_memory);
    tcase_add_test(t, moments_are_those_of_all_pixels);
    tcase_add_test(t, bad_images_and_labels_are_named);
    tcase_add_test(t, bad_options_are_named);
    tcase_add_test(t, a_batch_larger_than_the_range_may_be_partial);
    tcase_add_test(t, without_memory_it_fails_and_leaks_nothing);
    return fixture_run(t);
}
