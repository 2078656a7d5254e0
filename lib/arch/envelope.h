/* SPDX-License-Identifier: BSD-3-Clause */
/* The upper envelope of an edge's lines: which operation is best at which s,
 * for all s at once. */
#ifndef HN_ARCH_ENVELOPE_H
#define HN_ARCH_ENVELOPE_H

#include "arch/exact.h"

/* The lines of an edge, what breaks ties, and where t lies. */
struct hn_lines {
    const double *slope, *offset, *cost;
    const struct hn_hyper_frame *frame;
};

/* Turn a list of n >= 1 candidates op[] into the pieces of their envelope and
 * return how many: piece k, from start[k] up to start[k + 1], belongs to
 * op[k].  start[0] is -infinity, the others are correctly rounded; at its start
 * a piece has begun (the limit from above).  Lines that are equal are one: of
 * the lowest cost, then of the lowest index. */
int32_t hn_envelope(int32_t *op, double *start, int32_t n,
                    const struct hn_lines *lines);

#endif
