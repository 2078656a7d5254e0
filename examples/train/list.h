/* SPDX-License-Identifier: BSD-3-Clause */
/* Many networks from one command: architectures of a list, or the pieces of a
 * search's path, times seeds. */
#ifndef TRAIN_LIST_H
#define TRAIN_LIST_H

#include "common/queue.h"
#include "train/train.h"

/* What a trained network came to; the order of a message's values. */
enum result { PARAMS, MACS, EPOCHS, ACCURACY, PRECISION, SECONDS };

struct task {
    const char *arch; /* a file; NULL: a piece of the path */
    int32_t piece;
    double range[2]; /* of lambda, of a piece */
    int64_t seed;
    int32_t is_done, rank;
    double value[QUEUE_VALUES];
};

struct tasks {
    const struct settings *s;
    int lock; /* of --out DIR, as of folder_lock */
    int64_t n, n_skipped, n_done;
    struct task *task;
    unsigned char *done;
};

/* tasks.c: what is to be done; the same on all ranks. */
int tasks_read(struct tasks *t, const struct settings *s);
void tasks_finish(struct tasks *t);

/* table.c: begin --out DIR with config.json and table.csv, or read what an
 * earlier run left there; the first rank writes. */
int table_open(struct tasks *t);

/* Write the table anew. */
int table_write(const struct tasks *t);

/* Print it, as text or as one JSON object. */
void table_print(const struct tasks *t);
void table_print_json(const struct tasks *t, double seconds, int interrupted);

/* list.c: do all of it.  An exit status. */
int list_train(const struct settings *s, const unsigned char *given);

#endif
