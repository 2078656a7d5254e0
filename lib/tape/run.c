/* SPDX-License-Identifier: BSD-3-Clause */
/* The forward run: stages, image phases in parallel, joins in order. */
#include <string.h>

#include "base/fpmode.h"
#include "tape/image.h"

enum { CHUNK_IMAGES = 8 };

int64_t hn_chunk_images(const struct hnas_tape *tape, int64_t n_images)
{
    const int64_t eighth = (n_images * tape->n_ranks + 7) / 8;

    return eighth < CHUNK_IMAGES ? eighth : CHUNK_IMAGES;
}

int64_t hn_chunk_count(const struct hnas_tape *tape, int64_t n_images)
{
    const int64_t size = hn_chunk_images(tape, n_images);

    return n_images ? (n_images + size - 1) / size : 0;
}

int64_t hn_task_images(const struct hnas_tape *tape, int64_t n_images)
{
    const int64_t chunk = hn_chunk_images(tape, n_images);
    const int64_t n_threads = tape->ctx->n_threads;
    const int64_t share = (n_images + n_threads - 1) / n_threads;

    return share < chunk ? share : chunk;
}

void hn_tree_sum(real *part, int64_t n_parts, int64_t step, int64_t count)
{
    for (int64_t gap = 1; gap < n_parts; gap *= 2)
        for (int64_t p = 0; p + gap < n_parts; p += 2 * gap)
            for (int64_t i = 0; i < count; i++)
                part[p * step + i] += part[(p + gap) * step + i];
}

enum { LEVELS = 48, BLOCK = 64 };

/* A binary counter of partial sums: level l holds the sum of 2^l parts, so
 * the left half of the tree is full and a share of a batch is a subtree. */
static void tree_block(double *dst, const real *part, int64_t n_parts,
                       int64_t step, int64_t width)
{
    double level[LEVELS][BLOCK], sum[BLOCK];
    uint64_t full = 0;

    for (int64_t p = 0; p < n_parts; p++, full++) {
        int l = 0;

        for (int64_t i = 0; i < width; i++)
            sum[i] = part[p * step + i];
        for (; full >> l & 1; l++)
            for (int64_t i = 0; i < width; i++)
                sum[i] = level[l][i] + sum[i];
        memcpy(level[l], sum, (size_t)width * sizeof *sum);
    }
    memset(sum, 0, sizeof sum);
    for (int l = 0, first = 1; full >> l; l++) {
        if (!(full >> l & 1))
            continue;
        for (int64_t i = 0; i < width; i++)
            sum[i] = first ? level[l][i] : level[l][i] + sum[i];
        first = 0;
    }
    memcpy(dst, sum, (size_t)width * sizeof *dst);
}

void hn_tree_double(double *dst, const real *part, int64_t n_parts,
                    int64_t step, int64_t count)
{
    for (int64_t i = 0; i < count; i += BLOCK)
        tree_block(dst + i, part + i, n_parts, step,
                   count - i < BLOCK ? count - i : BLOCK);
}

/* When an input can be read by an image phase, and by a join. */
static void ready(const struct hnas_tensor *t, int32_t *image, int32_t *join)
{
    const struct hn_record *r = t->record;

    *image = r ? r->ready_image : 0;
    *join = r ? r->ready_join : 0;
}

static void place(struct hn_node *node)
{
    struct hn_record *out = node->out->record;
    int32_t stage = 0;

    for (int32_t i = 0; i < node->n_in; i++) {
        int32_t image, join;

        ready(node->in[i], &image, &join);
        if (!node->fimage && !out->joined)
            image = join;
        stage = image > stage ? image : stage;
    }
    node->stage = stage;
    out->ready_join = stage;
    out->ready_image = stage + (node->fdelay ? 1 : 0);
    hn_passing_read(node);
}

struct run {
    struct hnas_tape *tape;
    struct hn_node **node; /* with an image phase in this stage */
    int64_t n_nodes, n_images, task_images;
    struct hn_need need;
};

static void run_images(void *user, int64_t index, int32_t worker_index)
{
    const struct run *run = user;
    const int64_t first = index * run->task_images;
    int64_t last = first + run->task_images;
    struct hn_worker *worker = hn_worker_get(run->tape, worker_index);
    int is_stopped = 0;

    last = last < run->n_images ? last : run->n_images;
    hn_ahead_begin(worker, run->tape, first, last);
    for (int64_t n = first; n < last && !is_stopped; n++) {
        for (int64_t i = 0; i < run->n_nodes; i++) {
            if (n >= run->node[i]->n_images)
                continue;
            /* one image of a whole stage may touch new pages for long */
            is_stopped = hn_is_stopped(worker->ctx, worker_index);
            if (is_stopped)
                break;
            hn_ahead_reach(worker, run->node[i], n);
            run->node[i]->rule->forward_image(run->node[i], n, worker);
        }
    }
    worker->ctx->k.drain();
}

static hnas_status run_stage(struct hnas_tape *tape, struct hn_node **node,
                             int64_t n)
{
    struct run run = {.tape = tape, .node = node, .n_nodes = n};
    hnas_status st;

    for (int64_t i = 0; i < run.n_nodes; i++) {
        hn_need_half(&node[i]->need, node[i]);
        hn_need_max(&run.need, &node[i]->need);
        if (node[i]->n_images > run.n_images)
            run.n_images = node[i]->n_images;
    }
    if (run.n_nodes) {
        st = hn_workers_reserve(tape, &run.need);
        if (st == HNAS_OK)
            st = hn_count_forward(tape, node, n);
        if (st < 0)
            return st;
        run.task_images = hn_task_images(tape, run.n_images);
        if (run.n_images)
            hn_parallel(tape->ctx, (run.n_images - 1) / run.task_images + 1,
                        run_images, &run);
    }
    return hn_check_stopped(tape->ctx);
}

hnas_status hn_run_images(struct hnas_tape *tape, struct hn_node **node,
                          int64_t n)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = run_stage(tape, node, n);

    hn_fp_leave(mode);
    return st;
}

void hn_stage_append(struct hn_stage *stage, struct hn_node *node)
{
    node->next = NULL;
    if (stage->first)
        stage->last->next = node;
    else
        stage->first = node;
    stage->last = node;
}

/* Forward only: what nobody can read any more makes room. */
static hnas_status recycle(struct hnas_tape *tape)
{
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < tape->n_nodes && st == HNAS_OK; i++) {
        struct hnas_tensor *t = tape->node[i]->out;

        if (atomic_load(&t->refs) > 1 && hn_is_joined(t))
            st = hn_unjoin(t); /* its parts go */
    }
    for (int64_t i = 0; i < tape->n_nodes && st == HNAS_OK; i++) {
        struct hnas_tensor *t = tape->node[i]->out;
        struct hn_record *r = t->record;

        if (atomic_load(&t->refs) > 1 || !t->data)
            continue;
        if (r->data_bytes)
            hn_arena_give(&tape->arena, t->data, r->data_bytes);
        t->data = NULL;
        r->data_bytes = 0;
        hnas_tensor_unref(r->source);
        r->source = NULL;
    }
    return st;
}

/* Image phases of a stage, then its joins in record order. */
static hnas_status compute_stage(struct hnas_tape *tape, struct hn_stage stage,
                                 struct hn_node **list)
{
    int64_t n = 0;
    hnas_status st = HNAS_OK;

    for (struct hn_node *node = stage.first; node && st == HNAS_OK;
         node = node->next) {
        st = hn_passing_take(node);
        if (node->fimage)
            list[n++] = node;
    }
    if (st == HNAS_OK)
        st = run_stage(tape, list, n);
    if (st == HNAS_OK && tape->n_ranks > 1)
        st = hn_sum_totals(tape, stage.first, 0);
    for (struct hn_node *node = stage.first; node && st >= 0; node = node->next)
        if (node->fjoin)
            st = node->rule->forward_join(node);
    for (struct hn_node *node = stage.first; node && st >= 0; node = node->next)
        hn_passing_drop(node);
    return st;
}

static hnas_status compute(struct hnas_tape *tape, struct hn_node **list)
{
    struct hn_stage *stage;
    int32_t n_stages = 0;
    size_t bytes;
    hnas_status st = HNAS_OK;

    for (int64_t i = tape->n_run; i < tape->n_nodes; i++) {
        place(tape->node[i]);
        if (tape->node[i]->stage >= n_stages)
            n_stages = tape->node[i]->stage + 1;
    }
    bytes = (size_t)n_stages * sizeof *stage;
    stage = hn_arena_take_zero(&tape->arena, bytes);
    if (!stage)
        return hn_fail_nomem(tape->ctx, "a run of the tape");
    for (int64_t i = tape->n_run; i < tape->n_nodes; i++)
        hn_stage_append(&stage[tape->node[i]->stage], tape->node[i]);
    for (int32_t s = 0; s < n_stages && st >= 0; s++)
        st = compute_stage(tape, stage[s], list);
    hn_arena_give(&tape->arena, stage, bytes);
    return st;
}

hnas_status hn_tape_compute(struct hnas_tape *tape)
{
    const int64_t n = tape->n_nodes - tape->n_run;
    const size_t bytes = (size_t)n * sizeof(struct hn_node *);
    struct hn_node **list;
    uint64_t mode;
    hnas_status st;

    if (n == 0)
        return HNAS_OK;
    st = hn_expect_recording(tape->ctx, "hnas_tape_run");
    if (st < 0)
        return st;
    list = hn_arena_take(&tape->arena, bytes);
    if (!list)
        return hn_fail_nomem(tape->ctx, "a run of the tape");
    mode = hn_fp_enter();
    st = compute(tape, list);
    hn_fp_leave(mode);
    hn_arena_give(&tape->arena, list, bytes);
    if (st < 0)
        return st;
    /* later runs start at stage 0: everything computed is ready */
    for (int64_t i = tape->n_run; i < tape->n_nodes; i++) {
        tape->node[i]->done = 1;
        tape->node[i]->out->record->ready_image = 0;
        tape->node[i]->out->record->ready_join = 0;
    }
    tape->n_run = tape->n_nodes;
    if (tape->mode & HNAS_TAPE_NO_GRADIENT)
        return recycle(tape);
    return HNAS_OK;
}
