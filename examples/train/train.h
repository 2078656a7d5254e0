/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-train: its settings, and what a run is made of. */
#ifndef TRAIN_H
#define TRAIN_H

#include <hnas/hnas.h>

#include "common/folder.h"
#include "common/options.h"

#define VALUE_SIZE 4096

struct settings {
    const char *search, *arch, *eval, *list, *data, *out;
    int64_t epochs, cells, channels, batch, cutout, threads, seed, seeds, keep;
    double lambda, theta, drop_path, aux_weight, label_smoothing, ema, w_lr[2];
    int32_t rule, has_theta, inherit, affine, augment, flip, resume, json;
    int32_t path, piece; /* all pieces of the path, or this one if not -1 */
};

extern const struct option train_options[];
extern const int32_t n_train_options;

/* Read a command line.  0, an exit status after a message, or 3, 4 as
 * options_parse. */
int settings_read(struct settings *s, struct command_line *line, int argc,
                  char **argv);

/* Take over the settings of a saved text; refuse what was given and differs. */
int settings_resume(struct settings *s, const unsigned char *given,
                    const char *text);

/* Refuse a text whose settings differ. */
int settings_compare(const struct settings *s, const char *text);

/* Write them as members of an open JSON object. */
struct json;
void settings_write(const struct settings *s, struct json *j);

struct queue;

struct train {
    struct settings *s;
    hnas_context *ctx;
    hnas_model *model;
    hnas_dataset *train_set, *test_set;
    hnas_batches *train, *sample, *test;
    double mean, std;
    struct queue *queue;   /* that this network is a task of, or NULL: the */
    int32_t rank, n_ranks; /* ranks share its batches */
    int64_t per_epoch, last_step;
    struct file_lock lock; /* of --out */
    double began_s;
    int64_t *confusion; /* [classes * classes] */
    int32_t has_good;   /* the file of --out is one to keep */
    int32_t is_calibrated;
    char fell_back[64]; /* the older one that a resumed training went on from */
};

/* Make or load what a run needs.  0, or an exit status after a message. */
int train_open(struct train *t, struct settings *s, const unsigned char *given,
               struct queue *queue);

/* The path of a search by the rule of the settings, or its own. */
hnas_status train_path(hnas_path **out, hnas_search *search,
                       const struct settings *s);
void train_close(struct train *t);

/* Train to the end, saving after each epoch, with --keep N > 1 beside older
 * ones; then calibrate and save the network alone. */
int train_run(struct train *t);

/* Count what the network predicts for the test set. */
int train_evaluate(struct train *t);

#endif
