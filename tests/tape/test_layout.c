/* SPDX-License-Identifier: BSD-3-Clause */
/* The planned memory of a record that is replayed: nothing alive is
 * overwritten, little is left free, values are those of a plain run. */
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"
#include "tape/image.h"

enum { IMAGES = 2, CHANNELS = 5, SIDE = 6, LENGTH = 40 };
enum { PIXELS = IMAGES * CHANNELS * SIDE * SIDE };

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tape *tape;
static hnas_tensor *image;
static hnas_norm *norm;

static void setup(void)
{
    const struct grad_leaf l = {.kind = LEAF_IMAGE,
                                .rank = 4,
                                .dims = {IMAGES, CHANNELS, SIDE, SIDE},
                                .lo = -1,
                                .hi = 1,
                                .constant = 1};
    struct random r = {3};
    double v[PIXELS];
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_norm_create(&norm, ctx, CHANNELS, 1), 0);
    image = grad_leaf_make(ctx, &l, &r, v);
}

static void teardown(void)
{
    hnas_tensor_unref(image);
    hnas_norm_destroy(norm);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* One more value of earlier ones: pending, of two inputs, or of one. */
static hnas_tensor *next(struct random *r, hnas_tensor *const *x, int64_t n)
{
    hnas_tensor *a = x[random_int(r, n)], *b = x[random_int(r, n)], *y;
    const int64_t what = random_int(r, 4);
    hnas_status st;

    if (what == 0)
        st = hnas_batch_norm(&y, tape, a, norm);
    else if (what == 1)
        st = hnas_add(&y, tape, a, b);
    else if (what == 2)
        st = hnas_max_pool_3x3(&y, tape, a, 1);
    else
        st = hnas_relu(&y, tape, a);
    ck_assert_int_eq(st, 0);
    return y;
}

/* A random record, the same for the same seed; its last value. */
static hnas_tensor *record(uint64_t seed, int late)
{
    struct random r = {seed};
    hnas_tensor *x[LENGTH] = {image};

    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_RUNNING_STATS), 0);
    if (late)
        hn_tape_record_late(tape);
    for (int64_t i = 1; i < LENGTH; i++)
        x[i] = next(&r, x, i);
    for (int64_t i = 1; i < LENGTH - 1; i++)
        hnas_tensor_unref(x[i]);
    return x[LENGTH - 1];
}

/* Bytes in whole cache lines. */
static size_t lines(size_t bytes)
{
    return (bytes + HN_ALIGN - 1) / HN_ALIGN * HN_ALIGN;
}

/* The most bytes that are alive at one node. */
static size_t most_alive(void)
{
    size_t most = 0;

    for (int64_t i = 0; i < tape->n_nodes; i++) {
        size_t alive = 0;

        for (int64_t k = 0; k < tape->n_nodes; k++) {
            const struct hn_record *r = tape->node[k]->out->record;

            if (r->data_bytes && r->born <= i && i <= r->dies)
                alive += lines(r->data_bytes);
        }
        most = alive > most ? alive : most;
    }
    return most;
}

static void expect_apart(size_t bytes)
{
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        const struct hn_record *a = tape->node[i]->out->record;

        ck_assert(!a->data_bytes || a->offset + a->data_bytes <= bytes);
        for (int64_t k = 0; k < i && a->data_bytes; k++) {
            const struct hn_record *b = tape->node[k]->out->record;

            if (b->data_bytes && a->born <= b->dies && b->born <= a->dies)
                ck_assert(a->offset + a->data_bytes <= b->offset ||
                          b->offset + b->data_bytes <= a->offset);
        }
    }
}

static void replay(double *values, hnas_tensor *y)
{
    const real *at = hn_real(y);

    ck_assert_int_eq(hn_tape_replay(tape, 0), 0);
    for (int64_t i = 0; i < hn_tensor_extent(y); i++)
        values[i] = at[i];
}

START_TEST(random_records_give_the_bits_of_a_plain_run)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        double want[PIXELS], got[2 * PIXELS], again[2 * PIXELS];
        hnas_tensor *plain = record(seed, 0), *y;
        const int64_t *d, *s;
        size_t bytes;
        void *memory;

        ck_assert_int_eq(hnas_tensor_get(plain, HNAS_FLOAT64, want, PIXELS), 0);
        hnas_tensor_unref(plain);
        y = record(seed, 1);
        if (y->record->scale) { /* a pending value has no pixels of its own */
            hnas_tensor_unref(y);
            continue;
        }
        ck_assert_int_eq(hn_tape_lay_out(&bytes, tape, y), 0);
        expect_apart(bytes);
        ck_assert_uint_ge(bytes, most_alive());
        ck_assert_uint_le(4 * bytes, 5 * most_alive());
        memory = aligned_alloc(HN_ALIGN, bytes);
        memset(memory, 0xff, bytes); /* NaN wherever nothing is computed */
        hn_tape_place(tape, memory);
        ck_assert_int_eq(hn_workers_reserve(tape, &tape->need), 0);
        replay(got, y);
        replay(again, y);
        ck_assert_mem_eq(got, again, (size_t)hn_tensor_extent(y) * sizeof *got);
        d = y->dim;
        s = y->stride;
        for (int64_t i = 0; i < PIXELS; i++)
            ck_assert_double_eq(want[i],
                                got[i / (d[1] * d[2] * d[3]) * s[0] +
                                    i / (d[2] * d[3]) % d[1] * s[1] +
                                    i / d[3] % d[2] * s[2] + i % d[3] * s[3]]);
        hnas_tensor_unref(y);
        hnas_tape_reset(tape, 0);
        free(memory);
    }
}
END_TEST

START_TEST(a_chain_needs_two_images)
{
    hnas_tensor *x = hnas_tensor_ref(image);
    size_t bytes;

    hn_tape_record_late(tape);
    for (int i = 0; i < 30; i++) {
        hnas_tensor *y;

        ck_assert_int_eq(hnas_relu(&y, tape, x), 0);
        hnas_tensor_unref(x);
        x = y;
    }
    ck_assert_int_eq(hn_tape_lay_out(&bytes, tape, x), 0);
    ck_assert_uint_eq(bytes, 2 * lines(x->record->data_bytes));
    hnas_tensor_unref(x);
}
END_TEST

START_TEST(a_plan_without_memory_fails_and_can_be_tried_again)
{
    hnas_tensor *y = record(1, 1);
    size_t bytes;

    hooks.left = 0;
    ck_assert_int_eq(hn_tape_lay_out(&bytes, tape, y), HNAS_E_NOMEM);
    hooks.left = -1;
    ck_assert_uint_eq(bytes, 0);
    ck_assert_int_eq(hn_tape_lay_out(&bytes, tape, y), 0);
    ck_assert_uint_gt(bytes, 0);
    hnas_tensor_unref(y);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("layout");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, random_records_give_the_bits_of_a_plain_run);
    tcase_add_test(t, a_chain_needs_two_images);
    tcase_add_test(t, a_plan_without_memory_fails_and_can_be_tried_again);
    suite_add_tcase(s, t);
    return run_suite(s);
}
