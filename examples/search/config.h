/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of hnas-search: a preset, then options over it. */
#ifndef CONFIG_H
#define CONFIG_H

#include <hnas/hnas.h>

#include "common/options.h"

#define MAX_OPS 16
#define PATH_SIZE 4096

struct config {
    const char *preset, *data, *ops, *cost, *out;
    int64_t cells, nodes, channels, batch, epochs, steps, seed, threads, draws;
    int64_t eval_images, eval_every, knots, patience, alpha_paths, hessian;
    int64_t embedding, keep;
    double valid_fraction, cost_weight, lambda, warmup, cooldown, beta_decay;
    double range[2], w_lr[2], alpha_lr[2], alpha_betas[2], l1, l2, zero_one;
    double w_momentum, w_decay, w_clip, norm_momentum, alpha_decay, init_std;
    double theta;
    int32_t hypernet, scale, relax, order, sample, rule, metric;
    int32_t raw_cost, monotone, resume, json, keep_marks, half, head, kernels;
    int32_t on_nan, gumbel_per_image, l1_lambda, w_nesterov, virtual_clip;
    struct option_tau tau;
    struct option_list report, marks;

    /* Not options: what the preset brings, and what the run is made of. */
    hnas_preset base;
    const char *op_names[MAX_OPS];
    int32_t n_ops;
    char ops_text[512];
    int64_t schedule_epochs; /* the length of the schedules, or 0 … */
    int64_t schedule_steps;  /* … and then this many steps */
    char *saved;             /* the text of a resumed search */
};

extern const struct option search_options[];
extern const int32_t n_search_options;

/* Read a command line into `c`.  0, an exit status after a message, or 3, 4
 * as options_parse.  `given` has n_search_options entries. */
int config_read(struct config *c, struct command_line *line, int argc,
                char **argv);

/* Take over the settings of a saved text; refuse what was given and differs.
 * 0, or an exit status after a message. */
int config_resume(struct config *c, const unsigned char *given,
                  const char *text);

/* Tell the library's settings. */
void config_search_opts(const struct config *c, int64_t per_epoch,
                        hnas_search_opts *opts);

/* Write the settings as members of an open JSON object. */
struct json;
void config_write(const struct config *c, struct json *j);

#endif
