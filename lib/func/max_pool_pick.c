/* SPDX-License-Identifier: BSD-3-Clause */
/* out = t at the place where the 3x3 max pool found x's largest: the pool's
 * tangent.  dt takes dout there; nothing flows to x. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

enum { T, X };

struct pick {
    int64_t stride;
};

static struct hn_cplane under_first_tap(struct hn_cplane p)
{
    p.p -= p.row + p.pix;
    return p;
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct hnas_tensor *x = node->in[X];
    const struct pick *p = node->aux;

    node->ctx->k.max_pool_pick(
        hn_image_rw(node->out, image),
        under_first_tap(hn_read_low(w, node->in[X], image, 1)),
        under_first_tap(hn_read_plain(w, node->in[T], image, 1)), x->dim[2],
        x->dim[3], x->cp, p->stride);
}

static hnas_status begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[T]);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    struct hnas_tensor *t = node->in[T];
    const struct pick *p = node->aux;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);
    int flags;
    real *dt = hn_push_grad(w, t, image, &flags);

    if (!(flags & HN_ACCUMULATE))
        memset(dt, 0, (size_t)t->stride[0] * sizeof(real));
    node->ctx->k.max_pool_grad(
        dt, g, under_first_tap(hn_read_low(w, node->in[X], image, 1)),
        w->image[1], t->dim[2], t->dim[3], t->cp, p->stride);
}

static const struct hn_rule rule = {
    .name = "max_pool_pick",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_image = backward,
};

hnas_status hn_max_pool_pick(hnas_tensor **out, hnas_tape *tape, hnas_tensor *t,
                             hnas_tensor *x, int64_t stride)
{
    const int64_t dims[4] = {x->dim[0], x->dim[1],
                             (x->dim[2] + stride - 1) / stride,
                             (x->dim[3] + stride - 1) / stride};
    struct hnas_tensor *in[2] = {NULL, x};
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = 2,
        .aux_bytes = sizeof(struct pick),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct hn_node *node;
    hnas_status st = hn_as_image(&in[T], tape, t);

    *out = NULL;
    if (st == HNAS_OK)
        st = hn_append(&node, tape, &make);
    hnas_tensor_unref(in[T]);
    if (st != HNAS_OK)
        return st;
    ((struct pick *)node->aux)->stride = stride;
    node->want[X] = 0;
    node->active = node->want[T];
    node->need.low = node->need.plain = node->need.image =
        hn_padded_reals(x, 1);
    return hn_finish(out, node);
}
