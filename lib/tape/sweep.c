/* SPDX-License-Identifier: BSD-3-Clause */
/* The reverse sweep: who takes part, in which stage, and the run of it. */
#include <string.h>

#include "base/fpmode.h"
#include "tape/image.h"

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Tell the inputs of an active node that gradients will come. */
static void announce(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++) {
        struct hn_record *r = node->in[i]->record;

        if (!node->want[i] || !r)
            continue;
        r->active = 1;
        r->n_push += node->manner[i] == HN_PUSH;
        r->n_relu += node->manner[i] == HN_RELU;
        r->n_pull += node->manner[i] == HN_PULL;
    }
}

static void use(const struct hnas_tensor *t, int32_t stage)
{
    for (; t && t->record; t = t->record->source)
        t->record->last_use = max32(t->record->last_use, stage);
}

/* A node reads its inputs' values in its stage, wanted or not. */
static void mark_use(struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++) {
        int32_t n;
        struct hnas_tensor *const *part = hn_parts(&node->in[i], &n);

        for (int32_t k = 0; k < n; k++)
            use(part[k], node->bstage);
    }
}

/* The host may look at what lies in them. */
static void keep_parts(const struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++)
        use(node->in[i], INT32_MAX);
}

/* A node that takes part has its stage: its inputs' gradients wait for it. */
static void place(struct hn_node *node, int32_t stage)
{
    node->bstage = stage;
    for (int32_t i = 0; i < node->n_in; i++) {
        struct hn_record *r = node->in[i]->record;

        if (!node->want[i] || !r)
            continue;
        r->gready_join = max32(r->gready_join, node->bstage);
        r->gready_image =
            max32(r->gready_image, node->bstage + (node->bdelay ? 1 : 0));
    }
}

/* Take part if a gradient comes, as early as it does; images not before now. */
static void take_part(struct hn_node *node, int32_t now)
{
    const struct hn_record *out = node->out->record;

    if (hn_is_joined(node->out) && atomic_load(&node->out->refs) > 1)
        keep_parts(node);
    node->active = node->active && out->active;
    if (!node->active)
        return;
    announce(node);
    if (node->rule->backward_plan)
        node->rule->backward_plan(node);
    place(node,
          node->bimage ? max32(out->gready_image, now) : out->gready_join);
}

static int reads_own_group(const struct hn_node *node)
{
    for (int32_t i = 0; i < node->n_in; i++) {
        const struct hn_record *r = node->in[i]->record;

        if (r && node->group && r->node->group == node->group)
            return 1;
    }
    return 0;
}

/* Image phases keep the order of the record, reversed, group by group: what
 * one leaves is read again before it has left the cache, instead of after all
 * of the cell.  Within a group, those that read nothing made in it wait for
 * the last of them.  Joins alone come as early as they can.  *now: the stage
 * of the image phases so far. */
static void place_group(struct hn_node **node, int64_t n, int32_t *now)
{
    int32_t latest = *now;

    for (int64_t i = n - 1; i >= 0; i--) {
        take_part(node[i], *now);
        if (node[i]->active && node[i]->bimage)
            latest = max32(latest, node[i]->bstage);
    }
    for (int64_t i = n - 1; i >= 0; i--)
        if (node[i]->active && node[i]->bimage && !reads_own_group(node[i]))
            place(node[i], latest);
    *now = latest;
}

/* Decide who takes part; returns the last stage, or -1 if nobody does. */
static int32_t plan(struct hnas_tape *tape, struct hnas_tensor *loss)
{
    int32_t last = -1, now = 0;

    loss->record->active = 1;
    for (int64_t end = tape->n_nodes, i; end > 0; end = i) {
        struct hn_node **node = tape->node;
        const int32_t group = node[end - 1]->group;

        for (i = end - 1; group && i > 0 && node[i - 1]->group == group;)
            i--;
        place_group(node + i, end - i, &now);
        for (int64_t k = i; k < end; k++) {
            if (!node[k]->active)
                continue;
            mark_use(node[k]);
            last = max32(last, node[k]->bstage);
        }
    }
    return last;
}

struct work {
    struct hnas_tape *tape;
    struct hn_node **node; /* in reverse record order */
    int64_t n_nodes, n_images, task_images;
    struct hn_need need;
};

/* A chunk's partial sums are one task's. */
static int has_partials(const struct work *s)
{
    int64_t i = 0;

    while (i < s->n_nodes && !s->node[i]->partial[0].sums)
        i++;
    return i < s->n_nodes;
}

static void clear_partials(const struct hn_node *node, int64_t chunk)
{
    if (chunk >= hn_chunk_count(node->tape, node->n_images))
        return;
    for (int i = 0; i < MOST_PARTIALS; i++)
        if (node->partial[i].sums)
            memset(node->partial[i].sums + chunk * node->partial[i].count, 0,
                   (size_t)node->partial[i].count * sizeof(real));
}

static void prepare_task(void *user, int64_t index, int32_t worker_index)
{
    const struct work *s = user;

    (void)worker_index;
    if (s->node[index]->rule->backward_prepare)
        s->node[index]->rule->backward_prepare(s->node[index]);
}

static void image_task(void *user, int64_t index, int32_t worker_index)
{
    const struct work *s = user;
    const int64_t first = index * s->task_images;
    int64_t last = first + s->task_images;
    struct hn_worker *worker = hn_worker_get(s->tape, worker_index);
    int is_stopped = 0;

    last = last < s->n_images ? last : s->n_images;
    worker->chunk = index;
    hn_ahead_begin(worker, s->tape, first, last);
    for (int64_t i = 0; i < s->n_nodes; i++)
        clear_partials(s->node[i], index);
    for (int64_t n = first; n < last && !is_stopped; n++) {
        for (int64_t i = 0; i < s->n_nodes; i++) {
            if (!s->node[i]->bimage || n >= s->node[i]->n_images)
                continue;
            is_stopped = hn_is_stopped(worker->ctx, worker_index);
            if (is_stopped)
                break;
            hn_ahead_reach(worker, s->node[i], n);
            s->node[i]->rule->backward_image(s->node[i], n, worker);
        }
        hn_flush_relu_grad(worker);
    }
    worker->ctx->k.drain();
}

static void reduce_task(void *user, int64_t index, int32_t worker_index)
{
    const struct work *s = user;

    (void)worker_index;
    if (s->node[index]->rule->backward_reduce)
        s->node[index]->rule->backward_reduce(s->node[index]);
}

static void give(struct hnas_tape *tape, void *memory, size_t bytes)
{
    hn_arena_give(&tape->arena, memory, bytes);
}

static void give_grad(struct hnas_tensor *t)
{
    if (!t->grad || t->record->pins > 0 || !t->record->finished)
        return;
    if (t->record->data_bytes)
        give(t->record->tape, t->grad,
             (size_t)hn_tensor_extent(t) * sizeof(real));
    t->grad = NULL;
}

/* The terms of a finished tensor need their bases no longer. */
static void release_terms(struct hnas_tensor *t)
{
    for (struct hn_term *term = t->record->terms; term; term = term->next) {
        term->base->record->pins--;
        give_grad(term->base);
    }
    t->record->terms = NULL;
}

/* A node is done: its output's value and gradient make room, unless the host
 * holds the tensor.  A pending value goes with its source. */
static void release(struct hn_node *node)
{
    struct hnas_tensor *t = node->out;
    struct hn_record *r = t->record;

    r->finished = 1;
    if (!node->n_images || r->source || r->joined || r->held)
        return;
    if (r->norm) {
        struct hnas_tensor *v = r->norm->v;

        release_terms(v);
        if (v->grad && atomic_load(&v->refs) == 1) {
            give(node->tape, v->grad,
                 (size_t)hn_tensor_extent(v) * sizeof(real));
            v->grad = NULL;
        }
    }
    release_terms(t);
    if (atomic_load(&t->refs) > 1 + (r->norm != NULL))
        return;
    if (r->norm && atomic_load(&r->norm->v->refs) > 1)
        return;
    give_grad(t);
    if (r->data_bytes && r->last_use <= node->bstage) {
        give(node->tape, t->data, r->data_bytes);
        t->data = NULL;
    }
}

static hnas_status begin_stage(struct work *s)
{
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < s->n_nodes && st == HNAS_OK; i++) {
        struct hn_node *node = s->node[i];

        if (node->rule->backward_begin)
            st = node->rule->backward_begin(node);
        node->need.vec += hn_view_need(node->out);
        hn_need_half(&node->need, node);
        hn_need_max(&s->need, &node->need);
        if (node->bimage && node->n_images > s->n_images)
            s->n_images = node->n_images;
    }
    if (st == HNAS_OK)
        st = hn_workers_reserve(s->tape, &s->need);
    return st;
}

static hnas_status run_stage(struct work *s)
{
    hnas_status st = hn_passing_again(s->tape, s->node, s->n_nodes);

    if (st == HNAS_OK)
        st = begin_stage(s);
    if (st == HNAS_OK)
        st = hn_count_backward(s->tape, s->node, s->n_nodes);
    if (st < 0)
        return st;
    s->task_images = has_partials(s) ? hn_chunk_images(s->tape, s->n_images)
                                     : hn_task_images(s->tape, s->n_images);
    hn_parallel(s->tape->ctx, s->n_nodes, prepare_task, s);
    if (s->n_images)
        hn_parallel(s->tape->ctx, (s->n_images - 1) / s->task_images + 1,
                    image_task, s);
    st = hn_check_stopped(s->tape->ctx);
    if (st == HNAS_OK)
        hn_parallel(s->tape->ctx, s->n_nodes, reduce_task, s);
    if (st == HNAS_OK && s->tape->n_ranks > 1 && s->n_nodes)
        st = hn_sum_totals(s->tape, s->node[0], 1);
    for (int64_t i = 0; i < s->n_nodes && st == HNAS_OK; i++)
        if (s->node[i]->bjoin)
            st = hn_is_late(s->node[i])
                     ? hn_join_late(s->node[i])
                     : s->node[i]->rule->backward_join(s->node[i]);
    for (int64_t i = 0; i < s->n_nodes; i++)
        release(s->node[i]);
    for (int64_t i = 0; i < s->n_nodes; i++)
        hn_passing_leave(s->node[i]);
    return st;
}

static hnas_status check_ranks(const struct hnas_tape *tape)
{
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < tape->n_nodes && st == HNAS_OK; i++)
        if (tape->node[i]->active)
            st = hn_check_ranks(tape->node[i]);
    return st;
}

static hnas_status run(struct hnas_tape *tape, struct hn_node **list,
                       int32_t last)
{
    struct hn_stage *stage =
        hn_tape_take(tape, ((size_t)last + 1) * sizeof *stage);
    hnas_status st = HNAS_OK;

    if (!stage)
        return hn_fail_nomem(tape->ctx, "backward");
    for (int64_t i = tape->n_nodes - 1; i >= 0; i--)
        if (tape->node[i]->active)
            hn_stage_append(&stage[tape->node[i]->bstage], tape->node[i]);
    for (int32_t k = 0; k <= last && st >= 0; k++) {
        struct work s = {.tape = tape, .node = list};

        for (struct hn_node *n = stage[k].first; n; n = n->next)
            list[s.n_nodes++] = n;
        st = run_stage(&s);
    }
    return hn_end_late(tape, st);
}

hnas_status hnas_tape_backward(hnas_tape *tape, hnas_tensor *loss)
{
    struct hn_node **list;
    uint64_t mode;
    hnas_status st;
    int32_t last;

    if (!tape || !loss)
        return hn_fail_null(tape   ? tape->ctx
                            : loss ? loss->ctx
                                   : NULL,
                            "tape backward: tape or loss");
    st = hn_tape_expect_free(tape, "hnas_tape_backward");
    if (st < 0)
        return st;
    if (!loss->record || loss->record->tape != tape)
        return hn_fail(tape->ctx, HNAS_E_STATE,
                       "loss: it was not recorded on this tape");
    if (hnas_tensor_get_count(loss) != 1)
        return hn_fail(tape->ctx, HNAS_E_SHAPE,
                       "loss: %lld elements, want a single number",
                       (long long)hnas_tensor_get_count(loss));
    if (tape->swept || (tape->mode & HNAS_TAPE_NO_GRADIENT))
        return hn_fail(tape->ctx, HNAS_E_STATE,
                       "backward: once after a reset, and not without "
                       "gradients");
    st = hnas_tape_run(tape);
    if (st < 0)
        return st;
    tape->swept = 1;
    list = hn_tape_take(tape, (size_t)tape->n_nodes * sizeof *list);
    if (!list || !hn_grad_whole(loss))
        return hn_fail_nomem(tape->ctx, "backward");
    loss->grad[0] = 1;
    last = plan(tape, loss);
    st = tape->n_ranks > 1 ? check_ranks(tape) : HNAS_OK;
    if (st < 0)
        return st;
    mode = hn_fp_enter();
    st = run(tape, list, last);
    hn_fp_leave(mode);
    return st;
}
