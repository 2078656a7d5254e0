/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set's inside. */
#ifndef HN_IO_DATASET_H
#define HN_IO_DATASET_H

#include "hnas/data.h"
#include "io/idx.h"

struct hnas_dataset {
    struct hnas_context *ctx;
    int64_t dims[4];      /* N, C, H, W */
    struct hn_idx images; /* a host's: uint8 or float32, any strides */
    struct hn_idx labels;
    int64_t n_classes;
};

/* A normalisation, (value - mean) / std, uint8 values divided by 255 first;
 * the table holds the 256 results for those. */
struct hn_normal {
    double mean, std;
    real table[256];
};
void hn_normal_init(struct hn_normal *normal, double mean, double std);

/* Write image `index`, normalised, to dst [C, H, W] row-major.  This and the
 * next fail where a file can't be read any more. */
hnas_status hn_dataset_image(real *dst, const struct hnas_dataset *dataset,
                             int64_t index, const struct hn_normal *normal);

hnas_status hn_dataset_label(int32_t *label, const struct hnas_dataset *dataset,
                             int64_t index);

#endif
