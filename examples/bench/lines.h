/* SPDX-License-Identifier: BSD-3-Clause */
/* A supernet, and lines of alpha of random numbers: nothing is trained. */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include "bench/bench.h"

struct lines {
    hnas_context *ctx; /* the caller opens it */
    hnas_supernet *net;
    hnas_hyper *hyper;
    uint64_t state; /* of the random numbers */
};

/* Make what the settings say, all numbers uniform in [-1, 1], and the options
 * of its path. */
hnas_status lines_create(struct lines *l, const struct bench *b,
                         hnas_path_opts *path);
void lines_destroy(struct lines *l);

/* Random parameters for l->hyper, in [-1, 1), from l->state on. */
hnas_status lines_fill(struct lines *l);

#endif
