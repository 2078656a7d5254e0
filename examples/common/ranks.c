/* SPDX-License-Identifier: BSD-3-Clause */
#include "ranks.h"

#include <stdio.h>
#include <stdlib.h>

#include "program.h"
#ifdef HN_HAVE_MPI
#include <mpi/mpi.h>
#endif

static hnas_comm comm = {.n_ranks = 1};

int32_t ranks_rank(void)
{
    return comm.rank;
}

int32_t ranks_count(void)
{
    return comm.n_ranks;
}

/* Ranks that mpirun tells of, by whichever implementation. */
static int count_started(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    const char *text = NULL;

    for (int i = 0; i < 2 && !text; i++)
        text = getenv(names[i]);
    return text ? atoi(text) : 1;
}

#ifdef HN_HAVE_MPI
static hnas_mpi mpi;

/* Seconds that a rank may be silent: longer than an evaluation takes. */
static double timeout_s(void)
{
    const char *text = getenv("HNAS_TIMEOUT_S");
    const double s = text ? atof(text) : 0;

    return s > 0 ? s : 600;
}

int ranks_begin(void)
{
    hnas_status st;

    if (count_started() < 2)
        return 0;
    st = hnas_mpi_init(&mpi, &comm, timeout_s());
    if (st < 0)
        return failure("MPI can't start: %s", hnas_status_name(st));
    if (comm.rank && !freopen("/dev/null", "w", stdout))
        return failure("/dev/null: can't be opened");
    return 0;
}

void ranks_end(int status)
{
    if (comm.n_ranks < 2)
        return;
    if (status != EXIT_DONE && status != EXIT_INTERRUPTED)
        comm.abort(comm.user, "failed");
    hnas_mpi_finish(&mpi);
}
#else
int ranks_begin(void)
{
    const int n = count_started();

    return n < 2 ? 0 : failure("%d ranks: built without MPI", n);
}

void ranks_end(int status)
{
    (void)status;
}
#endif

int ranks_join(hnas_context *ctx)
{
    hnas_status st =
        comm.n_ranks > 1 ? hnas_context_set_comm(ctx, &comm) : HNAS_OK;

    return st < 0 ? library_failure(ctx, st, 0) : 0;
}
