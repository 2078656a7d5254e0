/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file tape.h
 * The record of a computation, and the reverse sweep over it.
 *
 * Funcs append to a tape.  By default a func computes at once; between
 * hnas_tape_defer and hnas_tape_run it only reserves its memory, and run
 * computes all of them grouped so that an image stays in cache.  Values and
 * gradients live in the tape's arena until the next reset.
 */
#ifndef HNAS_TAPE_H
#define HNAS_TAPE_H

#include "tensor.h"

HNAS_BEGIN_DECLS

/** A tape; opaque. */
typedef struct hnas_tape hnas_tape;

/** Bits of a tape's mode. */
enum {
    HNAS_TAPE_RUNNING_STATS = 1, /**< batch-norm uses running statistics */
    HNAS_TAPE_NO_GRADIENT = 2,   /**< forward only: nothing kept to sweep */
    HNAS_TAPE_PLAIN = 4,         /**< fused funcs fall apart into plain ones */
    /** Deferred only: results of convolutions and pools that batch-norm alone
     *  reads are kept in half precision, a relative error of 2^-11 each; for
     *  memory and first order.  Not with hnas_tape_tangent. */
    HNAS_TAPE_HALF = 8,
    /** Values with a row an image hold this rank's share of a batch, see
     *  hnas_context_set_comm: statistics, the mean of cross_entropy and
     *  gradients of weights are summed over the ranks.  The funcs that do so
     *  are those of the bundled operations and gates, and their tangents. */
    HNAS_TAPE_RANKS = 16
};

/**
 * Create an empty tape that computes at once, in mode 0.
 *
 * Shapes     none.
 * Units      none.
 * Ownership  *out: the caller's, released with hnas_tape_destroy.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or ctx, E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tape_create(hnas_tape **out, hnas_context *ctx);

/**
 * Release a tape.
 *
 * Shapes     tape NULL, or one that a callback was given: nothing is done.
 * Units      none.
 * Ownership  tensors recorded on it stay valid handles without a value.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_tape_destroy(hnas_tape *tape);

/**
 * Forget the record, keep the memory, set the mode for what follows.
 *
 * Shapes     none.
 * Units      mode: HNAS_TAPE_ bits, 0: batch statistics, gradients, fused.
 * Ownership  tensors recorded before lose their values; their references stay.
 * Gradient   leaves keep what they hold.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL tape, E_RANGE unknown bits of mode; then nothing
 *            changes.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tape_reset(hnas_tape *tape, int32_t mode);

/**
 * Only record from now on; hnas_tape_run computes.
 *
 * Shapes     tape: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_tape_defer(hnas_tape *tape);

/**
 * Compute what was deferred, and return to computing at once.
 *
 * Shapes     none.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL tape; E_RANGE a label outside the classes; E_OP a
 *            host's func failed; E_STOPPED the context's poll asked to stop;
 *            E_NOMEM.  After an error only a reset makes sense.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tape_run(hnas_tape *tape);

/**
 * Sweep backwards from a single number.
 *
 *     gradient(leaf) += d loss / d leaf   for every leaf that wants one
 *
 * Shapes     loss: one element, recorded on this tape.
 * Units      none.
 * Ownership  none.
 * Gradient   to every wanted leaf, added to what it holds.
 * Threads    as the context's; the result depends on no number of threads.
 * Errors     E_ARG NULL argument; E_SHAPE loss; E_STATE loss is not of this
 *            tape, the tape was swept since its reset, or its mode is
 *            NO_GRADIENT; E_UNSUPPORTED a host's func without backward; E_OP a
 *            host's func failed; E_NOMEM; what hnas_tape_run answers.  After
 *            an error gradients may hold a part: clear them and reset the
 *            tape.
 * Source     reverse mode with pending terms, docs/architecture.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tape_backward(hnas_tape *tape, hnas_tensor *loss);

/**
 * Record how a value moves while leaves move: its tangent.
 *
 *     *out = sum_i (dy / dx[i]) direction[i]
 *
 * The tangent is recorded like any value, so a sweep from that of a loss L
 * gives the exact product of second derivatives with a direction:
 * d/du (dL/dw v) = (d2L / du dw) v.  Record it before the run where memory and
 * time count: then each node's tangent is computed right behind it.
 *
 * Shapes     y: any, recorded on this tape; direction[i]: as x[i]; *out: as y.
 * Units      n: >= 1.
 * Ownership  *out: new reference, the caller's.  Leaves are held until the
 *            tape's reset.
 * Gradient   to y's leaves and through them, as of any value; none to the
 *            directions, and none of third order.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or n < 1; E_STATE y is not of this tape or
 *            depends on no x, an x or a direction is not a leaf, the tape was
 *            swept or its mode is NO_GRADIENT or HALF, or y is made of a
 *            tangent that has been computed; E_SHAPE a direction;
 *            E_UNSUPPORTED a func without tangent (a host's, or a hard Gumbel
 *            gate whose alpha moves), named; E_OP a host's func failed;
 *            E_NOMEM.  On error *out is NULL, and only a reset makes sense.
 * Source     forward over reverse, Pearlmutter 1994, Neural Computation 6.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tape_tangent(hnas_tensor **out, hnas_tape *tape,
                                       hnas_tensor *y, hnas_tensor *const *x,
                                       hnas_tensor *const *direction,
                                       int64_t n);

/**
 * Tell the arena's bytes in use since the reset, and at most so far.
 *
 * Shapes     each output may be NULL.  tape: not NULL.
 * Units      bytes, rounded up a piece.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_tape_get_memory(const hnas_tape *tape, size_t *now_bytes,
                                   size_t *peak_bytes);

/**
 * Tell the number of records, copies of inputs included.
 *
 * Shapes     tape: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_tape_get_count(const hnas_tape *tape);

HNAS_END_DECLS

#endif
