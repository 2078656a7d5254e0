/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/dataset.h"

#include <math.h>
#include <string.h>

#include "base/fpmode.h"

/* An image where it lies. */
struct image {
    const void *data;
    int32_t dtype;
    int64_t dim[3];    /* C, H, W */
    int64_t stride[3]; /* in elements */
};

static void image_of(struct image *out, const struct hnas_tensor *t,
                     int64_t index)
{
    const int64_t at = index * t->stride[0];

    out->dtype = t->dtype;
    out->data = t->dtype == HNAS_UINT8 ? (const void *)((uint8_t *)t->data + at)
                                       : (const void *)((float *)t->data + at);
    memcpy(out->dim, t->dim + 1, sizeof out->dim);
    memcpy(out->stride, t->stride + 1, sizeof out->stride);
}

/* Image `index` of a data set, until the next one is read. */
static hnas_status get_image(struct image *out, const struct hnas_dataset *d,
                             int64_t index)
{
    const unsigned char *row;
    hnas_status st;

    if (d->images.tensor) {
        image_of(out, d->images.tensor, index);
        return HNAS_OK;
    }
    st = hn_file_rows_get(d->images.rows, index, &row);
    out->data = row;
    out->dtype = HNAS_UINT8;
    memcpy(out->dim, d->dims + 1, sizeof out->dim);
    out->stride[0] = d->dims[2] * d->dims[3];
    out->stride[1] = d->dims[3];
    out->stride[2] = 1;
    return st;
}

static double pixel(const struct image *x, int64_t at)
{
    return x->dtype == HNAS_UINT8 ? ((const uint8_t *)x->data)[at] / 255.0
                                  : (double)((const float *)x->data)[at];
}

/* Where row i of an image's C * H begins, in elements. */
static int64_t row_start(const struct image *x, int64_t row)
{
    return row / x->dim[1] * x->stride[0] + row % x->dim[1] * x->stride[1];
}

/* sum (x - centre)^power over one image, power 1 or 2, in fixed order. */
static double image_sum(const struct image *image, double centre, int power)
{
    double sum = 0;

    for (int64_t row = 0; row < image->dim[0] * image->dim[1]; row++) {
        const int64_t at = row_start(image, row);

        for (int64_t x = 0; x < image->dim[2]; x++) {
            const double d = pixel(image, at + x * image->stride[2]) - centre;

            sum += power == 2 ? d * d : d;
        }
    }
    return sum;
}

/* The same over the first n images. */
static hnas_status images_sum(double *sum, const struct hnas_dataset *d,
                              int64_t n, double centre, int power)
{
    struct image x;
    hnas_status st = HNAS_OK;

    *sum = 0;
    for (int64_t i = 0; i < n && st == HNAS_OK; i++) {
        st = get_image(&x, d, i);
        if (st == HNAS_OK)
            *sum += image_sum(&x, centre, power);
    }
    return st;
}

static hnas_status check_images(struct hnas_context *ctx,
                                const struct hnas_tensor *t)
{
    struct image x;

    if (t->dtype != HNAS_UINT8 && t->dtype != HNAS_FLOAT32)
        return hn_fail(ctx, HNAS_E_TYPE,
                       "images: element type %d, want HNAS_UINT8 or "
                       "HNAS_FLOAT32",
                       (int)t->dtype);
    if (t->rank != 4)
        return hn_fail(ctx, HNAS_E_SHAPE,
                       "images: rank %d, want 4 [N, C, H, W]", (int)t->rank);
    if (t->record || !t->data)
        return hn_fail(ctx, HNAS_E_STATE,
                       "images: computed on a tape, want a tensor with "
                       "memory of its own");
    /* a sum is finite only if all its terms are: float cannot overflow it */
    for (int64_t i = 0; t->dtype == HNAS_FLOAT32 && i < t->dim[0]; i++) {
        image_of(&x, t, i);
        if (!isfinite(image_sum(&x, 0, 1)))
            return hn_fail(ctx, HNAS_E_NAN,
                           "images: image %lld holds NaN or infinity",
                           (long long)i);
    }
    return HNAS_OK;
}

/* Check that labels are not negative and count the classes. */
static hnas_status count_classes(struct hnas_dataset *d)
{
    hnas_status st = HNAS_OK;
    int32_t label = 0;

    for (int64_t i = 0; i < d->dims[0] && st == HNAS_OK; i++) {
        st = hn_dataset_label(&label, d, i);
        if (st < 0)
            continue;
        if (label < 0)
            st = hn_fail(d->ctx, HNAS_E_RANGE,
                         "labels: label %lld is %d, want at least 0",
                         (long long)i, (int)label);
        else if (label >= d->n_classes)
            d->n_classes = (int64_t)label + 1;
    }
    return st;
}

static hnas_status check_labels(struct hnas_dataset *d)
{
    const struct hnas_tensor *t = d->labels.tensor;

    if (t->dtype != HNAS_INT32)
        return hn_fail(d->ctx, HNAS_E_TYPE,
                       "labels: element type %d, want HNAS_INT32",
                       (int)t->dtype);
    if (t->rank != 1 || t->dim[0] != d->dims[0])
        return hn_fail(d->ctx, HNAS_E_SHAPE,
                       "labels: rank %d with %lld entries, want rank 1 with "
                       "%lld as images",
                       (int)t->rank, (long long)t->dim[0],
                       (long long)d->dims[0]);
    if (t->record || !t->data)
        return hn_fail(d->ctx, HNAS_E_STATE,
                       "labels: want a tensor with memory of its own");
    return count_classes(d);
}

hnas_status hnas_dataset_create(hnas_dataset **out, hnas_context *ctx,
                                hnas_tensor *images, hnas_tensor *labels)
{
    struct hnas_dataset *d;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !images || !labels)
        return hn_fail_null(ctx, "dataset create: out, images or labels");
    d = hn_zalloc(&ctx->alloc, sizeof *d);
    if (!d)
        return hn_fail_nomem(ctx, "data set");
    d->ctx = ctx;
    d->images.tensor = hnas_tensor_ref(images);
    d->labels.tensor = hnas_tensor_ref(labels);
    st = check_images(ctx, images);
    if (st == HNAS_OK) {
        memcpy(d->dims, images->dim, sizeof d->dims);
        st = check_labels(d);
    }
    if (st < 0)
        hnas_dataset_destroy(d);
    else
        *out = d;
    return st;
}

hnas_status hnas_dataset_open_idx(hnas_dataset **out, hnas_context *ctx,
                                  const char *images_path,
                                  const char *labels_path)
{
    struct hnas_dataset *d;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !images_path || !labels_path)
        return hn_fail_null(
            ctx, "dataset open idx: out, images_path or labels_path");
    d = hn_zalloc(&ctx->alloc, sizeof *d);
    if (!d)
        return hn_fail_nomem(ctx, "data set");
    d->ctx = ctx;
    st = hn_idx_open(&d->images, &d->labels, d->dims, ctx, images_path,
                     labels_path);
    if (st == HNAS_OK)
        st = count_classes(d);
    if (st < 0)
        hnas_dataset_destroy(d);
    else
        *out = d;
    return st;
}

void hnas_dataset_destroy(hnas_dataset *dataset)
{
    if (!dataset)
        return;
    hn_idx_close(&dataset->images);
    hn_idx_close(&dataset->labels);
    hn_free(&dataset->ctx->alloc, dataset);
}

void hnas_dataset_get_dims(const hnas_dataset *dataset, int64_t dims[4])
{
    memcpy(dims, dataset->dims, sizeof dataset->dims);
}

int64_t hnas_dataset_get_classes(const hnas_dataset *dataset)
{
    return dataset->n_classes;
}

static hnas_status moments(const hnas_dataset *dataset, int64_t n_images,
                           double *mean, double *std)
{
    const struct hnas_dataset *d = dataset;
    double sum = 0, squares = 0, n;
    hnas_status st;

    if (!dataset || !mean || !std)
        return hn_fail_null(dataset ? dataset->ctx : NULL,
                            "dataset moments: mean or std");
    if (n_images < 0 || n_images > d->dims[0])
        return hn_fail(dataset->ctx, HNAS_E_RANGE,
                       "n_images: %lld, want 0..%lld", (long long)n_images,
                       (long long)d->dims[0]);
    if (n_images == 0)
        n_images = d->dims[0];
    n = (double)n_images * (double)(d->dims[1] * d->dims[2] * d->dims[3]);
    st = images_sum(&sum, d, n_images, 0, 1);
    if (st == HNAS_OK)
        st = images_sum(&squares, d, n_images, sum / n, 2);
    if (st < 0)
        return st;
    *mean = sum / n;
    *std = sqrt(squares / n);
    return HNAS_OK;
}

hnas_status hnas_dataset_moments(const hnas_dataset *dataset, int64_t n_images,
                                 double *mean, double *std)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = moments(dataset, n_images, mean, std);

    hn_fp_leave(mode);
    return st;
}

void hn_normal_init(struct hn_normal *normal, double mean, double std)
{
    normal->mean = mean;
    normal->std = std;
    for (int i = 0; i < 256; i++)
        normal->table[i] = (real)((i / 255.0 - mean) / std);
}

hnas_status hn_dataset_image(real *dst, const struct hnas_dataset *dataset,
                             int64_t index, const struct hn_normal *normal)
{
    struct image image;
    hnas_status st = get_image(&image, dataset, index);
    const int64_t width = image.dim[2], step = image.stride[2];

    if (st < 0)
        return st;
    for (int64_t row = 0; row < image.dim[0] * image.dim[1]; row++) {
        const int64_t at = row_start(&image, row);

        if (image.dtype == HNAS_UINT8) {
            const uint8_t *src = (const uint8_t *)image.data + at;

            for (int64_t x = 0; x < width; x++)
                dst[x] = normal->table[src[x * step]];
        } else {
            const float *src = (const float *)image.data + at;

            for (int64_t x = 0; x < width; x++)
                dst[x] = (real)((src[x * step] - normal->mean) / normal->std);
        }
        dst += width;
    }
    return HNAS_OK;
}

hnas_status hn_dataset_label(int32_t *label, const struct hnas_dataset *dataset,
                             int64_t index)
{
    const struct hnas_tensor *t = dataset->labels.tensor;
    const unsigned char *row = NULL;
    hnas_status st = HNAS_OK;

    if (t) {
        *label = ((const int32_t *)t->data)[index * t->stride[0]];
        return HNAS_OK;
    }
    st = hn_file_rows_get(dataset->labels.rows, index, &row);
    if (st == HNAS_OK)
        *label = *row;
    return st;
}
