/* SPDX-License-Identifier: BSD-3-Clause */
/* A search with a policy about steps that are not finite, an operation that
 * makes some of them so, and all that the search holds, as its file has it. */
#ifndef HN_TESTS_FAULTS_NANWORLD_H
#define HN_TESTS_FAULTS_NANWORLD_H

#include "hostop.h"

enum { MOST_TRIES = 10, EPOCH = 4, STEPS = 10 };

extern struct life life;

/* Steps at which the host's operation gives NaN; at first none. */
extern struct bad_steps {
    hnas_search *search; /* whose steps are counted */
    int64_t first, last;
    int32_t in_gradient; /* else in the output */
} bad;

/* Open the life with a search of a policy; states are kept every EPOCH. */
void nan_open(int32_t on_nan, int32_t order);
void nan_never_bad(void);
void nan_teardown(void);

/* A search's file. */
struct state {
    char *bytes;
    size_t n, n_tensors; /* in all; of tensors, at the end */
};
struct state state_of(const hnas_search *search);

/* Whether tensors and both optimizers' counts are the same; of tensors those
 * of the shorter list. */
int is_same(const struct state *a, const struct state *b);

hnas_status nan_step(hnas_search *search, hnas_step_info *info);
void expect_counts(const hnas_search *search, int64_t skipped,
                   int64_t rolled_back);

#endif
