/* SPDX-License-Identifier: BSD-3-Clause */
/* What a batch normalisation keeps: its tensors, and the statistics of the
 * last batch, which move the running ones only when asked. */
#ifndef HN_TENSOR_NORM_H
#define HN_TENSOR_NORM_H

#include "hnas/norm.h"
#include "tensor/tensor.h"

#define HN_NORM_EPSILON 1e-5

struct hnas_norm {
    struct hnas_context *ctx;
    int64_t channels;
    struct hnas_tensor *weight, *bias;   /* [C], NULL: not affine */
    struct hnas_tensor *mean, *variance; /* [C] running */
    double *batch_mean, *batch_variance; /* [C] of the last batch, unbiased */
    int32_t has_batch;
    int64_t n_calibrated; /* batches that the running values are the mean of */
};

/* Forget the last batch. */
void hn_norm_clear(struct hnas_norm *norm);

/* Running values of no batch, and the mean of one batch more. */
void hn_norm_reset(struct hnas_norm *norm);
void hn_norm_calibrate(struct hnas_norm *norm);

/* The running tensor that hnas_norm_update would leave not finite, or NULL. */
const struct hnas_tensor *hn_norm_find_bad(const struct hnas_norm *norm,
                                           double momentum);

#endif
