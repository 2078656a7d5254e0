/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_NET_SUPERNET_H
#define HN_NET_SUPERNET_H

#include "net/cell.h"
#include "net/space.h"

/* ReLU, 1x1 convolution, batch-norm; FactorizedReduce where w[1] is set. */
struct hn_preprocess {
    hnas_tensor *w[2];
    hnas_norm *bn;
    int64_t in_channels, out_channels, in_size[2], out_size[2];
};

struct hn_supernet_cell {
    struct hnas_cell *cell;
    struct hnas_op_builder parts; /* of the preprocess steps */
    struct hn_preprocess preprocess[2];
    int32_t kind;
    int64_t channels, in_size[2]; /* of both cell inputs */
};

struct hnas_supernet {
    struct hnas_context *ctx;
    hnas_supernet_opts opts;
    char **op_name; /* owned copies; opts.ops points here */
    uint32_t *op_flags;
    struct hn_supernet_cell *cell;
    struct hnas_op_builder stem, head;
    hnas_tensor *stem_conv, *head_weight, *head_bias;
    hnas_norm *stem_bn;
    int64_t head_channels;
    struct hnas_params params;
    struct hn_space space;
    int32_t *edge_from, *edge_to; /* shared by both kinds */
    double *cost[HNAS_N_KINDS][HNAS_N_COSTS];
    uint64_t stream;
};

/* Fill the space of a network that is complete otherwise. */
hnas_status hn_supernet_fill_space(struct hnas_supernet *net);

#endif
