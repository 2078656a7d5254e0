/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file data.h
 * Labelled images from IDX files or the host, and batches of them.
 */
#ifndef HNAS_DATA_H
#define HNAS_DATA_H

#include "tensor.h"

HNAS_BEGIN_DECLS

/** A set of labelled 8-bit images; opaque. */
typedef struct hnas_dataset hnas_dataset;

/** Read an image and a label file in IDX format, plain or gzip. */
HNAS_API hnas_status hnas_dataset_open_idx(hnas_dataset **out,
                                           hnas_context *ctx,
                                           const char *images_path,
                                           const char *labels_path);

/** Take images [N, C, H, W] (uint8, or float32: any values) and labels [N]
 * int32; holds references. */
HNAS_API hnas_status hnas_dataset_create(hnas_dataset **out,
                                         hnas_context *ctx,
                                         hnas_tensor *images,
                                         hnas_tensor *labels);

/** Release it. */
HNAS_API void hnas_dataset_destroy(hnas_dataset *dataset);

/** Tell N, C, H, W. */
HNAS_API void hnas_dataset_get_dims(const hnas_dataset *dataset,
                                    int64_t dims[4]);

/** Tell the number of classes: the largest label + 1. */
HNAS_API int64_t hnas_dataset_get_classes(const hnas_dataset *dataset);

/** Compute mean and standard deviation over all pixels of the first n_images
 * (0: all), of uint8 values divided by 255. */
HNAS_API hnas_status hnas_dataset_moments(const hnas_dataset *dataset,
                                          int64_t n_images, double *mean,
                                          double *std);

/** Settings of a batch iterator; fill with hnas_batches_opts_init. */
typedef struct hnas_batches_opts {
    size_t size;     /**< sizeof the struct */
    int64_t batch;   /**< images a batch; default 64 */
    int64_t first;   /**< first image of the range; default 0 */
    int64_t count;   /**< images in the range; 0: to the end */
    int32_t shuffle; /**< 1: a new order each epoch; default 1 */
    int32_t partial; /**< 1: the last batch may be smaller; default 0 */
    uint64_t stream; /**< sets apart orders of one seed; below 2^24 */
    double mean;     /**< subtracted; default 0 */
    double std;      /**< divided by; default 1 */
} hnas_batches_opts;

/** Write the defaults. */
HNAS_API void hnas_batches_opts_init(hnas_batches_opts *opts, size_t size);

/** A batch iterator; opaque. */
typedef struct hnas_batches hnas_batches;

/** Create an iterator; the data set is borrowed and must outlive it. */
HNAS_API hnas_status hnas_batches_create(hnas_batches **out,
                                         hnas_context *ctx,
                                         const hnas_dataset *dataset,
                                         const hnas_batches_opts *opts);

/** Release it. */
HNAS_API void hnas_batches_destroy(hnas_batches *batches);

/** Tell the number of batches an epoch. */
HNAS_API int64_t hnas_batches_get_count(const hnas_batches *batches);

/** Give batch `index` of epoch `epoch`, borrowed until the next call: images
 * [n, C, H, W] normalised, labels [n].  A pure function of its arguments. */
HNAS_API hnas_status hnas_batches_get(hnas_batches *batches, int64_t epoch,
                                      int64_t index, hnas_tensor **images,
                                      hnas_tensor **labels);

HNAS_END_DECLS

#endif
