/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file tensor.h
 * Arrays: made by the library, or a host's own memory wrapped without a copy.
 *
 * Images are N x C x H x W and convolution weights O x I x kH x kW in every
 * call, whatever the strides say about memory.  Inside, the library keeps
 * images channels-last, padded and aligned; such tensors answer their true
 * strides.  Computing calls take float32; labels are int32.
 */
#ifndef HNAS_TENSOR_H
#define HNAS_TENSOR_H

#include "context.h"

HNAS_BEGIN_DECLS

/** An array of up to four axes; reference-counted, opaque. */
typedef struct hnas_tensor hnas_tensor;

/** Element types. */
enum {
    HNAS_FLOAT32 = 1, /**< what is computed with */
    HNAS_FLOAT64 = 2, /**< of copies in and out */
    HNAS_INT32 = 3,   /**< labels */
    HNAS_UINT8 = 4    /**< pixels of a data set */
};

/** The most axes a tensor has. */
#define HNAS_MAX_RANK 4

/** Called when a wrapped array is no longer needed. */
typedef void (*hnas_release_fn)(void *user, void *data);

/**
 * Create a zero-filled, contiguous tensor.
 *
 * Shapes     dims [rank], every axis >= 1, rank 0..4; rank 0 is one number,
 *            and dims may be NULL then.  Fewer than 2^43 elements.
 * Units      dtype: HNAS_FLOAT32 ...
 * Ownership  *out: new reference, the caller's.  dims: read.
 * Gradient   a leaf that wants none, see hnas_tensor_set_wanted.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or ctx, E_TYPE dtype, E_SHAPE rank or dims,
 *            E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_create(hnas_tensor **out, hnas_context *ctx,
                                        int32_t dtype, int32_t rank,
                                        const int64_t *dims);

/** A host's array, for hnas_tensor_wrap. */
typedef struct hnas_array {
    size_t size;                    /**< sizeof the struct */
    void *data;                     /**< first element */
    int32_t dtype;                  /**< HNAS_FLOAT32 … */
    int32_t rank;                   /**< 0..HNAS_MAX_RANK */
    int64_t dims[HNAS_MAX_RANK];    /**< lengths, >= 1 */
    int64_t strides[HNAS_MAX_RANK]; /**< in elements; all 0: contiguous */
    hnas_release_fn release;        /**< NULL: the host keeps it alive */
    void *release_user;             /**< passed to release */
} hnas_array;

/**
 * Wrap a host's array without a copy.
 *
 * Shapes     array: as its fields say; strides may be any, all 0: contiguous.
 * Units      strides in elements, not bytes.
 * Ownership  *out: new reference, the caller's.  The data stay the host's:
 *            `release` is called once when the last reference goes, never if
 *            this call fails.
 * Gradient   a leaf that wants none, see hnas_tensor_set_wanted.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, NULL data or array->size not set; E_TYPE
 *            dtype; E_SHAPE rank or dims; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_wrap(hnas_tensor **out, hnas_context *ctx,
                                      const hnas_array *array);

/**
 * View `count` entries from `first` along an axis; the memory is shared.
 *
 * Shapes     *out: as base, but dims[axis] = count; the strides of base.
 * Units      0 <= axis < rank, first >= 0, count >= 1, first + count <=
 *            dims[axis].
 * Ownership  *out: new reference, the caller's; it holds one to base.
 * Gradient   none flows from a view to base; a view can't want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or base; E_UNSUPPORTED base is recorded or in an
 *            internal layout; E_STATE its value is gone; E_RANGE axis, first
 *            or count; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_view(hnas_tensor **out, hnas_tensor *base,
                                      int32_t axis, int64_t first,
                                      int64_t count);

/**
 * Take one more reference; gives the tensor back.
 *
 * Shapes     NULL stays NULL.
 * Units      none.
 * Ownership  the caller owes one hnas_tensor_unref more.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_tensor *hnas_tensor_ref(hnas_tensor *tensor);

/**
 * Give one reference back; the last one releases the tensor.
 *
 * Shapes     NULL: nothing is done.
 * Units      none.
 * Ownership  the caller's reference is gone.
 * Gradient   none.
 * Threads    any while others hold a reference; the last one as the context:
 *            one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_tensor_unref(hnas_tensor *tensor);

/**
 * Describe a tensor: pointer, type, axes, strides.
 *
 * Shapes     array: written whole, its size too; release is NULL.
 * Units      strides in elements.
 * Ownership  data: the tensor's; of a recorded one valid until the tape's
 *            reset; NULL while a predictor is being made, whose operations
 *            are recorded before there is memory for values.
 * Gradient   none.  A value that a tape holds back is computed first.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_STATE the tape was reset; what
 *            hnas_tape_run answers; E_NOMEM.  On error *array is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_get_array(hnas_tensor *tensor,
                                           hnas_array *array);

/**
 * Tell the number of elements.
 *
 * Shapes     tensor: not NULL.  Padding does not count.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_tensor_get_count(const hnas_tensor *tensor);

/**
 * Copy out all elements in row-major order, converted to dtype.
 *
 * Shapes     dst: `count` elements of dtype, count that of the tensor.
 * Units      conversions go through double; to an integer they cut towards 0
 *            and stop at the ends of its range, NaN becomes 0.
 * Ownership  dst is the caller's.
 * Gradient   none.  A value that a tape holds back is computed first.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_TYPE dtype, E_SHAPE count, E_STATE the
 *            tape was reset; what hnas_tape_run answers; E_NOMEM.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_get(hnas_tensor *tensor, int32_t dtype,
                                     void *dst, int64_t count);

/**
 * Copy in all elements in row-major order, converted from dtype.
 *
 * Shapes     src: `count` elements of dtype, count that of the tensor.
 * Units      conversions as hnas_tensor_get.
 * Ownership  src is read.
 * Gradient   none.  What a tape recorded of the old value is not computed
 *            anew.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_TYPE dtype, E_SHAPE count, E_STATE the
 *            tensor is recorded, so read-only.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_set(hnas_tensor *tensor, int32_t dtype,
                                     const void *src, int64_t count);

/**
 * Say whether a leaf wants a gradient; the default is no.
 *
 * Shapes     a float32 leaf, no view.
 * Units      wanted: 0 or not 0.
 * Ownership  none.
 * Gradient   counts for what is recorded from now on.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL tensor, E_STATE a recorded tensor or a view, E_TYPE
 *            not float32.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_set_wanted(hnas_tensor *tensor,
                                            int32_t wanted);

/**
 * Copy out a leaf's gradient in row-major order, converted to dtype.
 *
 * Shapes     dst: `count` elements of dtype, count that of the tensor.
 * Units      conversions as hnas_tensor_get.
 * Ownership  dst is the caller's.
 * Gradient   the sum of all sweeps since the last clear; zeros if none came.
 *            Of a recorded tensor the result is unspecified: a sweep hands
 *            gradients on without storing all of them.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_TYPE dtype, E_SHAPE count.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_tensor_get_gradient(hnas_tensor *tensor,
                                              int32_t dtype, void *dst,
                                              int64_t count);

/**
 * Set a leaf's gradient to zero, where the next sweep starts from.
 *
 * Shapes     NULL or a recorded tensor: nothing is done.
 * Units      none.
 * Ownership  none.
 * Gradient   zero afterwards.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_tensor_clear_gradient(hnas_tensor *tensor);

/** An ordered list of named tensors: what a net, an op or a hypernetwork
 * learns or keeps; opaque, owned by its object. */
typedef struct hnas_params hnas_params;

/** What a named tensor is. */
enum {
    HNAS_PARAM_WEIGHT = 1, /**< trained by the w step */
    HNAS_PARAM_ARCH = 2,   /**< trained by the alpha step */
    HNAS_PARAM_BUFFER = 3  /**< kept, not trained (running statistics) */
};

/**
 * Tell the number of entries.
 *
 * Shapes     params NULL: 0.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_params_get_count(const hnas_params *params);

/**
 * Tell the number of elements of all entries of a kind.
 *
 * Shapes     params NULL: 0.
 * Units      kind: HNAS_PARAM_, 0: all kinds.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_params_get_elements(const hnas_params *params,
                                          int32_t kind);

/**
 * Tell an entry's name.
 *
 * Shapes     a NUL-terminated string, NULL outside the list.
 * Units      index: 0..count-1.
 * Ownership  the list's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_params_get_name(const hnas_params *params,
                                          int64_t index);

/**
 * Tell an entry's kind.
 *
 * Shapes     none.
 * Units      HNAS_PARAM_, 0 outside the list.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_params_get_kind(const hnas_params *params, int64_t index);

/**
 * Give an entry's tensor.
 *
 * Shapes     NULL outside the list.
 * Units      index: 0..count-1.
 * Ownership  borrowed from the list.
 * Gradient   weights and architecture parameters are leaves that want one.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_tensor *hnas_params_get_tensor(const hnas_params *params,
                                             int64_t index);

/**
 * Find an entry's tensor by name.
 *
 * Shapes     name: NUL-terminated, compared byte by byte.
 * Units      none.
 * Ownership  *out: borrowed from the list.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument, E_NAME no such entry.  On error *out is
 *            NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_params_find(hnas_tensor **out,
                                      const hnas_params *params,
                                      const char *name);

HNAS_END_DECLS

#endif
