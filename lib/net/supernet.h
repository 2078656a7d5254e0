/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_NET_SUPERNET_H
#define HN_NET_SUPERNET_H

#include "hnas/generated.h"
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
    int64_t *predecessors; /* [E] edges into the same node */
    struct hnas_params at; /* what hnas_supernet_get_weights_at gave */
};

/* hnas_supernet_apply_at that does not record the operations marked in
 * left_out, [E, O] a kind or NULL. */
hnas_status hn_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                              hnas_supernet *net, hnas_tensor *x,
                              const hnas_supernet_pass *pass,
                              const uint8_t *const left_out[2]);

/* Fill the space of a network that is complete otherwise. */
hnas_status hn_supernet_fill_space(struct hnas_supernet *net);

#endif
