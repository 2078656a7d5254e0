/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 7.  A cell: a directed acyclic graph of mixed edges. */
#ifndef HN_NET_CELL_H
#define HN_NET_CELL_H

#include "hnas/net.h"
#include "op/op.h"

struct hn_cell_edge {
    int32_t from, to, n_ops;
    struct hnas_op **op; /* [n_ops]; a shared one belongs to its first edge */
    uint8_t *owned;      /* [n_ops] */
};

struct hnas_cell {
    struct hnas_context *ctx;
    int32_t n_inputs, n_nodes, n_edges, n_outputs, n_ops; /* n_ops: widest */
    int32_t affine;
    struct hn_cell_edge *edge;
    int32_t *output;
    struct hnas_params params; /* edges.<from>_<to>.<op>.<name> */
};

/* Create a cell; desc may have no edge. */
hnas_status hn_cell_make(struct hnas_cell **out, struct hnas_context *ctx,
                         const hnas_cell_desc *desc, int32_t affine,
                         struct hn_supply *supply);

/* hnas_cell_apply where the shape of nodes is known: inputs that no edge
 * leaves may be NULL, and the gates of a cell without edges.  left_out marks
 * operations, [E, O], that are not recorded; NULL: none. */
hnas_status hn_cell_apply(struct hnas_tensor **out, struct hnas_tape *tape,
                          struct hnas_cell *cell,
                          struct hnas_tensor *const *inputs,
                          struct hnas_tensor *gates, int32_t flags,
                          const uint8_t *left_out, const int64_t shape[4]);

/* Visit the norms of its operations, each once. */
void hn_cell_each_norm(struct hnas_cell *cell,
                       void (*visit)(struct hnas_norm *norm, void *user),
                       void *user);

#endif
