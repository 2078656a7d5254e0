/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the golden files, which tests/oracle/golden.py made. */
#ifndef TEST_SUPPORT_GOLDEN_H
#define TEST_SUPPORT_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

struct golden;

/* A named array as doubles. */
struct golden_array {
    const char *name;
    int rank;
    int64_t dims[8];
    int64_t count;
    const double *data;
};

/* Read a file below tests/golden; ends the test program if it can't. */
struct golden *golden_open(const char *name);
void golden_close(struct golden *g);

/* printf-style name; NULL if there is no such array. */
const struct golden_array *golden_find(const struct golden *g,
                                       const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ||a - b|| / ||b|| in L2; b all zero: ||a||. */
double golden_distance(const double *a, const double *b, int64_t n);

#endif
