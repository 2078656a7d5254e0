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

/**
 * Make a convolution weight of an operation under construction.
 *
 * Shapes     dims [O, I, kH, kW], every axis >= 1; *out of these dims,
 *            float32.
 * Units      starts U(-b, b), b = 1 / sqrt(I * kH * kW), from the context's
 *            seed.  name: unique in the operation.
 * Ownership  *out: borrowed; it lives as long as the operation.
 * Gradient   a leaf that wants one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_SHAPE dims, E_NAME name used already,
 *            E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_builder_weight(hnas_tensor **out,
                                            hnas_op_builder *builder,
                                            const char *name,
                                            const int64_t dims[4]);

/**
 * Make a batch normalisation of an operation under construction.
 *
 * Shapes     as hnas_norm_create; affine if the network's operations are.
 * Units      name: unique, at most 126 bytes; its tensors are
 *            NAME.running_mean, .running_var and, if affine, .weight, .bias.
 *            At most 64.
 * Ownership  *out: borrowed; it lives as long as the operation.
 * Gradient   weight and bias want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_SHAPE channels, E_NAME name, E_LIMIT more
 *            than 64, E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_builder_norm(hnas_norm **out,
                                          hnas_op_builder *builder,
                                          const char *name, int64_t channels);

/**
 * Make zeroed memory that lives as long as the operation.
 *
 * Shapes     aligned to 64 bytes.
 * Units      size_bytes; at most 64 blocks.
 * Ownership  *out: borrowed; released with the operation.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_LIMIT more than 64, E_NOMEM.  On error
 *            *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_builder_alloc(void **out, hnas_op_builder *builder,
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

    /** Make the state of one instance; without one destroy is not called. */
    hnas_status (*create)(void **state, hnas_op_builder *builder,
                          const hnas_op_desc *desc);
    /** Release what create made outside the builder; NULL: nothing. */
    void (*destroy)(void *state);
    /** Append the funcs; x [N, C, H, W], *out [N, C, ceil(H/s), ceil(W/s)], a
     * new reference. */
    hnas_status (*apply)(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x);
    /** Fill cost for one image of height x width. */
    void (*cost)(const void *state, int64_t height, int64_t width,
                 hnas_cost *cost);
} hnas_op_table;

/**
 * Add an operation to a context's registry.
 *
 * Shapes     table: size, name, create, apply and cost set.
 * Units      name: [a-z0-9_]+, at most 63 bytes; at most 256 operations.
 * Ownership  table is kept by pointer and must outlive the context.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or a field not set; E_NAME name malformed or
 *            taken; E_LIMIT the registry is full; E_NOMEM.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_register(hnas_context *ctx,
                                      const hnas_op_table *table);

/**
 * Find an operation by name.
 *
 * Shapes     name: NUL-terminated.
 * Units      none.
 * Ownership  *out: the table as it was registered.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_NAME unknown, the message lists the known
 *            ones.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_find(const hnas_op_table **out, hnas_context *ctx,
                                  const char *name);

/**
 * Tell the number of registered operations.
 *
 * Shapes     ctx: not NULL.
 * Units      10 bundled ones, then the host's.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_op_get_count(const hnas_context *ctx);

/**
 * Give the index-th operation, bundled ones first.
 *
 * Shapes     NULL outside.  ctx: not NULL.
 * Units      index: 0..count-1.
 * Ownership  the table as it was registered.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_op_table *hnas_op_get(const hnas_context *ctx,
                                          int64_t index);

/** One instance of an operation alone; opaque. */
typedef struct hnas_op hnas_op;

/**
 * Create one instance of an operation, alone.
 *
 * Shapes     desc: size set.
 * Units      channels 1..2^20, stride 1 or 2.  Its batch-norm is not affine.
 * Ownership  *out: the caller's, released with hnas_op_destroy.  desc is
 *            copied.
 * Gradient   its weights want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or desc->size not set; E_NAME unknown;
 *            E_RANGE desc, or skip_connect of 1 channel at stride 2; E_NOMEM;
 *            what the table's create answers.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_create(hnas_op **out, hnas_context *ctx,
                                    const char *name, const hnas_op_desc *desc);

/**
 * Release an instance.
 *
 * Shapes     op NULL: nothing is done.
 * Units      none.
 * Ownership  its tensors lose its references.  No tape may hold a record of
 *            it.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_op_destroy(hnas_op *op);

/**
 * Apply an instance to images, and check what it gives.
 *
 * Shapes     x [N, C, H, W], *out [N, C, ceil(H / stride), ceil(W / stride)],
 *            float32.
 * Units      none.
 * Ownership  *out: new reference, the caller's.  tape NULL: nothing recorded.
 * Gradient   to x and the weights, as the operation composes it.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out, op or x; E_TYPE, E_STATE, E_SHAPE x; E_OP no
 *            output or one of another shape; what the table's apply answers.
 *            On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_op_apply(hnas_tensor **out, hnas_tape *tape,
                                   hnas_op *op, hnas_tensor *x);

/**
 * Give its named tensors.
 *
 * Shapes     op: not NULL.
 * Units      none.
 * Ownership  borrowed from op.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_params *hnas_op_get_params(const hnas_op *op);

/**
 * Tell its cost on one image.
 *
 * Shapes     op, cost: not NULL.
 * Units      height, width: of the input, pixels; each cost: what the operation
 *            says, at least 0 and at most 2^44.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_op_get_cost(const hnas_op *op, int64_t height, int64_t width,
                               hnas_cost *cost);

HNAS_END_DECLS

#endif
