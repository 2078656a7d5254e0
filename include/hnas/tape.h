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
    HNAS_TAPE_PLAIN = 4          /**< fused funcs fall apart into plain ones */
};

/** Create an empty tape. */
HNAS_API hnas_status hnas_tape_create(hnas_tape **out, hnas_context *ctx);

/** Release a tape; tensors recorded on it lose their values. */
HNAS_API void hnas_tape_destroy(hnas_tape *tape);

/** Forget the record, keep the memory, set the mode for what follows. */
HNAS_API hnas_status hnas_tape_reset(hnas_tape *tape, int32_t mode);

/** From now on only record; hnas_tape_run computes. */
HNAS_API void hnas_tape_defer(hnas_tape *tape);

/** Compute what was deferred and return to computing at once. */
HNAS_API hnas_status hnas_tape_run(hnas_tape *tape);

/** Sweep backwards from a single number: gradients of all wanted leaves are
 * added to what they hold.  Once a reset. */
HNAS_API hnas_status hnas_tape_backward(hnas_tape *tape, hnas_tensor *loss);

/** Tell the arena's bytes in use since the reset, and at most so far. */
HNAS_API void hnas_tape_get_memory(const hnas_tape *tape, size_t *now_bytes,
                                   size_t *peak_bytes);

/** Tell the number of recorded funcs. */
HNAS_API int64_t hnas_tape_get_count(const hnas_tape *tape);

HNAS_END_DECLS

#endif
