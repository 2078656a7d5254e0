/* SPDX-License-Identifier: BSD-3-Clause */
/* A func of the host's own: its table computes whole arrays on the calling
 * thread. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "hnas/func.h"
#include "tape/image.h"

enum { MOST_INPUTS = 16 };

struct host {
    const hnas_func_table *table;
    void *user;
};

static void describe(hnas_array *a, const struct hnas_tensor *t, void *data)
{
    memset(a, 0, sizeof *a);
    a->size = sizeof *a;
    a->data = data;
    a->dtype = t->dtype;
    a->rank = t->rank;
    memcpy(a->dims, t->dim, sizeof a->dims);
    memcpy(a->strides, t->stride, sizeof a->strides);
}

static hnas_status host_failed(struct hn_node *node, hnas_status st)
{
    const struct host *h = node->aux;

    return hn_fail(node->ctx, HNAS_E_OP, "%s: the host's func answered %s",
                   h->table->name, hnas_status_name(st));
}

/* A rectifier would turn NaN into 0, so that no loss tells of it. */
static hnas_status check_finite(struct hn_node *node)
{
    const struct host *h = node->aux;
    const int64_t n = hn_tensor_extent(node->out);
    const real *value = hn_real(node->out);

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(value[i]))
            return hn_fail(node->ctx, HNAS_E_NAN, "%s: the host's func gave %g",
                           h->table->name, (double)value[i]);
    return HNAS_OK;
}

/* ---- behind the end of an array that the host writes to ----
 *
 * A pattern, so that a write there shows, and hits nothing else unless it
 * goes further. */

enum { PATTERN = 0xa5, GUARD_BYTES = 4096 };

static unsigned char *behind(const struct hnas_tensor *t, real *data)
{
    return (unsigned char *)(data + hn_tensor_extent(t));
}

static void guard(const struct hnas_tensor *t, real *data)
{
    memset(behind(t, data), PATTERN, GUARD_BYTES);
}

static int is_overrun(const struct hnas_tensor *t, real *data)
{
    const unsigned char *p = behind(t, data);

    for (int i = 0; i < GUARD_BYTES; i++)
        if (p[i] != PATTERN)
            return 1;
    return 0;
}

/* ---- forward ---- */

static hnas_status forward(struct hn_node *node)
{
    const struct host *h = node->aux;
    hnas_array in[MOST_INPUTS], out;
    hnas_status st;

    for (int32_t i = 0; i < node->n_in; i++)
        describe(&in[i], node->in[i], node->in[i]->data);
    describe(&out, node->out, node->out->data);
    memset(node->out->data, 0,
           (size_t)hn_tensor_extent(node->out) * sizeof(real));
    guard(node->out, node->out->data);
    atomic_fetch_add(&node->ctx->computing, 1);
    st = h->table->forward(h->user, in, node->n_in, &out);
    atomic_fetch_sub(&node->ctx->computing, 1);
    if (is_overrun(node->out, node->out->data))
        return hn_fail(node->ctx, HNAS_E_OP,
                       "%s: the host's func wrote behind the end of its output",
                       h->table->name);
    return st != HNAS_OK ? host_failed(node, st) : check_finite(node);
}

/* ---- backward: the host adds to a guarded copy of each gradient ---- */

static size_t copy_bytes(const struct hnas_tensor *t)
{
    return (size_t)hn_tensor_extent(t) * sizeof(real) + GUARD_BYTES;
}

/* The copy that an input given before has, or NULL. */
static real *earlier(const struct hn_node *node, real *const *copy, int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (node->in[k] == node->in[i])
            return copy[k];
    return NULL;
}

/* Copy the wanted gradients of the inputs; NULL where none is. */
static hnas_status open_copies(struct hn_node *node, real *copy[MOST_INPUTS])
{
    const struct host *h = node->aux;

    for (int32_t i = 0; i < node->n_in; i++) {
        const struct hnas_tensor *t = node->in[i];
        const real *d = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;

        copy[i] = earlier(node, copy, i);
        if (copy[i])
            continue;
        if (d)
            copy[i] = hn_arena_take(&node->tape->arena, copy_bytes(t));
        if (node->want[i] && !copy[i])
            return hn_fail_nomem(node->ctx, h->table->name);
        if (!d)
            continue;
        memcpy(copy[i], d, (size_t)hn_tensor_extent(t) * sizeof *d);
        guard(t, copy[i]);
    }
    return HNAS_OK;
}

static void close_copies(struct hn_node *node, real *copy[MOST_INPUTS])
{
    for (int32_t i = 0; i < node->n_in; i++)
        if (copy[i] && !earlier(node, copy, i))
            hn_arena_give(&node->tape->arena, copy[i], copy_bytes(node->in[i]));
}

/* Refuse what is wrong with a gradient, else take it over. */
static hnas_status take_copy(struct hn_node *node, int32_t i, real *copy)
{
    const struct host *h = node->aux;
    struct hnas_tensor *t = node->in[i];
    const int64_t n = hn_tensor_extent(t);
    real *d = t->grad;

    if (is_overrun(t, copy))
        return hn_fail(node->ctx, HNAS_E_OP,
                       "%s: the host's func wrote behind the end of the "
                       "gradient of input %d",
                       h->table->name, (int)i);
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(copy[k]) && isfinite(d[k]))
            return hn_fail(node->ctx, HNAS_E_NAN,
                           "%s: the host's func gave %g as a gradient of "
                           "input %d",
                           h->table->name, (double)copy[k], (int)i);
    memcpy(d, copy, (size_t)n * sizeof *d);
    return HNAS_OK;
}

static hnas_status call_backward(struct hn_node *node, real *copy[MOST_INPUTS])
{
    const struct host *h = node->aux;
    hnas_array in[MOST_INPUTS], din[MOST_INPUTS], out, dout;
    hnas_status st;

    for (int32_t i = 0; i < node->n_in; i++) {
        describe(&in[i], node->in[i], node->in[i]->data);
        describe(&din[i], node->in[i], copy[i]);
    }
    describe(&out, node->out, node->out->data);
    describe(&dout, node->out, node->out->grad);
    atomic_fetch_add(&node->ctx->computing, 1);
    st = h->table->backward(h->user, in, node->n_in, &out, &dout, din);
    atomic_fetch_sub(&node->ctx->computing, 1);
    if (st != HNAS_OK)
        return host_failed(node, st);
    for (int32_t i = 0; i < node->n_in && st == HNAS_OK; i++)
        if (copy[i])
            st = take_copy(node, i, copy[i]);
    return st;
}

static hnas_status backward(struct hn_node *node)
{
    const struct host *h = node->aux;
    real *copy[MOST_INPUTS] = {NULL};
    hnas_status st;

    if (!hn_out_grad(node))
        return hn_fail_nomem(node->ctx, h->table->name);
    if (!h->table->backward)
        return hn_fail(node->ctx, HNAS_E_UNSUPPORTED,
                       "%s: the host's func has no backward", h->table->name);
    st = open_copies(node, copy);
    if (st == HNAS_OK)
        st = call_backward(node, copy);
    close_copies(node, copy);
    return st;
}

/* Who reads tangents takes them as they lie in memory. */
static hnas_status settle_tangent(struct hnas_tensor **out,
                                  struct hnas_tape *tape)
{
    struct hnas_tensor *pending = *out;
    hnas_status st;

    if (!pending->record || !pending->record->scale)
        return HNAS_OK;
    *out = NULL;
    st = hn_copy_image(out, tape, pending);
    hnas_tensor_unref(pending);
    return st;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct host *h = node->aux;
    struct hnas_tensor *move[MOST_INPUTS];
    const char *before;
    hnas_status st;

    if (h->table->size < sizeof *h->table || !h->table->tangent)
        return hn_fail(node->ctx, HNAS_E_UNSUPPORTED,
                       "%s: the host's func has no tangent", h->table->name);
    for (int32_t i = 0; i < node->n_in; i++)
        move[i] = node->in[i]->tangent;
    before = hn_host_enter(node->ctx, h->table->name);
    node->tape->held++;
    st = h->table->tangent(h->user, out, node->tape, node->in, move, node->n_in,
                           node->out);
    node->tape->held--;
    hn_host_leave(node->ctx, before);
    if (st < 0)
        return host_failed(node, st);
    if (*out && !hn_same_shape(*out, node->out))
        return hn_fail(node->ctx, HNAS_E_OP,
                       "%s: its tangent has another shape than its value",
                       h->table->name);
    return *out ? settle_tangent(out, node->tape) : HNAS_OK;
}

static const struct hn_rule rule = {
    .name = "func_apply",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
    .guard_bytes = GUARD_BYTES,
    .calls_host = 1,
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const *in, int32_t n_in,
                          const hnas_shape *shape, const struct host *host)
{
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = n_in,
        .aux_bytes = sizeof *host,
        .layout = shape->rank == 4 ? HN_IMAGE : HN_STRIDED,
        .rank = shape->rank,
        .dims = shape->dims,
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    *(struct host *)node->aux = *host;
    node->name = host->table->name;
    return hn_finish(out, node);
}

hnas_status hnas_func_apply(hnas_tensor **out, hnas_tape *tape,
                            const hnas_func_table *table,
                            hnas_tensor *const *in, int32_t n_in,
                            const hnas_shape *shape, void *user)
{
    const struct host host = {table, user};
    struct hnas_tensor *x[MOST_INPUTS] = {NULL};
    hnas_status st = HNAS_OK;

    if (out)
        *out = NULL;
    if (!in || n_in < 1 || !in[0])
        return HNAS_E_ARG;
    if (!out || !table || !shape)
        return hn_fail_null(in[0]->ctx, "func: out, table or shape");
    if (n_in > MOST_INPUTS)
        return hn_fail(in[0]->ctx, HNAS_E_ARG, "func: %d inputs, want 1..%d",
                       (int)n_in, MOST_INPUTS);
    if (table->size < offsetof(hnas_func_table, tangent) || !table->name ||
        !table->forward)
        return hn_fail(in[0]->ctx, HNAS_E_ARG,
                       "func table: size, name and forward must be set");
    for (int32_t i = 0; i < n_in && st == HNAS_OK; i++) {
        st = hn_expect(in[i], -1, table->name);
        if (st == HNAS_OK)
            st = in[i]->rank == 4 ? hn_as_image(&x[i], tape, in[i])
                                  : hn_as_dense(&x[i], tape, in[i]);
        if (st == HNAS_OK && x[i]->record &&
            (x[i]->record->scale || x[i]->record->half)) {
            struct hnas_tensor *pending = x[i];

            x[i] = NULL;
            st = hn_copy_image(&x[i], tape, pending);
            hnas_tensor_unref(pending);
        }
    }
    if (st == HNAS_OK)
        st = record(out, tape, x, n_in, shape, &host);
    for (int32_t i = 0; i < n_in; i++)
        hnas_tensor_unref(x[i]);
    return st;
}
