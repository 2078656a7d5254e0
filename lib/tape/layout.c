/* SPDX-License-Identifier: BSD-3-Clause */
/* A record that is computed again and again.  Its memory is planned once: a
 * value has its bytes from the node that computes it to the last one that
 * reads it, and what is never alive together may lie in one place.  Largest
 * values first, each as low as it can lie. */
#include <stdlib.h>

#include "tape/image.h"

enum { LATE_BLOCK = 16 << 10 };

void hn_tape_record_late(struct hnas_tape *tape)
{
    tape->deferred = tape->late = 1;
    tape->arena.block_bytes = LATE_BLOCK; /* nodes, no images */
}

/* The record of the value that a tensor's pixels are read from, or NULL. */
static struct hn_record *stored(const struct hnas_tensor *t)
{
    while (t->record && t->record->source)
        t = t->record->source;
    return t->record;
}

/* Node i reads a value, or the parts of it. */
static void read_at(struct hnas_tensor *t, int64_t i)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&t, &n);

    for (int32_t k = 0; k < n; k++)
        if (stored(part[k]))
            stored(part[k])->dies = i;
}

static void find_lives(struct hnas_tape *tape, const struct hnas_tensor *kept)
{
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        const struct hn_node *node = tape->node[i];

        node->out->record->born = node->out->record->dies = i;
        for (int32_t k = 0; k < node->n_in; k++)
            read_at(node->in[k], i);
        hn_need_max(&tape->need, &node->need);
    }
    stored(kept)->dies = tape->n_nodes;
}

/* Larger ones first, of equal ones in order of record. */
static int compare(const void *a, const void *b)
{
    const struct hn_record *x = *(struct hn_record *const *)a;
    const struct hn_record *y = *(struct hn_record *const *)b;

    if (x->data_bytes != y->data_bytes)
        return x->data_bytes > y->data_bytes ? -1 : 1;
    return x->born < y->born ? -1 : 1;
}

static size_t lines(size_t bytes)
{
    return (bytes + HN_ALIGN - 1) / HN_ALIGN * HN_ALIGN;
}

/* The lowest offset beside the n placed ones, ordered by theirs. */
static size_t find_gap(const struct hn_record *r,
                       struct hn_record *const *placed, int64_t n)
{
    size_t offset = 0;

    for (int64_t i = 0; i < n; i++) {
        const struct hn_record *p = placed[i];
        const size_t end = p->offset + lines(p->data_bytes);

        if (p->dies < r->born || r->dies < p->born || end <= offset)
            continue;
        if (offset + lines(r->data_bytes) <= p->offset)
            break;
        offset = end;
    }
    return offset;
}

static void insert(struct hn_record **placed, int64_t n, struct hn_record *r)
{
    for (; n > 0 && placed[n - 1]->offset > r->offset; n--)
        placed[n] = placed[n - 1];
    placed[n] = r;
}

hnas_status hn_tape_lay_out(size_t *bytes, struct hnas_tape *tape,
                            const struct hnas_tensor *kept)
{
    struct hn_allocator *alloc = &tape->ctx->alloc;
    struct hn_record **list =
        hn_alloc_array(alloc, 2 * (size_t)tape->n_nodes, sizeof *list);
    struct hn_record **placed;
    int64_t n = 0;

    *bytes = 0;
    if (!list)
        return hn_fail_nomem(tape->ctx, "plan of a tape");
    placed = list + tape->n_nodes;
    find_lives(tape, kept);
    for (int64_t i = 0; i < tape->n_nodes; i++)
        if (tape->node[i]->out->record->data_bytes)
            list[n++] = tape->node[i]->out->record;
    qsort(list, (size_t)n, sizeof *list, compare);
    for (int64_t i = 0; i < n; i++) {
        const size_t size = lines(list[i]->data_bytes);

        list[i]->offset = find_gap(list[i], placed, i);
        insert(placed, i, list[i]);
        if (list[i]->offset + size > *bytes)
            *bytes = list[i]->offset + size;
    }
    hn_free(alloc, list);
    return HNAS_OK;
}

void hn_tape_place(struct hnas_tape *tape, void *memory)
{
    for (int64_t i = 0; i < tape->n_nodes; i++) {
        struct hnas_tensor *t = tape->node[i]->out;

        if (t->record->data_bytes)
            t->data = (char *)memory + t->record->offset;
        else if (t->record->source)
            t->data = t->record->source->data;
    }
}

int hn_tape_calls_host(const struct hnas_tape *tape)
{
    int64_t i = 0;

    while (i < tape->n_nodes && !tape->node[i]->rule->calls_host)
        i++;
    return i < tape->n_nodes;
}

hnas_status hn_tape_replay(struct hnas_tape *tape, int32_t worker_index)
{
    struct hn_worker *worker = hn_worker_get(tape, worker_index);
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < tape->n_nodes && st == HNAS_OK; i++) {
        struct hn_node *node = tape->node[i];

        for (int64_t n = 0; node->fimage && n < node->n_images; n++)
            node->rule->forward_image(node, n, worker);
        if (node->fjoin)
            st = node->rule->forward_join(node);
    }
    worker->ctx->k.drain();
    return st;
}
