/* SPDX-License-Identifier: BSD-3-Clause */
/* Exact decisions about lines, by error-free transformations (Dekker;
 * Shewchuk 1997).  Inputs are parameters of 24 bits, or of 53 in the test
 * build; no product of three of them leaves the range of a double. */
#ifndef HN_ARCH_EXACT_H
#define HN_ARCH_EXACT_H

#include "arch/dd.h"
#include "hyper/hyper.h"

/* A line offset + t * slope. */
struct hn_line {
    double slope, offset;
};

/* The sign (-1, 0, 1) of the sum of n <= 32 doubles. */
int hn_exact_sign(const double *term, int n);

/* For slopes a < b < c: whether b lies nowhere above both others, that is,
 * c overtakes a no later than b does. */
int hn_line_is_hidden(struct hn_line a, struct hn_line b, struct hn_line c);

/* The s = origin + t * (width + rest) at which b overtakes a, a.slope <
 * b.slope, correctly rounded. */
double hn_line_crossing(struct hn_line a, struct hn_line b,
                        const struct hn_hyper_frame *frame);

/* The s at which a line whose slope is not 0 meets a level, likewise. */
double hn_line_level(struct hn_line line, struct hn_dd level,
                     const struct hn_hyper_frame *frame);

#endif
