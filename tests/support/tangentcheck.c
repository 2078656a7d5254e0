/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/tangentcheck.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double step = 1e-5;

#ifdef HN_REAL_DOUBLE
enum { CHECKS_SWEEP = 1 };
static const double bound = 1e-6;
#else
enum { CHECKS_SWEEP = 0 }; /* differences of float gradients say nothing */
static const double bound = 1e-3;
#endif

struct check {
    hnas_context *ctx;
    const struct grad_case *c;
    hnas_tensor *leaf[GRAD_LEAVES], *move[GRAD_LEAVES];
    double *x[GRAD_LEAVES], *d[GRAD_LEAVES]; /* d: NULL does not move */
    double *dy;
    int64_t n[GRAD_LEAVES], n_y;
};

static double *new_array(int64_t n)
{
    double *p = calloc((size_t)n + 1, sizeof *p);

    ck_assert_ptr_nonnull(p);
    return p;
}

static double *random_array(int64_t n, struct random *r)
{
    double *p = new_array(n);

    for (int64_t i = 0; i < n; i++)
        p[i] = (double)(float)random_in(r, -1, 1);
    return p;
}

static void make_leaf(struct check *k, int32_t i, struct random *r)
{
    const struct grad_leaf *leaf = &k->c->leaf[i];

    k->n[i] = shape_count(leaf->rank, leaf->dims);
    k->x[i] = new_array(k->n[i]);
    k->leaf[i] = grad_leaf_make(k->ctx, leaf, r, k->x[i]);
    if (leaf->constant || (i > 0 && random_unit(r) < 0.3))
        return;
    k->d[i] = random_array(k->n[i], r);
    ck_assert_int_eq(hnas_tensor_create(&k->move[i], k->ctx, TEST_REAL,
                                        leaf->rank, leaf->dims),
                     HNAS_OK);
    ck_assert_int_eq(
        hnas_tensor_set(k->move[i], HNAS_FLOAT64, k->d[i], k->n[i]), HNAS_OK);
}

static void finish(struct check *k)
{
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        hnas_tensor_unref(k->leaf[i]);
        hnas_tensor_unref(k->move[i]);
        free(k->x[i]);
        free(k->d[i]);
    }
    free(k->dy);
}

/* Leaves at x + t d. */
static void move_leaves(const struct check *k, double t)
{
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        double *at;

        if (!k->d[i])
            continue;
        at = new_array(k->n[i]);
        for (int64_t j = 0; j < k->n[i]; j++)
            at[j] = k->x[i][j] + t * k->d[i][j];
        ck_assert_int_eq(hnas_tensor_set(k->leaf[i], HNAS_FLOAT64, at, k->n[i]),
                         HNAS_OK);
        free(at);
    }
}

/* sum(y dy) of the reference at x + t d. */
static double objective(struct check *k, double t)
{
    const double *at[GRAD_LEAVES];
    double *y = new_array(k->n_y), sum = 0;

    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        double *p = new_array(k->n[i]);

        for (int64_t j = 0; j < k->n[i]; j++)
            p[j] = k->x[i][j] + (k->d[i] ? t * k->d[i][j] : 0);
        at[i] = p;
    }
    k->c->reference(y, at, k->c->user);
    for (int64_t i = 0; i < k->n_y; i++)
        sum += y[i] * k->dy[i];
    for (int32_t i = 0; i < k->c->n_leaves; i++)
        free((double *)(uintptr_t)at[i]);
    free(y);
    return sum;
}

static hnas_tensor *record_loss(const struct check *k, hnas_tape *tape)
{
    hnas_tensor *y, *dy, *product, *loss;

    ck_assert_msg(k->c->record(&y, tape, (hnas_tensor *const *)k->leaf,
                               k->c->user) == HNAS_OK,
                  "%s: %s", k->c->name, hnas_context_message(k->ctx));
    ck_assert_int_eq(hnas_tensor_create(&dy, k->ctx, TEST_REAL,
                                        k->c->shape.rank, k->c->shape.dims),
                     HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(dy, HNAS_FLOAT64, k->dy, k->n_y), 0);
    ck_assert_int_eq(hnas_mul(&product, tape, y, dy), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, product), HNAS_OK);
    hnas_tensor_unref(y);
    hnas_tensor_unref(dy);
    hnas_tensor_unref(product);
    return loss;
}

static hnas_tensor *record_tangent(const struct check *k, hnas_tape *tape,
                                   hnas_tensor *loss)
{
    hnas_tensor *x[GRAD_LEAVES], *d[GRAD_LEAVES], *tangent;
    int64_t n = 0;

    for (int32_t i = 0; i < k->c->n_leaves; i++)
        if (k->d[i]) {
            x[n] = k->leaf[i];
            d[n++] = k->move[i];
        }
    ck_assert_msg(hnas_tape_tangent(&tangent, tape, loss, x, d, n) == HNAS_OK,
                  "%s: %s", k->c->name, hnas_context_message(k->ctx));
    return tangent;
}

/* Sweep from the loss (or, tangent not NULL, from its tangent, whose value
 * goes there) and read the gradients of all leaves into g. */
static void sweep(struct check *k, double *g[GRAD_LEAVES], double *tangent,
                  int deferred)
{
    hnas_tape *tape;
    hnas_tensor *loss, *t = NULL;

    for (int32_t i = 0; i < k->c->n_leaves; i++)
        hnas_tensor_clear_gradient(k->leaf[i]);
    ck_assert_int_eq(hnas_tape_create(&tape, k->ctx), HNAS_OK);
    ck_assert_int_eq(hnas_tape_reset(tape, k->c->mode), HNAS_OK);
    if (deferred)
        hnas_tape_defer(tape);
    loss = record_loss(k, tape);
    if (tangent) {
        t = record_tangent(k, tape, loss);
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, tangent, 1), HNAS_OK);
    }
    ck_assert_msg(hnas_tape_backward(tape, t ? t : loss) == HNAS_OK, "%s: %s",
                  k->c->name, hnas_context_message(k->ctx));
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        g[i] = new_array(k->n[i]);
        if (!k->c->leaf[i].constant)
            ck_assert_int_eq(hnas_tensor_get_gradient(k->leaf[i], HNAS_FLOAT64,
                                                      g[i], k->n[i]),
                             HNAS_OK);
    }
    hnas_tensor_unref(t);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
}

static void expect_products(struct check *k, double *got[GRAD_LEAVES])
{
    double *up[GRAD_LEAVES], *down[GRAD_LEAVES];

    move_leaves(k, step);
    sweep(k, up, NULL, 0);
    move_leaves(k, -step);
    sweep(k, down, NULL, 0);
    for (int32_t i = 0; i < k->c->n_leaves; i++) {
        double top = 1;

        for (int64_t j = 0; j < k->n[i]; j++) {
            up[i][j] = (up[i][j] - down[i][j]) / (2 * step);
            top = fmax(top, fabs(up[i][j]));
        }
        for (int64_t j = 0; j < k->n[i]; j++)
            ck_assert_msg(fabs(got[i][j] - up[i][j]) <= bound * top,
                          "%s: second order of x%d[%lld] is %.12g, want %.12g",
                          k->c->name, (int)i, (long long)j, got[i][j],
                          up[i][j]);
        free(up[i]);
        free(down[i]);
    }
}

void tangentcheck(hnas_context *ctx, const struct grad_case *c,
                  struct random *r)
{
    struct check k = {.ctx = ctx, .c = c};
    double *g[GRAD_LEAVES], got, want;
    int moves = 0;

    for (int32_t i = 0; i < c->n_leaves; i++) {
        make_leaf(&k, i, r);
        moves |= k.d[i] != NULL;
    }
    k.n_y = shape_count(c->shape.rank, c->shape.dims);
    k.dy = random_array(k.n_y, r);
    if (moves) {
        sweep(&k, g, &got, random_unit(r) < 0.5);
        want = (objective(&k, step) - objective(&k, -step)) / (2 * step);
        ck_assert_msg(fabs(got - want) <= bound * fmax(1, fabs(want)),
                      "%s: tangent %.12g, want %.12g", c->name, got, want);
        if (CHECKS_SWEEP)
            expect_products(&k, g);
        for (int32_t i = 0; i < c->n_leaves; i++)
            free(g[i]);
    }
    finish(&k);
}
