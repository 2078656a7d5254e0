/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that the ranks take one by one.  The first rank hands them out between
 * the steps of its own, and keeps what comes back; a slow rank takes fewer.
 * Whoever is silent for longer than ranks allow ends the job. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdint.h>

enum { QUEUE_VALUES = 8 };

struct queue {
    /* Set before queue_begin. */
    int64_t n;           /* tasks */
    unsigned char *done; /* [n] of the first rank: what needs not be done */
    /* On the first rank: a task is done.  0, or an exit status. */
    int (*keep)(void *user, int64_t task, int32_t rank, const double *values);
    void *user;
    /* The queue's own. */
    int64_t next;
    int32_t is_stopped, is_out; /* no more tasks; this rank wants none */
    int32_t n_out, n_told;      /* other ranks that want none, that know */
    double told_s;              /* when the first rank heard of this one */
    struct queue_peer *peer;    /* of the first rank, [ranks] */
};

/* 0, or an exit status after a message. */
int queue_begin(struct queue *q);

/* The next task; -1: there is none, or the queue was stopped. */
int queue_take(struct queue *q, int64_t *task);

/* To be called every few steps while a task is under way. */
int queue_tick(struct queue *q);

/* Give the result of a task to the first rank. */
int queue_give(struct queue *q, int64_t task,
               const double values[QUEUE_VALUES]);

/* No rank gets another task. */
int queue_stop(struct queue *q);

/* Wait for all ranks. */
int queue_end(struct queue *q);
void queue_finish(struct queue *q);

#endif
