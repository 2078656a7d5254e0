/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of a search as JSON: one table of fields serves both ways. */
#ifndef HN_IO_SEARCH_FILE_H
#define HN_IO_SEARCH_FILE_H

#include "bilevel/nan.h"
#include "hnas/io.h"
#include "io/json.h"
#include "io/safetensors.h"

struct hn_settings {
    struct hnas_context *ctx;
    hnas_supernet_opts net;
    hnas_hyper_opts hyper;
    hnas_search_opts search;
    uint64_t seed;
    int64_t steps, w_steps, u_steps;
    struct hn_nan nan;    /* counts; has_kept: "kept." tensors are there */
    struct hn_json *json; /* holds the strings */
    const char **ops;     /* what net.ops points to */
};

/* Write settings and counters. */
hnas_status hn_settings_write(struct hn_json_writer *w,
                              const hnas_search *search);

/* Read them; HNAS_E_FORMAT, HNAS_E_MISMATCH or HNAS_E_NAME say what is off. */
hnas_status hn_settings_read(struct hn_settings *s, struct hnas_context *ctx,
                             const char *path, const char *text);
void hn_settings_finish(struct hn_settings *s);

#endif
