/* SPDX-License-Identifier: BSD-3-Clause */
/* A search under way: its data, its parts, and what it has counted. */
#ifndef RUN_H
#define RUN_H

#include <stdio.h>

#include "common/metrics.h"
#include "search/config.h"

struct run {
    struct config *config;
    int lock; /* of --out DIR, as of folder_lock */
    hnas_context *ctx;
    hnas_dataset *data;
    hnas_batches *train, *valid;  /* shuffled, for steps */
    hnas_batches *sample, *check; /* for calibration and evaluation */
    int64_t n_train, n_valid, per_epoch, classes, last_step;
    double mean, std; /* of pixels */

    hnas_supernet *net; /* net and hyper of a resumed search belong to it */
    hnas_hyper *hyper;
    hnas_search *search;

    /* Of checkpoints: whether the newest one is this search's and good, and
     * the older one that was loaded instead ("": none). */
    int32_t has_good;
    char fell_back[64];

    /* Sums over the epoch so far, kept in the file. */
    double train_sum, valid_sum, w_rate;
    int64_t n_train_sum, n_valid_sum;
    int64_t n_left_out; /* steps of it that were not finite */

    /* For --patience, kept in the file: the networks at the reported lambdas
     * after the last epoch, and since how many epochs they are the same. */
    char *networks;
    int64_t n_unchanged;

    double *step_ms; /* of this process */
    int64_t n_step_ms;
    double began_s, row_began_s;
    struct confusion confusion;
    float *logits;
    int32_t *labels;
};

/* What is reported at one lambda; costs in the search's metric. */
struct report {
    double lambda;
    double valid_accuracy, valid_precision;
    double inherited_accuracy, inherited_precision;
    int64_t params, macs;
    double true_cost, expected_cost;
    double entropy; /* of the gates, nats an edge; NaN for raw ones */
    double hessian; /* of a row where --hessian asks for it */
};

/* run.c: all return 0 or an exit status after a message. */
int run_open(struct run *r, struct config *c, const unsigned char *given);
int run_steps(struct run *r);
void run_close(struct run *r);

/* evaluate.c */
int count_unchanged(struct run *r);

/* Measure at lambda on the first n_images of the validation part (0: all). */
int report_at(struct run *r, double lambda, int64_t n_images,
              struct report *out);

/* Largest eigenvalue over alpha, on the first validation batch. */
int measure_hessian(struct run *r, double lambda, double *largest);

/* files.c */
int files_prepare(struct run *r);
int files_save(struct run *r);
int files_keep_mark(struct run *r);
int files_read_sums(struct run *r);
int files_path(char path[PATH_SIZE], const struct run *r, const char *name);
int files_failure(const char *path);

/* Replace a text file at once: write what is begun, then end it. */
FILE *files_begin(char part[PATH_SIZE + 8], const char *path);
int files_end(FILE *f, const char *part, const char *path);

/* log.c */
int log_begin(struct run *r);
int log_after_epoch(struct run *r);
int is_mark(const struct run *r); /* whether the epoch done is one of --marks */

#endif
