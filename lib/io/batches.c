/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <string.h>

#include "base/fpmode.h"
#include "base/rng.h"
#include "io/augment.h"
#include "io/dataset.h"
#include "io/order.h"

/* Above these the counter of the random numbers would overlap. */
static const int64_t n_epochs_max = INT64_C(1) << 48;
static const uint64_t n_streams_max = 1 << 24;

struct hnas_batches {
    struct hnas_context *ctx;
    const struct hnas_dataset *dataset;
    hnas_batches_opts o;
    int64_t n_batches;
    struct hn_order order;
    struct hn_normal normal;
    struct hn_augment augment;
    real *plain; /* an image before it is changed; NULL: none is */
    /* A full batch, and a view of its front for a smaller last one. */
    struct hnas_tensor *images, *labels;
    struct hnas_tensor *last_images, *last_labels; /* NULL: none smaller */
};

void hnas_batches_opts_init(hnas_batches_opts *opts, size_t size)
{
    hnas_batches_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.batch = 64;
    o.shuffle = 1;
    o.std = 1;
    o.n_ranks = 1;
    memcpy(opts, &o, o.size);
}

/* Check the range of images; resolve a count of 0 and too large a batch. */
static hnas_status check_range(struct hnas_context *ctx, hnas_batches_opts *o,
                               int64_t n_images)
{
    if (o->first < 0 || o->first >= n_images)
        return hn_fail(ctx, HNAS_E_RANGE, "first: %lld, want 0..%lld",
                       (long long)o->first, (long long)n_images - 1);
    if (o->count < 0 || o->count > n_images - o->first)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "count: %lld from image %lld, want 0..%lld",
                       (long long)o->count, (long long)o->first,
                       (long long)(n_images - o->first));
    if (o->count == 0)
        o->count = n_images - o->first;
    if (o->batch < 1 || (!o->partial && o->batch > o->count))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "batch: %lld images, want 1..%lld, as many as the range "
                       "has",
                       (long long)o->batch, (long long)o->count);
    if (o->batch > o->count)
        o->batch = o->count;
    if (o->n_ranks < 1 || o->rank < 0 || o->rank >= o->n_ranks)
        return hn_fail(ctx, HNAS_E_RANGE, "rank: %d of %d, want 0..n_ranks-1",
                       (int)o->rank, (int)o->n_ranks);
    if (o->batch % o->n_ranks || (o->partial && o->n_ranks > 1))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "batch: %lld images over %d ranks, want equal shares "
                       "and no partial batch",
                       (long long)o->batch, (int)o->n_ranks);
    return HNAS_OK;
}

static hnas_status check_opts(struct hnas_context *ctx, hnas_batches_opts *o,
                              int64_t n_images)
{
    if (!isfinite(o->mean))
        return hn_fail(ctx, HNAS_E_RANGE, "mean: %g, want a finite number",
                       o->mean);
    if (!(o->std > 0 && isfinite(o->std)))
        return hn_fail(ctx, HNAS_E_RANGE, "std: %g, want a number above 0",
                       o->std);
    if (o->stream >= n_streams_max)
        return hn_fail(ctx, HNAS_E_RANGE, "stream: %llu, want below %llu",
                       (unsigned long long)o->stream,
                       (unsigned long long)n_streams_max);
    return check_range(ctx, o, n_images);
}

static hnas_status check_augment(struct hnas_context *ctx,
                                 const hnas_batches_opts *o,
                                 const int64_t dims[4])
{
    const int64_t side = dims[2] < dims[3] ? dims[2] : dims[3];

    if (o->shift < 0 || o->shift >= side)
        return hn_fail(ctx, HNAS_E_RANGE, "shift: %lld, want 0..%lld",
                       (long long)o->shift, (long long)side - 1);
    if (o->cutout < 0 || o->cutout > 65536)
        return hn_fail(ctx, HNAS_E_RANGE, "cutout: %lld, want 0..65536",
                       (long long)o->cutout);
    return HNAS_OK;
}

static hnas_status make_augment(struct hnas_batches *b)
{
    const int64_t *d = b->dataset->dims;
    struct hn_augment *a = &b->augment;

    if (!b->o.shift && !b->o.flip && !b->o.cutout)
        return HNAS_OK;
    a->shift = b->o.shift;
    a->flip = b->o.flip;
    a->cutout = b->o.cutout;
    memcpy(a->dims, d + 1, sizeof a->dims);
    a->black = b->normal.table[0];
    b->plain = hn_alloc_dims(&b->ctx->alloc, 3, d + 1, sizeof *b->plain);
    return b->plain ? HNAS_OK : hn_fail_nomem(b->ctx, "batches");
}

static hnas_status make_tensors(struct hnas_batches *b)
{
    const int64_t rest = b->o.partial ? b->o.count % b->o.batch : 0;
    int64_t dims[HNAS_MAX_RANK];
    hnas_status st;

    hnas_dataset_get_dims(b->dataset, dims);
    dims[0] = b->o.batch / b->o.n_ranks;
    st = hn_tensor_new(&b->images, b->ctx, HN_STRIDED, 4, dims);
    if (st == HNAS_OK)
        st = hnas_tensor_create(&b->labels, b->ctx, HNAS_INT32, 1, dims);
    if (st == HNAS_OK && rest)
        st = hnas_tensor_view(&b->last_images, b->images, 0, 0, rest);
    if (st == HNAS_OK && rest)
        st = hnas_tensor_view(&b->last_labels, b->labels, 0, 0, rest);
    return st;
}

static hnas_status create(hnas_batches **out, hnas_context *ctx,
                          const hnas_dataset *dataset,
                          const hnas_batches_opts *opts)
{
    hnas_batches_opts o;
    struct hnas_batches *b;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !dataset)
        return hn_fail_null(ctx, "batches: out or dataset");
    hnas_batches_opts_init(&o, sizeof o);
    if (hn_opts_merge(&o, sizeof o, opts) < 0)
        return hn_fail(ctx, HNAS_E_ARG, "opts: size is not set");
    st = check_opts(ctx, &o, dataset->dims[0]);
    if (st == HNAS_OK)
        st = check_augment(ctx, &o, dataset->dims);
    if (st < 0)
        return st;
    b = hn_zalloc(&ctx->alloc, sizeof *b);
    if (!b)
        return hn_fail_nomem(ctx, "batches");
    b->ctx = ctx;
    b->dataset = dataset;
    b->o = o;
    b->n_batches = (o.count + (o.partial ? o.batch - 1 : 0)) / o.batch;
    hn_normal_init(&b->normal, o.mean, o.std);
    st = hn_order_init(&b->order, ctx, o.count, o.shuffle, o.stream);
    if (st == HNAS_OK)
        st = make_tensors(b);
    if (st == HNAS_OK)
        st = make_augment(b);
    if (st < 0)
        hnas_batches_destroy(b);
    else
        *out = b;
    return st;
}

hnas_status hnas_batches_create(hnas_batches **out, hnas_context *ctx,
                                const hnas_dataset *dataset,
                                const hnas_batches_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = create(out, ctx, dataset, opts);

    hn_fp_leave(mode);
    return st;
}

void hnas_batches_destroy(hnas_batches *batches)
{
    if (!batches)
        return;
    hnas_tensor_unref(batches->last_images);
    hnas_tensor_unref(batches->last_labels);
    hnas_tensor_unref(batches->images);
    hnas_tensor_unref(batches->labels);
    hn_order_finish(&batches->order);
    hn_free(&batches->ctx->alloc, batches->plain);
    hn_free(&batches->ctx->alloc, batches);
}

int64_t hnas_batches_get_count(const hnas_batches *batches)
{
    return batches->n_batches;
}

/* Write image and label at a position of the epoch. */
static hnas_status put_image(real *dst, int32_t *label,
                             const struct hnas_batches *b, int64_t epoch,
                             int64_t position)
{
    const int64_t index = b->o.first + hn_order_get(&b->order, position);
    const struct hn_rng rng = {b->ctx->seed, (uint64_t)epoch, HN_DRAW_AUGMENT,
                               (uint32_t)b->o.stream};

    hnas_status st = hn_dataset_image(b->plain ? b->plain : dst, b->dataset,
                                      index, &b->normal);

    if (st == HNAS_OK)
        st = hn_dataset_label(label, b->dataset, index);
    if (st == HNAS_OK && b->plain)
        hn_augment_image(dst, b->plain, &b->augment, &rng, position);
    return st;
}

static hnas_status get(hnas_batches *batches, int64_t epoch, int64_t index,
                       hnas_tensor **images, hnas_tensor **labels)
{
    struct hnas_batches *b = batches;
    struct hnas_tensor *x, *y;
    hnas_status st = HNAS_OK;
    int64_t chw;

    if (images)
        *images = NULL;
    if (labels)
        *labels = NULL;
    if (!b || !images || !labels)
        return hn_fail_null(batches ? batches->ctx : NULL,
                            "batch: images or labels");
    if (epoch < 0 || epoch >= n_epochs_max)
        return hn_fail(b->ctx, HNAS_E_RANGE, "epoch: %lld, want 0..%lld",
                       (long long)epoch, (long long)n_epochs_max - 1);
    if (index < 0 || index >= b->n_batches)
        return hn_fail(b->ctx, HNAS_E_RANGE, "index: %lld, want 0..%lld",
                       (long long)index, (long long)b->n_batches - 1);
    hn_order_set(&b->order, epoch);
    x = b->images;
    y = b->labels;
    if (b->last_images && index == b->n_batches - 1) {
        x = b->last_images;
        y = b->last_labels;
    }
    chw = x->stride[0];
    for (int64_t i = 0; i < x->dim[0] && st == HNAS_OK; i++)
        st = put_image(hn_real(x) + i * chw, (int32_t *)y->data + i, b, epoch,
                       index * b->o.batch + b->o.rank * x->dim[0] + i);
    if (st < 0)
        return st;
    *images = x;
    *labels = y;
    return HNAS_OK;
}

hnas_status hnas_batches_get(hnas_batches *batches, int64_t epoch,
                             int64_t index, hnas_tensor **images,
                             hnas_tensor **labels)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = get(batches, epoch, index, images, labels);

    hn_fp_leave(mode);
    return st;
}
