/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include "hnas/optim.h"

/* Outside 0..n_steps the ends stay; n_steps < 1: always `first`. */
double hnas_schedule_cosine(double first, double last, int64_t step,
                            int64_t n_steps)
{
    const double pi = 3.14159265358979323846;

    if (n_steps < 1 || step <= 0)
        return first;
    if (step >= n_steps)
        return last;
    return last + (first - last) * 0.5 *
                      (1 + cos(pi * (double)step / (double)n_steps));
}
