/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_ARCH_PATH_H
#define HN_ARCH_PATH_H

#include "arch/arch.h"
#include "hnas/path.h"

/* Without its end, where the next one begins. */
struct hn_piece {
    double lo, s_lo;
    hnas_cost cost;
    double table_cost; /* NaN: no table */
};

struct hnas_path {
    struct hnas_context *ctx;
    const struct hn_space *space; /* borrowed */
    const struct hn_arch_rule *rule;
    double lo, hi; /* the range */
    int32_t is_sampled;
    int32_t n;
    int32_t n_edges[HNAS_N_KINDS]; /* 0 for a kind without cells */
    struct hn_piece *piece;        /* [n] */
    int32_t *op; /* [n * sum of n_edges], -1: dropped; normal first */
};

/* What hnas_path_create does, on a space that has been checked. */
hnas_status hn_path_create(hnas_path **out, const struct hn_space *space,
                           const hnas_hyper *hyper,
                           const struct hn_arch_rule *rule, double theta);

/* Make room for n + 1 pieces. */
hnas_status hn_path_alloc(hnas_path *path, int32_t n);

/* Fill a path by looking at a grid of s. */
hnas_status hn_path_sample(hnas_path *path, const hnas_hyper *hyper,
                           double theta);

/* The operations of a piece and kind. */
const int32_t *hn_path_ops(const hnas_path *path, int32_t index, int32_t kind);

#endif
