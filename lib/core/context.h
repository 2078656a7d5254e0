/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 2.  What every floor above finds through its context. */
#ifndef HN_CORE_CONTEXT_H
#define HN_CORE_CONTEXT_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "core/comm.h"
#include "hnas/context.h"
#include "kernel/gemm.h"
#include "kernel/kernel.h"

enum { HN_MESSAGE_BYTES = 512, HN_MOST_THREADS = 256 };

struct hnas_op_table;

struct hnas_context {
    struct hn_allocator alloc;
    struct hn_kernels k;
    int32_t gemm; /* HN_GEMM_ */
    int32_t n_threads;
    uint64_t seed;
    struct hn_pool *pool; /* NULL: the host's parallel */
    hnas_parallel_fn parallel;
    void *parallel_user;
    hnas_log_fn log;
    void *log_user;
    int32_t log_level;
    hnas_poll_fn poll;
    void *poll_user;
    int32_t poll_ms;
    int64_t polled_ms;       /* when it was asked last */
    uint32_t n_looks;        /* of worker 0, one after each image phase */
    _Atomic int32_t stopped; /* what it answered, until the stage's end */

    /* One scratch area a worker, grown before a stage starts, zero-filled
     * when it grows. */
    void **scratch; /* [n_threads] */
    size_t scratch_bytes;

    const struct hnas_op_table **ops; /* the registry, floor op */
    int64_t n_ops;

    void *loose_tape; /* of funcs without a tape, floor tape */
    void (*destroy_loose_tape)(void *tape);
    void *spare_tensors; /* handles to use again, floor tensor */
    int64_t n_spare_tensors;

    struct hn_comm *comm; /* NULL: alone */

    int64_t moved_bytes; /* that stages moved, floor tape */
    int64_t ahead_reals; /* a cache holds so many before they are used */

    const char *host;          /* the host's code that records now, or NULL */
    _Atomic int32_t computing; /* the host's funcs that compute now */

    char message[HN_MESSAGE_BYTES];
};

/* Leave a message and return `status`, so that a check is one statement. */
hnas_status hn_fail(struct hnas_context *ctx, hnas_status status,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* hn_fail with E_NOMEM and what was being made. */
hnas_status hn_fail_nomem(struct hnas_context *ctx, const char *what);

/* Leave "`what` is NULL" in the context of another argument, if there is one,
 * and return E_ARG. */
hnas_status hn_fail_null(struct hnas_context *ctx, const char *what);

/* Around code of the host that the library calls and that may record:
 * hn_host_enter gives back what hn_host_leave restores. */
const char *hn_host_enter(struct hnas_context *ctx, const char *what);
void hn_host_leave(struct hnas_context *ctx, const char *before);

/* Refuse a call that comes from within the host's code: any of it, or only a
 * func that computes. */
hnas_status hn_expect_idle(struct hnas_context *ctx, const char *call);
hnas_status hn_expect_recording(struct hnas_context *ctx, const char *call);

/* Send a line to the host's log. */
void hn_log(struct hnas_context *ctx, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Run task(user, i, worker) for every i in [0, n_tasks). */
void hn_parallel(struct hnas_context *ctx, int64_t n_tasks, hnas_task_fn task,
                 void *user);

/* Whether the stage that runs is to stop; asks the host on worker 0. */
int hn_is_stopped(struct hnas_context *ctx, int32_t worker);

/* E_STOPPED if the stage that has run was stopped. */
hnas_status hn_check_stopped(struct hnas_context *ctx);

/* See that every worker has size_bytes of scratch. */
hnas_status hn_scratch_reserve(struct hnas_context *ctx, size_t size_bytes);

/* Open and close a context without the floors above; hnas.c adds those. */
hnas_status hn_context_open(struct hnas_context **out,
                            const hnas_context_opts *opts);
void hn_context_close(struct hnas_context *ctx);

/* Copy a caller's option struct of any age over the defaults: `mine` holds
 * defaults and its own size; given->size bytes count.  The size field comes
 * first in both. */
hnas_status hn_opts_merge(void *mine, size_t mine_bytes, const void *given);

/* E_RANGE unless what options `name` have in reserve is 0: what a later version
 * keeps there must not be passed over. */
hnas_status hn_check_reserved(struct hnas_context *ctx, const char *name,
                              const int64_t reserved[8]);

#endif
