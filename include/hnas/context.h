/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file context.h
 * The library's state: memory, threads, kernels, seed, last message.
 *
 * A program may open any number of contexts; they share nothing.  Every
 * other handle belongs to one context and must be released before it.  One
 * context serves one thread at a time.
 */
#ifndef HNAS_CONTEXT_H
#define HNAS_CONTEXT_H

#include "status.h"

HNAS_BEGIN_DECLS

/** Everything the library knows; opaque. */
typedef struct hnas_context hnas_context;

/** Allocate size_bytes aligned to `alignment` (a power of two), or NULL. */
typedef void *(*hnas_alloc_fn)(void *user, size_t size_bytes, size_t alignment);

/** Release what hnas_alloc_fn gave; size_bytes is what was asked for. */
typedef void (*hnas_free_fn)(void *user, void *memory, size_t size_bytes);

/** Receive one line; level as in HNAS_LOG_. */
typedef void (*hnas_log_fn)(void *user, int32_t level, const char *message);

/**
 * Asked now and then while a call computes on a tape, on the thread that made
 * the call: a result other than 0 stops it.  It answers HNAS_E_STOPPED and
 * leaves what any failure leaves.  poll may not call on this context.  A
 * predictor does not ask.
 */
typedef int32_t (*hnas_poll_fn)(void *user);

/** One piece of work: index in [0, n_tasks), worker in [0, n_threads). */
typedef void (*hnas_task_fn)(void *task_user, int64_t index, int32_t worker);

/**
 * The host's parallel-for: call task(task_user, i, worker) once for every i
 * in [0, n_tasks), and return when all are done.  Two calls that run at the
 * same time must carry different workers, all below the context's n_threads.
 */
typedef void (*hnas_parallel_fn)(void *user, int64_t n_tasks, hnas_task_fn task,
                                 void *task_user);

/** Log levels, most urgent first. */
enum {
    HNAS_LOG_NONE = 0,    /**< nothing is passed on */
    HNAS_LOG_ERROR = 1,   /**< the message of each failing call */
    HNAS_LOG_WARNING = 2, /**< it worked, but look at it */
    HNAS_LOG_INFO = 3     /**< worth knowing: nothing yet */
};

/** Bits of cpu_mask: which kernel levels the context may use. */
enum {
    HNAS_CPU_AVX2 = 1,        /**< AVX2 and FMA */
    HNAS_CPU_AVX512 = 2,      /**< AVX-512 F, BW, VL, DQ */
    HNAS_CPU_ALL = 0x7fffffff /**< whatever the CPU has; 0: plain C */
};

/** Backend of large matrix products. */
enum {
    HNAS_GEMM_AUTO = 0,    /**< BLIS where it is the faster one */
    HNAS_GEMM_BUILTIN = 1, /**< ours always: never aborts without memory */
    HNAS_GEMM_BLIS = 2     /**< BLIS always */
};

/** Settings of a context; fill with hnas_context_opts_init first. */
typedef struct hnas_context_opts {
    size_t size;               /**< sizeof the struct, set by init */
    hnas_alloc_fn alloc;       /**< NULL: the C library */
    hnas_free_fn free;         /**< set with alloc */
    void *alloc_user;          /**< passed to alloc and free */
    hnas_log_fn log;           /**< NULL: silent */
    void *log_user;            /**< passed to log */
    int32_t log_level;         /**< least urgent passed on; default WARNING */
    int32_t n_threads;         /**< workers, 1..256; 0: all cores; default 1 */
    hnas_parallel_fn parallel; /**< NULL: the library's own pool */
    void *parallel_user;       /**< passed to parallel */
    uint64_t seed;             /**< of every random draw; default 0 */
    uint32_t cpu_mask;         /**< HNAS_CPU_ bits; default HNAS_CPU_ALL */
    int32_t gemm;              /**< HNAS_GEMM_; default AUTO */
    hnas_poll_fn poll;         /**< NULL: nobody is asked */
    void *poll_user;           /**< passed to poll */
    int32_t poll_ms;           /**< least milliseconds between two questions,
                                    0: before every image; default 20 */
    size_t memory_limit;       /**< most bytes held, as hnas_context_get_memory
                                    counts; more is E_NOMEM.  0: no limit */
} hnas_context_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_context_opts) as the caller knows it; a smaller
 *            one is an older struct.  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_context_opts_init(hnas_context_opts *opts, size_t size);

/**
 * Open a context.
 *
 * Shapes     opts NULL: the defaults.
 * Units      as each field says.  memory_limit counts for each set and each
 *            predictor by itself, and not what BLIS holds.
 * Ownership  *out: the caller's, closed with hnas_context_destroy.  opts is
 *            copied; what its user pointers point to must outlive the context.
 * Gradient   none.
 * Threads    any.  alloc, free, log, parallel and poll are called on the thread
 *            that calls the library.
 * Errors     E_ARG NULL out, opts->size not set, or one of alloc and free
 *            without the other; E_RANGE n_threads, gemm or poll_ms;
 *            E_UNSUPPORTED gemm BLIS in a build without it; E_NOMEM.  There is
 *            no context to hold a message.  On error *out is NULL.  Threads
 *            that can't be started are done without: results stay the same.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_context_create(hnas_context **out,
                                         const hnas_context_opts *opts);

/**
 * Close a context.
 *
 * Shapes     ctx NULL, or called from a callback: nothing is done.
 * Units      none.
 * Ownership  every handle made from it must be gone before.
 * Gradient   none.
 * Threads    no call on this context may run.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_context_destroy(hnas_context *ctx);

/**
 * Tell the line that the last failing call left, "" if none did.  A call whose
 * own handle is NULL knows no context and leaves none.
 *
 * Shapes     a NUL-terminated string of at most 511 bytes.  ctx NULL: "".
 * Units      none.
 * Ownership  the context's; the next failing call overwrites it.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_context_message(const hnas_context *ctx);

/**
 * Tell the number of workers.
 *
 * Shapes     ctx: not NULL.
 * Units      1..256; what n_threads = 0 became.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_context_get_threads(const hnas_context *ctx);

/**
 * Tell the seed of every random draw.
 *
 * Shapes     ctx: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API uint64_t hnas_context_get_seed(const hnas_context *ctx);

/**
 * Tell the kernel level in use: "c", "avx2" or "avx512".
 *
 * Shapes     a NUL-terminated string.  ctx: not NULL.
 * Units      none.
 * Ownership  static, never released.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_context_get_kernels(const hnas_context *ctx);

/**
 * Tell the backend of large matrix products, as "builtin" or "blis zen3".
 *
 * Shapes     a NUL-terminated string.  ctx: not NULL.
 * Units      none.
 * Ownership  static, never released.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_context_get_gemm(const hnas_context *ctx);

/**
 * Tell the bytes held from the allocator now, and at most so far.
 *
 * Shapes     each output may be NULL.  ctx: not NULL.
 * Units      bytes, the library's own headers and padding included.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_context_get_memory(const hnas_context *ctx,
                                      size_t *now_bytes, size_t *peak_bytes);

/**
 * Tell what the stages of the context's tapes have moved so far.
 *
 * Shapes     ctx: not NULL.
 * Units      bytes of images, values and gradients, each once a stage that
 *            reads or writes it; weights are not counted.  Divided by the
 *            memory's bandwidth: the least time of the passes while a batch is
 *            larger than the caches.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_context_get_moved(const hnas_context *ctx);

HNAS_END_DECLS

#endif
