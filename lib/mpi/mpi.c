/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of comm.h over MPI.  All calls are started and then tested, so
 * that a silent peer ends them in a bounded time. */
#include <hnas/mpi.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TAG = 4711, PIECE_BYTES = 1 << 30, SPINS = 2000 };

_Static_assert(sizeof(MPI_Request) <= sizeof(double), "room for a request");

static int32_t explain(struct hnas_mpi *m, int code)
{
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;

    MPI_Error_string(code, text, &n);
    snprintf(m->message, sizeof m->message, "MPI: %.*s", n < 200 ? n : 200,
             text);
    return 1;
}

/* Wait for all requests, or until the time is over; peer -1: any of them. */
static int32_t finish(struct hnas_mpi *m, MPI_Request *request, int n,
                      int32_t peer)
{
    const double end = MPI_Wtime() + m->timeout_s;
    const struct timespec nap = {0, 50000};
    int done = 0;

    for (int64_t spin = 0; !done; spin++) {
        const int code = MPI_Testall(n, request, &done, MPI_STATUSES_IGNORE);

        if (code != MPI_SUCCESS)
            return explain(m, code);
        if (done || spin < SPINS)
            continue;
        if (MPI_Wtime() > end) {
            if (peer < 0)
                snprintf(m->message, sizeof m->message,
                         "a rank has been silent for %g s", m->timeout_s);
            else
                snprintf(m->message, sizeof m->message,
                         "rank %d has been silent for %g s", (int)peer,
                         m->timeout_s);
            return 1;
        }
        nanosleep(&nap, NULL);
    }
    return 0;
}

static int piece(size_t bytes, size_t from)
{
    const size_t left = bytes > from ? bytes - from : 0;

    return (int)(left < PIECE_BYTES ? left : PIECE_BYTES);
}

static int32_t exchange(void *user, const void *out, size_t out_bytes, void *in,
                        size_t in_bytes, int32_t peer)
{
    struct hnas_mpi *m = user;
    const size_t most = out_bytes > in_bytes ? out_bytes : in_bytes;
    int32_t rc = 0;

    for (size_t at = 0; at < most && !rc; at += PIECE_BYTES) {
        MPI_Request request[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
        int code = MPI_SUCCESS;

        if (at < in_bytes)
            code = MPI_Irecv((char *)in + at, piece(in_bytes, at), MPI_BYTE,
                             peer, TAG, MPI_COMM_WORLD, &request[0]);
        if (code == MPI_SUCCESS && at < out_bytes)
            code = MPI_Isend((const char *)out + at, piece(out_bytes, at),
                             MPI_BYTE, peer, TAG, MPI_COMM_WORLD, &request[1]);
        rc = code == MPI_SUCCESS ? finish(m, request, 2, peer)
                                 : explain(m, code);
    }
    return rc;
}

static int32_t sum_start(void *user, void *data, int64_t n, int32_t type,
                         void **request)
{
    struct hnas_mpi *m = user;
    MPI_Request r;
    int code, at = 0;

    while (at < HNAS_MPI_SUMS && m->pending >> at & 1)
        at++;
    if (at == HNAS_MPI_SUMS || n > INT32_MAX) {
        snprintf(m->message, sizeof m->message,
                 "a sum of %lld elements, want below 2^31 and at most %d sums "
                 "at a time",
                 (long long)n, (int)HNAS_MPI_SUMS);
        return 1;
    }
    code = MPI_Iallreduce(MPI_IN_PLACE, data, (int)n,
                          type == HNAS_COMM_FLOAT32 ? MPI_FLOAT : MPI_DOUBLE,
                          MPI_SUM, MPI_COMM_WORLD, &r);
    if (code != MPI_SUCCESS)
        return explain(m, code);
    memcpy(&m->request[at], &r, sizeof r);
    m->pending |= UINT32_C(1) << at;
    *request = &m->request[at];
    return 0;
}

static int32_t sum_wait(void *user, void *request)
{
    struct hnas_mpi *m = user;
    MPI_Request r;

    memcpy(&r, request, sizeof r);
    m->pending &= ~(UINT32_C(1) << ((double *)request - m->request));
    return finish(m, &r, 1, -1);
}

static int32_t broadcast(void *user, void *data, size_t bytes, int32_t root)
{
    struct hnas_mpi *m = user;
    int32_t rc = 0;

    for (size_t at = 0; at < bytes && !rc; at += PIECE_BYTES) {
        MPI_Request r;
        const int code = MPI_Ibcast((char *)data + at, piece(bytes, at),
                                    MPI_BYTE, root, MPI_COMM_WORLD, &r);

        rc = code == MPI_SUCCESS ? finish(m, &r, 1, root) : explain(m, code);
    }
    return rc;
}

static int32_t barrier(void *user)
{
    struct hnas_mpi *m = user;
    MPI_Request r;
    const int code = MPI_Ibarrier(MPI_COMM_WORLD, &r);

    return code == MPI_SUCCESS ? finish(m, &r, 1, -1) : explain(m, code);
}

static void end_all(void *user, const char *why)
{
    (void)user;
    (void)why;
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static const char *message(void *user)
{
    return ((const struct hnas_mpi *)user)->message;
}

static int32_t probe(void *user, int32_t *peer)
{
    struct hnas_mpi *m = user;
    MPI_Status status;
    int waits = 0;
    const int code =
        MPI_Iprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &waits, &status);

    *peer = -1;
    if (code != MPI_SUCCESS)
        return explain(m, code);
    if (waits)
        *peer = status.MPI_SOURCE;
    return 0;
}

hnas_status hnas_mpi_init(hnas_mpi *mpi, hnas_comm *comm, double timeout_s)
{
    int started, level, rank, n_ranks;

    if (!mpi || !comm)
        return HNAS_E_ARG;
    if (!(timeout_s > 0))
        return HNAS_E_RANGE;
    memset(mpi, 0, sizeof *mpi);
    mpi->timeout_s = timeout_s;
    if (MPI_Initialized(&started) != MPI_SUCCESS)
        return HNAS_E_COMM;
    if (!started &&
        MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return HNAS_E_COMM;
    mpi->owns = !started;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    mpi->rank = rank;
    mpi->n_ranks = n_ranks;
    *comm = (hnas_comm){.size = sizeof *comm,
                        .rank = rank,
                        .n_ranks = n_ranks,
                        .user = mpi,
                        .exchange = exchange,
                        .sum_start = sum_start,
                        .sum_wait = sum_wait,
                        .broadcast = broadcast,
                        .barrier = barrier,
                        .abort = end_all,
                        .message = message,
                        .probe = probe};
    return HNAS_OK;
}

void hnas_mpi_finish(hnas_mpi *mpi)
{
    if (mpi->owns)
        MPI_Finalize();
    mpi->owns = 0;
}
