/* SPDX-License-Identifier: BSD-3-Clause */
/* The record: nodes and their outputs, appended and forgotten. */
#include "tape/tape.h"

#include <string.h>

#include "tape/image.h"

hnas_status hnas_tape_create(hnas_tape **out, hnas_context *ctx)
{
    struct hnas_tape *tape;

    if (out)
        *out = NULL;
    if (!out || !ctx)
        return hn_fail_null(ctx, "tape create: out");
    tape = hn_zalloc(&ctx->alloc, sizeof *tape);
    if (!tape)
        return hn_fail_nomem(ctx, "tape");
    tape->n_ranks = 1;
    tape->ctx = ctx;
    hn_arena_init(&tape->arena, &ctx->alloc);
    *out = tape;
    return HNAS_OK;
}

/* A tensor that outlives its record has no value any more. */
static void detach(struct hnas_tensor *t)
{
    struct hnas_tensor *source = t->record->source;

    t->record = NULL;
    t->data = NULL;
    t->grad = NULL;
    hnas_tensor_unref(source);
    hnas_tensor_unref(t);
}

static void forget(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++)
        if (!node->in[i]->record)
            hnas_tensor_unref(node->in[i]);
}

static void forget_all(struct hnas_tape *tape)
{
    /* inputs first: whether one is a leaf shows in its record */
    for (int64_t i = 0; i < tape->n_nodes; i++)
        forget(tape->node[i]);
    for (int64_t i = 0; i < tape->n_nodes; i++)
        detach(tape->node[i]->out);
    tape->n_nodes = tape->n_run = 0;
}

hnas_status hn_tape_expect_free(struct hnas_tape *tape, const char *call)
{
    const hnas_status st = hn_expect_recording(tape->ctx, call);

    if (st < 0 || !tape->held)
        return st;
    return hn_fail(tape->ctx, HNAS_E_STATE,
                   "%s: the host's %s still records on this tape", call,
                   tape->ctx->host ? tape->ctx->host : "code");
}

void hnas_tape_destroy(hnas_tape *tape)
{
    if (!tape || hn_tape_expect_free(tape, "hnas_tape_destroy") < 0)
        return;
    forget_all(tape);
    hn_arena_finish(&tape->arena);
    hn_free(&tape->ctx->alloc, tape->node);
    hn_free(&tape->ctx->alloc, tape->read);
    hn_free(&tape->ctx->alloc, tape);
}

hnas_status hnas_tape_reset(hnas_tape *tape, int32_t mode)
{
    const int32_t known = HNAS_TAPE_RUNNING_STATS | HNAS_TAPE_NO_GRADIENT |
                          HNAS_TAPE_PLAIN | HNAS_TAPE_HALF | HNAS_TAPE_RANKS;

    hnas_status st;

    if (!tape)
        return HNAS_E_ARG;
    st = hn_tape_expect_free(tape, "hnas_tape_reset");
    if (st < 0)
        return st;
    if (mode & ~known)
        return hn_fail(tape->ctx, HNAS_E_RANGE, "mode: 0x%x, want HNAS_TAPE_",
                       (unsigned)mode);
    forget_all(tape);
    hn_arena_reset(&tape->arena);
    tape->mode = mode;
    tape->n_ranks = mode & HNAS_TAPE_RANKS ? hn_comm_ranks(tape->ctx) : 1;
    tape->deferred = tape->swept = tape->late = 0;
    tape->group = tape->n_groups = 0;
    return HNAS_OK;
}

void hnas_tape_defer(hnas_tape *tape)
{
    tape->deferred = 1;
}

hnas_status hnas_tape_run(hnas_tape *tape)
{
    if (!tape)
        return HNAS_E_ARG;
    tape->deferred = 0;
    return hn_tape_compute(tape);
}

void hnas_tape_get_memory(const hnas_tape *tape, size_t *now_bytes,
                          size_t *peak_bytes)
{
    if (now_bytes)
        *now_bytes = tape->arena.now_bytes;
    if (peak_bytes)
        *peak_bytes = tape->arena.peak_bytes;
}

int64_t hnas_tape_get_count(const hnas_tape *tape)
{
    return tape->n_nodes;
}

void *hn_tape_take(struct hnas_tape *tape, size_t size_bytes)
{
    return hn_arena_take_zero(&tape->arena, size_bytes);
}

void *hn_list_take(struct hnas_tape *tape, struct hnas_context *ctx,
                   size_t size_bytes)
{
    return tape ? hn_tape_take(tape, size_bytes)
                : hn_zalloc(&ctx->alloc, size_bytes);
}

void hn_list_give(struct hnas_tape *tape, struct hnas_context *ctx, void *list,
                  size_t size_bytes)
{
    if (tape)
        hn_arena_give(&tape->arena, list, size_bytes);
    else
        hn_free(&ctx->alloc, list);
}

real *hn_take_partials(struct hn_node *node, int64_t count)
{
    const size_t n =
        (size_t)(hn_chunk_count(node->tape, node->n_images) * count);
    real *sums = hn_arena_take(&node->tape->arena, n * sizeof(real));
    int i = 0;

    while (node->partial[i].sums)
        i++;
    node->partial[i].sums = sums;
    node->partial[i].count = count;
    return sums;
}

/* Full pixels of an image for the host: pending maps applied. */
static void settle_image(real *dst, const struct hnas_tensor *t, int64_t image,
                         real *wide)
{
    const struct hn_record *r = t->record;
    const struct hnas_tensor *d = r->scale ? r->source : t;
    const int64_t n_pix = t->dim[2] * t->dim[3];
    const real *z[1] = {wide};
    const struct hn_terms terms = {1, z, &r->scale};

    if (hn_is_half(d))
        t->ctx->k.widen(r->scale ? wide : dst,
                        (const uint16_t *)d->data + image * d->stride[0],
                        d->stride[0]);
    else
        z[0] = hn_image_at(d, image);
    if (r->scale)
        t->ctx->k.mix(dst, terms, r->shift, n_pix, t->cp);
}

/* Make a held-back value readable by the host: compute it, and give it full
 * pixels in memory of its own.  To funcs it stays pending: how its gradients
 * travel was settled when they were recorded. */
static hnas_status settle(struct hnas_tensor *t)
{
    struct hn_record *r = t->record;
    const size_t bytes = (size_t)hn_tensor_extent(t) * sizeof(real);
    const size_t image_bytes = (size_t)t->stride[0] * sizeof(real);
    hnas_status st = r->tape->late ? HN_LATE : hn_tape_compute(r->tape);
    const int is_ready = r->scale ? r->data_bytes != 0 : !r->half;
    real *dense, *wide;

    if (st == HN_LATE)
        return st;
    if (st == HNAS_OK && r->joined)
        return hn_unjoin(t);
    if (st < 0 || is_ready || !t->data)
        return st;
    dense = hn_arena_take(&r->tape->arena, bytes);
    wide = hn_arena_take(&r->tape->arena, image_bytes);
    if (!dense || !wide)
        return hn_fail_nomem(t->ctx, "a value on the tape");
    for (int64_t n = 0; n < t->dim[0]; n++)
        settle_image(dense + n * t->stride[0], t, n, wide);
    hn_arena_give(&r->tape->arena, wide, image_bytes);
    if (r->half)
        hn_arena_give(&r->tape->arena, t->data, r->data_bytes);
    r->half = 0;
    t->data = dense;
    r->data_bytes = bytes;
    return HNAS_OK;
}

static hnas_status grow(struct hnas_tape *tape)
{
    const int64_t capacity = tape->capacity ? 2 * tape->capacity : 256;
    struct hn_node **node =
        hn_alloc_array(&tape->ctx->alloc, (size_t)capacity, sizeof *node);

    if (!node)
        return hn_fail_nomem(tape->ctx, "tape");
    if (tape->n_nodes)
        memcpy(node, tape->node, (size_t)tape->n_nodes * sizeof *node);
    hn_free(&tape->ctx->alloc, tape->node);
    tape->node = node;
    tape->capacity = capacity;
    return HNAS_OK;
}

/* Images are, and what is made of a share. */
static uint8_t is_share(const struct hn_node *node, const struct hn_make *make)
{
    for (int32_t i = 0; i < make->n_in; i++)
        if (hn_share_ranks(node->in[i]) > 1)
            return 1;
    return make->layout == HN_IMAGE;
}

/* t borrows the memory of a value. */
static void lie_over(struct hnas_tensor *t, struct hnas_tensor *below)
{
    t->data = below->data;
    t->record->source = hnas_tensor_ref(below);
    if (below->record)
        below->record->over = t;
}

static hnas_status make_output(struct hn_node *node, const struct hn_make *make)
{
    struct hnas_tape *tape = node->tape;
    struct hnas_tensor *t;
    struct hn_record *r;
    hnas_status st =
        hn_tensor_bare(&t, node->ctx, make->layout, make->rank, make->dims);

    if (st < 0)
        return st;
    r = t->record = hn_tape_take(tape, sizeof *r);
    if (r && make->pending) {
        lie_over(t, make->pending);
    } else if (r && make->joins) {
        r->joined = 1;
        t->data = tape; /* not NULL: there is a value */
    } else if (r) {
        r->data_bytes = (size_t)hn_tensor_extent(t) * sizeof(real) +
                        make->rule->guard_bytes;
        r->passes = make->rule->passes && tape->deferred &&
                    !(tape->mode & HNAS_TAPE_NO_GRADIENT);
        t->data = tape->late || r->passes
                      ? (void *)tape /* not NULL, until it is placed */
                      : hn_arena_take(&tape->arena, r->data_bytes);
    }
    if (!r || !t->data) {
        t->record = NULL;
        hnas_tensor_unref(t);
        return hn_fail_nomem(node->ctx, node->rule->name);
    }
    t->settle = settle;
    r->tape = tape;
    r->node = node;
    r->last_term = &r->terms;
    node->out = t;
    if (tape->n_ranks > 1)
        r->is_share = is_share(node, make);
    return HNAS_OK;
}

int hn_wants(const struct hnas_tensor *t)
{
    return t->record ? t->record->node->active : t->wanted;
}

static hnas_status set_inputs(struct hn_node *node, const struct hn_make *make)
{
    const size_t n = (size_t)make->n_in;

    node->in = hn_tape_take(node->tape, (n + 1) * sizeof *node->in);
    node->want = hn_tape_take(node->tape, n + 1);
    node->manner = hn_tape_take(node->tape, n + 1);
    node->aux = hn_tape_take(node->tape, make->aux_bytes);
    if (!node->in || !node->want || !node->manner || !node->aux)
        return hn_fail_nomem(node->ctx, "a node of the tape");
    for (int32_t i = 0; i < make->n_in; i++) {
        struct hnas_tensor *t = make->in[i];

        if (t->ctx != node->ctx && hn_wants(t) &&
            !(node->tape->mode & HNAS_TAPE_NO_GRADIENT))
            return hn_fail(
                node->ctx, HNAS_E_ARG,
                "%s: input %d, which wants a gradient, is of another "
                "context",
                make->rule->name, (int)i);
        if (t->record && t->record->tape != node->tape)
            return hn_fail(node->ctx, HNAS_E_STATE,
                           "%s: input %d was recorded on another tape",
                           make->rule->name, (int)i);
        if (!t->data)
            return hn_fail(node->ctx, HNAS_E_STATE,
                           "%s: the value of input %d is gone",
                           make->rule->name, (int)i);
        if (hn_is_joined(t) && !make->reads_parts) {
            hnas_status st = hn_unjoin(t);

            if (st < 0)
                return st;
        }
        node->in[i] = t;
        node->want[i] = (uint8_t)(hn_wants(t) != 0);
        node->active |= node->want[i];
    }
    if (node->tape->mode & HNAS_TAPE_NO_GRADIENT) {
        memset(node->want, 0, n);
        node->active = 0;
    }
    return HNAS_OK;
}

void hn_set_phases(struct hn_node *node)
{
    const struct hn_rule *r = node->rule;
    const int has_images = !node->out->record->joined;

    node->fimage = has_images && r->forward_image;
    node->fjoin = r->forward_join != NULL;
    node->fdelay = node->fjoin;
    node->bimage = has_images && r->backward_image;
    node->bjoin = r->backward_join != NULL;
    node->bdelay = node->bjoin;
}

static void destroy_loose(void *tape)
{
    hnas_tape_destroy(tape);
}

/* Where a func without a tape computes: a tape of the context that forgets
 * each func at its end. */
static hnas_status loose_tape(struct hnas_tape **out, struct hnas_context *ctx)
{
    if (!ctx->loose_tape) {
        hnas_tape *tape;
        hnas_status st = hnas_tape_create(&tape, ctx);

        if (st < 0)
            return st;
        tape->mode = HNAS_TAPE_NO_GRADIENT;
        ctx->loose_tape = tape;
        ctx->destroy_loose_tape = destroy_loose;
    }
    *out = ctx->loose_tape;
    return HNAS_OK;
}

/* Copy a loose result to memory of its own. */
static hnas_status keep_loose(struct hnas_tensor **out, struct hn_node *node)
{
    struct hnas_tensor *t = node->out;
    hnas_status st = settle(t);

    if (st == HNAS_OK)
        st = hn_tensor_new(out, t->ctx, t->layout, t->rank, t->dim);
    if (st == HNAS_OK)
        memcpy((*out)->data, t->data,
               (size_t)hn_tensor_extent(t) * sizeof(real));
    hnas_tape_reset(node->tape, HNAS_TAPE_NO_GRADIENT);
    return st;
}

/* Take back the last node, whose func failed. */
static void drop_last(struct hnas_tape *tape)
{
    struct hn_node *node = tape->node[--tape->n_nodes];
    struct hnas_tensor *below = node->out->record->source;

    if (below && below->record && below->record->over == node->out)
        below->record->over = NULL;
    forget(node);
    detach(node->out);
}

void hn_group_begin(struct hnas_tape *tape)
{
    tape->group = ++tape->n_groups;
}

void hn_group_end(struct hnas_tape *tape)
{
    tape->group = 0;
}

hnas_status hn_append(struct hn_node **out, struct hnas_tape *tape,
                      const struct hn_make *make)
{
    struct hn_node *node;
    hnas_status st = HNAS_OK;

    *out = NULL;
    if (!tape)
        st = loose_tape(&tape, make->in[0]->ctx);
    if (st < 0)
        return st;
    st = hn_expect_recording(tape->ctx, make->rule->name);
    if (st < 0)
        return st;
    if (tape->swept)
        return hn_fail(tape->ctx, HNAS_E_STATE,
                       "%s: the tape was swept, reset it first",
                       make->rule->name);
    st = hn_check_stopped(tape->ctx); /* fresh memory takes its time */
    if (st == HNAS_OK && tape->n_nodes == tape->capacity)
        st = grow(tape);
    if (st < 0)
        return st;
    node = hn_tape_take(tape, sizeof *node);
    if (!node)
        return hn_fail_nomem(tape->ctx, "a node of the tape");
    node->rule = make->rule;
    node->name = make->rule->name;
    node->tape = tape;
    node->ctx = tape->ctx;
    node->group = tape->group;
    node->n_images = make->n_images;
    st = set_inputs(node, make);
    if (st == HNAS_OK)
        st = make_output(node, make);
    if (st < 0)
        return st;
    node->n_in = make->n_in;
    for (int32_t i = 0; i < node->n_in; i++)
        if (!node->in[i]->record)
            hnas_tensor_ref(node->in[i]);
        else
            node->in[i]->record->n_readers++;
    hn_set_phases(node);
    tape->node[tape->n_nodes++] = node;
    *out = node;
    return HNAS_OK;
}

hnas_status hn_finish(struct hnas_tensor **out, struct hn_node *node)
{
    struct hnas_tape *tape = node->tape;
    struct hnas_tensor *t = hnas_tensor_ref(node->out);
    hnas_status st = HNAS_OK;

    if (!tape->deferred)
        st = hn_tape_compute(tape);
    if (st == HNAS_OK && tape == node->ctx->loose_tape) {
        st = keep_loose(out, node);
        hnas_tensor_unref(t);
        return st;
    }
    if (st == HNAS_OK) {
        *out = t; /* the reference moves to the caller */
        return HNAS_OK;
    }
    hnas_tensor_unref(t);
    if (tape->n_run == tape->n_nodes - 1)
        drop_last(tape);
    return st;
}

hnas_status hn_abandon(struct hn_node *node, hnas_status status)
{
    drop_last(node->tape);
    return status;
}
