/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 3.  The tensor's inside.
 *
 * A leaf owns or wraps memory; a recorded tensor's memory is its tape's.
 * Images made by the library are in the internal layout: N x H x W pixels of
 * cp padded channels, 64-byte aligned, padding lanes zero; their dims still
 * read N, C, H, W.  Convolution weights are kept [kH][kW][I][O padded], their
 * dims read O, I, kH, kW. */
#ifndef HN_TENSOR_TENSOR_H
#define HN_TENSOR_TENSOR_H

#include <stdatomic.h>

#include "core/context.h"
#include "hnas/tensor.h"

/* The element type that computing calls take. */
#ifdef HN_REAL_DOUBLE
enum { HN_REAL = HNAS_FLOAT64 };
#else
enum { HN_REAL = HNAS_FLOAT32 };
#endif

enum hn_layout {
    HN_STRIDED = 0, /* plain: strides say all */
    HN_IMAGE = 1,   /* the internal image layout */
    HN_KERNEL = 2   /* the internal weight layout */
};

struct hn_record; /* what a tape knows about a tensor; floor tape */

struct hnas_tensor {
    atomic_int refs;
    struct hnas_context *ctx;
    int32_t dtype, rank, layout;
    int32_t wanted;             /* a leaf that wants a gradient */
    int64_t dim[HNAS_MAX_RANK]; /* unused axes are 1 */
    int64_t stride[HNAS_MAX_RANK];
    int64_t cp;               /* IMAGE, KERNEL: padded channels */
    void *data;               /* first element; NULL: value is gone */
    real *grad;               /* like data (STRIDED: contiguous), or NULL */
    void *memory;             /* owned block, or NULL */
    struct hnas_tensor *base; /* a view's */
    hnas_release_fn release;
    void *release_user, *release_data;
    struct hn_record *record;    /* NULL: a leaf */
    struct hnas_tensor *tangent; /* while one is recorded (tape/tangent.c) */
    /* Compute a value that a tape holds back; set with record. */
    hnas_status (*settle)(struct hnas_tensor *t);
};

/* What settle answers of a value whose memory comes when all is recorded. */
enum { HN_LATE = 1000 };

/* A zero-filled leaf of HN_REAL in a layout.  IMAGE and KERNEL: rank 4. */
hnas_status hn_tensor_new(struct hnas_tensor **out, struct hnas_context *ctx,
                          enum hn_layout layout, int32_t rank,
                          const int64_t *dims);

/* Let a leaf read another one's memory from now on, of equal layout and dims;
 * its own is released. */
void hn_tensor_borrow(struct hnas_tensor *t, struct hnas_tensor *from);

/* A handle without memory, for a tape.  Sets dims, strides and layout. */
hnas_status hn_tensor_bare(struct hnas_tensor **out, struct hnas_context *ctx,
                           enum hn_layout layout, int32_t rank,
                           const int64_t *dims);

/* Elements that data (and grad) span, padding included. */
int64_t hn_tensor_extent(const struct hnas_tensor *t);

int64_t hn_dtype_bytes(int32_t dtype);

/* The reals of a tensor of HN_REAL. */
static inline real *hn_real(const struct hnas_tensor *t)
{
    return t->data;
}

/* A leaf's gradient, made and zero-filled at the first call; NULL without
 * memory. */
real *hn_tensor_grad(struct hnas_tensor *t);

/* Check a func's input: not NULL, HN_REAL, has data; rank where >= 0.  `what`
 * names the argument, as "x [N, C, H, W]". */
hnas_status hn_expect(struct hnas_tensor *t, int32_t rank, const char *what);

/* Whether two tensors have equal rank and dims. */
int hn_same_shape(const struct hnas_tensor *a, const struct hnas_tensor *b);

/* "[2, 3]" into text of at least 96 bytes; returns text. */
const char *hn_shape_text(char *text, const struct hnas_tensor *t);

/* Copy elements in row-major order from a strided array to a dense one,
 * converting; strides in elements. */
void hn_copy_out(void *dst, int32_t dst_type, const void *src, int32_t src_type,
                 const int64_t dim[HNAS_MAX_RANK],
                 const int64_t stride[HNAS_MAX_RANK]);

#endif
