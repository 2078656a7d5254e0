/* SPDX-License-Identifier: BSD-3-Clause */
/* A pool of threads for one caller at a time.  After a fork the child's pool
 * starts its threads anew. */
#ifndef HN_BASE_POOL_H
#define HN_BASE_POOL_H

#include "base/alloc.h"

struct hn_pool;

/* n_threads >= 1, the caller included.  Threads start at the first run. */
hnas_status hn_pool_create(struct hn_pool **out, struct hn_allocator *alloc,
                           int32_t n_threads);

/* Call task(user, i, worker) for every i in [0, n_tasks); the caller is
 * worker 0.  A thread that cannot be started is done without. */
void hn_pool_run(struct hn_pool *pool, int64_t n_tasks, hnas_task_fn task,
                 void *user);

void hn_pool_destroy(struct hn_pool *pool);

#endif
