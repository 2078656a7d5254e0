/* SPDX-License-Identifier: BSD-3-Clause */
/* What a message between ranks 0 and 1 costs, by the table that searches use.
 * Prints latency_us and gb_per_s; other ranks wait. */
#include <hnas/mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SMALL_BYTES = 8, LARGE_BYTES = 1 << 20, MOST_ROUNDS = 101 };

static double now_s(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of an exchange; below 0: it failed. */
static double exchange_s(const hnas_comm *c, int n_rounds, size_t bytes,
                         char *out, char *in)
{
    double took[MOST_ROUNDS];

    for (int i = -1; i < n_rounds; i++) { /* the first one opens the link */
        const double began = now_s();

        if (c->exchange(c->user, out, bytes, in, bytes, 1 - c->rank))
            return -1;
        if (i >= 0)
            took[i] = now_s() - began;
    }
    qsort(took, (size_t)n_rounds, sizeof *took, by_value);
    return took[n_rounds / 2];
}

int main(void)
{
    hnas_mpi mpi;
    hnas_comm comm;
    char *out = calloc(2, LARGE_BYTES);
    double small = 0, large = 1;

    if (!out || hnas_mpi_init(&mpi, &comm, 60) < 0 || comm.n_ranks < 2)
        return 1;
    if (comm.rank < 2) {
        small =
            exchange_s(&comm, MOST_ROUNDS, SMALL_BYTES, out, out + LARGE_BYTES);
        large = exchange_s(&comm, 9, LARGE_BYTES, out, out + LARGE_BYTES);
    }
    if (comm.barrier(comm.user) || small < 0 || large < 0)
        comm.abort(comm.user, "a message failed");
    if (comm.rank == 0)
        printf("latency_us %.1f\ngb_per_s %.4f\n", 1e6 * small,
               1e-9 * LARGE_BYTES / (large > small ? large - small : large));
    hnas_mpi_finish(&mpi);
    free(out);
    return 0;
}
