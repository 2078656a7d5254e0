/* SPDX-License-Identifier: BSD-3-Clause */
#include "conformance.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/gradcheck.h"
#include "support/memory.h"

enum { N = 9, CHANNELS = 3, MOST = N * CHANNELS * 8 * 8 };

static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {1, 5}, {7, 5}, {6, 8}};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* A context that knows the operation, an input, and one instance. */
struct bench {
    struct countdown hooks;
    hnas_context *ctx;
    const hnas_op_table *table;
    const char *name;
    hnas_op_desc desc;
    hnas_op *op;
    hnas_tensor *x;
    double values[MOST];
    int64_t out[4];
};

static void open(struct bench *b, const char *name, const hnas_op_table *table,
                 int32_t n_threads)
{
    hnas_context_opts o;
    const hnas_op_table *found;

    memset(b, 0, sizeof *b);
    countdown_opts(&o, &b->hooks);
    o.n_threads = n_threads;
    ck_assert_int_eq(hnas_context_create(&b->ctx, &o), HNAS_OK);
    if (table)
        ck_assert_int_eq(hnas_op_register(b->ctx, table), HNAS_OK);
    ck_assert_int_eq(hnas_op_find(&found, b->ctx, name), HNAS_OK);
    b->table = found;
    b->name = name;
}

static void put(struct bench *b, int64_t stride, const int64_t size[2])
{
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = 4,
                                .dims = {N, CHANNELS, size[0], size[1]},
                                .lo = -1,
                                .hi = 1,
                                .gap = 1e-3};
    const hnas_op_desc desc = {sizeof desc, CHANNELS, stride};
    const int64_t out[4] = {N, CHANNELS, (size[0] + stride - 1) / stride,
                            (size[1] + stride - 1) / stride};
    struct random r = {(uint64_t)(10 * size[0] + size[1])};

    memcpy(b->out, out, sizeof out);
    b->desc = desc;
    b->x = grad_leaf_make(b->ctx, &l, &r, b->values);
    ck_assert_msg(hnas_op_create(&b->op, b->ctx, b->name, &desc) == HNAS_OK,
                  "%s: %s", b->name, hnas_context_message(b->ctx));
}

static void take(struct bench *b)
{
    hnas_tensor_unref(b->x);
    hnas_op_destroy(b->op);
    b->x = NULL;
    b->op = NULL;
}

static void close(struct bench *b)
{
    hnas_context_destroy(b->ctx);
    ck_assert_msg(b->hooks.n_live == 0, "%s: %d blocks leaked", b->name,
                  (int)b->hooks.n_live);
}

/* ---- shapes ---- */

void conform_shapes(const char *name, const hnas_op_table *table)
{
    struct bench b;

    open(&b, name, table, 1);
    for (int i = 0; i < 2 * N_SIZES; i++) {
        hnas_tensor *y;
        hnas_array a;

        put(&b, 1 + i % 2, sizes[i / 2]);
        ck_assert_msg(hnas_op_apply(&y, NULL, b.op, b.x) == HNAS_OK, "%s: %s",
                      name, hnas_context_message(b.ctx));
        ck_assert_int_eq(hnas_tensor_get_array(y, &a), HNAS_OK);
        ck_assert_int_eq(a.rank, 4);
        ck_assert_mem_eq(a.dims, b.out, sizeof b.out);
        hnas_tensor_unref(y);
        take(&b);
    }
    close(&b);
}

/* ---- one run: y and all gradients of sum(y * dy) ---- */

struct run {
    double y[MOST], dx[MOST], dw[MOST];
    int64_t n_y, n_w;
};

static hnas_tensor *direction(const struct bench *b)
{
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN,
        .rank = 4,
        .dims = {b->out[0], b->out[1], b->out[2], b->out[3]},
        .lo = -1,
        .hi = 1,
        .constant = 1};
    struct random r = {77};
    double v[MOST];

    return grad_leaf_make(b->ctx, &l, &r, v);
}

static hnas_status record(hnas_tensor **loss, hnas_tensor **y, hnas_tape *tape,
                          struct bench *b, hnas_tensor *dy)
{
    hnas_tensor *product = NULL;
    hnas_status st = hnas_op_apply(y, tape, b->op, b->x);

    if (st == HNAS_OK)
        st = hnas_mul(&product, tape, *y, dy);
    if (st == HNAS_OK)
        st = hnas_sum(loss, tape, product);
    hnas_tensor_unref(product);
    return st;
}

static void read_weights(struct run *r, const struct bench *b)
{
    const hnas_params *p = hnas_op_get_params(b->op);

    r->n_w = 0;
    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        hnas_tensor *t = hnas_params_get_tensor(p, i);
        const int64_t n = hnas_tensor_get_count(t);

        if (hnas_params_get_kind(p, i) != HNAS_PARAM_WEIGHT)
            continue;
        ck_assert_int_le(r->n_w + n, MOST);
        ck_assert_int_eq(
            hnas_tensor_get_gradient(t, HNAS_FLOAT64, r->dw + r->n_w, n), 0);
        r->n_w += n;
    }
}

static void clear(struct bench *b)
{
    const hnas_params *p = hnas_op_get_params(b->op);

    hnas_tensor_clear_gradient(b->x);
    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        hnas_tensor_clear_gradient(hnas_params_get_tensor(p, i));
}

static hnas_status run(struct run *r, struct bench *b)
{
    hnas_tensor *y = NULL, *dy = direction(b), *loss = NULL;
    hnas_tape *tape = NULL;
    hnas_status st;

    memset(r, 0, sizeof *r);
    clear(b);
    st = hnas_tape_create(&tape, b->ctx);
    if (st == HNAS_OK)
        st = record(&loss, &y, tape, b, dy);
    r->n_y = shape_count(4, b->out);
    if (st == HNAS_OK)
        st = hnas_tensor_get(y, HNAS_FLOAT64, r->y, r->n_y);
    if (st == HNAS_OK)
        st = hnas_tape_backward(tape, loss);
    if (st == HNAS_OK) {
        hnas_tensor_get_gradient(b->x, HNAS_FLOAT64, r->dx,
                                 hnas_tensor_get_count(b->x));
        read_weights(r, b);
    }
    hnas_tensor_unref(y);
    hnas_tensor_unref(dy);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
    return st;
}

/* ---- gradients ---- */

static double objective(struct bench *b, hnas_tensor *dy)
{
    hnas_tensor *y = NULL, *loss = NULL;
    double v;

    ck_assert_int_eq(record(&loss, &y, NULL, b, dy), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &v, 1), HNAS_OK);
    hnas_tensor_unref(y);
    hnas_tensor_unref(loss);
    return v;
}

/* Some elements of a leaf's gradient against differences. */
static void check_leaf(struct bench *b, hnas_tensor *t, const double *got,
                       hnas_tensor *dy)
{
    const int64_t n = hnas_tensor_get_count(t);
    struct random r = {(uint64_t)n};
    const double h = 1e-5;
    double v[MOST];

    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, n), HNAS_OK);
    for (int k = 0; k < 12; k++) {
        const int64_t i = random_int(&r, n);
        const double keep = v[i];
        double want;

        v[i] = keep + h;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        want = objective(b, dy);
        v[i] = keep - h;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        want = (want - objective(b, dy)) / (2 * h);
        v[i] = keep;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        ck_assert_msg(fabs(got[i] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s: gradient %g, differences say %g", b->name, got[i],
                      want);
    }
}

static void check_weights(struct bench *b, const struct run *r, hnas_tensor *dy)
{
    const hnas_params *p = hnas_op_get_params(b->op);
    int64_t at = 0;

    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        hnas_tensor *t = hnas_params_get_tensor(p, i);

        if (hnas_params_get_kind(p, i) != HNAS_PARAM_WEIGHT)
            continue;
        check_leaf(b, t, r->dw + at, dy);
        at += hnas_tensor_get_count(t);
    }
}

/* Differences need the double build. */
void conform_gradients(const char *name, const hnas_op_table *table)
{
    struct bench b;

    if (sizeof(real) < sizeof(double))
        return;
    open(&b, name, table, 1);
    for (int i = 2; i < 2 * N_SIZES; i++) {
        struct run r;
        hnas_tensor *dy;

        put(&b, 1 + i % 2, sizes[i / 2]);
        dy = direction(&b);
        ck_assert_int_eq(run(&r, &b), HNAS_OK);
        check_leaf(&b, b.x, r.dx, dy);
        check_weights(&b, &r, dy);
        hnas_tensor_unref(dy);
        take(&b);
    }
    close(&b);
}

/* ---- threads ---- */

void conform_threads(const char *name, const hnas_op_table *table)
{
    for (int i = 0; i < 2 * N_SIZES; i++) {
        struct run one, more;

        for (int32_t n = 1; n <= 4; n *= 2) {
            struct bench b;

            open(&b, name, table, n);
            put(&b, 1 + i % 2, sizes[i / 2]);
            ck_assert_int_eq(run(n == 1 ? &one : &more, &b), HNAS_OK);
            if (n > 1)
                ck_assert_msg(!memcmp(&one, &more, sizeof one),
                              "%s: other bits on %d threads", name, (int)n);
            take(&b);
            close(&b);
        }
    }
}

/* ---- cost ---- */

void conform_cost(const char *name, const hnas_op_table *table)
{
    struct bench b;

    open(&b, name, table, 1);
    for (int i = 0; i < 2 * N_SIZES; i++) {
        hnas_cost c, larger;

        put(&b, 1 + i % 2, sizes[i / 2]);
        hnas_op_get_cost(b.op, sizes[i / 2][0], sizes[i / 2][1], &c);
        hnas_op_get_cost(b.op, 2 * sizes[i / 2][0], 2 * sizes[i / 2][1],
                         &larger);
        ck_assert(c.params >= 0 && c.macs >= 0 && c.bytes >= 0);
        ck_assert_msg(c.params ==
                          hnas_params_get_elements(hnas_op_get_params(b.op),
                                                   HNAS_PARAM_WEIGHT),
                      "%s: cost says %d weights", name, (int)c.params);
        ck_assert_int_eq(larger.params, c.params);
        ck_assert(larger.macs >= c.macs && larger.bytes >= c.bytes);
        take(&b);
    }
    close(&b);
}

/* ---- memory ---- */

static void starve_create(struct bench *b)
{
    hnas_status st = HNAS_E_NOMEM;

    for (int64_t n = 0; st != HNAS_OK; n++) {
        const size_t held = held_bytes(b->ctx);
        hnas_op *op;

        b->hooks.left = n;
        st = hnas_op_create(&op, b->ctx, b->name, &b->desc);
        b->hooks.left = -1;
        ck_assert_msg(st == HNAS_OK || (st == HNAS_E_NOMEM && !op),
                      "%s: create answered %s", b->name, hnas_status_name(st));
        hnas_op_destroy(op);
        ck_assert_msg(held_bytes(b->ctx) == held, "%s: create leaked", b->name);
    }
}

static void starve_run(struct bench *b)
{
    struct run want, got;
    hnas_status st = HNAS_E_NOMEM;

    ck_assert_int_eq(run(&want, b), HNAS_OK);
    for (int64_t n = 0; st != HNAS_OK; n++) {
        hnas_tensor *y = NULL, *loss = NULL, *dy = direction(b);
        hnas_tape *tape = NULL;

        clear(b);
        b->hooks.left = n;
        st = hnas_tape_create(&tape, b->ctx);
        if (st == HNAS_OK)
            st = record(&loss, &y, tape, b, dy);
        if (st == HNAS_OK)
            st = hnas_tape_backward(tape, loss);
        b->hooks.left = -1;
        ck_assert_msg(st == HNAS_OK || st == HNAS_E_NOMEM,
                      "%s: apply answered %s", b->name, hnas_status_name(st));
        hnas_tensor_unref(y);
        hnas_tensor_unref(dy);
        hnas_tensor_unref(loss);
        hnas_tape_destroy(tape);
    }
    ck_assert_int_eq(run(&got, b), HNAS_OK);
    ck_assert_mem_eq(&want, &got, sizeof got);
}

void conform_memory(const char *name, const hnas_op_table *table)
{
    for (int64_t stride = 1; stride <= 2; stride++) {
        struct bench b;

        open(&b, name, table, 1);
        put(&b, stride, sizes[3]);
        starve_create(&b);
        starve_run(&b);
        take(&b);
        close(&b);
    }
}

/* ---- flags ---- */

static void check_promise(const struct bench *b, const struct run *r)
{
    for (int64_t i = 0; i < r->n_y; i++) {
        if (b->table->flags & HNAS_OP_ZERO)
            ck_assert_msg(r->y[i] == 0, "%s: zero operation gave %g", b->name,
                          r->y[i]);
        if ((b->table->flags & HNAS_OP_IDENTITY) && b->desc.stride == 1)
            ck_assert_msg(r->y[i] == b->values[i],
                          "%s: identity gave %g for %g", b->name, r->y[i],
                          b->values[i]);
    }
}

void conform_flags(const char *name, const hnas_op_table *table)
{
    struct bench b;

    open(&b, name, table, 1);
    for (int i = 0; i < 2 * N_SIZES; i++) {
        struct run first, second;
        hnas_op *keep, *other;

        put(&b, 1 + i % 2, sizes[i / 2]);
        ck_assert_int_eq(run(&first, &b), HNAS_OK);
        check_promise(&b, &first);
        ck_assert_int_eq(hnas_op_create(&other, b.ctx, name, &b.desc), 0);
        keep = b.op;
        b.op = other;
        ck_assert_int_eq(run(&second, &b), HNAS_OK);
        if (b.table->flags & HNAS_OP_SHARED)
            ck_assert_msg(first.n_w == 0 &&
                              !memcmp(&first, &second, sizeof first),
                          "%s: shared, but its instances differ", name);
        b.op = keep;
        hnas_op_destroy(other);
        take(&b);
    }
    close(&b);
}

void conformance(const char *name, const hnas_op_table *table)
{
    conform_shapes(name, table);
    conform_gradients(name, table);
    conform_threads(name, table);
    conform_cost(name, table);
    conform_memory(name, table);
    conform_flags(name, table);
}
