/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks whose weights nobody changes any more.  Predictors share them; they
 * lie in a context of their own, which the last one to let go closes. */
#ifndef HN_MODEL_FROZEN_H
#define HN_MODEL_FROZEN_H

#include <stdatomic.h>

#include "model/model.h"

struct hn_frozen {
    atomic_int refs;
    struct hnas_context *ctx;
    int32_t n;
    struct hnas_model **model; /* [n], of one shape */
};

/* A context with the settings and operations of another one, and a pool of
 * its own.  Leaves no message: the other one may be in use. */
hnas_status hn_context_like(struct hnas_context **out,
                            const struct hnas_context *from, int32_t n_threads);

/* Room for n networks in a context like `from`, for the maker to fill. */
hnas_status hn_frozen_create(struct hn_frozen **out,
                             const struct hnas_context *from, int32_t n,
                             int32_t n_threads);
struct hn_frozen *hn_frozen_ref(struct hn_frozen *frozen);
void hn_frozen_unref(struct hn_frozen *frozen);

/* A predictor of frozen networks; a failure is told to `report`. */
hnas_status hn_predictor_make(hnas_predictor **out, struct hn_frozen *frozen,
                              int32_t n_threads, struct hnas_context *report);

#endif
