/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_NET_SUPERNET_H
#define HN_NET_SUPERNET_H

#include "net/network.h"
#include "net/space.h"

struct hnas_supernet {
    struct hnas_context *ctx;
    hnas_supernet_opts opts;
    char **op_name; /* owned copies; opts.ops points here */
    uint32_t *op_flags;
    struct hn_network network;
    struct hn_space space;
    int32_t *edge_from, *edge_to; /* shared by both kinds */
    double *cost[HNAS_N_KINDS][HNAS_N_COSTS];
};

/* Fill the space of a network that is complete otherwise. */
hnas_status hn_supernet_fill_space(struct hnas_supernet *net);

#endif
