/* SPDX-License-Identifier: BSD-3-Clause */
/* Funcs that only the floors above call. */
#ifndef HN_FUNC_FUNC_H
#define HN_FUNC_FUNC_H

#include "hnas/func.h"

/* Zeros [N, C, H, W] on a tape (NULL: a leaf). */
hnas_status hn_zeros(struct hnas_tensor **out, struct hnas_context *ctx,
                     struct hnas_tape *tape, const int64_t dims[4]);

/* hnas_mix where gates of inputs marked in `idle` are known to be 0: their
 * value matters to the mixing gradient only, so nothing flows back to them.
 * idle may be NULL. */
hnas_status hn_mix(struct hnas_tensor **out, struct hnas_tape *tape,
                   struct hnas_tensor *const *x, int64_t n_x,
                   struct hnas_tensor *gates, const int64_t *index,
                   const uint8_t *idle);

/* hnas_cross_entropy against (1 - smoothing) onehot + smoothing / K. */
hnas_status hn_cross_entropy(struct hnas_tensor **out, struct hnas_tape *tape,
                             struct hnas_tensor *logits,
                             struct hnas_tensor *labels, double smoothing);

#endif
