/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file comm.h
 * Ranks: one search on several processes.
 *
 * The library has no transport.  The host gives a context a table of a few
 * functions over the one it has; libhnas-mpi (mpi.h) fills it from MPI.  Every
 * rank then makes the same calls with its share of each batch, and all of them
 * end each step with the same u, w and statistics.
 */
#ifndef HNAS_COMM_H
#define HNAS_COMM_H

#include "context.h"

HNAS_BEGIN_DECLS

/** In which order the ranks' sums are joined. */
enum {
    /** By the balanced tree of the batch's chunks, over `exchange`: where the
     * number of ranks and the share of a rank are powers of two, and the ranks
     * no more than 8 or an eighth of the batch, the bits of one rank with the
     * whole batch. */
    HNAS_COMM_FIXED = 0,
    /** As sum_start likes: fewer messages of large sums, and those of weights'
     * gradients under way while the sweep goes on, up to 17 at a time; a sum of
     * n terms may differ by n 2^-24 of the sum of their magnitudes. */
    HNAS_COMM_ANY = 1
};

/** Element types of sums. */
enum {
    HNAS_COMM_FLOAT32 = 0, /**< float */
    HNAS_COMM_FLOAT64 = 1  /**< double */
};

/**
 * What the host's transport can do.  Functions return 0, or another number
 * after a failure that `message` can explain; a peer that is silent for longer
 * than the transport allows is a failure too.  They are called on the thread
 * that calls the library, by all ranks in the same order.
 */
typedef struct hnas_comm {
    size_t size;     /**< sizeof the struct */
    int32_t rank;    /**< 0 .. n_ranks - 1 */
    int32_t n_ranks; /**< 1 .. 65536 */
    int32_t order;   /**< HNAS_COMM_; FIXED needs no sum_start */
    void *user;      /**< passed to all */
    /** Send to and receive from one peer, which does the same.  A size of 0
     * in one direction: nothing goes there. */
    int32_t (*exchange)(void *user, const void *out, size_t out_bytes, void *in,
                        size_t in_bytes, int32_t peer);
    /** Begin to add up n elements over the ranks, in place; *request names the
     * sum until sum_wait.  NULL: only HNAS_COMM_FIXED. */
    int32_t (*sum_start)(void *user, void *data, int64_t n, int32_t type,
                         void **request);
    /** End a sum.  After a failure the other sums under way are given up. */
    int32_t (*sum_wait)(void *user, void *request);
    /** Give root's bytes to all. */
    int32_t (*broadcast)(void *user, void *data, size_t bytes, int32_t root);
    int32_t (*barrier)(void *user); /**< wait for all */
    /** End all ranks, this one included; why: a line for a log, or NULL. */
    void (*abort)(void *user, const char *why);
    const char *(*message)(void *user); /**< of the last failure; NULL: none */
    /** Tell which rank waits in `exchange` to send to this one; *peer -1: none
     * yet.  Never waits.  The library does not call it, a host's queue of
     * tasks may; NULL: it can't tell. */
    int32_t (*probe)(void *user, int32_t *peer);
} hnas_comm;

/** What a context has sent since the table was set. */
typedef struct hnas_comm_traffic {
    size_t size;        /**< sizeof the struct */
    int64_t n_sums;     /**< sums over the ranks */
    int64_t n_messages; /**< messages that this rank sent (HNAS_COMM_ANY: sums
                             begun) */
    int64_t n_bytes;    /**< bytes that this rank sent (likewise: summed) */
    double seconds;     /**< spent in the table's functions, waiting included */
    /** Between the start of sums and the wait for them, while the sweep goes
     * on; those of several sums are added up. */
    double overlap_seconds;
} hnas_comm_traffic;

/**
 * Let a context compute with others: steps of a search, of a bilevel optimizer
 * and of a model then take this rank's share of each batch.
 *
 *     loss = mean over the batches of all ranks; its gradients likewise
 *
 * Batch-norm's statistics are those of the whole batch, at every rank.  Rank r
 * holds images r n .. (r + 1) n - 1 of the batch, n the same at all ranks.
 * What is not a step (evaluation, calibration, queries) stays with its rank.
 *
 * Shapes     comm NULL: alone again.
 * Units      as each field says.  Seeds and options must be the same at all
 *            ranks.
 * Ownership  comm is copied; user must outlive the context or the next call.
 * Gradient   a step's w and u hold those of the whole batch.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL ctx, size not set, or a function that `order` needs is
 *            NULL; E_RANGE rank, n_ranks or order.  On error nothing changes.
 * Source     own; recursive doubling: Thakur et al. 2005.
 * Since      0.1
 */
HNAS_API hnas_status hnas_context_set_comm(hnas_context *ctx,
                                           const hnas_comm *comm);

/**
 * Tell what was sent since hnas_context_set_comm.
 *
 * Shapes     traffic: not NULL, its size set.
 * Units      counts, bytes and seconds of this rank; zeros without ranks.
 * Ownership  traffic is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_context_get_traffic(const hnas_context *ctx,
                                       hnas_comm_traffic *traffic);

HNAS_END_DECLS

#endif
