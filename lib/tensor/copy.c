/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements across the border: any strides and types to row-major and back. */
#include <string.h>

#include "base/fpmode.h"
#include "tensor/tensor.h"

static double load(const void *p, int32_t dtype, int64_t i)
{
    switch (dtype) {
    case HNAS_FLOAT32:
        return ((const float *)p)[i];
    case HNAS_FLOAT64:
        return ((const double *)p)[i];
    case HNAS_INT32:
        return ((const int32_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

/* To an integer type's range; NaN becomes 0. */
static double clamp(double v, double lo, double hi)
{
    if (v != v)
        return 0;
    return v < lo ? lo : v > hi ? hi : v;
}

static void store(void *p, int32_t dtype, int64_t i, double v)
{
    switch (dtype) {
    case HNAS_FLOAT32:
        ((float *)p)[i] = (float)v;
        break;
    case HNAS_FLOAT64:
        ((double *)p)[i] = v;
        break;
    case HNAS_INT32:
        ((int32_t *)p)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX);
        break;
    default:
        ((uint8_t *)p)[i] = (uint8_t)clamp(v, 0, UINT8_MAX);
        break;
    }
}

/* Visit all elements: row-major position i, strided position j. */
struct walk {
    int64_t at[HNAS_MAX_RANK], i, j;
};

static int advance(struct walk *w, const int64_t *dim, const int64_t *stride)
{
    w->i++;
    for (int a = HNAS_MAX_RANK - 1; a >= 0; a--) {
        w->j += stride[a];
        if (++w->at[a] < dim[a])
            return 1;
        w->j -= dim[a] * stride[a];
        w->at[a] = 0;
    }
    return 0;
}

void hn_copy_out(void *dst, int32_t dst_type, const void *src, int32_t src_type,
                 const int64_t dim[HNAS_MAX_RANK],
                 const int64_t stride[HNAS_MAX_RANK])
{
    const uint64_t mode = hn_fp_enter();
    struct walk w = {{0}, 0, 0};

    do
        store(dst, dst_type, w.i, load(src, src_type, w.j));
    while (advance(&w, dim, stride));
    hn_fp_leave(mode);
}

static void copy_in(void *dst, int32_t dst_type, const void *src,
                    int32_t src_type, const int64_t dim[HNAS_MAX_RANK],
                    const int64_t stride[HNAS_MAX_RANK])
{
    const uint64_t mode = hn_fp_enter();
    struct walk w = {{0}, 0, 0};

    do
        store(dst, dst_type, w.j, load(src, src_type, w.i));
    while (advance(&w, dim, stride));
    hn_fp_leave(mode);
}

static hnas_status check(hnas_tensor *t, int32_t dtype, const void *p,
                         int64_t count)
{
    if (!t)
        return HNAS_E_ARG;
    if (!p)
        return hn_fail(t->ctx, HNAS_E_ARG, "tensor copy: NULL array");
    if (!hn_dtype_bytes(dtype))
        return hn_fail(t->ctx, HNAS_E_TYPE,
                       "dtype: %d, want HNAS_FLOAT32..UINT8", (int)dtype);
    if (count != hnas_tensor_get_count(t))
        return hn_fail(t->ctx, HNAS_E_SHAPE,
                       "tensor copy: %lld elements, want %lld",
                       (long long)count, (long long)hnas_tensor_get_count(t));
    return HNAS_OK;
}

static hnas_status settle(hnas_tensor *t)
{
    hnas_status st = HNAS_OK;

    if (t->record)
        st = t->settle(t);
    if (st == HNAS_OK && !t->data)
        st = hn_fail(t->ctx, HNAS_E_STATE,
                     "tensor: the value is gone, since its tape was reset "
                     "or all its readers had read it");
    return st;
}

hnas_status hnas_tensor_get_array(hnas_tensor *tensor, hnas_array *array)
{
    hnas_status st;

    if (!tensor || !array)
        return hn_fail_null(tensor ? tensor->ctx : NULL,
                            "tensor get array: array");
    st = settle(tensor);
    if (st < 0)
        return st;
    memset(array, 0, sizeof *array);
    array->size = sizeof *array;
    array->data = st == HN_LATE ? NULL : tensor->data;
    array->dtype = tensor->dtype;
    array->rank = tensor->rank;
    memcpy(array->dims, tensor->dim, sizeof array->dims);
    memcpy(array->strides, tensor->stride, sizeof array->strides);
    return HNAS_OK;
}

hnas_status hnas_tensor_get(hnas_tensor *tensor, int32_t dtype, void *dst,
                            int64_t count)
{
    hnas_status st = check(tensor, dtype, dst, count);

    if (st == HNAS_OK)
        st = settle(tensor);
    if (st == HN_LATE)
        st = hn_fail(tensor->ctx, HNAS_E_STATE,
                     "tensor: no value yet, a predictor is being made");
    if (st == HNAS_OK)
        hn_copy_out(dst, dtype, tensor->data, tensor->dtype, tensor->dim,
                    tensor->stride);
    return st;
}

hnas_status hnas_tensor_set(hnas_tensor *tensor, int32_t dtype, const void *src,
                            int64_t count)
{
    hnas_status st = check(tensor, dtype, src, count);

    if (st < 0)
        return st;
    if (tensor->record)
        return hn_fail(tensor->ctx, HNAS_E_STATE,
                       "tensor set: a recorded value is read-only");
    if (!tensor->data)
        return hn_fail(tensor->ctx, HNAS_E_STATE,
                       "tensor: the value is gone, since its tape was reset "
                       "or all its readers had read it");
    copy_in(tensor->data, tensor->dtype, src, dtype, tensor->dim,
            tensor->stride);
    return HNAS_OK;
}

hnas_status hnas_tensor_get_gradient(hnas_tensor *tensor, int32_t dtype,
                                     void *dst, int64_t count)
{
    int64_t stride[HNAS_MAX_RANK], step = 1;
    hnas_status st = check(tensor, dtype, dst, count);

    if (st < 0)
        return st;
    if (!tensor->grad) {
        memset(dst, 0, (size_t)(count * hn_dtype_bytes(dtype)));
        return HNAS_OK;
    }
    memcpy(stride, tensor->stride, sizeof stride);
    if (tensor->layout == HN_STRIDED)
        for (int i = HNAS_MAX_RANK - 1; i >= 0; i--) {
            stride[i] = step;
            step *= tensor->dim[i];
        }
    hn_copy_out(dst, dtype, tensor->grad, HN_REAL, tensor->dim, stride);
    return HNAS_OK;
}
