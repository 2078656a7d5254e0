/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_BASE_CLOCK_H
#define HN_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment. */
static inline double hn_now_s(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
