/* SPDX-License-Identifier: BSD-3-Clause */
/* What hnas-bench measures. */
#ifndef BENCH_H
#define BENCH_H

#include <hnas/hnas.h>

#include "common/options.h"

struct bench {
    const char *preset, *image, *arch, *ops, *out;
    int64_t cells, nodes, channels, batch, classes, repeat, threads, seed;
    int64_t alpha_paths; /* -1: the preset's */
    int64_t dims[3];
    double range[2];            /* of lambda; NaN: the preset's */
    int32_t order, relax, json; /* order, relax -1: the preset's */
    int32_t rule;               /* of a path; -1: the preset's */
    int32_t half;               /* keep activations in half precision */
    int32_t what;               /* BENCH_ */
};

/* What is measured: of a search, of a discrete network, of neither. */
enum {
    BENCH_STEP,
    BENCH_WPASS,
    BENCH_QUERY,
    BENCH_FORWARD,
    BENCH_TRAINING,
    BENCH_KERNELS,
    BENCH_PATH,
    BENCH_SWITCH,
    BENCH_LATENCY,
    BENCH_MEMORY
};

struct bench_result {
    double *ms; /* n_ms times; the caller frees */
    int64_t n_ms;
    double flops;        /* of a step */
    int64_t moved_bytes; /* of a step, or 0 */
    int32_t threads;
    char kernels[32];
};

/* Measure what is of a search.  0 or an exit status after a message. */
int bench_run(const struct bench *b, struct bench_result *r);

/* Measure predictions, or training steps, of the network of b->arch. */
int bench_network(const struct bench *b, int is_training,
                  struct bench_result *r);

/* Measure what each edge and operation takes and write the table to b->out, or
 * to standard output: an exit status. */
int bench_latency(const struct bench *b);

/* Put the range of lambda that was asked for, if any, in place of a preset's.
 */
void bench_take_range(hnas_preset *preset, const struct bench *b);

/* A batch of random images and labels. */
hnas_status bench_batch(hnas_batch *batch, hnas_context *ctx,
                        const struct bench *b);

/* Measure every kernel, or the memory, and print it: an exit status. */
int bench_kernels(const struct bench *b);
int bench_memory(const struct bench *b);

#endif
