/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 6.  An instance of a candidate operation, and how one is made. */
#ifndef HN_OP_OP_H
#define HN_OP_OP_H

#include "hnas/op.h"
#include "tape/tape.h"
#include "tensor/norm.h"
#include "tensor/params.h"

/* What a network generates its pointwise kernels from: a matrix of tiles,
 * `side` rows and columns each, recorded anew for each pass. */
struct hn_tiles {
    int64_t side, n_tiles;    /* n_tiles: given out */
    int64_t n_weights;        /* that they stand for */
    struct hnas_tensor *rows; /* [n_tiles * side, side] of the running pass */
};

/* What the weights of a network are made from, in order. */
struct hn_supply {
    uint64_t stream;        /* the next stored weight's number */
    struct hn_tiles *tiles; /* NULL: pointwise kernels are stored */
};

/* A pointwise kernel [O, I, 1, 1]: stored, or tiles from number `first` on. */
struct hn_pointwise {
    const char *name;
    struct hnas_tensor *stored;
    const struct hn_tiles *tiles;
    int64_t first, n_out, n_in;
};

/* Owns what an instance was built of. */
struct hnas_op_builder {
    struct hnas_context *ctx;
    struct hnas_params params;
    int32_t affine;
    struct hn_supply *supply;
    struct hnas_norm **norm;
    struct hn_pointwise **pointwise;
    void **block;
    int32_t n_norms, n_pointwise, n_blocks;
};

struct hnas_op {
    const hnas_op_table *table;
    void *state;
    hnas_op_desc desc;
    struct hnas_op_builder parts;
};

/* Weights and norms for other owners (stem, preprocess, head) too. */
void hn_builder_init(struct hnas_op_builder *b, struct hnas_context *ctx,
                     int32_t affine, struct hn_supply *supply);
void hn_builder_finish(struct hnas_op_builder *b);

/* Create a pointwise kernel; name is static.  builder owns it. */
hnas_status hn_builder_pointwise(struct hn_pointwise **out,
                                 struct hnas_op_builder *builder,
                                 const char *name, int64_t n_out, int64_t n_in);

/* Give it for a pass: a new reference. */
hnas_status hn_pointwise_get(struct hnas_tensor **out, struct hnas_tape *tape,
                             const struct hn_pointwise *kernel);

/* An instance of a table. */
hnas_status hn_op_make(struct hnas_op **out, struct hnas_context *ctx,
                       const hnas_op_table *table, const hnas_op_desc *desc,
                       int32_t affine, struct hn_supply *supply);

/* Add the bundled operations to a new context. */
hnas_status hn_op_register_builtin(struct hnas_context *ctx);

/* THE list: builtin.c. */
extern const hnas_op_table *const hn_builtin_ops[];
extern const int32_t hn_n_builtin_ops;

#endif
