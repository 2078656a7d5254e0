/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/op.h"

enum { MOST_PARTS = 64, NAME_BYTES = 128 };

void hn_builder_init(struct hnas_op_builder *b, struct hnas_context *ctx,
                     int32_t affine, uint64_t *stream)
{
    memset(b, 0, sizeof *b);
    b->ctx = ctx;
    b->affine = affine;
    b->stream = stream;
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
        return HNAS_E_ARG;
    st = hn_tensor_new(&t, builder->ctx, HN_KERNEL, 4, dims);
    if (st < 0)
        return st;
    hn_fill_uniform(t, 1 / sqrt((double)(dims[1] * dims[2] * dims[3])),
                    (*builder->stream)++);
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
        return HNAS_E_ARG;
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
        return HNAS_E_ARG;
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
