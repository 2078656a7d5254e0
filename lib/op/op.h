/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 6.  An instance of a candidate operation, and how one is made. */
#ifndef HN_OP_OP_H
#define HN_OP_OP_H

#include "hnas/op.h"
#include "tape/tape.h"
#include "tensor/norm.h"
#include "tensor/params.h"

/* Owns what an instance was built of. */
struct hnas_op_builder {
    struct hnas_context *ctx;
    struct hnas_params params;
    int32_t affine;
    uint64_t *stream; /* numbers the weights of a network */
    struct hnas_norm **norm;
    void **block;
    int32_t n_norms, n_blocks;
};

struct hnas_op {
    const hnas_op_table *table;
    void *state;
    hnas_op_desc desc;
    struct hnas_op_builder parts;
};

/* Weights and norms for other owners (stem, preprocess, head) too. */
void hn_builder_init(struct hnas_op_builder *b, struct hnas_context *ctx,
                     int32_t affine, uint64_t *stream);
void hn_builder_finish(struct hnas_op_builder *b);

/* An instance of a table; weights are numbered from *stream on. */
hnas_status hn_op_make(struct hnas_op **out, struct hnas_context *ctx,
                       const hnas_op_table *table, const hnas_op_desc *desc,
                       int32_t affine, uint64_t *stream);

/* Add the bundled operations to a new context. */
hnas_status hn_op_register_builtin(struct hnas_context *ctx);

/* THE list: builtin.c. */
extern const hnas_op_table *const hn_builtin_ops[];
extern const int32_t hn_n_builtin_ops;

#endif
