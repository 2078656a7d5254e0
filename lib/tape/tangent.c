/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of a record, itself recorded: every node whose inputs move gets
 * funcs behind it that say how its output moves.  One sweep from the tangent
 * of a loss L along v then leaves
 *
 *     d/dx (dL/dw v)  =  (d2L / dx dw) v
 *
 * with no further code.  A node's tangent stands right behind it in the
 * record, so both passes find the node's values in cache. */
#include <string.h>

#include "tape/image.h"

/* Mark what y depends on, and count the readers of each value. */
static void mark(struct hnas_tape *tape, struct hnas_tensor *y)
{
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        tape->node[i]->marked = 0;
        tape->node[i]->out->record->n_uses = 0;
    }
    y->record->node->marked = 1;
    for (int64_t i = tape->n_nodes - 1; i >= 0; i--) {
        struct hn_node *node = tape->node[i];

        for (int32_t k = 0; k < node->n_in; k++) {
            struct hn_record *r = node->in[k]->record;

            if (!r)
                continue;
            r->n_uses++;
            r->node->marked |= node->marked;
        }
    }
}

static int is_moved(const struct hn_node *node)
{
    for (int32_t k = 0; k < node->n_in; k++)
        if (node->in[k]->tangent)
            return 1;
    return 0;
}

/* No two values share a tangent image: batch-norm's is made in place. */
static hnas_status own_image(struct hnas_tape *tape, int64_t first,
                             struct hnas_tensor **t)
{
    struct hnas_tensor *shared = *t;
    hnas_status st;

    if (shared->layout != HN_IMAGE)
        return HNAS_OK;
    for (int64_t i = first; i < tape->n_nodes; i++)
        if (tape->node[i]->out == shared)
            return HNAS_OK;
    *t = NULL;
    st = hn_copy_image(t, tape, shared);
    hnas_tensor_unref(shared);
    return st;
}

static hnas_status record_one(struct hn_node *node)
{
    struct hnas_tape *tape = node->tape;
    const int64_t first = tape->n_nodes;
    hnas_status st;

    if (!node->marked || !is_moved(node))
        return HNAS_OK;
    if (!node->rule->tangent)
        return hn_fail(tape->ctx, HNAS_E_UNSUPPORTED,
                       "%s: it has no tangent, which the exact second order "
                       "needs",
                       node->rule->name);
    tape->group = node->group;
    st = node->rule->tangent(&node->out->tangent, node);
    if (st == HNAS_OK && node->out->tangent)
        st = own_image(tape, first, &node->out->tangent);
    hn_group_end(tape);
    if (st == HNAS_OK)
        node->out->record->is_moved = node->out->tangent != NULL;
    return st;
}

/* Each node's tangent behind it; nodes computed already keep their places.
 * end[i]: nodes there were when node i's tangent was complete. */
static hnas_status interleave(struct hnas_tape *tape, const int64_t *end,
                              int64_t n_before)
{
    const size_t bytes = (size_t)tape->n_nodes * sizeof(struct hn_node *);
    struct hn_node **order = hn_arena_take(&tape->arena, bytes);
    int64_t n = tape->n_run, at = n_before;

    if (!order)
        return hn_fail_nomem(tape->ctx, "tangent");
    memcpy(order, tape->node, (size_t)n * sizeof *order);
    for (int64_t i = 0; i < n_before; i++) {
        if (i >= tape->n_run)
            order[n++] = tape->node[i];
        while (at < end[i])
            order[n++] = tape->node[at++];
    }
    memcpy(tape->node, order, bytes);
    hn_arena_give(&tape->arena, order, bytes);
    return HNAS_OK;
}

static hnas_status record_all(struct hnas_tensor **out, struct hnas_tape *tape,
                              struct hnas_tensor *y)
{
    const int64_t n = tape->n_nodes;
    int64_t *end = hn_tape_take(tape, ((size_t)n + 1) * sizeof *end);
    hnas_status st = HNAS_OK;

    if (!end)
        return hn_fail_nomem(tape->ctx, "tangent");
    mark(tape, y);
    for (int64_t i = 0; i < n && st == HNAS_OK; i++) {
        st = record_one(tape->node[i]);
        end[i] = tape->n_nodes;
    }
    if (st == HNAS_OK)
        st = interleave(tape, end, n);
    if (st == HNAS_OK && y->tangent)
        *out = hnas_tensor_ref(y->tangent);
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        hnas_tensor_unref(tape->node[i]->out->tangent);
        tape->node[i]->out->tangent = NULL;
    }
    return st;
}

static hnas_status check(struct hnas_tape *tape, struct hnas_tensor *y,
                         struct hnas_tensor *const *x,
                         struct hnas_tensor *const *direction, int64_t n)
{
    char a[96], b[96];

    if (!y->record || y->record->tape != tape)
        return hn_fail(tape->ctx, HNAS_E_STATE,
                       "tangent: the value was not recorded on this tape");
    if (tape->swept || (tape->mode & (HNAS_TAPE_NO_GRADIENT | HNAS_TAPE_HALF)))
        return hn_fail(tape->ctx, HNAS_E_STATE,
                       "tangent: before the sweep, with gradients and in full "
                       "precision");
    for (int64_t i = 0; i < n; i++) {
        if (!x[i] || !direction[i])
            return hn_fail(tape->ctx, HNAS_E_ARG,
                           "tangent: x or direction %lld is NULL",
                           (long long)i);
        if (x[i]->record || direction[i]->record)
            return hn_fail(tape->ctx, HNAS_E_STATE,
                           "tangent: x and direction %lld must be leaves",
                           (long long)i);
        if (!hn_same_shape(x[i], direction[i]))
            return hn_fail(tape->ctx, HNAS_E_SHAPE,
                           "tangent: direction %lld is %s, want %s",
                           (long long)i, hn_shape_text(a, direction[i]),
                           hn_shape_text(b, x[i]));
    }
    return HNAS_OK;
}

/* Leaves move as told; a direction wants no gradient itself. */
static void set_directions(struct hnas_tensor *const *x,
                           struct hnas_tensor *const *direction, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i]->tangent = direction ? direction[i] : NULL;
}

hnas_status hnas_tape_tangent(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *y, hnas_tensor *const *x,
                              hnas_tensor *const *direction, int64_t n)
{
    int32_t deferred;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !tape || !y || !x || !direction)
        return hn_fail_null(tape ? tape->ctx : NULL,
                            "tangent: out, y, x or direction");
    if (n < 1)
        return hn_fail(tape->ctx, HNAS_E_ARG, "tangent: %lld inputs, want >= 1",
                       (long long)n);
    st = hn_tape_expect_free(tape, "hnas_tape_tangent");
    if (st == HNAS_OK)
        st = check(tape, y, x, direction, n);
    if (st < 0)
        return st;
    deferred = tape->deferred;
    tape->deferred = 1;
    set_directions(x, direction, n);
    st = record_all(out, tape, y);
    set_directions(x, NULL, n);
    tape->deferred = deferred;
    if (st == HNAS_OK && !*out)
        st = hn_fail(tape->ctx, HNAS_E_STATE,
                     "tangent: the value does not depend on any x");
    if (st == HNAS_OK && !deferred)
        st = hn_tape_compute(tape);
    if (st < 0) {
        hnas_tensor_unref(*out);
        *out = NULL;
    }
    return st;
}
