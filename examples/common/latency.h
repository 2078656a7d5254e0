/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of costs, measured here. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdio.h>

#include <hnas/hnas.h>

/* Measure each operation of each edge of a supernet, forward through running
 * statistics on `batch` images at once, and write the microseconds an image as
 * hnas_supernet_read_cost_table reads them: the best of `repeat` passes.
 * Edges with one stride and shape share a measurement.  An exit status, 0 for
 * success. */
int latency_write(FILE *f, hnas_context *ctx, hnas_supernet *net, int64_t batch,
                  int64_t repeat);

/* Read a table from a file and set it; a NULL file: measure it.  An exit
 * status, 0 for success. */
int latency_set(hnas_context *ctx, hnas_supernet *net, const char *file,
                int64_t batch);

#endif
