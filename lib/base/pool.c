/* SPDX-License-Identifier: BSD-3-Clause */
#define _DEFAULT_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* How long a thread looks for work before it sleeps: about 50 us, longer
 * than the gap between two stages of a step. */
enum { SPINS = 4000 };

struct worker {
    struct hn_pool *pool;
    pthread_t thread;
    int32_t index;
};

struct hn_pool {
    struct hn_allocator *alloc;
    struct worker *workers; /* [n_threads - 1] */
    int32_t n_threads, n_started;
    pid_t owner;

    hnas_task_fn task;
    void *user;
    int64_t n_tasks;
    _Atomic int64_t next;
    _Atomic uint32_t generation; /* counts runs; changes wake the workers */
    _Atomic uint32_t open;       /* the run that may be joined, 0: none */
    _Atomic int32_t inside;      /* workers that look at a run */
    _Atomic int32_t asleep;
    _Atomic int32_t quit;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(struct hn_pool *pool, int32_t index)
{
    int64_t i;

    while ((i = atomic_fetch_add(&pool->next, 1)) < pool->n_tasks)
        pool->task(pool->user, i, index);
}

/* Wait for a run other than the one seen last; returns its number. */
static uint32_t wait_for_run(struct hn_pool *pool, uint32_t seen)
{
    uint32_t now;

    for (int i = 0; i < SPINS; i++) {
        now = atomic_load(&pool->generation);
        if (now != seen)
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->asleep, 1);
    while ((now = atomic_load(&pool->generation)) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->asleep, 1);
    pthread_mutex_unlock(&pool->lock);
    return now;
}

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    struct hn_pool *pool = self->pool;
    uint32_t seen = 0;

    /* A worker that comes too late finds the run closed, and the caller does
     * not wait for it: on a busy machine a run costs what its takers cost. */
    for (;;) {
        seen = wait_for_run(pool, seen);
        if (atomic_load(&pool->quit))
            return NULL;
        atomic_fetch_add(&pool->inside, 1);
        if (atomic_load(&pool->open) == seen)
            work(pool, self->index);
        atomic_fetch_sub(&pool->inside, 1);
    }
}

static void begin_run(struct hn_pool *pool)
{
    uint32_t run = atomic_load(&pool->generation) + 1;

    run += run == 0; /* 0 says that no run is open */
    atomic_store(&pool->open, run);
    atomic_store(&pool->generation, run);
    if (atomic_load(&pool->asleep) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* Fresh state and threads, at the first run and in a forked child.  Signals
 * are left to the host's threads. */
static void start(struct hn_pool *pool)
{
    sigset_t all, old;

    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    atomic_store(&pool->generation, 0);
    atomic_store(&pool->open, 0);
    atomic_store(&pool->inside, 0);
    atomic_store(&pool->asleep, 0);
    atomic_store(&pool->quit, 0);
    pool->owner = getpid();
    pool->n_started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int32_t i = 0; i < pool->n_threads - 1; i++) {
        struct worker *w = &pool->workers[pool->n_started];

        w->pool = pool;
        w->index = pool->n_started + 1;
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

hnas_status hn_pool_create(struct hn_pool **out, struct hn_allocator *alloc,
                           int32_t n_threads)
{
    struct hn_pool *pool = hn_zalloc(alloc, sizeof *pool);

    *out = NULL;
    if (!pool)
        return HNAS_E_NOMEM;
    pool->alloc = alloc;
    pool->n_threads = n_threads;
    pool->workers =
        hn_alloc_array(alloc, (size_t)n_threads, sizeof *pool->workers);
    if (!pool->workers) {
        hn_free(alloc, pool);
        return HNAS_E_NOMEM;
    }
    *out = pool;
    return HNAS_OK;
}

void hn_pool_run(struct hn_pool *pool, int64_t n_tasks, hnas_task_fn task,
                 void *user)
{
    if (pool->n_threads == 1 || n_tasks <= 1) {
        for (int64_t i = 0; i < n_tasks; i++)
            task(user, i, 0);
        return;
    }
    if (pool->owner != getpid())
        start(pool);
    pool->task = task;
    pool->user = user;
    pool->n_tasks = n_tasks;
    atomic_store(&pool->next, 0);
    begin_run(pool);
    work(pool, 0);
    atomic_store(&pool->open, 0);
    for (int spins = 0; atomic_load(&pool->inside) > 0; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

void hn_pool_destroy(struct hn_pool *pool)
{
    if (!pool)
        return;
    if (pool->owner == getpid()) {
        atomic_store(&pool->quit, 1);
        begin_run(pool);
        for (int32_t i = 0; i < pool->n_started; i++)
            pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
    }
    hn_free(pool->alloc, pool->workers);
    hn_free(pool->alloc, pool);
}
