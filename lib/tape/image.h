/* SPDX-License-Identifier: BSD-3-Clause */
/* What image phases share: a worker's scratch, values read through pending
 * affine maps, gradients written and collected. */
#ifndef HN_TAPE_IMAGE_H
#define HN_TAPE_IMAGE_H

#include "tape/tape.h"

/* A padded copy of an image in a worker's scratch, and whose it is. */
struct hn_padded {
    real *memory;
    const struct hnas_tensor *tensor;
    int64_t image;
    int64_t h, w, cp, pad; /* geometry whose border is in place */
    real border;
};

/* Lives at the head of a worker's scratch, so that borders outlast a stage. */
struct hn_worker {
    struct hnas_context *ctx;
    struct hn_need laid; /* what the areas below were laid for */
    int64_t chunk;       /* whose partial sums to add to */
    struct hn_padded relu, plain, low, masked, dz[2];
    struct hn_padded other_relu; /* of another geometry, for a reader to come */
    /* Gradients behind a rectifier: of what it rectifies, which is the mask,
     * and of the tangent of relu.tensor, whose plane is. */
    struct hn_masked_grad {
        struct hnas_tensor *tensor; /* NULL: closed */
        int64_t image;
        real *memory;
    } acc, tangent_acc;
    real *rows[2], *image[2], *vec, *wide, *result;
    struct hn_reading {
        const struct hnas_tape *tape; /* whose list of reads, NULL: none */
        int64_t image, done;          /* reads of this image begun */
        int64_t next_image, next;     /* the first one not fetched */
        int64_t last;                 /* images of the chunk end before */
    } reading;
    struct hn_ahead ahead;
};

/* Begin a chunk, [first, last) of the images of a stage, whose reads the tape
 * lists; say which node and image is begun; and give what a kernel may fetch
 * beside its arithmetic (NULL: nothing, so too for a worker just got). */
void hn_ahead_begin(struct hn_worker *w, const struct hnas_tape *tape,
                    int64_t first, int64_t last);
void hn_ahead_reach(struct hn_worker *w, const struct hn_node *node,
                    int64_t image);
struct hn_ahead *hn_ahead(struct hn_worker *w);

/* See that every worker has scratch for a stage of a tape, and give the
 * worker of an index, which remembers no image of before. */
hnas_status hn_workers_reserve(struct hnas_tape *tape,
                               const struct hn_need *need);
struct hn_worker *hn_worker_get(struct hnas_tape *tape, int32_t index);
void hn_need_max(struct hn_need *a, const struct hn_need *b);

/* Reals of a padded image. */
int64_t hn_padded_reals(const struct hnas_tensor *t, int64_t pad);

/* Reals between the images of a batch, in units of an image.  tests/bench
 * measures what memory costs by a build where all lie where the first one does:
 * wrong results of as much arithmetic, in cache. */
#ifdef HN_IMAGES_IN_PLACE
enum { HN_IMAGES_APART = 0 };
#else
enum { HN_IMAGES_APART = 1 };
#endif

static inline int64_t hn_image_start(const struct hnas_tensor *t, int64_t image)
{
    return HN_IMAGES_APART * image * t->stride[0];
}

/* The dense pixels of an image, pending map not applied; not of one in half
 * precision. */
const real *hn_image_at(const struct hnas_tensor *t, int64_t image);
real *hn_image_rw(struct hnas_tensor *t, int64_t image);

/* The same of any image; one in half precision is widened into a slot of the
 * worker's, where it stays until the slot is used again. */
enum { HN_WIDE_VIEW, HN_WIDE_FILL, HN_WIDE_MASK, HN_WIDE_OTHER, MOST_WIDE = 8 };
const real *hn_read_image(struct hn_worker *w, const struct hnas_tensor *t,
                          int64_t image, int slot);
int hn_is_half(const struct hnas_tensor *t);

/* Where a node writes its image, and the end of that. */
real *hn_open_result(struct hn_worker *w, struct hnas_tensor *t, int64_t image);
void hn_close_result(struct hn_worker *w, struct hnas_tensor *t, int64_t image);

/* What a node needs of a worker for images in half precision. */
void hn_need_half(struct hn_need *need, const struct hn_node *node);

/* Keep a value in half precision from now on, if its tape says so and nothing
 * has read or computed it yet. */
hnas_status hn_make_half(struct hnas_tensor *t);

/* The map of a pending value; NULL scale: none. */
void hn_pending(const struct hnas_tensor *t, const real **scale,
                const real **shift);

/* max(value, 0) of an image in a border of `pad` zeros; kept from the last
 * call for the same image.  The plane starts at the first inside pixel. */
struct hn_cplane hn_read_relu(struct hn_worker *w, struct hnas_tensor *x,
                              int64_t image, int64_t pad);

/* The value itself in a border of zeros, or of -HN_REAL_MAX. */
struct hn_cplane hn_read_plain(struct hn_worker *w, struct hnas_tensor *x,
                               int64_t image, int64_t pad);
struct hn_cplane hn_read_low(struct hn_worker *w, struct hnas_tensor *x,
                             int64_t image, int64_t pad);

/* A tangent of x, dense or joined, where x > 0, else 0, in a border of zeros; x
 * must have been read rectified just now. */
struct hn_cplane hn_read_masked(struct hn_worker *w,
                                struct hnas_tensor *tangent,
                                const struct hnas_tensor *x, int64_t image,
                                int64_t pad);

/* An all-zero border around h x w pixels of cp channels to write a gradient
 * into; i: 0, or 1 for a second one. */
struct hn_plane hn_open_dz(struct hn_worker *w, int i, int64_t h, int64_t wd,
                           int64_t cp, int64_t pad);

/* Where to add the gradient behind the rectifier of x: a dense image; *flags
 * says whether to accumulate.  It reaches x's gradient when the worker turns
 * to another input or image. */
real *hn_open_relu_grad(struct hn_worker *w, struct hnas_tensor *x,
                        int64_t image, int *flags);
real *hn_open_tangent_grad(struct hn_worker *w, struct hnas_tensor *tangent,
                           int64_t image, int *flags);
void hn_flush_relu_grad(struct hn_worker *w);

/* See that x has a dense gradient to push to (backward_begin). */
hnas_status hn_grad_reserve(struct hnas_tensor *x);

/* The dense gradient of an image to push to; *flags says HN_ACCUMULATE or,
 * the first time, 0. */
real *hn_push_grad(struct hn_worker *w, struct hnas_tensor *x, int64_t image,
                   int *flags);

/* The gradient of a node's output at an image, dense: collects terms and a
 * pending batch-norm into `scratch` where there are any, or into the dense
 * gradient itself where scratch is NULL. */
const real *hn_fold_grad(struct hn_worker *w, struct hnas_tensor *t,
                         int64_t image, real *scratch);

/* The same as terms for bn_grad_rows: pointers and scales are laid in the
 * worker's vec; b, k NULL if there is no batch-norm. */
struct hn_grad_view {
    struct hn_terms terms;
    const real **g;        /* terms.z, to advance through an image */
    const real *z, *b, *k; /* of batch-norm; NULL without one */
};
void hn_advance_view(struct hn_grad_view *view, int64_t reals);
void hn_view_grad(struct hn_grad_view *view, struct hn_worker *w,
                  struct hnas_tensor *t, int64_t image);

/* Reals of vec that hn_view_grad may use for a tensor. */
int64_t hn_view_need(const struct hnas_tensor *t);

/* Append a term to a tensor's pending gradient. */
hnas_status hn_add_term(struct hnas_tensor *t, struct hnas_tensor *base,
                        const real *gate, int64_t gate_step);

/* Input helpers: the tensor itself, or a recorded copy where the func can't
 * read it as it is; *out holds a new reference. */

/* An image in the internal layout; may be pending. */
hnas_status hn_as_image(struct hnas_tensor **out, struct hnas_tape *tape,
                        struct hnas_tensor *x);

/* Always a copy: a dense image that nobody else reads. */
hnas_status hn_copy_image(struct hnas_tensor **out, struct hnas_tape *tape,
                          struct hnas_tensor *x);

/* A convolution weight in the internal layout. */
hnas_status hn_as_kernel(struct hnas_tensor **out, struct hnas_tape *tape,
                         struct hnas_tensor *weight);

/* Not pending, and rows of a fixed step whatever the layout. */
hnas_status hn_as_dense(struct hnas_tensor **out, struct hnas_tape *tape,
                        struct hnas_tensor *x);

/* A dense tensor as n rows of `used` elements, `step` apart. */
struct hn_rows {
    int64_t n, used, step;
};
void hn_dense_rows(const struct hnas_tensor *t, struct hn_rows *rows);

/* Two inputs of equal shape and layout for an element-by-element func. */
hnas_status hn_expect_pair(struct hnas_tensor *in[2], struct hnas_tape *tape,
                           struct hnas_tensor *a, struct hnas_tensor *b,
                           const char *what);

#endif
