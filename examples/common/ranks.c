/* SPDX-License-Identifier: BSD-3-Clause */
#include "ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "program.h"
#ifdef HN_HAVE_MPI
#include <hnas/mpi.h>
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

const hnas_comm *ranks_table(void)
{
    return &comm;
}

/* Longer than what no rank interrupts takes. */
double ranks_timeout_s(void)
{
    const char *text = getenv("HNAS_TIMEOUT_S");
    const double s = text ? atof(text) : 0;

    return s > 0 ? s : 600;
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

/* Sums as the transport likes, where the user says so. */
static int32_t sums_order(void)
{
    const char *text = getenv("HNAS_SUMS");

    return text && !strcmp(text, "any") ? HNAS_COMM_ANY : HNAS_COMM_FIXED;
}

int ranks_begin(void)
{
    hnas_status st;

    if (count_started() < 2)
        return 0;
    st = hnas_mpi_init(&mpi, &comm, ranks_timeout_s());
    if (st < 0)
        return failure("MPI can't start: %s", hnas_status_name(st));
    comm.order = sums_order();
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

/* ---- what the programs themselves send ---- */

int ranks_failure(const char *what)
{
    const char *why = comm.message ? comm.message(comm.user) : NULL;

    return failure("rank %d of %d: %s: %s", (int)comm.rank, (int)comm.n_ranks,
                   what, why ? why : "the transport failed");
}

/* A tree towards rank 0, which tells the rest. */
int ranks_sum(int64_t *x, int64_t n)
{
    const size_t bytes = (size_t)n * sizeof *x;
    int64_t *other = comm.n_ranks > 1 ? malloc(bytes) : NULL;
    int failed = 0;

    if (comm.n_ranks < 2)
        return 0;
    if (!other)
        return failure("a sum over ranks: out of memory");
    for (int32_t gap = 1; gap < comm.n_ranks && !failed; gap *= 2) {
        if (comm.rank & gap) {
            failed =
                comm.exchange(comm.user, x, bytes, NULL, 0, comm.rank - gap);
            break;
        }
        if (comm.rank + gap >= comm.n_ranks)
            continue;
        failed =
            comm.exchange(comm.user, NULL, 0, other, bytes, comm.rank + gap);
        for (int64_t i = 0; i < n && !failed; i++)
            x[i] += other[i];
    }
    free(other);
    if (!failed)
        failed = comm.broadcast(comm.user, x, bytes, 0);
    return failed ? ranks_failure("a sum over the ranks") : 0;
}

int ranks_agree(void)
{
    int64_t n = was_interrupted_here();
    const int rc = ranks_sum(&n, 1);

    if (n > 0)
        set_interrupted();
    return rc;
}

void ranks_put(struct json *j, const hnas_context *ctx)
{
    hnas_comm_traffic t = {.size = sizeof t};

    if (comm.n_ranks < 2)
        return;
    hnas_context_get_traffic(ctx, &t);
    json_key(j, "ranks");
    json_int(j, comm.n_ranks);
    json_key(j, "sums");
    json_int(j, t.n_sums);
    json_key(j, "messages");
    json_int(j, t.n_messages);
    json_key(j, "bytes");
    json_int(j, t.n_bytes);
    json_key(j, "comm_seconds");
    json_real(j, t.seconds);
    json_key(j, "overlap_seconds");
    json_real(j, t.overlap_seconds);
}
