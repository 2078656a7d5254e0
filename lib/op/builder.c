/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "func/func.h"
#include "op/op.h"

enum { MOST_PARTS = 64, NAME_BYTES = 128 };

void hn_builder_init(struct hnas_op_builder *b, struct hnas_context *ctx,
                     int32_t affine, struct hn_supply *supply)
{
    memset(b, 0, sizeof *b);
    b->ctx = ctx;
    b->affine = affine;
    b->supply = supply;
    hn_params_init(&b->params, ctx);
}

void hn_builder_finish(struct hnas_op_builder *b)
{
    if (!b->ctx)
        return;
    for (int32_t i = 0; i < b->n_norms; i++)
        hnas_norm_destroy(b->norm[i]);
    for (int32_t i = 0; i < b->n_blocks; i++)
        hn_free(&b->ctx->alloc, b->block[i]);
    hn_free(&b->ctx->alloc, b->norm);
    hn_free(&b->ctx->alloc, b->pointwise);
    hn_free(&b->ctx->alloc, b->block);
    hn_params_finish(&b->params);
}

hnas_status hnas_op_builder_weight(hnas_tensor **out, hnas_op_builder *builder,
                                   const char *name, const int64_t dims[4])
{
    struct hnas_tensor *t;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !builder || !name || !dims)
        return hn_fail_null(builder ? builder->ctx : NULL,
                            "op builder weight: out, name or dims");
    st = hn_tensor_new(&t, builder->ctx, HN_KERNEL, 4, dims);
    if (st < 0)
        return st;
    hn_fill_uniform(t, 1 / sqrt((double)(dims[1] * dims[2] * dims[3])),
                    builder->supply->stream++);
    t->wanted = 1;
    st = hn_params_add(&builder->params, "", name, HNAS_PARAM_WEIGHT, t);
    if (st == HNAS_OK)
        *out = t;
    hnas_tensor_unref(t); /* the list holds it */
    return st;
}

static hnas_status add_norm_params(hnas_op_builder *b, const char *name,
                                   struct hnas_norm *norm)
{
    char prefix[NAME_BYTES];
    hnas_status st = HNAS_OK;

    if (snprintf(prefix, sizeof prefix, "%s.", name) >= (int)sizeof prefix)
        return hn_fail(b->ctx, HNAS_E_NAME, "norm %.40s…: name too long", name);
    if (norm->weight)
        st = hn_params_add(&b->params, prefix, "weight", HNAS_PARAM_WEIGHT,
                           norm->weight);
    if (norm->bias && st == HNAS_OK)
        st = hn_params_add(&b->params, prefix, "bias", HNAS_PARAM_WEIGHT,
                           norm->bias);
    if (st == HNAS_OK)
        st = hn_params_add(&b->params, prefix, "running_mean",
                           HNAS_PARAM_BUFFER, norm->mean);
    if (st == HNAS_OK)
        st = hn_params_add(&b->params, prefix, "running_var", HNAS_PARAM_BUFFER,
                           norm->variance);
    return st;
}

hnas_status hnas_op_builder_norm(hnas_norm **out, hnas_op_builder *builder,
                                 const char *name, int64_t channels)
{
    struct hnas_norm *norm;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !builder || !name)
        return hn_fail_null(builder ? builder->ctx : NULL,
                            "op builder norm: out or name");
    if (!builder->norm)
        builder->norm = hn_alloc_array(&builder->ctx->alloc, MOST_PARTS,
                                       sizeof *builder->norm);
    if (!builder->norm)
        return hn_fail_nomem(builder->ctx, "operation");
    if (builder->n_norms == MOST_PARTS)
        return hn_fail(builder->ctx, HNAS_E_LIMIT,
                       "operation: more than %d normalisations", MOST_PARTS);
    st = hnas_norm_create(&norm, builder->ctx, channels, builder->affine);
    if (st < 0)
        return st;
    st = add_norm_params(builder, name, norm);
    if (st < 0) {
        hnas_norm_destroy(norm);
        return st;
    }
    builder->norm[builder->n_norms++] = norm;
    *out = norm;
    return HNAS_OK;
}

hnas_status hnas_op_builder_alloc(void **out, hnas_op_builder *builder,
                                  size_t size_bytes)
{
    void *p;

    if (out)
        *out = NULL;
    if (!out || !builder)
        return hn_fail_null(builder ? builder->ctx : NULL,
                            "op builder alloc: out");
    if (!builder->block)
        builder->block = hn_alloc_array(&builder->ctx->alloc, MOST_PARTS,
                                        sizeof *builder->block);
    if (!builder->block)
        return hn_fail_nomem(builder->ctx, "operation");
    if (builder->n_blocks == MOST_PARTS)
        return hn_fail(builder->ctx, HNAS_E_LIMIT,
                       "operation: more than %d blocks", MOST_PARTS);
    p = hn_zalloc(&builder->ctx->alloc, size_bytes);
    if (!p)
        return hn_fail_nomem(builder->ctx, "operation");
    builder->block[builder->n_blocks++] = p;
    *out = p;
    return HNAS_OK;
}

/* ---- pointwise kernels ---- */

/* Tiles of a kernel are numbered row by row, over all kernels of a network. */
static void take_tiles(struct hn_pointwise *p, struct hn_tiles *tiles)
{
    const int64_t side = tiles->side;

    p->tiles = tiles;
    p->first = tiles->n_tiles;
    tiles->n_tiles +=
        (p->n_in + side - 1) / side * ((p->n_out + side - 1) / side);
    tiles->n_weights += p->n_in * p->n_out;
}

hnas_status hn_builder_pointwise(struct hn_pointwise **out,
                                 struct hnas_op_builder *builder,
                                 const char *name, int64_t n_out, int64_t n_in)
{
    const int64_t dims[4] = {n_out, n_in, 1, 1};
    void *block;
    hnas_status st = hnas_op_builder_alloc(&block, builder, sizeof **out);

    *out = block;
    if (st < 0)
        return st;
    (*out)->name = name;
    (*out)->n_out = n_out;
    (*out)->n_in = n_in;
    if (!builder->pointwise)
        builder->pointwise = hn_alloc_array(&builder->ctx->alloc, MOST_PARTS,
                                            sizeof *builder->pointwise);
    if (!builder->pointwise)
        return hn_fail_nomem(builder->ctx, "operation");
    builder->pointwise[builder->n_pointwise++] = *out; /* as many as blocks */
    if (!builder->supply->tiles)
        return hnas_op_builder_weight(&(*out)->stored, builder, name, dims);
    take_tiles(*out, builder->supply->tiles);
    return HNAS_OK;
}

hnas_status hn_pointwise_get(struct hnas_tensor **out, struct hnas_tape *tape,
                             const struct hn_pointwise *kernel)
{
    if (!kernel->tiles) {
        *out = hnas_tensor_ref(kernel->stored);
        return HNAS_OK;
    }
    return hn_tile(out, tape, kernel->tiles->rows, kernel->first,
                   kernel->tiles->side, kernel->n_out, kernel->n_in);
}
