/* SPDX-License-Identifier: BSD-3-Clause */
#include "tensor/norm.h"

#include <math.h>

static void fill(struct hnas_tensor *t, real value)
{
    for (int64_t i = 0; i < t->dim[0]; i++)
        hn_real(t)[i] = value;
}

static hnas_status make(struct hnas_norm *norm, int32_t affine)
{
    const int64_t c = norm->channels;
    hnas_status st;

    st = hn_tensor_new(&norm->mean, norm->ctx, HN_STRIDED, 1, &c);
    if (st == HNAS_OK)
        st = hn_tensor_new(&norm->variance, norm->ctx, HN_STRIDED, 1, &c);
    if (st == HNAS_OK && affine)
        st = hn_tensor_new(&norm->weight, norm->ctx, HN_STRIDED, 1, &c);
    if (st == HNAS_OK && affine)
        st = hn_tensor_new(&norm->bias, norm->ctx, HN_STRIDED, 1, &c);
    if (st < 0)
        return st;
    norm->batch_mean = hn_alloc_array(&norm->ctx->alloc, 2 * (size_t)c,
                                      sizeof *norm->batch_mean);
    if (!norm->batch_mean)
        return hn_fail_nomem(norm->ctx, "batch normalisation");
    norm->batch_variance = norm->batch_mean + c;
    fill(norm->variance, 1);
    if (affine) {
        fill(norm->weight, 1);
        norm->weight->wanted = norm->bias->wanted = 1;
    }
    return HNAS_OK;
}

hnas_status hnas_norm_create(hnas_norm **out, hnas_context *ctx,
                             int64_t channels, int32_t affine)
{
    struct hnas_norm *norm;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx)
        return hn_fail_null(ctx, "norm create: out");
    norm = hn_zalloc(&ctx->alloc, sizeof *norm);
    if (!norm)
        return hn_fail_nomem(ctx, "batch normalisation");
    norm->ctx = ctx;
    norm->channels = channels;
    st = make(norm, affine);
    if (st < 0) {
        hnas_norm_destroy(norm);
        return st;
    }
    *out = norm;
    return HNAS_OK;
}

void hnas_norm_destroy(hnas_norm *norm)
{
    if (!norm)
        return;
    hnas_tensor_unref(norm->weight);
    hnas_tensor_unref(norm->bias);
    hnas_tensor_unref(norm->mean);
    hnas_tensor_unref(norm->variance);
    hn_free(&norm->ctx->alloc, norm->batch_mean);
    hn_free(&norm->ctx->alloc, norm);
}

void hnas_norm_get_tensors(hnas_norm *norm, hnas_tensor **weight,
                           hnas_tensor **bias, hnas_tensor **mean,
                           hnas_tensor **variance)
{
    if (weight)
        *weight = norm->weight;
    if (bias)
        *bias = norm->bias;
    if (mean)
        *mean = norm->mean;
    if (variance)
        *variance = norm->variance;
}

void hn_norm_clear(struct hnas_norm *norm)
{
    norm->has_batch = 0;
}

static real moved(real running, double batch, double momentum)
{
    return (real)((1 - momentum) * running + momentum * batch);
}

void hnas_norm_update(hnas_norm *norm, double momentum)
{
    real *mean = hn_real(norm->mean), *variance = hn_real(norm->variance);

    if (!norm->has_batch)
        return;
    for (int64_t c = 0; c < norm->channels; c++) {
        mean[c] = moved(mean[c], norm->batch_mean[c], momentum);
        variance[c] = moved(variance[c], norm->batch_variance[c], momentum);
    }
}

void hn_norm_reset(struct hnas_norm *norm)
{
    fill(norm->mean, 0);
    fill(norm->variance, 1);
    norm->n_calibrated = 0;
}

void hn_norm_calibrate(struct hnas_norm *norm)
{
    if (norm->has_batch)
        hnas_norm_update(norm, 1.0 / (double)++norm->n_calibrated);
}

const struct hnas_tensor *hn_norm_find_bad(const struct hnas_norm *norm,
                                           double momentum)
{
    const real *mean = hn_real(norm->mean), *var = hn_real(norm->variance);

    if (!norm->has_batch)
        return NULL;
    for (int64_t c = 0; c < norm->channels; c++) {
        if (!isfinite(moved(mean[c], norm->batch_mean[c], momentum)))
            return norm->mean;
        if (!isfinite(moved(var[c], norm->batch_variance[c], momentum)))
            return norm->variance;
    }
    return NULL;
}
