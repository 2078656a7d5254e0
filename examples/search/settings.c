/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of options. */
#include "search/config.h"

static const char *const hypernets[] = {"linear", "constant", NULL};
static const char *const scales[] = {"raw", "log", NULL};
static const char *const relaxations[] = {"raw",    "softmax",     "sigmoid",
                                          "gumbel", "gumbel_hard", NULL};
static const char *const orders[] = {"first", "second_fd", NULL};
static const char *const metrics[] = {"params", "macs", "bytes", NULL};
static const char *const samples[] = {"fixed", "uniform", "antithetic",
                                      "sandwich", NULL};
static const char *const rules[] = {"argmax", "top2", NULL};

#define AT(field) offsetof(struct config, field)

const struct option search_options[] = {
    {"preset", "NAME", "default, seed, darts, darts_l1, fair_darts, darts_cc",
     OPTION_TEXT, AT(preset), 0, 0, NULL, NULL, NULL, 0},
    {"data", "NAME|DIR", "mnist-sample, or a directory of IDX files",
     OPTION_TEXT, AT(data), 0, 0, NULL, NULL, NULL, 0},
    {"cells", "N", "cells of the supernet (3)", OPTION_INT, AT(cells), 1, 100,
     NULL, NULL, NULL, 0},
    {"nodes", "N", "intermediate nodes of a cell (4)", OPTION_INT, AT(nodes), 1,
     16, NULL, NULL, NULL, 0},
    {"channels", "N", "channels of the first cell (16)", OPTION_INT,
     AT(channels), 1, 4096, NULL, NULL, NULL, 0},
    {"ops", "A,B,C", "candidate operations", OPTION_TEXT, AT(ops), 0, 0, NULL,
     NULL, NULL, 0},
    {"batch", "N", "images a batch", OPTION_INT, AT(batch), 1, 65536, NULL,
     NULL, NULL, 0},
    {"epochs", "N", "epochs over the training part", OPTION_INT, AT(epochs), 1,
     1000000, NULL, NULL, NULL, 1},
    {"steps", "TOTAL", "stop after so many steps, if earlier", OPTION_INT,
     AT(steps), 1, 1e15, NULL, NULL, NULL, 1},
    {"valid-fraction", "F", "share of the training set that alpha learns from",
     OPTION_REAL, AT(valid_fraction), 1e-6, 0.999999, NULL, NULL, NULL, 0},
    {"hypernet", "KIND", "linear or constant", OPTION_CHOICE, AT(hypernet), 0,
     0, hypernets, "piecewise|mlp", NULL, 0},
    {"knots", "N", "of the piecewise hypernetwork", OPTION_INT, AT(knots), 2,
     64, NULL, NULL, NULL, 1},
    {"scale", "KIND", "of lambda: raw or log", OPTION_CHOICE, AT(scale), 0, 0,
     scales, NULL, NULL, 0},
    {"lambda-range", "LO:HI", "of the hypernetwork", OPTION_PAIR, AT(range),
     -1e30, 1e30, NULL, NULL, NULL, 0},
    {"relax", "KIND", "raw, softmax, sigmoid, gumbel or gumbel_hard",
     OPTION_CHOICE, AT(relax), 0, 0, relaxations, NULL, NULL, 0},
    {"tau", "A[:B[:linear|exp]]", "temperature, first and last", OPTION_TAU,
     AT(tau), 1e-4, 1e4, NULL, NULL, NULL, 0},
    {"order", "KIND", "of alpha's gradient: first or second_fd", OPTION_CHOICE,
     AT(order), 0, 0, orders, "second_exact", NULL, 0},
    {"cost", "METRIC", "params, macs or bytes", OPTION_CHOICE, AT(metric), 0, 0,
     metrics, "latency", NULL, 0},
    {"cost-weight", "W", "of lambda * C in alpha's loss", OPTION_REAL,
     AT(cost_weight), 0, 1e30, NULL, NULL, NULL, 0},
    {"raw-cost", NULL, "do not divide C by its value at equal gates",
     OPTION_FLAG, AT(raw_cost), 0, 0, NULL, NULL, NULL, 0},
    {"monotone", "on|off", "keep slopes in the order of costs", OPTION_SWITCH,
     AT(monotone), 0, 0, NULL, NULL, NULL, 0},
    {"sample", "KIND", "of lambda: fixed, uniform, antithetic or sandwich",
     OPTION_CHOICE, AT(sample), 0, 0, samples, NULL, NULL, 0},
    {"lambda", "L", "for --sample fixed", OPTION_REAL, AT(lambda), -1e30, 1e30,
     NULL, NULL, NULL, 0},
    {"draws", "M", "of lambda a step", OPTION_INT, AT(draws), 1, 64, NULL, NULL,
     NULL, 0},
    {"l1", "[W]", "weight of lambda * |alpha|_1 (1)", OPTION_REAL, AT(l1), 0,
     1e30, NULL, NULL, "1", 0},
    {"zero-one", "[W]", "weight of Fair DARTS' zero-one loss (10)", OPTION_REAL,
     AT(zero_one), 0, 1e30, NULL, NULL, "10", 0},
    {"beta-decay", "K", "not in this version", OPTION_REAL, AT(beta_decay), 0,
     1e30, NULL, NULL, "0", 1},
    {"warmup", "F", "share of the steps with alpha frozen", OPTION_REAL,
     AT(warmup), 0, 1, NULL, NULL, NULL, 0},
    {"patience", "P", "not in this version", OPTION_INT, AT(patience), 0, 1e9,
     NULL, NULL, NULL, 1},
    {"w-lr", "A[:B]", "rate of the weights, first and last", OPTION_PAIR,
     AT(w_lr), 0, 1e6, NULL, NULL, "", 0},
    {"alpha-lr", "A", "rate of the architecture parameters", OPTION_REAL,
     AT(alpha_lr), 0, 1e6, NULL, NULL, NULL, 0},
    {"rule", "RULE", "of the derived networks: argmax or top2", OPTION_CHOICE,
     AT(rule), 0, 0, rules, "top2_raw|threshold", NULL, 0},
    {"report-lambda", "A,B,C", "where to report (1e-4,1e-3,1e-2,1e-1)",
     OPTION_LIST, AT(report), -1e30, 1e30, NULL, NULL, NULL, 0},
    {"eval-images", "N", "validation images a row of the log (0: all)",
     OPTION_INT, AT(eval_images), 0, 1e9, NULL, NULL, NULL, 0},
    {"seed", "S", "of every random draw (0)", OPTION_INT, AT(seed), 0, 9e18,
     NULL, NULL, NULL, 0},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, NULL, 1},
    {"out", "DIR", "write search.safetensors, log.csv and config.json there",
     OPTION_TEXT, AT(out), 0, 0, NULL, NULL, NULL, 1},
    {"resume", NULL, "go on from --out DIR", OPTION_FLAG, AT(resume), 0, 0,
     NULL, NULL, NULL, 1},
    {"json", NULL, "print one JSON object at the end", OPTION_FLAG, AT(json), 0,
     0, NULL, NULL, NULL, 1},
};

const int32_t n_search_options =
    (int32_t)(sizeof search_options / sizeof search_options[0]);
