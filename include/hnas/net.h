/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file net.h
 * Cells (general directed acyclic graphs of mixed edges) and the supernet.
 */
#ifndef HNAS_NET_H
#define HNAS_NET_H

#include "hyper.h"
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
    size_t size;            /**< sizeof the struct */
    int32_t n_inputs;       /**< >= 1 */
    int32_t n_nodes;        /**< intermediate nodes, >= 1 */
    int64_t channels;       /**< of every node */
    int32_t n_edges;        /**< length of edges */
    const hnas_edge *edges; /**< ordered by target, then source */
    int32_t n_outputs;      /**< length of outputs */
    const int32_t *outputs; /**< nodes concatenated over channels */
} hnas_cell_desc;

/** A cell with its weights; opaque. */
typedef struct hnas_cell hnas_cell;

/**
 * Create a cell with its operations and weights.
 *
 * Shapes     desc: size, edges and outputs set; at most 64 nodes, and 256
 *            operations on an edge.
 * Units      weights start from the context's seed, numbered from 0: two cells
 *            of one desc start alike.
 * Ownership  *out: the caller's, released with hnas_cell_destroy.  desc is
 *            copied.
 * Gradient   its weights want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, a field not set, edges out of order, or an
 *            edge's stride or ops; E_RANGE a number of desc or a node; E_NAME
 *            an operation unknown or doubled on an edge; E_NOMEM; what an
 *            operation's create answers.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_cell_create(hnas_cell **out, hnas_context *ctx,
                                      const hnas_cell_desc *desc);

/**
 * Release a cell.
 *
 * Shapes     cell NULL: nothing is done.
 * Units      none.
 * Ownership  its tensors lose its references.  No tape may hold a record of
 *            it.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_cell_destroy(hnas_cell *cell);

/**
 * Record a cell on its inputs.
 *
 *     node = sum over its edges e, ops o:  gates[e][o] * op_eo(source of e)
 *
 * Shapes     inputs[i] [N, C, H_i, W_i], C that of the cell; gates [E, O], O
 *            the largest n_ops, or [N, E, O]; *out [N, n_outputs * C, H', W'],
 *            float32.  A node without input is zeros.
 * Units      flags: HNAS_CELL_ bits.
 * Ownership  *out: new reference, the caller's.  cell must outlive the record.
 * Gradient   to inputs, weights and gates.  With HARD nothing flows to an
 *            operation whose gate is 0, but its gate still gets a gradient;
 *            with DRAWN_ONLY neither.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, tape too; E_TYPE, E_STATE inputs or gates;
 *            E_SHAPE gates, or inputs that do not fit together; E_RANGE flags;
 *            E_UNSUPPORTED HARD with a gate an image; E_NOMEM; E_OP.  On error
 *            *out is NULL and the tape wants a reset.
 * Source     DARTS (arXiv:1806.09055), eq. 1 and 2.
 * Since      0.1
 */
HNAS_API hnas_status hnas_cell_apply(hnas_tensor **out, hnas_tape *tape,
                                     hnas_cell *cell,
                                     hnas_tensor *const *inputs,
                                     hnas_tensor *gates, int32_t flags);

/** Bits of the flags of hnas_cell_apply and hnas_supernet_apply. */
enum {
    HNAS_CELL_HARD = 1,      /**< gates are one-hot rows of constants */
    HNAS_CELL_DRAWN_ONLY = 2 /**< with HARD: leave undrawn operations out */
};

/**
 * Give a cell's named tensors: edges.FROM_TO.OP.NAME.
 *
 * Shapes     cell: not NULL.
 * Units      none.
 * Ownership  borrowed from cell.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_params *hnas_cell_get_params(const hnas_cell *cell);

/** Where the head's weights come from. */
enum {
    HNAS_HEAD_PLAIN = 0,    /**< stored: head.weight, head.bias */
    HNAS_HEAD_GENERATED = 1 /**< piecewise in s: head.weight.knots, … */
};

/** Where the kernels of preprocess steps and pointwise convolutions come
 * from. */
enum {
    HNAS_KERNELS_STORED = 0,          /**< each has its own */
    HNAS_KERNELS_GENERATED = 1,       /**< from embeddings: kernels.z, … */
    HNAS_KERNELS_GENERATED_LAMBDA = 2 /**< likewise, s beside them */
};

/** Shape of a supernet; fill with hnas_supernet_opts_init. */
typedef struct hnas_supernet_opts {
    size_t size;             /**< sizeof the struct */
    int64_t image[3];        /**< C, H, W; default 1, 28, 28 */
    int64_t classes;         /**< default 10 */
    int64_t channels;        /**< of the first cell; default 16 */
    int32_t cells;           /**< default 8 */
    int32_t nodes;           /**< intermediate nodes a cell; default 4 */
    int32_t stem_multiplier; /**< stem channels / channels; default 3 */
    int32_t n_ops;           /**< length of ops; default the 8 of DARTS */
    const char *const *ops;  /**< names */
    int32_t head;            /**< HNAS_HEAD_; default PLAIN */
    int32_t knots;           /**< of a generated head; default 5; 0: one a
                                decade */
    int32_t scale;           /**< HNAS_SCALE_ of lambda; default LOG */
    double lambda_lo;        /**< of generated weights; default 1e-4 */
    double lambda_hi;        /**< default 1e-1 */
    int32_t kernels;         /**< HNAS_KERNELS_; default STORED */
    int32_t embedding;       /**< numbers of an embedding; default 16 */
} hnas_supernet_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_supernet_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; its strings are static.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_opts_init(hnas_supernet_opts *opts, size_t size);

/** A supernet; opaque. */
typedef struct hnas_supernet hnas_supernet;

/** Kinds of cell: each has one table of architecture parameters. */
enum {
    HNAS_NORMAL = 0, /**< keeps size and channels */
    HNAS_REDUCE = 1, /**< halves the size, doubles the channels */
    HNAS_N_KINDS = 2 /**< their number */
};

/**
 * Create a supernet: stem, cells, global average pool, linear head.
 *
 * Shapes     cells cells / 3 and 2 cells / 3 are reductions: channels double,
 *            sides halve, rounded up.
 * Units      opts NULL: the defaults.  image 1..4096 channels, sides 1..16384;
 *            classes 1..2^20; channels 1..2^14; cells 1..1000; nodes 1..16;
 *            stem_multiplier 1..64; n_ops 1..64, ops not NULL.  Weights start
 *            from the context's seed.  A generated head is
 *            (1 - t) * knots[k] + t * knots[k + 1], each knot a whole head;
 *            knots, scale, lambda_lo and lambda_hi as hnas_hyper_create.
 *            Generated kernels are tiles of `channels` rows (input channels)
 *            and columns, what hangs over left out: row i of tile t is
 *            w_out * (w[i] * z[t] + b[i] (+ s * v[i])) + b_out.
 * Ownership  *out: the caller's, released with hnas_supernet_destroy.  opts
 *            and its names are copied.
 * Gradient   its weights want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or ctx, or opts->size not set; E_RANGE a field, or
 *            1 channel that would be halved; E_NAME an operation unknown or
 *            doubled; E_NOMEM; what an operation's create answers.  On error
 *            *out is NULL.
 * Source     DARTS (arXiv:1806.09055); generated kernels: Ha et al.
 *            (arXiv:1609.09106), 3.1.
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_create(hnas_supernet **out,
                                          hnas_context *ctx,
                                          const hnas_supernet_opts *opts);

/**
 * Release a supernet.
 *
 * Shapes     net NULL: nothing is done.
 * Units      none.
 * Ownership  its tensors lose its references.  No tape, search or record may
 *            use it any more.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_destroy(hnas_supernet *net);

/**
 * Record the network on images.
 *
 * Shapes     x [N, C, H, W] as opts.image, any strides; gates[k] as for
 *            hnas_cell_apply, one a kind, NULL for a kind that has no cell;
 *            *out logits [N, classes], float32.
 * Units      flags: HNAS_CELL_ bits.
 * Ownership  *out: new reference, the caller's.  net must outlive the record.
 * Gradient   to x, weights and gates, as hnas_cell_apply.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or gates of a kind that has cells; E_RANGE
 *            flags, or weights are generated: hnas_supernet_apply_at; E_TYPE,
 *            E_STATE x or gates; E_SHAPE x or gates; E_UNSUPPORTED as
 *            hnas_cell_apply; E_NOMEM; E_OP.  On error *out is NULL and the
 *            tape wants a reset.
 * Source     DARTS (arXiv:1806.09055).
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                                         hnas_supernet *net, hnas_tensor *x,
                                         hnas_tensor *const gates[2],
                                         int32_t flags);

/**
 * Give all named tensors: stem., cells.I., head.
 *
 * Shapes     net: not NULL.
 * Units      none.
 * Ownership  borrowed from net.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_params *hnas_supernet_get_params(const hnas_supernet *net);

/**
 * Give the settings it was made with.
 *
 * Shapes     size: sizeof the caller's struct.
 * Units      none.
 * Ownership  opts is the caller's; its names are borrowed from net.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_get_opts(const hnas_supernet *net,
                                     hnas_supernet_opts *opts, size_t size);

/**
 * Tell the number of cells, edges and operations of a kind.
 *
 * Shapes     each output may be NULL.  net: not NULL.
 * Units      kind: HNAS_NORMAL or HNAS_REDUCE; another one has 0 cells and
 *            edges.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_get_kind(const hnas_supernet *net, int32_t kind,
                                     int32_t *n_cells, int32_t *n_edges,
                                     int32_t *n_ops);

/**
 * Fill the tables of a hypernetwork's settings: one E x O a kind with cells.
 *
 * Shapes     opts: hnas_hyper_opts_init was called on the whole struct.
 * Units      names, rows, cols, n_tables and predecessors are set: for each
 *            edge the number of edges into its node.
 * Ownership  names are static, predecessors borrowed from net.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_fit_hyper(const hnas_supernet *net,
                                      hnas_hyper_opts *opts);

/** Cost metrics. */
enum {
    HNAS_COST_PARAMS = 0, /**< hnas_cost.params */
    HNAS_COST_MACS = 1,   /**< hnas_cost.macs */
    HNAS_COST_BYTES = 2,  /**< hnas_cost.bytes */
    HNAS_COST_TABLE = 3,  /**< the host's table, as measured microseconds */
    HNAS_N_COSTS = 4      /**< their number */
};

/**
 * Tell what each operation of each edge costs, over all cells of a kind.
 *
 *     cost[e * O + o] = sum over the kind's cells of the metric, one image
 *
 * Shapes     cost [E * O], count = E * O.  A kind without cell: zeros.
 * Units      metric: HNAS_COST_.
 * Ownership  cost is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_RANGE kind or metric, E_SHAPE count,
 *            E_STATE TABLE, but none is set.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_get_costs(const hnas_supernet *net,
                                             int32_t kind, int32_t metric,
                                             double *cost, int64_t count);

/**
 * Tell the cost of what is not searched: stem, preprocess, node sums, head.
 *
 * Shapes     none.
 * Units      of one image.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_get_fixed_cost(const hnas_supernet *net,
                                                  hnas_cost *cost);

/**
 * Set the host's own costs, HNAS_COST_TABLE, once.
 *
 * Shapes     cost[k] [E * O] as hnas_supernet_get_costs gives them, over all
 *            cells of kind k; NULL for a kind without cell.  count = E * O.
 * Units      the host's, as microseconds; finite and >= 0.  fixed: of all that
 *            is not searched.  Architectures and paths that were made before
 *            don't know it.
 * Ownership  cost is copied.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL net, cost or cost of a kind that has cells; E_SHAPE
 *            count; E_STATE a table is set already; E_NAN, E_RANGE a number,
 *            the message says of what.  On error none is set.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_set_cost_table(hnas_supernet *net,
                                                  const double *const cost[2],
                                                  int64_t count, double fixed);

/**
 * Tell what is not searched costs in the host's table.
 *
 * Shapes     net: not NULL.
 * Units      the table's; NaN where none is set.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API double hnas_supernet_get_fixed_table_cost(const hnas_supernet *net);

/** What a cell of a supernet is. */
typedef struct hnas_cell_info {
    int32_t kind;        /**< HNAS_NORMAL or HNAS_REDUCE */
    int64_t channels;    /**< of every node */
    int64_t in_size[2];  /**< H, W of both inputs */
    int64_t out_size[2]; /**< H, W of intermediate nodes */
} hnas_cell_info;

/**
 * Tell what a cell is.
 *
 * Shapes     net, info: not NULL.
 * Units      cell: 0..cells-1; else all zeros.
 * Ownership  info is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_supernet_get_cell(const hnas_supernet *net, int32_t cell,
                                     hnas_cell_info *info);

/**
 * Move all running statistics towards those of the last pass.
 *
 *     running = (1 - momentum) * running + momentum * batch
 *
 * Shapes     net: not NULL.
 * Units      momentum: 0..1, not checked.  What the last pass did not compute,
 *            or in running statistics, stays.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     as hnas_norm_update.
 * Since      0.1
 */
HNAS_API void hnas_supernet_update_norms(hnas_supernet *net, double momentum);

HNAS_END_DECLS

#endif
