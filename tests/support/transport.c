/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/transport.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUMS = 4096, WAIT_S = 20 };

/* A sum that some ranks have begun. */
struct sum {
    void *part[TRANSPORT_RANKS]; /* copies, until all have read them */
    void *target[TRANSPORT_RANKS];
    int64_t n;
    int32_t type, n_begun, n_read;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    const void *slot[TRANSPORT_RANKS][TRANSPORT_RANKS]; /* [from][to] */
    struct sum sum[SUMS];                               /* a ring */
    int32_t is_broken;
} net = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

void transport_reset(void)
{
    for (int i = 0; i < SUMS; i++)
        for (int r = 0; r < TRANSPORT_RANKS; r++)
            free(net.sum[i].part[r]);
    memset(net.slot, 0, sizeof net.slot);
    memset(net.sum, 0, sizeof net.sum);
    net.is_broken = 0;
}

void transport_break(int32_t broken)
{
    net.is_broken = broken;
}

static struct timespec deadline(void)
{
    struct timespec end;

    timespec_get(&end, TIME_UTC);
    end.tv_sec += WAIT_S;
    return end;
}

/* Put out and wait until the peer has taken it; take the peer's. */
static int32_t exchange(void *user, const void *out, size_t out_bytes, void *in,
                        size_t in_bytes, int32_t peer)
{
    const int32_t me = ((const struct transport *)user)->rank;
    const struct timespec end = deadline();
    int32_t late = 0;

    pthread_mutex_lock(&net.lock);
    if (net.is_broken && me == 1) {
        pthread_mutex_unlock(&net.lock);
        return 1;
    }
    if (out_bytes)
        net.slot[me][peer] = out;
    pthread_cond_broadcast(&net.moved);
    while (in_bytes && !net.slot[peer][me] && !net.is_broken && !late)
        late = pthread_cond_timedwait(&net.moved, &net.lock, &end);
    if (in_bytes && net.slot[peer][me]) {
        memcpy(in, net.slot[peer][me], in_bytes);
        net.slot[peer][me] = NULL;
    }
    pthread_cond_broadcast(&net.moved);
    while (out_bytes && net.slot[me][peer] && !net.is_broken && !late)
        late = pthread_cond_timedwait(&net.moved, &net.lock, &end);
    late |= net.is_broken;
    pthread_mutex_unlock(&net.lock);
    return late != 0;
}

static int32_t broadcast(void *user, void *data, size_t bytes, int32_t root)
{
    const struct transport *t = user;
    int32_t rc = 0;

    for (int32_t i = 0; t->rank == root && i < t->n_ranks && !rc; i++)
        if (i != root)
            rc = exchange(user, data, bytes, NULL, 0, i);
    return t->rank == root ? rc : exchange(user, NULL, 0, data, bytes, root);
}

static int32_t barrier(void *user)
{
    (void)user;
    return 0;
}

static void stop_all(void *user, const char *why)
{
    (void)user;
    (void)why;
}

static size_t bytes_of(int64_t n, int32_t type)
{
    return (size_t)n *
           (type == HNAS_COMM_FLOAT32 ? sizeof(float) : sizeof(double));
}

/* Leave a copy of this rank's part. */
static int32_t sum_start(void *user, void *data, int64_t n, int32_t type,
                         void **request)
{
    struct transport *t = user;
    struct sum *s = &net.sum[t->n_sums++ % SUMS];
    void *copy = malloc(bytes_of(n, type) + 1);

    if (!copy)
        return 1;
    memcpy(copy, data, bytes_of(n, type));
    pthread_mutex_lock(&net.lock);
    s->part[t->rank] = copy;
    s->target[t->rank] = data;
    s->n = n;
    s->type = type;
    s->n_begun++;
    t->most_open += ++t->n_open > t->most_open;
    pthread_cond_broadcast(&net.moved);
    pthread_mutex_unlock(&net.lock);
    *request = s;
    return 0;
}

static void add_up(const struct sum *s, void *data, int32_t n_ranks)
{
    memset(data, 0, bytes_of(s->n, s->type));
    for (int32_t r = n_ranks - 1; r >= 0; r--)
        for (int64_t i = 0; i < s->n; i++) {
            if (s->type == HNAS_COMM_FLOAT32)
                ((float *)data)[i] += ((const float *)s->part[r])[i];
            else
                ((double *)data)[i] += ((const double *)s->part[r])[i];
        }
}

static int32_t sum_wait(void *user, void *request)
{
    struct transport *t = user;
    const struct timespec end = deadline();
    struct sum *s = request;
    int32_t late = 0;

    pthread_mutex_lock(&net.lock);
    while (s->n_begun < t->n_ranks && !late)
        late = pthread_cond_timedwait(&net.moved, &net.lock, &end);
    if (!late)
        add_up(s, s->target[t->rank], t->n_ranks);
    if (!late && ++s->n_read == t->n_ranks) {
        for (int32_t r = 0; r < t->n_ranks; r++)
            free(s->part[r]);
        memset(s, 0, sizeof *s);
    }
    t->n_open--;
    pthread_mutex_unlock(&net.lock);
    return late != 0;
}

void transport_fill(hnas_comm *comm, struct transport *self, int32_t rank,
                    int32_t n_ranks)
{
    *self = (struct transport){.rank = rank, .n_ranks = n_ranks};
    *comm = (hnas_comm){.size = sizeof *comm,
                        .rank = rank,
                        .n_ranks = n_ranks,
                        .user = self,
                        .exchange = exchange,
                        .sum_start = sum_start,
                        .sum_wait = sum_wait,
                        .broadcast = broadcast,
                        .barrier = barrier,
                        .abort = stop_all};
}
