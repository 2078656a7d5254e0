/* SPDX-License-Identifier: BSD-3-Clause */
/* What every bundled program does alike. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <hnas/hnas.h>

/* Exit statuses. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130, /* by Ctrl-C … */
    EXIT_TERMINATED = 143   /* … or SIGTERM, which program_end makes of it */
};

/* Say whose messages these are. */
void program_begin(const char *name);

/* What main returns: the exit status, or 1 after a message where it was 0 and
 * standard output took less than was printed. */
int program_end(int status);

/* Print one line to standard error; return 1, 2. */
int failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print the context's message; return 2 where `is_setting` and the status
 * speaks of a bad value, else 1.  Of a call that Ctrl-C stopped, nothing, and
 * EXIT_INTERRUPTED. */
int library_failure(hnas_context *ctx, hnas_status status, int is_setting);

/* Print one line to standard error and go on. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Open a context.  0, or an exit status after a message. */
int program_open(hnas_context **out, int64_t threads, int64_t seed);

/* Print what --version prints.  An exit status. */
int program_version(int64_t threads);

/* Seconds of a steady clock; largest resident set so far. */
double now_s(void);
int64_t peak_bytes(void);

/* The middle of n numbers, which get sorted; NaN of none. */
double median(double *values, int64_t n);

/* From now on Ctrl-C and SIGTERM only set a flag, which also stops the call
 * that computes; a second one ends the program. */
void catch_interrupt(void);
int is_interrupted(void);

/* Say with --json that nothing is to be told but that: EXIT_INTERRUPTED. */
int tell_interrupted(int32_t json);

/* Of several ranks: whether this one was, and that all know it now. */
int was_interrupted_here(void);
void set_interrupted(void);

#endif
