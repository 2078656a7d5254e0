/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file tensor.h
 * Arrays: made by the library, or a host's own memory wrapped without a copy.
 *
 * Images are N x C x H x W and convolution weights O x I x kH x kW in every
 * call, whatever the strides say about memory.  Inside, the library keeps
 * images channels-last, padded and aligned; such tensors answer their true
 * strides.  Computing calls take HNAS_REAL tensors (float32 in every
 * installed build); labels are int32.
 */
#ifndef HNAS_TENSOR_H
#define HNAS_TENSOR_H

#include "context.h"

HNAS_BEGIN_DECLS

/** An array of up to four axes; reference-counted, opaque. */
typedef struct hnas_tensor hnas_tensor;

/** Element types. */
enum {
    HNAS_FLOAT32 = 1,
    HNAS_FLOAT64 = 2,
    HNAS_INT32 = 3,
    HNAS_UINT8 = 4
};

/** The most axes a tensor has. */
#define HNAS_MAX_RANK 4

/** Called when a wrapped array is no longer needed. */
typedef void (*hnas_release_fn)(void *user, void *data);

/** Create a zero-filled, contiguous tensor; rank 0 is one number. */
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

/** Wrap a host's array without a copy. */
HNAS_API hnas_status hnas_tensor_wrap(hnas_tensor **out, hnas_context *ctx,
                                      const hnas_array *array);

/** View `count` entries from `first` along an axis; shares the memory. */
HNAS_API hnas_status hnas_tensor_view(hnas_tensor **out, hnas_tensor *base,
                                      int32_t axis, int64_t first,
                                      int64_t count);

/** Take one more reference; NULL stays NULL. */
HNAS_API hnas_tensor *hnas_tensor_ref(hnas_tensor *tensor);

/** Give one reference back. */
HNAS_API void hnas_tensor_unref(hnas_tensor *tensor);

/** Describe a tensor: pointer, type, axes, strides.  A value that a tape
 * holds back is computed first; after the tape's reset data is NULL. */
HNAS_API hnas_status hnas_tensor_get_array(hnas_tensor *tensor,
                                           hnas_array *array);

/** Tell the number of elements. */
HNAS_API int64_t hnas_tensor_get_count(const hnas_tensor *tensor);

/** Copy out all elements in row-major order, converted to dtype. */
HNAS_API hnas_status hnas_tensor_get(hnas_tensor *tensor, int32_t dtype,
                                     void *dst, int64_t count);

/** Copy in all elements in row-major order, converted from dtype. */
HNAS_API hnas_status hnas_tensor_set(hnas_tensor *tensor, int32_t dtype,
                                     const void *src, int64_t count);

/** Say whether a leaf wants a gradient; the default is no. */
HNAS_API hnas_status hnas_tensor_set_wanted(hnas_tensor *tensor,
                                            int32_t wanted);

/** Copy out the gradient as hnas_tensor_get does; zeros if none came. */
HNAS_API hnas_status hnas_tensor_get_gradient(hnas_tensor *tensor,
                                              int32_t dtype, void *dst,
                                              int64_t count);

/** Forget the gradient, so that the next sweep starts from zero. */
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

/** Tell the number of entries. */
HNAS_API int64_t hnas_params_get_count(const hnas_params *params);

/** Tell the number of elements of all entries of a kind (0: all kinds). */
HNAS_API int64_t hnas_params_get_elements(const hnas_params *params,
                                          int32_t kind);

/** Tell an entry's name, NULL outside the list. */
HNAS_API const char *hnas_params_get_name(const hnas_params *params,
                                          int64_t index);

/** Tell an entry's kind, 0 outside the list. */
HNAS_API int32_t hnas_params_get_kind(const hnas_params *params,
                                      int64_t index);

/** Give an entry's tensor, borrowed; NULL outside the list. */
HNAS_API hnas_tensor *hnas_params_get_tensor(const hnas_params *params,
                                             int64_t index);

/** Find an entry by name; HNAS_E_NAME if there is none. */
HNAS_API hnas_status hnas_params_find(hnas_tensor **out,
                                      const hnas_params *params,
                                      const char *name);

HNAS_END_DECLS

#endif
