/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file data.h
 * Labelled images from IDX files or the host, and batches of them.
 */
#ifndef HNAS_DATA_H
#define HNAS_DATA_H

#include "tensor.h"

HNAS_BEGIN_DECLS

/** A labelled batch. */
typedef struct hnas_batch {
    hnas_tensor *images; /**< [N, C, H, W] */
    hnas_tensor *labels; /**< [N] int32 */
} hnas_batch;

/** A set of labelled 8-bit images; opaque. */
typedef struct hnas_dataset hnas_dataset;

/**
 * Open an image and a label file in IDX format, plain or gzip.
 *
 * A plain file stays on disk: whoever needs an image reads its bytes then, so
 * memory does not depend on the number of images.  It must not change
 * meanwhile; one that gets shorter is an error of the call that reads.  It may
 * be removed or replaced.  A packed file is unpacked into memory.
 *
 * Shapes     images uint8 [N, H, W] or [N, C, H, W], labels uint8 [N].
 * Units      at most 4 GiB an image and a packed file; above 64 MiB of data
 *            gzip may pack 250 to 1 at most.
 * Ownership  *out: the caller's, released with hnas_dataset_destroy; it holds
 *            a descriptor of each plain file until then.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_IO open or read; E_FORMAT not IDX of these
 *            ranks, damaged gzip, or data after the end; E_TRUNCATED; E_LIMIT;
 *            E_MISMATCH numbers of images and labels differ; E_NOMEM.  On
 *            error *out is NULL.
 * Source     the MNIST database's file format.
 * Since      0.1
 */
HNAS_API hnas_status hnas_dataset_open_idx(hnas_dataset **out,
                                           hnas_context *ctx,
                                           const char *images_path,
                                           const char *labels_path);

/**
 * Make a data set of a host's tensors.
 *
 * Shapes     images [N, C, H, W] uint8 or float32, labels [N] int32, any
 *            strides.
 * Units      uint8 counts as value / 255, float32 as it is, finite; labels >=
 *            0.
 * Ownership  *out: the caller's, released with hnas_dataset_destroy; it holds
 *            references to both.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_TYPE; E_SHAPE; E_STATE a recorded tensor;
 *            E_NAN a pixel; E_RANGE a label; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_dataset_create(hnas_dataset **out, hnas_context *ctx,
                                         hnas_tensor *images,
                                         hnas_tensor *labels);

/**
 * Release a data set.
 *
 * Shapes     dataset NULL: nothing is done.
 * Units      none.
 * Ownership  its references are gone.  No iterator may use it any more.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_dataset_destroy(hnas_dataset *dataset);

/**
 * Tell N, C, H, W.
 *
 * Shapes     dims [4].  dataset, dims: not NULL.
 * Units      none.
 * Ownership  dims is the caller's.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_dataset_get_dims(const hnas_dataset *dataset,
                                    int64_t dims[4]);

/**
 * Tell the number of classes: the largest label + 1.
 *
 * Shapes     dataset: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_dataset_get_classes(const hnas_dataset *dataset);

/**
 * Compute mean and standard deviation over all pixels of the first n_images.
 *
 *     mean = sum x / n,   std = sqrt(sum (x - mean)^2 / n)
 *
 * Shapes     none.
 * Units      n_images: 0..N, 0: all.  uint8 counts as value / 255; in double.
 * Ownership  the outputs are the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_RANGE n_images; E_IO or E_TRUNCATED a
 *            file that can't be read any more.  On error they are unchanged.
 * Source     own.
 * Since      0.1
 */
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
    uint64_t stream; /**< sets apart orders of one seed; default 0 */
    double mean;     /**< subtracted; default 0 */
    double std;      /**< divided by; default 1 */
    int64_t shift;   /**< most pixels an image is moved by along each axis;
                          what comes in is black; default 0 */
    int32_t flip;    /**< 1: left for right at a chance of 1/2; default 0 */
    int64_t cutout;  /**< side of a square that is set to the mean, cut off at
                          the borders; default 0 */
    int32_t rank;    /**< whose share of each batch to give; default 0 */
    int32_t n_ranks; /**< shares of a batch, of images in order; default 1 */
} hnas_batches_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_batches_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_batches_opts_init(hnas_batches_opts *opts, size_t size);

/** A batch iterator; opaque. */
typedef struct hnas_batches hnas_batches;

/**
 * Create a batch iterator over a range of a data set.
 *
 * Shapes     opts NULL: the defaults.
 * Units      0 <= first < N; count 0..N - first; batch >= 1, at most count
 *            unless partial; mean finite, std > 0; stream < 2^24; shift and
 *            cutout 0..65536, shift below the sides of an image; 0 <= rank
 *            < n_ranks, which divides batch and, above 1, allows no partial.
 * Ownership  *out: the caller's, released with hnas_batches_destroy.  dataset
 *            is borrowed and must outlive it.  opts is copied.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or opts->size not set; E_RANGE a field;
 *            E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_batches_create(hnas_batches **out, hnas_context *ctx,
                                         const hnas_dataset *dataset,
                                         const hnas_batches_opts *opts);

/**
 * Release an iterator.
 *
 * Shapes     batches NULL: nothing is done.
 * Units      none.
 * Ownership  what it gave goes with it, except where the host holds a
 *            reference.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_batches_destroy(hnas_batches *batches);

/**
 * Tell the number of batches an epoch.
 *
 * Shapes     batches: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_batches_get_count(const hnas_batches *batches);

/**
 * Give batch `index` of epoch `epoch`, a pure function of both and the seed.
 *
 *     images = (value - mean) / std, then moved, flipped, cut out
 *
 * Shapes     *images [n, C, H, W] float32, *labels [n] int32; n = batch /
 *            n_ranks, or fewer in the last one with partial.
 * Units      epoch: 0..2^48-1; index: 0..count-1.  How an image is changed is
 *            drawn anew each epoch.
 * Ownership  borrowed; the next call overwrites them.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_RANGE epoch or index; E_IO or E_TRUNCATED
 *            a file that can't be read any more.  On error both are NULL.
 * Source     counter-based numbers (Philox) in Fisher and Yates' shuffle, and
 *            above 2^16 images in a Feistel cipher (Luby and Rackoff 1988),
 *            which needs no list; cutout: arXiv:1708.04552.
 * Since      0.1
 */
HNAS_API hnas_status hnas_batches_get(hnas_batches *batches, int64_t epoch,
                                      int64_t index, hnas_tensor **images,
                                      hnas_tensor **labels);

HNAS_END_DECLS

#endif
