/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/dataset.h"

#include <math.h>
#include <string.h>

#include "io/idx.h"

static double pixel(const struct hnas_tensor *t, int64_t at)
{
    return t->dtype == HNAS_UINT8 ? ((const uint8_t *)t->data)[at] / 255.0
                                  : (double)((const float *)t->data)[at];
}

/* Visit the rows of an image in row-major order: where row i of C * H
 * begins, in elements. */
static int64_t row_start(const struct hnas_tensor *t, int64_t index,
                         int64_t row)
{
    return index * t->stride[0] + row / t->dim[2] * t->stride[1] +
           row % t->dim[2] * t->stride[2];
}

/* sum (x - centre)^power over one image, power 1 or 2, in fixed order. */
static double image_sum(const struct hnas_tensor *t, int64_t index,
                        double centre, int power)
{
    double sum = 0;

    for (int64_t row = 0; row < t->dim[1] * t->dim[2]; row++) {
        const int64_t at = row_start(t, index, row);

        for (int64_t x = 0; x < t->dim[3]; x++) {
            const double d = pixel(t, at + x * t->stride[3]) - centre;

            sum += power == 2 ? d * d : d;
        }
    }
    return sum;
}

static hnas_status check_images(struct hnas_context *ctx,
                                const struct hnas_tensor *t)
{
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
    for (int64_t i = 0; t->dtype == HNAS_FLOAT32 && i < t->dim[0]; i++)
        if (!isfinite(image_sum(t, i, 0, 1)))
            return hn_fail(ctx, HNAS_E_NAN,
                           "images: image %lld holds NaN or infinity",
                           (long long)i);
    return HNAS_OK;
}

static hnas_status check_labels(struct hnas_dataset *d)
{
    const struct hnas_tensor *t = d->labels;

    if (t->dtype != HNAS_INT32)
        return hn_fail(d->ctx, HNAS_E_TYPE,
                       "labels: element type %d, want HNAS_INT32",
                       (int)t->dtype);
    if (t->rank != 1 || t->dim[0] != d->images->dim[0])
        return hn_fail(d->ctx, HNAS_E_SHAPE,
                       "labels: rank %d with %lld entries, want rank 1 with "
                       "%lld as images",
                       (int)t->rank, (long long)t->dim[0],
                       (long long)d->images->dim[0]);
    if (t->record || !t->data)
        return hn_fail(d->ctx, HNAS_E_STATE,
                       "labels: want a tensor with memory of its own");
    for (int64_t i = 0; i < t->dim[0]; i++) {
        const int32_t label = hn_dataset_label(d, i);

        if (label < 0)
            return hn_fail(d->ctx, HNAS_E_RANGE,
                           "labels: label %lld is %d, want at least 0",
                           (long long)i, (int)label);
        if (label >= d->n_classes)
            d->n_classes = (int64_t)label + 1;
    }
    return HNAS_OK;
}

hnas_status hnas_dataset_create(hnas_dataset **out, hnas_context *ctx,
                                hnas_tensor *images, hnas_tensor *labels)
{
    struct hnas_dataset *d;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !images || !labels)
        return HNAS_E_ARG;
    d = hn_zalloc(&ctx->alloc, sizeof *d);
    if (!d)
        return hn_fail_nomem(ctx, "data set");
    d->ctx = ctx;
    d->images = hnas_tensor_ref(images);
    d->labels = hnas_tensor_ref(labels);
    st = check_images(ctx, images);
    if (st == HNAS_OK)
        st = check_labels(d);
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
    hnas_tensor *images = NULL, *labels = NULL;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !images_path || !labels_path)
        return HNAS_E_ARG;
    st = hn_idx_read(&images, &labels, ctx, images_path, labels_path);
    if (st == HNAS_OK)
        st = hnas_dataset_create(out, ctx, images, labels);
    hnas_tensor_unref(images);
    hnas_tensor_unref(labels);
    return st;
}

void hnas_dataset_destroy(hnas_dataset *dataset)
{
    if (!dataset)
        return;
    hnas_tensor_unref(dataset->images);
    hnas_tensor_unref(dataset->labels);
    hn_free(&dataset->ctx->alloc, dataset);
}

void hnas_dataset_get_dims(const hnas_dataset *dataset, int64_t dims[4])
{
    memcpy(dims, dataset->images->dim, sizeof dataset->images->dim);
}

int64_t hnas_dataset_get_classes(const hnas_dataset *dataset)
{
    return dataset->n_classes;
}

hnas_status hnas_dataset_moments(const hnas_dataset *dataset, int64_t n_images,
                                 double *mean, double *std)
{
    const struct hnas_tensor *t;
    double sum = 0, squares = 0, n;

    if (!dataset || !mean || !std)
        return HNAS_E_ARG;
    t = dataset->images;
    if (n_images < 0 || n_images > t->dim[0])
        return hn_fail(dataset->ctx, HNAS_E_RANGE,
                       "n_images: %lld, want 0..%lld", (long long)n_images,
                       (long long)t->dim[0]);
    if (n_images == 0)
        n_images = t->dim[0];
    n = (double)n_images * (double)(t->dim[1] * t->dim[2] * t->dim[3]);
    for (int64_t i = 0; i < n_images; i++)
        sum += image_sum(t, i, 0, 1);
    for (int64_t i = 0; i < n_images; i++)
        squares += image_sum(t, i, sum / n, 2);
    *mean = sum / n;
    *std = sqrt(squares / n);
    return HNAS_OK;
}

void hn_normal_init(struct hn_normal *normal, double mean, double std)
{
    normal->mean = mean;
    normal->std = std;
    for (int i = 0; i < 256; i++)
        normal->table[i] = (real)((i / 255.0 - mean) / std);
}

void hn_dataset_image(real *dst, const struct hnas_dataset *dataset,
                      int64_t index, const struct hn_normal *normal)
{
    const struct hnas_tensor *t = dataset->images;
    const int64_t width = t->dim[3], step = t->stride[3];

    for (int64_t row = 0; row < t->dim[1] * t->dim[2]; row++, dst += width) {
        const int64_t at = row_start(t, index, row);

        if (t->dtype == HNAS_UINT8) {
            const uint8_t *src = (const uint8_t *)t->data + at;

            for (int64_t x = 0; x < width; x++)
                dst[x] = normal->table[src[x * step]];
        } else {
            const float *src = (const float *)t->data + at;

            for (int64_t x = 0; x < width; x++)
                dst[x] = (real)((src[x * step] - normal->mean) / normal->std);
        }
    }
}

int32_t hn_dataset_label(const struct hnas_dataset *dataset, int64_t index)
{
    const struct hnas_tensor *t = dataset->labels;

    return ((const int32_t *)t->data)[index * t->stride[0]];
}
