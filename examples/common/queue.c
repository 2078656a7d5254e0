/* SPDX-License-Identifier: BSD-3-Clause */
#include "queue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "program.h"
#include "ranks.h"

/* What ranks tell the first one; TAKE and OUT are answered by a number. */
enum kind { TAKE, GIVE, ALIVE, STOP, OUT };

struct message {
    int64_t kind, task;
    double value[QUEUE_VALUES];
};

struct queue_peer {
    double heard_s;
    int32_t is_out, is_told;
};

static void nap(double seconds)
{
    const struct timespec t = {0, (long)(1e9 * seconds)};

    nanosleep(&t, NULL);
}

int queue_begin(struct queue *q)
{
    const int32_t n = ranks_count();

    q->next = 0;
    q->is_stopped = q->is_out = q->n_out = q->n_told = 0;
    q->told_s = now_s();
    q->peer = calloc((size_t)n, sizeof *q->peer);
    if (!q->peer)
        return failure("%d ranks: out of memory", (int)n);
    if (n > 1 && !ranks_table()->probe)
        return failure("a queue over %d ranks: the transport has no probe",
                       (int)n);
    for (int32_t i = 0; i < n; i++)
        q->peer[i].heard_s = now_s();
    return 0;
}

void queue_finish(struct queue *q)
{
    free(q->peer);
    q->peer = NULL;
}

/* ---- the first rank ---- */

static int64_t hand_out(struct queue *q)
{
    if (q->is_stopped)
        return -1;
    while (q->next < q->n && q->done[q->next])
        q->next++;
    return q->next < q->n ? q->next++ : -1;
}

/* Whether nobody works any more; the peer knows it now. */
static int64_t note_out(struct queue *q, struct queue_peer *peer)
{
    int64_t all;

    q->n_out += !peer->is_out;
    peer->is_out = 1;
    all = q->is_out && q->n_out == ranks_count() - 1;
    if (all && !peer->is_told) {
        peer->is_told = 1;
        q->n_told++;
    }
    return all;
}

static int answer_one(struct queue *q, int32_t from)
{
    const hnas_comm *c = ranks_table();
    struct queue_peer *peer = &q->peer[from];
    struct message m;
    int64_t answer;

    if (c->exchange(c->user, NULL, 0, &m, sizeof m, from))
        return ranks_failure("a message of the queue");
    peer->heard_s = now_s();
    if (m.kind == GIVE)
        return q->keep(q->user, m.task, from, m.value);
    q->is_stopped |= m.kind == STOP;
    if (m.kind != TAKE && m.kind != OUT)
        return 0;
    answer = m.kind == TAKE ? hand_out(q) : note_out(q, peer);
    return c->exchange(c->user, &answer, sizeof answer, NULL, 0, from)
               ? ranks_failure("an answer of the queue")
               : 0;
}

static int check_silence(const struct queue *q)
{
    const double now = now_s();

    for (int32_t i = 1; i < ranks_count(); i++)
        if (!q->peer[i].is_told && now - q->peer[i].heard_s > ranks_timeout_s())
            return failure("rank 0 of %d: rank %d has been silent for %g s",
                           (int)ranks_count(), (int)i, ranks_timeout_s());
    return 0;
}

static int serve(struct queue *q)
{
    const hnas_comm *c = ranks_table();
    int32_t peer = 0;
    int rc = 0;

    if (ranks_count() < 2)
        return 0;
    while (!rc) {
        if (c->probe(c->user, &peer))
            return ranks_failure("a probe of the queue");
        if (peer < 0)
            break;
        rc = answer_one(q, peer);
    }
    return rc ? rc : check_silence(q);
}

/* ---- the others ---- */

/* Tell the first rank; answer NULL: it says nothing to that. */
static int tell(struct queue *q, const struct message *m, int64_t *answer)
{
    const hnas_comm *c = ranks_table();

    q->told_s = now_s();
    return c->exchange(c->user, m, sizeof *m, answer,
                       answer ? sizeof *answer : 0, 0)
               ? ranks_failure("a message to the queue")
               : 0;
}

/* ---- both ---- */

int queue_take(struct queue *q, int64_t *task)
{
    const struct message m = {.kind = TAKE};
    int rc;

    if (ranks_rank())
        return tell(q, &m, task);
    rc = serve(q);
    *task = rc ? -1 : hand_out(q);
    return rc;
}

int queue_tick(struct queue *q)
{
    const struct message m = {.kind = ALIVE};
    const double often_s = ranks_timeout_s() / 8;

    if (!ranks_rank())
        return serve(q);
    return now_s() - q->told_s > (often_s < 1 ? often_s : 1) ? tell(q, &m, NULL)
                                                             : 0;
}

int queue_give(struct queue *q, int64_t task, const double values[QUEUE_VALUES])
{
    struct message m = {.kind = GIVE, .task = task};

    memcpy(m.value, values, sizeof m.value);
    return ranks_rank() ? tell(q, &m, NULL) : q->keep(q->user, task, 0, values);
}

int queue_stop(struct queue *q)
{
    const struct message m = {.kind = STOP};

    q->is_stopped = 1;
    return ranks_rank() ? tell(q, &m, NULL) : 0;
}

int queue_end(struct queue *q)
{
    const struct message m = {.kind = OUT};
    int64_t is_over = 0;
    int rc = 0;

    q->is_out = 1;
    while (!ranks_rank() && q->n_told < ranks_count() - 1 && !rc) {
        rc = serve(q);
        nap(0.005);
    }
    while (ranks_rank() && !is_over && !rc) {
        rc = tell(q, &m, &is_over);
        nap(0.05);
    }
    return rc;
}
