/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy of a search about steps that are not finite. */
#ifndef HN_BILEVEL_NAN_H
#define HN_BILEVEL_NAN_H

#include "bilevel/bilevel.h"

struct hnas_search;

enum { HN_NAN_TRIES = 10 }; /* search.h, HNAS_NAN_ */

struct hn_nan {
    int64_t n_skipped, n_rolled_back; /* since the search was made */
    int32_t tries;     /* skipped in a row, or rolled back to one state */
    int32_t has_moved; /* a step was done since the state was kept */
    int32_t has_kept;
    int32_t before[3]; /* the three, before the step that runs */

    /* Of ROLLBACK: all that a step moves, and its copy. */
    hnas_tensor **state;
    struct hn_copies kept;
    int64_t kept_w_steps, kept_u_steps;
};

hnas_status hn_nan_create(struct hnas_search *s);
void hn_nan_destroy(struct hnas_search *s);

/* Before a step: keep the state where it is due and finite. */
hnas_status hn_nan_begin(struct hnas_search *s);

/* After a step at some lambda, which answered `st`: what the policy makes of
 * it.  info may be NULL. */
hnas_status hn_nan_end(struct hnas_search *s, hnas_status st,
                       const double *lambda, int32_t n_lambda,
                       hnas_step_info *info);

/* For files.  Whether there is a kept state that the next step may go back to
 * and that the present one is not. */
int hn_nan_is_stored(const struct hnas_search *s);

/* Keep the present state; a tensor's kept values, or NULL. */
void hn_nan_keep(struct hnas_search *s);
const real *hn_nan_kept(const struct hn_nan *nan, const hnas_tensor *t);

/* Take over the counts of a file. */
void hn_nan_restore(struct hn_nan *nan, const struct hn_nan *counts);

#endif
