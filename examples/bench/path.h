/* SPDX-License-Identifier: BSD-3-Clause */
/* The path of random lines, and its networks. */
#ifndef BENCH_PATH_H
#define BENCH_PATH_H

#include "bench/bench.h"

/* Measure hnas_path_create over tables of the size that the settings say, all
 * numbers uniform in [-1, 1], and print it.  0 or an exit status. */
int bench_path(const struct bench *b);

/* Measure switching between all networks of it, found by lambda, and print it.
 * 0 or an exit status. */
int bench_switch(const struct bench *b);

#endif
