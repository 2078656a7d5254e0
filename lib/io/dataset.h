/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set's inside. */
#ifndef HN_IO_DATASET_H
#define HN_IO_DATASET_H

#include "hnas/data.h"
#include "tensor/tensor.h"

struct hnas_dataset {
    struct hnas_context *ctx;
    struct hnas_tensor *images; /* [N, C, H, W] uint8 or float32, any strides */
    struct hnas_tensor *labels; /* [N] int32, any stride */
    int64_t n_classes;
};

/* A normalisation, (value - mean) / std, uint8 values divided by 255 first;
 * the table holds the 256 results for those. */
struct hn_normal {
    double mean, std;
    real table[256];
};
void hn_normal_init(struct hn_normal *normal, double mean, double std);

/* Write image `index`, normalised, to dst [C, H, W] row-major. */
void hn_dataset_image(real *dst, const struct hnas_dataset *dataset,
                      int64_t index, const struct hn_normal *normal);

int32_t hn_dataset_label(const struct hnas_dataset *dataset, int64_t index);

#endif
