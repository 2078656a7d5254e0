/* SPDX-License-Identifier: BSD-3-Clause */
/* In which order the images of a range come, anew each epoch. */
#ifndef HN_IO_ORDER_H
#define HN_IO_ORDER_H

#include "core/context.h"

struct hn_order {
    struct hnas_context *ctx;
    int64_t count;
    int32_t shuffle;
    uint32_t stream;
    int64_t epoch;  /* that is set; -1: none yet */
    uint32_t *list; /* [count], of a short range; NULL: not kept */
    int32_t bits;   /* of each half of an index of a long range */
};

/* count >= 1; shuffle 0: 0, 1, 2, ...; stream sets apart orders of one seed. */
hnas_status hn_order_init(struct hn_order *order, struct hnas_context *ctx,
                          int64_t count, int32_t shuffle, uint64_t stream);
void hn_order_finish(struct hn_order *order);

/* Set the epoch, a pure function of the context's seed, stream and epoch. */
void hn_order_set(struct hn_order *order, int64_t epoch);

/* Which image of the range, 0 .. count - 1, comes at a position. */
int64_t hn_order_get(const struct hn_order *order, int64_t position);

#endif
