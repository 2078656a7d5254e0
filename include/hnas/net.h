/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file net.h
 * Cells (general directed acyclic graphs of mixed edges) and the supernet.
 */
#ifndef HNAS_NET_H
#define HNAS_NET_H

#include "op.h"

HNAS_BEGIN_DECLS

/** An edge of a cell, and the operations it chooses between. */
typedef struct hnas_edge {
    int32_t from;           /**< source node */
    int32_t to;             /**< target node, an intermediate one, > from */
    int32_t stride;         /**< 1, or 2 */
    int32_t n_ops;          /**< length of ops */
    const char *const *ops; /**< names */
} hnas_edge;

/** A cell: inputs are nodes 0 .. n_inputs-1, intermediate nodes follow. */
typedef struct hnas_cell_desc {
    size_t size;             /**< sizeof the struct */
    int32_t n_inputs;        /**< >= 1 */
    int32_t n_nodes;         /**< intermediate nodes, >= 1 */
    int64_t channels;        /**< of every node */
    int32_t n_edges;         /**< length of edges */
    const hnas_edge *edges;  /**< ordered by target, then source */
    int32_t n_outputs;       /**< length of outputs */
    const int32_t *outputs;  /**< nodes concatenated over channels */
} hnas_cell_desc;

/** A cell with its weights; opaque. */
typedef struct hnas_cell hnas_cell;

/** Create a cell. */
HNAS_API hnas_status hnas_cell_create(hnas_cell **out, hnas_context *ctx,
                                      const hnas_cell_desc *desc);

/** Release a cell. */
HNAS_API void hnas_cell_destroy(hnas_cell *cell);

/** Apply a cell to its inputs; gates [E, O], O the largest n_ops, or
 * [N, E, O].  A gate of a hard draw (see hnas_relax_gumbel) that is 0 costs
 * no backward pass; with HNAS_CELL_DRAWN_ONLY it costs nothing. */
HNAS_API hnas_status hnas_cell_apply(hnas_tensor **out, hnas_tape *tape,
                                     hnas_cell *cell,
                                     hnas_tensor *const *inputs,
                                     hnas_tensor *gates, int32_t flags);

/** Bits of the flags of hnas_cell_apply and hnas_supernet_apply. */
enum {
    HNAS_CELL_HARD = 1,      /**< gates are one-hot rows of constants */
    HNAS_CELL_DRAWN_ONLY = 2 /**< with HARD: leave undrawn operations out */
};

/** Give a cell's named tensors, borrowed. */
HNAS_API const hnas_params *hnas_cell_get_params(const hnas_cell *cell);

/** Shape of a supernet; fill with hnas_supernet_opts_init. */
typedef struct hnas_supernet_opts {
    size_t size;              /**< sizeof the struct */
    int64_t image[3];         /**< C, H, W; default 1, 28, 28 */
    int64_t classes;          /**< default 10 */
    int64_t channels;         /**< of the first cell; default 16 */
    int32_t cells;            /**< default 8 */
    int32_t nodes;            /**< intermediate nodes a cell; default 4 */
    int32_t stem_multiplier;  /**< stem channels / channels; default 3 */
    int32_t n_ops;            /**< length of ops; default the 8 of DARTS */
    const char *const *ops;   /**< names */
} hnas_supernet_opts;

/** Write the defaults. */
HNAS_API void hnas_supernet_opts_init(hnas_supernet_opts *opts, size_t size);

/** A supernet; opaque. */
typedef struct hnas_supernet hnas_supernet;

/** Kinds of cell: each has one table of architecture parameters. */
enum { HNAS_NORMAL = 0, HNAS_REDUCE = 1, HNAS_N_KINDS = 2 };

/** Create a supernet with weights started from the context's seed. */
HNAS_API hnas_status hnas_supernet_create(hnas_supernet **out,
                                          hnas_context *ctx,
                                          const hnas_supernet_opts *opts);

/** Release a supernet. */
HNAS_API void hnas_supernet_destroy(hnas_supernet *net);

/** Logits [N, classes] of images [N, C, H, W]; gates as for a cell, one
 * tensor a kind, NULL for a kind that has no cell. */
HNAS_API hnas_status hnas_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                                         hnas_supernet *net, hnas_tensor *x,
                                         hnas_tensor *const gates[2],
                                         int32_t flags);

/** Give all named tensors, borrowed. */
HNAS_API const hnas_params *hnas_supernet_get_params(const hnas_supernet *net);

/** Give the settings it was made with; strings borrowed from the net. */
HNAS_API void hnas_supernet_get_opts(const hnas_supernet *net,
                                     hnas_supernet_opts *opts);

/** Tell the number of cells, edges and operations of a kind. */
HNAS_API void hnas_supernet_get_kind(const hnas_supernet *net, int32_t kind,
                                     int32_t *n_cells, int32_t *n_edges,
                                     int32_t *n_ops);

/** Cost metrics. */
enum {
    HNAS_COST_PARAMS = 0,
    HNAS_COST_MACS = 1,
    HNAS_COST_BYTES = 2,
    HNAS_N_COSTS = 3
};

/** Fill cost[e * O + o], summed over the cells of a kind, in a metric. */
HNAS_API hnas_status hnas_supernet_get_costs(const hnas_supernet *net,
                                             int32_t kind, int32_t metric,
                                             double *cost, int64_t count);

/** Tell the cost of what is not searched: stem, preprocess, head. */
HNAS_API hnas_status hnas_supernet_get_fixed_cost(const hnas_supernet *net,
                                                  hnas_cost *cost);

/** Move all running statistics by `momentum` towards the last pass's. */
HNAS_API void hnas_supernet_update_norms(hnas_supernet *net, double momentum);

HNAS_END_DECLS

#endif
