/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a run is: one line that is rewritten on a terminal, plain lines
 * elsewhere. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

struct progress {
    int is_quiet; /* of a rank that is not the first */
    int is_terminal, has_colour, is_open;
    double began_s, said_s;
    int64_t first, total;
    int64_t epochs;
};

/* Begin at step `first` of `total`. */
void progress_begin(struct progress *p, int64_t first, int64_t total,
                    int64_t epochs);

/* Tell about a step; `must` prints a plain line wherever it goes. */
void progress_step(struct progress *p, int64_t epoch, int64_t step, double loss,
                   double rate, int must);

/* Tell what is being done, with a number; on a terminal only. */
void progress_note(struct progress *p, const char *what, double value);

/* Leave the line, so that other text may follow. */
void progress_end(struct progress *p);

#endif
