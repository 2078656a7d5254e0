/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks as threads of one process: a communicator table between them. */
#ifndef HN_TESTS_SUPPORT_TRANSPORT_H
#define HN_TESTS_SUPPORT_TRANSPORT_H

#include "hnas/comm.h"

enum { TRANSPORT_RANKS = 4 };

/* Forget what an earlier run left. */
void transport_reset(void);

/* From now on exchanges of rank 1 fail, and with them the others'. */
void transport_break(int32_t broken);

/* Fill the table of one of n_ranks threads; self outlives it.  Sums of
 * HNAS_COMM_ANY are added from the last rank to the first. */
struct transport {
    int32_t rank, n_ranks;
    int32_t n_sums; /* begun so far */
    int32_t n_open; /* begun and not ended */
    int32_t most_open;
};
void transport_fill(hnas_comm *comm, struct transport *self, int32_t rank,
                    int32_t n_ranks);

#endif
