/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file op.h
 * Candidate operations: what the search chooses between, and how a host adds
 * its own (extender tier).
 *
 * An operation is a constant table.  Its `create` asks a builder for weights
 * and normalisations; its `apply` composes funcs on the tape, so gradients
 * and fusion come by themselves.  The bundled operations are written against
 * this same header: none, skip_connect, avg_pool_3x3, max_pool_3x3,
 * sep_conv_3x3, sep_conv_5x5, sep_conv_7x7, dil_conv_3x3, dil_conv_5x5,
 * conv_7x1_1x7.
 */
#ifndef HNAS_OP_H
#define HNAS_OP_H

#include "func.h"

HNAS_BEGIN_DECLS

/** What an operation is made for. */
typedef struct hnas_op_desc {
    size_t size;      /**< sizeof the struct */
    int64_t channels; /**< input and output channels, >= 1 */
    int64_t stride;   /**< 1 or 2 */
} hnas_op_desc;

/** What an operation costs for one image. */
typedef struct hnas_cost {
    int64_t params; /**< weights */
    int64_t macs;   /**< multiply-adds of convolutions and linear layers */
    int64_t bytes;  /**< float32 outputs of all its funcs */
} hnas_cost;

/** Hands out named weights to an operation under construction; opaque. */
typedef struct hnas_op_builder hnas_op_builder;

/** Make a weight [O, I, kH, kW] under `name`, started U(+-1/sqrt(fan_in)).
 * Borrowed: the operation's owner releases it. */
HNAS_API hnas_status hnas_op_builder_weight(hnas_tensor **out,
                                            hnas_op_builder *builder,
                                            const char *name,
                                            const int64_t dims[4]);

/** Make a batch normalisation under `name`; affine if the network's
 * operations are.  Borrowed. */
HNAS_API hnas_status hnas_op_builder_norm(hnas_norm **out,
                                          hnas_op_builder *builder,
                                          const char *name, int64_t channels);

/** Make zeroed memory that lives as long as the operation. */
HNAS_API hnas_status hnas_op_builder_alloc(void **out,
                                           hnas_op_builder *builder,
                                           size_t size_bytes);

/** Bits of hnas_op_table.flags. */
enum {
    HNAS_OP_ZERO = 1,     /**< its output is zero: an edge without it */
    HNAS_OP_IDENTITY = 2, /**< at stride 1 its output is its input */
    HNAS_OP_SHARED = 4    /**< no weights: the same on all edges of a node */
};

/** An operation; constant, kept by pointer, `name` unique in a context. */
typedef struct hnas_op_table {
    size_t size;      /**< sizeof the struct */
    const char *name; /**< [a-z0-9_]+, at most 63 bytes */
    int32_t version;  /**< of its meaning; stored with a search */
    uint32_t flags;   /**< HNAS_OP_ bits */

    /** Make the state of one instance. */
    hnas_status (*create)(void **state, hnas_op_builder *builder,
                          const hnas_op_desc *desc);
    /** Release what create made outside the builder; NULL: nothing. */
    void (*destroy)(void *state);
    /** Append the funcs; x [N, C, H, W], *out [N, C, ceil(H/s), ceil(W/s)]. */
    hnas_status (*apply)(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x);
    /** Fill cost for one image of height x width. */
    void (*cost)(const void *state, int64_t height, int64_t width,
                 hnas_cost *cost);
} hnas_op_table;

/** Add an operation to a context's registry. */
HNAS_API hnas_status hnas_op_register(hnas_context *ctx,
                                      const hnas_op_table *table);

/** Find an operation by name; HNAS_E_NAME names it and lists the known. */
HNAS_API hnas_status hnas_op_find(const hnas_op_table **out,
                                  hnas_context *ctx, const char *name);

/** Tell the number of registered operations. */
HNAS_API int64_t hnas_op_get_count(const hnas_context *ctx);

/** Give the index-th operation, bundled ones first; NULL outside. */
HNAS_API const hnas_op_table *hnas_op_get(const hnas_context *ctx,
                                          int64_t index);

/** One instance of an operation alone; opaque. */
typedef struct hnas_op hnas_op;

/** Create an instance by name. */
HNAS_API hnas_status hnas_op_create(hnas_op **out, hnas_context *ctx,
                                    const char *name,
                                    const hnas_op_desc *desc);

/** Release an instance. */
HNAS_API void hnas_op_destroy(hnas_op *op);

/** Apply it: checks the input, calls the table, checks the output. */
HNAS_API hnas_status hnas_op_apply(hnas_tensor **out, hnas_tape *tape,
                                   hnas_op *op, hnas_tensor *x);

/** Give its named tensors, borrowed. */
HNAS_API const hnas_params *hnas_op_get_params(const hnas_op *op);

/** Tell its cost on one image of height x width. */
HNAS_API void hnas_op_get_cost(const hnas_op *op, int64_t height, int64_t width,
                               hnas_cost *cost);

HNAS_END_DECLS

#endif
