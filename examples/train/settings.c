/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of options. */
#include <string.h>

#include "common/json.h"
#include "common/program.h"
#include "train/train.h"

static const char *const rules[] = {"argmax", "top2", "top2_raw", "threshold",
                                    NULL};

#define AT(field) offsetof(struct settings, field)

const struct option train_options[] = {
    {"search", "FILE", "a search.safetensors to derive from", OPTION_TEXT,
     AT(search), 0, 0, NULL, NULL, 1},
    {"lambda", "L", "where to derive", OPTION_REAL, AT(lambda), -1e300, 1e300,
     NULL, NULL, 1},
    {"rule", "RULE", "argmax, top2, top2_raw or threshold (the search's own)",
     OPTION_CHOICE, AT(rule), 0, 0, rules, NULL, 1},
    {"theta", "T", "of the rule threshold (the search's own)", OPTION_REAL,
     AT(theta), 0, 1, NULL, NULL, 1},
    {"arch", "FILE", "an architecture of hnas-query, or a genotype",
     OPTION_TEXT, AT(arch), 0, 0, NULL, NULL, 1},
    {"list", "FILE", "an architecture's file a line: train them all",
     OPTION_TEXT, AT(list), 0, 0, NULL, NULL, 1},
    {"path", NULL, "train all pieces of the search's path", OPTION_FLAG,
     AT(path), 0, 0, NULL, NULL, 1},
    {"seeds", "K", "trainings of each, of seeds S, S + 1, ... (1)", OPTION_INT,
     AT(seeds), 1, 100000, NULL, NULL, 1},
    {"eval", "NET", "evaluate a network, train nothing", OPTION_TEXT, AT(eval),
     0, 0, NULL, NULL, 1},
    {"data", "NAME|DIR", "mnist-sample, or a directory of IDX files",
     OPTION_TEXT, AT(data), 0, 0, NULL, NULL, 0},
    {"epochs", "N", "epochs over the training set", OPTION_INT, AT(epochs), 0,
     1000000, NULL, NULL, 0},
    {"inherit", NULL, "begin with the search's weights", OPTION_FLAG,
     AT(inherit), 0, 0, NULL, NULL, 1},
    {"affine", NULL, "weight and bias for every batch-norm", OPTION_FLAG,
     AT(affine), 0, 0, NULL, NULL, 0},
    {"cells", "N", "cells (the search's; 3)", OPTION_INT, AT(cells), 1, 100,
     NULL, NULL, 0},
    {"channels", "N", "of the first cell (the search's; 16)", OPTION_INT,
     AT(channels), 1, 4096, NULL, NULL, 0},
    {"batch", "N", "images a batch (96)", OPTION_INT, AT(batch), 1, 65536, NULL,
     NULL, 0},
    {"augment", NULL, "move images by up to 1/8 of their side", OPTION_FLAG,
     AT(augment), 0, 0, NULL, NULL, 0},
    {"flip", NULL, "mirror images at a chance of 1/2", OPTION_FLAG, AT(flip), 0,
     0, NULL, NULL, 0},
    {"cutout", "SIDE", "of a square that is left out (0)", OPTION_INT,
     AT(cutout), 0, 16384, NULL, NULL, 0},
    {"drop-path", "P", "chance at the end to drop an edge (0)", OPTION_REAL,
     AT(drop_path), 0, 0.99, NULL, NULL, 0},
    {"aux-weight", "W", "of the auxiliary head's loss; 0: no such head (0)",
     OPTION_REAL, AT(aux_weight), 0, 1e6, NULL, NULL, 0},
    {"label-smoothing", "E", "(0)", OPTION_REAL, AT(label_smoothing), 0, 0.99,
     NULL, NULL, 0},
    {"w-lr", "A[:B]", "rate, first and last (0.025:0)", OPTION_PAIR, AT(w_lr),
     0, 1e6, NULL, "0", 0},
    {"ema", "D", "keep a moving average of the weights, and use it (0)",
     OPTION_REAL, AT(ema), 0, 0.999999, NULL, NULL, 0},
    {"out", "NET", "where the network goes; of many: a folder", OPTION_TEXT,
     AT(out), 0, 0, NULL, NULL, 1},
    {"keep", "N", "checkpoints while it trains: the newest, .1, .2 (1)",
     OPTION_INT, AT(keep), 1, 100, NULL, NULL, 1},
    {"resume", NULL, "go on with the training of --out", OPTION_FLAG,
     AT(resume), 0, 0, NULL, NULL, 1},
    {"json", NULL, "print one JSON object", OPTION_FLAG, AT(json), 0, 0, NULL,
     NULL, 1},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, 1},
    {"seed", "S", "of weights, order and noise (0)", OPTION_INT, AT(seed), 0,
     9e18, NULL, NULL, 0},
};

const int32_t n_train_options = sizeof train_options / sizeof train_options[0];

static int is_given(const unsigned char *given, const char *name)
{
    for (int i = 0; i < n_train_options; i++)
        if (given[i] && !strcmp(train_options[i].name, name))
            return 1;
    return 0;
}

static int check_many(const struct settings *s, const unsigned char *given)
{
    if (s->path && !s->search)
        return usage_error("--path: needs --search FILE");
    if (s->list && (s->search || s->path))
        return usage_error("--list %s: can't go with --search or --path",
                           s->list);
    if (s->arch || s->eval || is_given(given, "lambda"))
        return usage_error("--%s: can't go with --arch, --eval or --lambda",
                           s->list ? "list" : "path");
    if (!s->out)
        return usage_error("--%s: needs --out DIR, for the networks",
                           s->list ? "list" : "path");
    return 0;
}

static int check_one(const struct settings *s, const unsigned char *given)
{
    if (s->seeds > 1)
        return usage_error("--seeds: needs --list FILE or --path");
    if (!s->search == !s->arch)
        return usage_error("%s: want one of --search FILE, --arch FILE, --list "
                           "FILE, --eval NET, --resume",
                           s->search ? "more than one thing to train"
                                     : "what to train is missing");
    if (s->search && !is_given(given, "lambda"))
        return usage_error("--search %s: needs --lambda L", s->search);
    return 0;
}

static int check(const struct settings *s, const unsigned char *given)
{
    const int is_many = s->list || s->path;
    int rc;

    if (s->eval && !is_many)
        return 0;
    if (s->resume && !is_many)
        return s->out ? 0
                      : usage_error("--resume: needs --out NET, the network");
    rc = is_many ? check_many(s, given) : check_one(s, given);
    if (rc)
        return rc;
    if (s->inherit && !s->search)
        return usage_error("--inherit: needs --search FILE");
    if (s->inherit && (is_given(given, "cells") || is_given(given, "channels")))
        return usage_error("--inherit: can't go with --cells or --channels, "
                           "the shape is the search's");
    if ((s->has_theta || s->rule >= 0) && !s->search)
        return usage_error("--%s: needs --search FILE",
                           s->has_theta ? "theta" : "rule");
    if (s->has_theta && !(s->theta > 0 && s->theta < 1))
        return usage_error("--theta %g: want 0 < T < 1", s->theta);
    if (!is_given(given, "epochs"))
        return usage_error("--epochs: missing, want how long to train");
    return 0;
}

int settings_read(struct settings *s, struct command_line *line, int argc,
                  char **argv)
{
    int rc;

    memset(s, 0, sizeof *s);
    s->data = "mnist-sample";
    s->batch = 96;
    s->rule = s->piece = -1;
    s->seeds = 1;
    s->keep = 1;
    s->w_lr[0] = 0.025;
    rc = options_parse(line, s, argc, argv);
    s->has_theta = is_given(line->given, "theta");
    return rc ? rc : check(s, line->given);
}

static int take_saved(struct settings *s, const struct option *o, int was_given,
                      const char *text)
{
    char saved[VALUE_SIZE], now[VALUE_SIZE];

    if (json_member(text, o->name, saved, sizeof saved) < 0)
        return failure("%s: setting %s: missing, want a file of hnas-train",
                       s->out, o->name);
    option_write(o, s, now, sizeof now);
    if (was_given && strcmp(saved, now))
        return failure("--%s: is %s, the saved training has %s; only threads "
                       "and keep may differ",
                       o->name, now, saved);
    return option_restore(o, s, saved);
}

int settings_resume(struct settings *s, const unsigned char *given,
                    const char *text)
{
    int rc = 0;

    for (int i = 0; i < n_train_options && !rc; i++)
        if (!train_options[i].is_free)
            rc = take_saved(s, &train_options[i], given[i], text);
    return rc;
}

int settings_compare(const struct settings *s, const char *text)
{
    for (int i = 0; i < n_train_options; i++) {
        const struct option *o = &train_options[i];
        char saved[VALUE_SIZE], now[VALUE_SIZE];

        if (o->is_free)
            continue;
        option_write(o, s, now, sizeof now);
        if (json_member(text, o->name, saved, sizeof saved) < 0)
            return failure("%s: setting %s: missing, want a folder of "
                           "hnas-train",
                           s->out, o->name);
        if (strcmp(saved, now))
            return failure("--%s: is %s, %s was made with %s", o->name, now,
                           s->out, saved);
    }
    return 0;
}

void settings_write(const struct settings *s, struct json *j)
{
    for (int i = 0; i < n_train_options; i++) {
        char value[VALUE_SIZE];

        if (train_options[i].is_free)
            continue;
        option_write(&train_options[i], s, value, sizeof value);
        json_key(j, train_options[i].name);
        json_raw(j, value);
    }
}
