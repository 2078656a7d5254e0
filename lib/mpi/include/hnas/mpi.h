/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file mpi.h
 * Ranks over MPI: fills the table of comm.h.  In libhnas-mpi, which is built
 * where MPI is found; link with `pkg-config --libs hnas-mpi`.
 */
#ifndef HNAS_MPI_H
#define HNAS_MPI_H

#include <hnas/comm.h>

HNAS_BEGIN_DECLS

enum { HNAS_MPI_SUMS = 32 /**< that can be under way at once */ };

/** The ranks of MPI_COMM_WORLD; memory of the caller's. */
typedef struct hnas_mpi {
    double timeout_s;              /**< longest silence of a peer, seconds */
    int32_t rank;                  /**< of this process */
    int32_t n_ranks;               /**< processes */
    int32_t owns;                  /**< MPI was started here */
    uint32_t pending;              /**< a bit for each sum under way */
    double request[HNAS_MPI_SUMS]; /**< of these sums */
    char message[256];             /**< of the last failure */
} hnas_mpi;

/**
 * Start MPI, unless the host has, and fill a table.
 *
 * Shapes     mpi, comm: structs of the caller's, not NULL.
 * Units      timeout_s: above 0; a peer silent for longer is a failure that
 *            names it.
 * Ownership  mpi must outlive every context that has the table;
 *            hnas_mpi_finish ends MPI if it was started here.
 * Gradient   none.
 * Threads    the thread that calls the library; MPI_THREAD_FUNNELED.
 * Errors     E_ARG NULL argument; E_RANGE timeout_s; E_COMM MPI can't start.
 * Source     MPI 3.1.
 * Since      0.1
 */
HNAS_API hnas_status hnas_mpi_init(hnas_mpi *mpi, hnas_comm *comm,
                                   double timeout_s);

/**
 * End MPI if hnas_mpi_init started it; waits for all ranks.
 *
 * Shapes     mpi: not NULL, initialised.
 * Units      none.
 * Ownership  the table must no longer be used.
 * Gradient   none.
 * Threads    the thread that called hnas_mpi_init.
 * Errors     none.
 * Source     MPI 3.1.
 * Since      0.1
 */
HNAS_API void hnas_mpi_finish(hnas_mpi *mpi);

HNAS_END_DECLS

#endif
