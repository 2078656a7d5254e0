/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 average pool, padding 1 left out of the count. */
#include <string.h>

#include "hnas/func.h"
#include "tape/image.h"

struct pool {
    int64_t stride;
};

/* The pixel above and left of the first one: under tap (0, 0). */
static struct hn_cplane read_input(const struct hn_node *node,
                                   struct hn_worker *w, int64_t image)
{
    struct hn_cplane p = hn_read_plain(w, node->in[0], image, 1);

    p.p -= p.row + p.pix;
    return p;
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct hnas_tensor *x = node->in[0];
    const struct pool *p = node->aux;

    node->ctx->k.avg_pool(hn_open_result(w, node->out, image),
                          read_input(node, w, image), x->dim[2], x->dim[3],
                          x->cp, p->stride);
    hn_close_result(w, node->out, image);
}

static hnas_status begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[0]);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[0];
    const struct pool *p = node->aux;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);
    int flags;
    real *dx = hn_push_grad(w, x, image, &flags);

    if (!(flags & HN_ACCUMULATE))
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    node->ctx->k.avg_pool_grad(dx, g, w->image[1], x->dim[2], x->dim[3], x->cp,
                               p->stride);
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct pool *p = node->aux;

    return hnas_avg_pool_3x3(out, node->tape, node->in[0]->tangent, p->stride);
}

static const struct hn_rule rule = {
    .name = "avg_pool_3x3",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_image = backward,
    .tangent = tangent,
    .narrows = 1,
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *x, int64_t stride)
{
    const int64_t dims[4] = {x->dim[0], x->dim[1],
                             (x->dim[2] + stride - 1) / stride,
                             (x->dim[3] + stride - 1) / stride};
    const struct hn_make make = {
        .rule = &rule,
        .in = &x,
        .n_in = 1,
        .aux_bytes = sizeof(struct pool),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    ((struct pool *)node->aux)->stride = stride;
    node->need.plain = node->need.image = hn_padded_reals(x, 1);
    return hn_finish(out, node);
}

hnas_status hnas_avg_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x, int64_t stride)
{
    hnas_tensor *in = NULL;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "avg pool 3x3: out");
    st = hn_expect(x, 4, "avg_pool_3x3: x [N, C, H, W]");
    if (st < 0)
        return st;
    if (stride != 1 && stride != 2)
        return hn_fail(x->ctx, HNAS_E_RANGE,
                       "avg_pool_3x3: stride %lld, want 1 or 2",
                       (long long)stride);
    st = hn_as_image(&in, tape, x);
    if (st == HNAS_OK)
        st = record(out, tape, in, stride);
    hnas_tensor_unref(in);
    return st;
}
