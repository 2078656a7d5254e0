/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/gradcheck.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/tangentcheck.h"
#include "tensor/tensor.h"

/* Elements of a leaf whose differences are taken. */
enum { MOST_ELEMENTS = 20 };

static const double step = 1e-5;

#ifdef HN_REAL_DOUBLE
static const double value_bound = 1e-10, gradient_bound = 1e-6;
#else
static const double value_bound = 0, gradient_bound = 0; /* the case's */
#endif

struct check {
    hnas_context *ctx;
    const struct grad_case *c;
    hnas_tensor *leaf[GRAD_LEAVES];
    double *x[GRAD_LEAVES], *y, *dy;
    int64_t n[GRAD_LEAVES], n_y;
};

int64_t shape_count(int32_t rank, const int64_t *dims)
{
    int64_t n = 1;

    for (int32_t i = 0; i < rank; i++)
        n *= dims[i];
    return n;
}

static double *new_array(int64_t n)
{
    double *p = calloc((size_t)n + 1, sizeof *p);

    ck_assert_ptr_nonnull(p);
    return p;
}

static void release(void *user, void *data)
{
    (void)user;
    free(data);
}

/* The host's memory with the axes in the order of `axis`, innermost last. */
static hnas_tensor *wrapped(hnas_context *ctx, const struct grad_leaf *leaf,
                            const int *axis)
{
    hnas_array a = {.size = sizeof a, .dtype = TEST_REAL, .release = release};
    int64_t s = 1;
    hnas_tensor *t;

    a.rank = leaf->rank;
    memcpy(a.dims, leaf->dims, sizeof a.dims);
    for (int i = leaf->rank - 1; i >= 0; i--) {
        a.strides[axis[i]] = s;
        s *= leaf->dims[axis[i]];
    }
    a.data = new_array(s);
    ck_assert_int_eq(hnas_tensor_wrap(&t, ctx, &a), HNAS_OK);
    return t;
}

static hnas_tensor *make_memory(hnas_context *ctx, const struct grad_leaf *leaf,
                                struct random *r)
{
    static const int last[4] = {0, 2, 3, 1};
    const int64_t draw = random_int(r, 3);
    int reversed[4];
    hnas_tensor *t;

    for (int i = 0; i < leaf->rank; i++)
        reversed[i] = leaf->rank - 1 - i;
    if (leaf->kind == LEAF_IMAGE && draw == 0)
        return wrapped(ctx, leaf, last);
    if (leaf->kind == LEAF_ANY && leaf->rank > 1 && draw == 0)
        return wrapped(ctx, leaf, reversed);
    if ((leaf->kind == LEAF_IMAGE || leaf->kind == LEAF_KERNEL) && draw == 1)
        ck_assert_int_eq(
            hn_tensor_new(&t, ctx,
                          leaf->kind == LEAF_IMAGE ? HN_IMAGE : HN_KERNEL, 4,
                          leaf->dims),
            HNAS_OK);
    else
        ck_assert_int_eq(
            hnas_tensor_create(&t, ctx, TEST_REAL, leaf->rank, leaf->dims),
            HNAS_OK);
    return t;
}

hnas_tensor *grad_leaf_make(hnas_context *ctx, const struct grad_leaf *leaf,
                            struct random *r, double *v)
{
    const int64_t n = shape_count(leaf->rank, leaf->dims);
    hnas_tensor *t = make_memory(ctx, leaf, r);

    for (int64_t i = 0; i < n; i++)
        do
            v[i] = (double)(float)random_in(r, leaf->lo, leaf->hi);
        while (fabs(v[i]) < leaf->gap);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, v, n), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set_wanted(t, !leaf->constant), HNAS_OK);
    return t;
}

static void make(struct check *k, struct random *r)
{
    const struct grad_case *c = k->c;

    for (int32_t i = 0; i < c->n_leaves; i++) {
        k->n[i] = shape_count(c->leaf[i].rank, c->leaf[i].dims);
        k->x[i] = new_array(k->n[i]);
        k->leaf[i] = grad_leaf_make(k->ctx, &c->leaf[i], r, k->x[i]);
    }
    k->n_y = shape_count(c->shape.rank, c->shape.dims);
    k->y = new_array(k->n_y);
    k->dy = new_array(k->n_y);
    for (int64_t i = 0; i < k->n_y; i++)
        k->dy[i] = (double)(float)random_in(r, -1, 1);
}

static void finish(struct check *k)
{
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        hnas_tensor_unref(k->leaf[i]);
        free(k->x[i]);
    }
    free(k->y);
    free(k->dy);
}

static void expect_shape(const struct check *k, hnas_tensor *y)
{
    hnas_array a;

    ck_assert_int_eq(hnas_tensor_get_array(y, &a), HNAS_OK);
    ck_assert_int_eq(a.rank, k->c->shape.rank);
    for (int32_t i = 0; i < a.rank; i++)
        ck_assert_int_eq(a.dims[i], k->c->shape.dims[i]);
}

static void expect_near(const struct check *k, const char *what,
                        const double *got, const double *want, int64_t n,
                        double bound)
{
    double top = 1;

    if (bound == 0)
        bound = k->c->float_bound > 0 ? k->c->float_bound : 2e-5;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(want[i]))
            top = fmax(top, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(isnan(want[i]) || fabs(got[i] - want[i]) <= bound * top,
                      "%s: %s[%lld] is %.12g, want %.12g", k->c->name, what,
                      (long long)i, got[i], want[i]);
}

static double objective(const struct check *k)
{
    double sum = 0;

    k->c->reference(k->y, (const double *const *)k->x, k->c->user);
    for (int64_t i = 0; i < k->n_y; i++)
        sum += k->y[i] * k->dy[i];
    return sum;
}

/* Central differences of a sample of elements; NaN for the others. */
static void differences(struct check *k, int32_t leaf, double *want,
                        struct random *r)
{
    double *x = k->x[leaf];
    const int64_t n = k->n[leaf];

    for (int64_t i = 0; i < n; i++) {
        const double keep = x[i];
        double up;

        want[i] = NAN;
        if (random_unit(r) * (double)n >= MOST_ELEMENTS)
            continue;
        x[i] = keep + step;
        up = objective(k);
        x[i] = keep - step;
        want[i] = (up - objective(k)) / (2 * step);
        x[i] = keep;
    }
}

/* loss = sum(y * dy), dy a constant in y's shape. */
static hnas_tensor *record_loss(const struct check *k, hnas_tape *tape,
                                hnas_tensor *y)
{
    hnas_tensor *dy, *product, *loss;

    ck_assert_int_eq(hnas_tensor_create(&dy, k->ctx, TEST_REAL,
                                        k->c->shape.rank, k->c->shape.dims),
                     HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(dy, HNAS_FLOAT64, k->dy, k->n_y), 0);
    ck_assert_int_eq(hnas_mul(&product, tape, y, dy), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, product), HNAS_OK);
    hnas_tensor_unref(dy);
    hnas_tensor_unref(product);
    return loss;
}

static void check_gradients(struct check *k, struct random *r)
{
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        double *got, *want;
        char what[32] = "dx0";

        if (k->c->leaf[i].constant)
            continue;
        got = new_array(k->n[i]);
        want = new_array(k->n[i]);
        what[2] = (char)('0' + i);
        ck_assert_int_eq(
            hnas_tensor_get_gradient(k->leaf[i], HNAS_FLOAT64, got, k->n[i]),
            HNAS_OK);
        differences(k, i, want, r);
        expect_near(k, what, got, want, k->n[i], gradient_bound);
        free(got);
        free(want);
    }
}

/* Without a tape the same bits come. */
static void check_loose(const struct check *k, const double *taped)
{
    double *loose = new_array(k->n_y);
    hnas_tensor *y;

    ck_assert_int_eq(k->c->record(&y, NULL, k->leaf, k->c->user), HNAS_OK);
    expect_shape(k, y);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT64, loose, k->n_y), 0);
    for (int64_t i = 0; k->c->mode == 0 && i < k->n_y; i++)
        ck_assert_msg(loose[i] == taped[i],
                      "%s: y[%lld] is %.17g without a "
                      "tape, %.17g on one",
                      k->c->name, (long long)i, loose[i], taped[i]);
    hnas_tensor_unref(y);
    free(loose);
}

void gradcheck(hnas_context *ctx, const struct grad_case *c, struct random *r)
{
    struct check k = {.ctx = ctx, .c = c};
    hnas_tensor *y, *loss;
    hnas_tape *tape;
    double *got;
    const int deferred = random_unit(r) < 0.5;

    make(&k, r);
    got = new_array(k.n_y);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_tape_reset(tape, c->mode), HNAS_OK);
    if (deferred)
        hnas_tape_defer(tape);
    ck_assert_msg(c->record(&y, tape, k.leaf, c->user) == HNAS_OK, "%s: %s",
                  c->name, hnas_context_message(ctx));
    loss = record_loss(&k, tape, y);
    if (deferred)
        ck_assert_int_eq(hnas_tape_run(tape), HNAS_OK);
    expect_shape(&k, y);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT64, got, k.n_y), HNAS_OK);
    c->reference(k.y, (const double *const *)k.x, c->user);
    expect_near(&k, "y", got, k.y, k.n_y, value_bound);
    ck_assert_msg(hnas_tape_backward(tape, loss) == HNAS_OK, "%s: %s", c->name,
                  hnas_context_message(ctx));
    check_gradients(&k, r);
    if (!(c->mode & HNAS_TAPE_RUNNING_STATS))
        check_loose(&k, got);
    hnas_tensor_unref(loss);
    hnas_tensor_unref(y);
    hnas_tape_destroy(tape);
    free(got);
    finish(&k);
    if (!c->no_tangent)
        tangentcheck(ctx, c, r);
}
