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
    struct hn_cell_edge *edge;
    int32_t *output;
    struct hnas_params params; /* edges.<from>_<to>.<op>.<name> */
};

/* Create a cell whose weights are numbered from *stream on. */
hnas_status hn_cell_make(struct hnas_cell **out, struct hnas_context *ctx,
                         const hnas_cell_desc *desc, uint64_t *stream);

/* Forget the statistics of the last batch. */
void hn_cell_clear_norms(struct hnas_cell *cell);
void hn_cell_update_norms(struct hnas_cell *cell, double momentum);

#endif
