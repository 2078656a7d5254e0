/* SPDX-License-Identifier: BSD-3-Clause */
/* What the supernet and a discrete network share: stem, cells of two kinds
 * with their preprocess steps, global average pool, linear head.  They differ
 * in what stands on the edges of their cells. */
#ifndef HN_NET_NETWORK_H
#define HN_NET_NETWORK_H

#include "net/cell.h"
#include "net/generate.h"

enum {
    HN_MOST_CELL_NODES = 16, /* intermediate ones */
    HN_MOST_OPS = 64         /* on an edge of a supernet */
};

/* The shape around the cells. */
struct hn_macro {
    int64_t image[3], classes, channels;
    int32_t cells, nodes, stem_multiplier;
    int32_t affine; /* batch-norm of operations and preprocess steps */
    int32_t tap;    /* a cell whose output is asked for too; -1: none */
    struct hn_generation generation; /* zeros: every weight is stored */
};

/* The edges of a kind of cell, ordered by target, then source; n_edges may be
 * 0.  Strides are not read: they follow from the kind. */
struct hn_graph {
    int32_t n_edges;
    const hnas_edge *edge;
};

/* ReLU, 1x1 convolution, batch-norm; FactorizedReduce where w[1] is set. */
struct hn_preprocess {
    struct hn_pointwise *w[2];
    hnas_norm *bn;
    int64_t in_channels, out_channels, in_size[2], out_size[2];
};

struct hn_network_cell {
    struct hnas_cell *cell;
    struct hnas_op_builder parts; /* of the preprocess steps */
    struct hn_preprocess preprocess[2];
    int32_t kind;
    int64_t channels, in_size[2], out_size[2]; /* of both inputs, of nodes */
    uint8_t reads[2]; /* whether an edge leaves the input */
    uint8_t is_read;  /* whether its output reaches head or tap */
};

struct hn_network {
    struct hnas_context *ctx;
    struct hn_macro macro;
    struct hn_network_cell *cell;
    struct hnas_op_builder stem;
    hnas_tensor *stem_conv, *head[2]; /* head: weight and bias, or … */
    struct hnas_hyper *head_hyper;    /* … what generates them */
    struct hn_tiles tiles;            /* of generated kernels, from … */
    struct hnas_hyper *kernel_hyper;  /* … this; NULL: all are stored */
    hnas_norm *stem_bn;
    int64_t head_channels;
    uint8_t stem_is_read;
    struct hnas_params params;
    struct hn_supply supply;
};

/* The number of edges of the DARTS cell: every earlier node feeds every
 * intermediate one. */
#define HN_DARTS_EDGES(nodes) ((nodes) * ((nodes) + 3) / 2)

/* HNAS_E_RANGE names the field that is out of range. */
hnas_status hn_macro_check(struct hnas_context *ctx, const struct hn_macro *m);

/* Make a zeroed network.  After a failure finish it. */
hnas_status hn_network_make(struct hn_network *net, struct hnas_context *ctx,
                            const struct hn_macro *macro,
                            const struct hn_graph graph[HNAS_N_KINDS]);
void hn_network_finish(struct hn_network *net);

/* The kind of a cell by its place. */
int32_t hn_cell_kind(int32_t cell, int32_t cells);

/* One pass.  Gates are those of a cell where `cell_gates` is set, else those
 * of its kind; NULL for a cell without edges. */
struct hn_network_pass {
    hnas_tensor *const *gates;      /* [HNAS_N_KINDS] */
    hnas_tensor *const *cell_gates; /* [cells] */
    int32_t flags;                  /* HNAS_CELL_ */
    int32_t wants_tap;
    hnas_tensor *tapped;            /* out: a reference to the tap's output */
    const uint8_t *const *left_out; /* [HNAS_N_KINDS], as hn_cell_apply's */
    double lambda;                  /* read where weights are generated */
};

/* Record on images whose shape was checked; *out logits [N, classes].  What
 * nothing reads is not recorded.  On error *out and tapped are NULL. */
hnas_status hn_network_apply(hnas_tensor **out, hnas_tape *tape,
                             struct hn_network *net, hnas_tensor *x,
                             struct hn_network_pass *pass);

/* Check images; `who` begins the message. */
hnas_status hn_network_check_images(const struct hn_network *net,
                                    hnas_tensor *x, const char *who);

void hn_network_update_norms(struct hn_network *net, double momentum);

/* Running statistics of no image, and, of each norm that computed, the mean
 * over one batch more. */
void hn_network_reset_norms(struct hn_network *net);
void hn_network_calibrate_norms(struct hn_network *net);

/* HNAS_E_NAN names what an update would leave not finite: the variance of a
 * batch may be, while the loss, of what is divided by its root, is finite.
 * who begins the message. */
hnas_status hn_network_check_norms(struct hn_network *net, double momentum,
                                   const char *who);

/* "step 3" of the one that follows 2 done ones. */
enum { HN_STEP_BYTES = 32 };
const char *hn_step_text(char text[HN_STEP_BYTES], int64_t done);

/* Add what is not searched: stem, preprocess, node sums, head. */
void hn_network_fixed_cost(const struct hn_network *net, hnas_cost *total);

/* The cost of an operation of an edge of a cell. */
void hn_network_op_cost(const struct hn_network *net, int32_t cell,
                        int32_t edge, int32_t op, hnas_cost *cost);

#endif
