/* SPDX-License-Identifier: BSD-3-Clause */
/* Concatenations that stay joined: the same values and gradients as copied
 * ones, whoever reads them and whenever. */
#include <math.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "tape/tape.h"

enum { N = 3, H = 5, W = 4, PART = 8, N_PARTS = 3, OUT = 4 };
enum { ALL = N_PARTS * PART, N_VALUES = N * ALL * H * W };
enum { N_STEM = PART * 2 * 9, N_TOP = OUT * ALL };

static hnas_context *ctx;
static hnas_tape *tape;
static hnas_tensor *x, *stem[N_PARTS], *top, *beside;

static hnas_tensor *leaf(int64_t a, int64_t b, int64_t c, int64_t d)
{
    static struct random r = {9};
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN, .rank = 4, .dims = {a, b, c, d}, .lo = -1, .hi = 1};
    double v[1024];

    return grad_leaf_make(ctx, &l, &r, v);
}

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    x = leaf(N, 2, H, W);
    for (int i = 0; i < N_PARTS; i++) {
        stem[i] = leaf(PART, 2, 3, 3);
        /* the last part needs no gradient */
        hnas_tensor_set_wanted(stem[i], i + 1 < N_PARTS);
    }
    hnas_tensor_set_wanted(x, 0);
    top = leaf(OUT, ALL, 1, 1);
    hnas_tensor_set_wanted(top, 1);
    beside = leaf(OUT, PART, 1, 1);
}

static void teardown(void)
{
    hnas_tensor_unref(x);
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(stem[i]);
    hnas_tensor_unref(top);
    hnas_tensor_unref(beside);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

/* What a run does with the concatenation. */
enum {
    DEFERRED = 1, /* recorded whole, then computed */
    POOL = 2,     /* a pool reads it too */
    SQUARE = 4,   /* so does a func that needs its pixels */
    PART_TOO = 8, /* and another rectifier reads a part alone */
    LOOK = 16     /* the host looks at it before the sweep, not after */
};

struct outcome {
    double value[N_VALUES], stem[2][N_STEM], top[N_TOP];
    int32_t joined; /* at the end of the record */
};

static void ok(hnas_status st)
{
    ck_assert_int_eq(st, HNAS_OK);
}

static void read_value(struct outcome *o, hnas_tensor *y)
{
    ok(hnas_tensor_get(y, HNAS_FLOAT64, o->value, N_VALUES));
}

static hnas_status concatenation(hnas_tensor **y, hnas_tensor *part[N_PARTS])
{
    hnas_conv_opts pad;

    hnas_conv_opts_init(&pad, sizeof pad);
    pad.pad[0] = pad.pad[1] = 1;
    for (int i = 0; i < N_PARTS; i++)
        ok(hnas_conv2d(&part[i], tape, x, stem[i], &pad));
    return hnas_concat(y, tape, part, N_PARTS);
}

/* sum += sum of t, as a loss. */
static void add_to_loss(hnas_tensor **loss, hnas_tensor *t)
{
    hnas_tensor *sum, *old = *loss;

    ok(hnas_sum(&sum, tape, t));
    *loss = sum;
    if (old) {
        ok(hnas_add(loss, tape, old, sum));
        hnas_tensor_unref(sum);
    }
    hnas_tensor_unref(old);
    hnas_tensor_unref(t);
}

static void record_readers(hnas_tensor **loss, hnas_tensor *y,
                           hnas_tensor *part, int what)
{
    hnas_conv_opts relu;
    hnas_tensor *z, *t;

    hnas_conv_opts_init(&relu, sizeof relu);
    relu.relu = 1;
    ok(hnas_conv2d(&z, tape, y, top, &relu));
    ok(hnas_mul(&t, tape, z, z));
    hnas_tensor_unref(z);
    add_to_loss(loss, t);
    if (what & PART_TOO) {
        ok(hnas_conv2d(&z, tape, part, beside, &relu));
        add_to_loss(loss, z);
    }
    if (what & POOL) {
        ok(hnas_global_avg_pool(&z, tape, y));
        ok(hnas_mul(&t, tape, z, z));
        hnas_tensor_unref(z);
        add_to_loss(loss, t);
    }
    if (what & SQUARE) {
        ok(hnas_mul(&t, tape, y, y));
        add_to_loss(loss, t);
    }
}

static void run(struct outcome *o, int what, int mode)
{
    hnas_tensor *y, *part[N_PARTS], *loss = NULL;

    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_clear_gradient(stem[i]);
    hnas_tensor_clear_gradient(top);
    ok(hnas_tape_reset(tape, mode));
    if (what & DEFERRED)
        hnas_tape_defer(tape);
    ok(concatenation(&y, part));
    record_readers(&loss, y, part[1], what);
    o->joined = y->record->joined;
    if (what & LOOK)
        read_value(o, y);
    ok(hnas_tape_backward(tape, loss));
    if (!(what & LOOK))
        read_value(o, y);
    for (int i = 0; i < 2; i++)
        ok(hnas_tensor_get_gradient(stem[i], HNAS_FLOAT64, o->stem[i], N_STEM));
    ok(hnas_tensor_get_gradient(top, HNAS_FLOAT64, o->top, N_TOP));
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(part[i]);
    hnas_tensor_unref(y);
    hnas_tensor_unref(loss);
}

static void expect_near(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_double_eq_tol(a[i], b[i], 2e-5 * (1 + fabs(b[i])));
}

START_TEST(a_joined_value_gives_what_a_copied_one_gives)
{
    static struct outcome joined, copied;

    for (int what = 0; what < 32; what++) {
        run(&joined, what, 0);
        run(&copied, what, HNAS_TAPE_PLAIN);
        expect_near(joined.value, copied.value, N_VALUES);
        expect_near(joined.stem[0], copied.stem[0], N_STEM);
        expect_near(joined.stem[1], copied.stem[1], N_STEM);
        expect_near(joined.top, copied.top, N_TOP);
        ck_assert_int_eq(joined.joined, !(what & SQUARE));
        ck_assert_int_eq(copied.joined, 0);
    }
}
END_TEST

/* A tape without gradients forgets what nobody holds, the parts included. */
START_TEST(a_held_concatenation_outlasts_its_parts)
{
    static struct outcome before, after;
    hnas_tensor *y, *part[N_PARTS], *z;

    ok(hnas_tape_reset(tape, HNAS_TAPE_PLAIN));
    ok(concatenation(&y, part));
    read_value(&before, y);
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(part[i]);
    hnas_tensor_unref(y);
    ok(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT));
    hnas_tape_defer(tape);
    ok(concatenation(&y, part));
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(part[i]);
    ok(hnas_tape_run(tape));
    ok(hnas_conv2d(&z, tape, x, stem[0], NULL)); /* where the parts were */
    read_value(&after, y);
    expect_near(after.value, before.value, N_VALUES);
    hnas_tensor_unref(y);
    hnas_tensor_unref(z);
}
END_TEST

START_TEST(a_concatenation_takes_no_memory_until_its_pixels_are_asked_for)
{
    hnas_tensor *y, *part[N_PARTS];
    size_t without, with;

    ok(hnas_tape_reset(tape, 0));
    ok(concatenation(&y, part));
    hnas_tape_get_memory(tape, &without, NULL);
    ok(hnas_tensor_get(y, HNAS_FLOAT64, (double[N_VALUES]){0}, N_VALUES));
    hnas_tape_get_memory(tape, &with, NULL);
    ck_assert_int_ge((int64_t)(with - without),
                     (int64_t)(N_VALUES * sizeof(real)));
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(part[i]);
    hnas_tensor_unref(y);
}
END_TEST

/* Bytes moved by three images, three parts and what reads all of them. */
static int64_t moved(int deferred)
{
    const int64_t before = hnas_context_get_moved(ctx);
    hnas_tensor *y, *part[N_PARTS], *z;
    hnas_conv_opts relu;

    hnas_conv_opts_init(&relu, sizeof relu);
    relu.relu = 1;
    ok(hnas_tape_reset(tape, 0));
    if (deferred)
        hnas_tape_defer(tape);
    ok(concatenation(&y, part));
    ok(hnas_conv2d(&z, tape, y, top, &relu));
    ok(hnas_tape_run(tape));
    for (int i = 0; i < N_PARTS; i++)
        hnas_tensor_unref(part[i]);
    hnas_tensor_unref(y);
    hnas_tensor_unref(z);
    return hnas_context_get_moved(ctx) - before;
}

START_TEST(an_image_moves_once_in_a_stage)
{
    const int64_t image = N * PART * H * W * (int64_t)sizeof(real);

    /* x's copies stand in the stage of the weights' */
    ck_assert_int_eq(moved(1), (3 + 7) * image);
    /* a stage a func: no image is shared */
    ck_assert_int_eq(moved(0), (3 + 6 + 4) * image);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("joined");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_joined_value_gives_what_a_copied_one_gives);
    tcase_add_test(t, a_held_concatenation_outlasts_its_parts);
    tcase_add_test(
        t, a_concatenation_takes_no_memory_until_its_pixels_are_asked_for);
    tcase_add_test(t, an_image_moves_once_in_a_stage);
    suite_add_tcase(s, t);
    return run_suite(s);
}
