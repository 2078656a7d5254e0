/* SPDX-License-Identifier: BSD-3-Clause */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

int64_t hn_dtype_bytes(int32_t dtype)
{
    switch (dtype) {
    case HNAS_FLOAT32:
    case HNAS_INT32:
        return 4;
    case HNAS_FLOAT64:
        return 8;
    case HNAS_UINT8:
        return 1;
    default:
        return 0;
    }
}

static void set_strides(struct hnas_tensor *t)
{
    const int64_t *d = t->dim;

    if (t->layout == HN_IMAGE) {
        t->cp = hn_pad_channels(d[1]);
        t->stride[0] = d[2] * d[3] * t->cp;
        t->stride[1] = 1;
        t->stride[2] = d[3] * t->cp;
        t->stride[3] = t->cp;
    } else if (t->layout == HN_KERNEL) {
        t->cp = hn_pad_channels(d[0]);
        t->stride[0] = 1;
        t->stride[1] = t->cp;
        t->stride[2] = d[3] * d[1] * t->cp;
        t->stride[3] = d[1] * t->cp;
    } else {
        int64_t step = 1;

        for (int i = HNAS_MAX_RANK - 1; i >= 0; i--) {
            t->stride[i] = step;
            step *= i < t->rank ? d[i] : 1;
        }
    }
}

int64_t hn_tensor_extent(const struct hnas_tensor *t)
{
    const int64_t *d = t->dim;

    if (t->layout == HN_IMAGE)
        return d[0] * d[2] * d[3] * t->cp;
    if (t->layout == HN_KERNEL)
        return d[1] * d[2] * d[3] * t->cp;
    return d[0] * d[1] * d[2] * d[3];
}

/* All axes positive and the padded size far from overflow. */
static int dims_are_sane(int32_t rank, const int64_t *dims)
{
    double total = 8;

    if (rank < 0 || rank > HNAS_MAX_RANK || (rank > 0 && !dims))
        return 0;
    for (int32_t i = 0; i < rank; i++) {
        if (dims[i] < 1)
            return 0;
        total *= (double)dims[i] + HN_LANES;
    }
    return total < 0x1p46;
}

/* Handles are kept for the next step: as many as a large one has. */
enum { MOST_SPARE = 1 << 14 };

static struct hnas_tensor *new_handle(struct hnas_context *ctx)
{
    struct hnas_tensor *t = ctx->spare_tensors;

    if (!t)
        return hn_zalloc(&ctx->alloc, sizeof *t);
    ctx->spare_tensors = *(void **)t;
    ctx->n_spare_tensors--;
    memset(t, 0, sizeof *t);
    return t;
}

static void old_handle(struct hnas_tensor *t)
{
    struct hnas_context *ctx = t->ctx;

    if (ctx->n_spare_tensors == MOST_SPARE) {
        hn_free(&ctx->alloc, t);
        return;
    }
    *(void **)t = ctx->spare_tensors;
    ctx->spare_tensors = t;
    ctx->n_spare_tensors++;
}

static void write_dims(char *text, int32_t rank, const int64_t *dims)
{
    int n = sprintf(text, "[");

    for (int32_t i = 0; i < rank; i++)
        n += sprintf(text + n, "%s%lld", i ? ", " : "", (long long)dims[i]);
    sprintf(text + n, "]");
}

static hnas_status refuse_dims(struct hnas_context *ctx, int32_t rank,
                               const int64_t *dims)
{
    char text[96];

    if (rank < 0 || rank > HNAS_MAX_RANK || !dims)
        return hn_fail(ctx, HNAS_E_SHAPE,
                       "tensor: rank %d, want 0..%d, and as many dims",
                       (int)rank, HNAS_MAX_RANK);
    write_dims(text, rank, dims);
    return hn_fail(ctx, HNAS_E_SHAPE,
                   "tensor %s: want every axis >= 1 and fewer than 2^43 "
                   "elements",
                   text);
}

hnas_status hn_tensor_bare(struct hnas_tensor **out, struct hnas_context *ctx,
                           enum hn_layout layout, int32_t rank,
                           const int64_t *dims)
{
    struct hnas_tensor *t;

    *out = NULL;
    if (!dims_are_sane(rank, dims))
        return refuse_dims(ctx, rank, dims);
    t = new_handle(ctx);
    if (!t)
        return hn_fail_nomem(ctx, "tensor");
    atomic_init(&t->refs, 1);
    t->ctx = ctx;
    t->dtype = HN_REAL;
    t->layout = layout;
    t->rank = rank;
    for (int i = 0; i < HNAS_MAX_RANK; i++)
        t->dim[i] = i < rank ? dims[i] : 1;
    set_strides(t);
    *out = t;
    return HNAS_OK;
}

static hnas_status add_memory(struct hnas_tensor *t)
{
    t->memory = hn_alloc_array(&t->ctx->alloc, (size_t)hn_tensor_extent(t),
                               (size_t)hn_dtype_bytes(t->dtype));
    t->data = t->memory;
    return t->memory ? HNAS_OK : hn_fail_nomem(t->ctx, "tensor");
}

hnas_status hn_tensor_new(struct hnas_tensor **out, struct hnas_context *ctx,
                          enum hn_layout layout, int32_t rank,
                          const int64_t *dims)
{
    hnas_status st = hn_tensor_bare(out, ctx, layout, rank, dims);

    if (st < 0)
        return st;
    st = add_memory(*out);
    if (st < 0) {
        hnas_tensor_unref(*out);
        *out = NULL;
    }
    return st;
}

void hn_tensor_borrow(struct hnas_tensor *t, struct hnas_tensor *from)
{
    hn_free(&t->ctx->alloc, t->memory);
    t->memory = NULL;
    t->data = from->data;
    t->base = hnas_tensor_ref(from);
}

hnas_status hnas_tensor_create(hnas_tensor **out, hnas_context *ctx,
                               int32_t dtype, int32_t rank, const int64_t *dims)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx)
        return hn_fail_null(ctx, "tensor create: out");
    if (!hn_dtype_bytes(dtype))
        return hn_fail(ctx, HNAS_E_TYPE, "dtype: %d, want HNAS_FLOAT32..UINT8",
                       (int)dtype);
    st = hn_tensor_bare(out, ctx, HN_STRIDED, rank, dims);
    if (st < 0)
        return st;
    (*out)->dtype = dtype;
    st = add_memory(*out);
    if (st < 0) {
        hnas_tensor_unref(*out);
        *out = NULL;
    }
    return st;
}

static int has_strides(const hnas_array *a)
{
    for (int32_t i = 0; i < a->rank; i++)
        if (a->strides[i])
            return 1;
    return 0;
}

hnas_status hnas_tensor_wrap(hnas_tensor **out, hnas_context *ctx,
                             const hnas_array *array)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !array)
        return hn_fail_null(ctx, "tensor wrap: out or array");
    if (array->size < sizeof *array || !array->data)
        return hn_fail(ctx, HNAS_E_ARG, "array: NULL data or size not set");
    if (!hn_dtype_bytes(array->dtype))
        return hn_fail(ctx, HNAS_E_TYPE, "dtype: %d, want HNAS_FLOAT32..UINT8",
                       (int)array->dtype);
    st = hn_tensor_bare(out, ctx, HN_STRIDED, array->rank, array->dims);
    if (st < 0)
        return st;
    (*out)->dtype = array->dtype;
    (*out)->data = array->data;
    (*out)->release = array->release;
    (*out)->release_user = array->release_user;
    (*out)->release_data = array->data;
    if (has_strides(array))
        memcpy((*out)->stride, array->strides,
               (size_t)array->rank * sizeof array->strides[0]);
    return HNAS_OK;
}

hnas_status hnas_tensor_view(hnas_tensor **out, hnas_tensor *base, int32_t axis,
                             int64_t first, int64_t count)
{
    int64_t dims[HNAS_MAX_RANK];
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !base)
        return hn_fail_null(base ? base->ctx : NULL, "tensor view: out");
    if (base->record || base->layout != HN_STRIDED)
        return hn_fail(base->ctx, HNAS_E_UNSUPPORTED,
                       "view: of a recorded or library-made image tensor");
    if (!base->data)
        return hn_fail(base->ctx, HNAS_E_STATE,
                       "view: the tensor's tape was reset, its value is gone");
    if (axis < 0 || axis >= base->rank || first < 0 || count < 1 ||
        first > base->dim[axis] - count)
        return hn_fail(base->ctx, HNAS_E_RANGE,
                       "view: axis %d, entries %lld+%lld do not lie inside",
                       (int)axis, (long long)first, (long long)count);
    memcpy(dims, base->dim, sizeof dims);
    dims[axis] = count;
    st = hn_tensor_bare(out, base->ctx, HN_STRIDED, base->rank, dims);
    if (st < 0)
        return st;
    memcpy((*out)->stride, base->stride, sizeof base->stride);
    (*out)->dtype = base->dtype;
    (*out)->data = (char *)base->data +
                   first * base->stride[axis] * hn_dtype_bytes(base->dtype);
    (*out)->base = hnas_tensor_ref(base);
    return HNAS_OK;
}

hnas_tensor *hnas_tensor_ref(hnas_tensor *tensor)
{
    if (tensor)
        atomic_fetch_add(&tensor->refs, 1);
    return tensor;
}

void hnas_tensor_unref(hnas_tensor *tensor)
{
    if (!tensor || atomic_fetch_sub(&tensor->refs, 1) > 1)
        return;
    if (tensor->release)
        tensor->release(tensor->release_user, tensor->release_data);
    if (!tensor->record)
        hn_free(&tensor->ctx->alloc, tensor->grad);
    hn_free(&tensor->ctx->alloc, tensor->memory);
    hnas_tensor_unref(tensor->base);
    old_handle(tensor);
}

real *hn_tensor_grad(struct hnas_tensor *t)
{
    if (!t->grad)
        t->grad = hn_alloc_array(&t->ctx->alloc, (size_t)hn_tensor_extent(t),
                                 sizeof(real));
    return t->grad;
}

static const char *type_name(int32_t dtype)
{
    switch (dtype) {
    case HNAS_FLOAT32:
        return "float32";
    case HNAS_FLOAT64:
        return "float64";
    case HNAS_INT32:
        return "int32";
    case HNAS_UINT8:
        return "uint8";
    default:
        return "none";
    }
}

hnas_status hn_expect(struct hnas_tensor *t, int32_t rank, const char *what)
{
    if (!t)
        return HNAS_E_ARG;
    if (t->dtype != HN_REAL)
        return hn_fail(t->ctx, HNAS_E_TYPE, "%s: element type %s, want %s",
                       what, type_name(t->dtype), type_name(HN_REAL));
    if (!t->data)
        return hn_fail(t->ctx, HNAS_E_STATE,
                       "%s: the value is gone, since its tape was reset or "
                       "all its readers had read it",
                       what);
    if (rank >= 0 && t->rank != rank)
        return hn_fail(t->ctx, HNAS_E_SHAPE, "%s: rank %d, want %d", what,
                       (int)t->rank, (int)rank);
    return HNAS_OK;
}

int hn_same_shape(const struct hnas_tensor *a, const struct hnas_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim);
}

const char *hn_shape_text(char *text, const struct hnas_tensor *t)
{
    write_dims(text, t->rank, t->dim);
    return text;
}

int64_t hnas_tensor_get_count(const hnas_tensor *tensor)
{
    const int64_t *d = tensor->dim;

    return d[0] * d[1] * d[2] * d[3];
}

hnas_status hnas_tensor_set_wanted(hnas_tensor *tensor, int32_t wanted)
{
    if (!tensor)
        return HNAS_E_ARG;
    if (tensor->record || tensor->base)
        return hn_fail(tensor->ctx, HNAS_E_STATE,
                       "set_wanted: only of a leaf that owns its memory");
    if (tensor->dtype != HN_REAL)
        return hn_fail(tensor->ctx, HNAS_E_TYPE,
                       "set_wanted: element type %s, want %s",
                       type_name(tensor->dtype), type_name(HN_REAL));
    tensor->wanted = wanted != 0;
    return HNAS_OK;
}

void hnas_tensor_clear_gradient(hnas_tensor *tensor)
{
    if (!tensor || tensor->record || !tensor->grad)
        return;
    memset(tensor->grad, 0,
           (size_t)hn_tensor_extent(tensor) * sizeof *tensor->grad);
}
