/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights' gradients that travel while the sweep goes on: with HNAS_COMM_ANY
 * the partial sums of several stages' nodes are joined in a bucket, whose sum
 * over the ranks is begun at once and waited for at the sweep's end.  Then the
 * nodes' joins run, in the order of the sweep. */
#include <string.h>

#include "tape/image.h"

enum { BUCKET_BYTES = 1 << 18, MOST_OPEN = 16 };

struct hn_bucket {
    struct hn_node *first; /* of its nodes, by `late` */
    real *list;
    int64_t n;
    struct hn_comm_request request;
    struct hn_bucket *next;
};

/* Joins that only hand partial sums to leaves may come late. */
int hn_is_late(const struct hn_node *node)
{
    if (node->tape->n_ranks < 2 || !hn_comm_overlaps(node->ctx) ||
        !node->partial[0].sums)
        return 0;
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->want[i] && node->in[i]->record &&
            hn_share_ranks(node->in[i]) == 1)
            return 0;
    return 1;
}

static int64_t count_partials(const struct hn_node *node)
{
    int64_t n = 0;

    for (int i = 0; i < MOST_PARTIALS; i++)
        n += node->partial[i].sums ? node->partial[i].count : 0;
    return n;
}

static void copy_partials(const struct hn_bucket *b, int back)
{
    real *list = b->list;

    for (const struct hn_node *node = b->first; node; node = node->late)
        for (int i = 0; i < MOST_PARTIALS; i++) {
            real *sums = node->partial[i].sums;
            const int64_t n = sums ? node->partial[i].count : 0;

            if (n)
                memcpy(back ? sums : list, back ? list : sums,
                       (size_t)n * sizeof *list);
            list += n;
        }
}

/* Wait for the oldest bucket and let its nodes join, unless `st` failed. */
static hnas_status close_bucket(struct hnas_tape *tape, hnas_status st)
{
    struct hn_bucket *b = tape->open;
    const hnas_status waited =
        st == HNAS_E_COMM ? st : hn_comm_wait(tape->ctx, &b->request);

    tape->open = b->next;
    tape->n_open--;
    st = st < 0 ? st : waited;
    if (st == HNAS_OK)
        copy_partials(b, 1);
    for (struct hn_node *node = b->first; node && st == HNAS_OK;
         node = node->late)
        st = node->rule->backward_join(node);
    hn_arena_give(&tape->arena, b->list, (size_t)b->n * sizeof *b->list);
    return st;
}

/* Begin the sum of the nodes that wait for it. */
static hnas_status open_bucket(struct hnas_tape *tape)
{
    struct hn_bucket *b, **last = &tape->open;
    hnas_status st = HNAS_OK;

    while (tape->n_open >= MOST_OPEN && st == HNAS_OK)
        st = close_bucket(tape, st);
    if (st < 0)
        return st;
    b = hn_tape_take(tape, sizeof *b);
    if (!b)
        return hn_fail_nomem(tape->ctx, "a sum over ranks");
    b->n = tape->n_waiting;
    b->first = tape->waiting;
    b->list = hn_arena_take(&tape->arena, (size_t)b->n * sizeof *b->list);
    if (!b->list)
        return hn_fail_nomem(tape->ctx, "a sum over ranks");
    copy_partials(b, 0);
    st = hn_comm_start(tape->ctx, b->list, b->n, HN_COMM_REAL, &b->request);
    if (st < 0)
        return st;
    while (*last)
        last = &(*last)->next;
    *last = b;
    tape->n_open++;
    tape->waiting = tape->last_waiting = NULL;
    tape->n_waiting = 0;
    return HNAS_OK;
}

hnas_status hn_join_late(struct hn_node *node)
{
    struct hnas_tape *tape = node->tape;

    node->late = NULL;
    if (tape->last_waiting)
        tape->last_waiting->late = node;
    else
        tape->waiting = node;
    tape->last_waiting = node;
    tape->n_waiting += count_partials(node);
    return tape->n_waiting * (int64_t)sizeof(real) >= BUCKET_BYTES
               ? open_bucket(tape)
               : HNAS_OK;
}

hnas_status hn_end_late(struct hnas_tape *tape, hnas_status st)
{
    if (st == HNAS_OK && tape->waiting)
        st = open_bucket(tape);
    while (tape->open)
        st = close_bucket(tape, st);
    tape->waiting = tape->last_waiting = NULL;
    tape->n_waiting = 0;
    return st;
}
