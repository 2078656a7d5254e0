/* SPDX-License-Identifier: BSD-3-Clause */
/* A program under mpirun: one of several ranks. */
#ifndef RANKS_H
#define RANKS_H

#include <hnas/hnas.h>

/* Start where mpirun started us, do nothing else.  Ranks other than 0 print
 * no result.  0, or an exit status after a message. */
int ranks_begin(void);

/* End together; a status of failure ends all ranks at once. */
void ranks_end(int status);

int32_t ranks_rank(void);
int32_t ranks_count(void); /* 1: alone */

/* The ranks' table, for messages of a program's own; how long a peer may be
 * silent; and one line about what failed, which returns 1. */
const hnas_comm *ranks_table(void);
double ranks_timeout_s(void);
int ranks_failure(const char *what);

/* Let a context compute with the other ranks. */
int ranks_join(hnas_context *ctx);

/* Sum x[n] over the ranks, on all of them.  0, or an exit status. */
int ranks_sum(int64_t *x, int64_t n);

/* Agree on Ctrl-C: where any rank had one, all of them are interrupted.  0, or
 * an exit status. */
int ranks_agree(void);

/* Members of an open JSON object: what the steps of a context sent.  Nothing
 * where there is one rank. */
struct json;
void ranks_put(struct json *j, const hnas_context *ctx);

#endif
