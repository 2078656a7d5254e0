/* SPDX-License-Identifier: BSD-3-Clause */
/* The rate of each kernel on one image that fits the caches, on this thread,
 * beside what the machine does at its level. */
#ifndef HN_KERNEL_MEASURE_H
#define HN_KERNEL_MEASURE_H

#include "kernel/kernel.h"

struct hn_rate {
    char name[32], shape[32];
    double gflops, gbs; /* 1e9 a second */
    double roofline;    /* share of the bound by peak and bandwidth */
};

/* Entries that can be measured. */
int32_t hn_measure_count(void);

/* Reals of scratch that hn_measure wants, aligned to 64 bytes. */
int64_t hn_measure_reals(void);

/* Measure entry `index` of a table: some ten milliseconds. */
void hn_measure(struct hn_rate *rate, const struct hn_kernels *k, int32_t index,
                real *scratch);

#endif
