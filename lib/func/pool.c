/* SPDX-License-Identifier: BSD-3-Clause */
/* 3x3 pools, padding 1: the maximum, whose first of equal values in scan order
 * takes the gradient, and the average, which leaves padding out of its count.
 * The maximum's tangent picks from t where x is largest; nothing flows to x. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

enum { T, X }; /* inputs of a pick */

struct pool {
    int64_t stride;
};

/* The pixel above and left of the first one: under tap (0, 0). */
static struct hn_cplane under_first_tap(struct hn_cplane p)
{
    p.p -= p.row + p.pix;
    return p;
}

static void max_forward(const struct hn_node *node, int64_t image,
                        struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[0];
    const struct pool *p = node->aux;
    const struct hn_cplane src = under_first_tap(hn_read_low(w, x, image, 1));

    node->ctx->k.max_pool(hn_open_result(w, node->out, image), src, x->dim[2],
                          x->dim[3], x->cp, p->stride);
    hn_close_result(w, node->out, image);
}

static void avg_forward(const struct hn_node *node, int64_t image,
                        struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[0];
    const struct pool *p = node->aux;
    const struct hn_cplane src = under_first_tap(hn_read_plain(w, x, image, 1));

    node->ctx->k.avg_pool(hn_open_result(w, node->out, image), src, x->dim[2],
                          x->dim[3], x->cp, p->stride);
    hn_close_result(w, node->out, image);
}

static void pick_forward(const struct hn_node *node, int64_t image,
                         struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[X];
    const struct pool *p = node->aux;

    node->ctx->k.max_pool_pick(
        hn_image_rw(node->out, image),
        under_first_tap(hn_read_low(w, x, image, 1)),
        under_first_tap(hn_read_plain(w, node->in[T], image, 1)), x->dim[2],
        x->dim[3], x->cp, p->stride);
}

static hnas_status begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[0]);
}

/* x's gradient of an image, to add to: 0 where nothing was added yet. */
static real *open_grad(struct hn_worker *w, struct hnas_tensor *x,
                       int64_t image)
{
    int flags;
    real *dx = hn_push_grad(w, x, image, &flags);

    if (!(flags & HN_ACCUMULATE))
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    return dx;
}

/* To the first input, where the last one is largest: of a pool the same. */
static void max_backward(const struct hn_node *node, int64_t image,
                         struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[node->n_in - 1];
    const struct pool *p = node->aux;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);
    real *dx = open_grad(w, node->in[0], image);

    node->ctx->k.max_pool_grad(
        dx, g, under_first_tap(hn_read_low(w, x, image, 1)), w->image[1],
        x->dim[2], x->dim[3], x->cp, p->stride);
}

static void avg_backward(const struct hn_node *node, int64_t image,
                         struct hn_worker *w)
{
    struct hnas_tensor *x = node->in[0];
    const struct pool *p = node->aux;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);

    node->ctx->k.avg_pool_grad(open_grad(w, x, image), g, w->image[1],
                               x->dim[2], x->dim[3], x->cp, p->stride);
}

static hnas_status avg_tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct pool *p = node->aux;

    return hnas_avg_pool_3x3(out, node->tape, node->in[0]->tangent, p->stride);
}

static const struct hn_rule avg_rule = {
    .name = "avg_pool_3x3",
    .forward_image = avg_forward,
    .backward_begin = begin,
    .backward_image = avg_backward,
    .tangent = avg_tangent,
    .narrows = 1,
};

static const struct hn_rule pick_rule = {
    .name = "max_pool_pick",
    .forward_image = pick_forward,
    .backward_begin = begin,
    .backward_image = max_backward,
};

/* in: images of one size. */
static hnas_status append(struct hn_node **out, hnas_tape *tape,
                          struct hnas_tensor **in, int32_t n_in, int64_t stride,
                          const struct hn_rule *rule)
{
    const int64_t *size = in[0]->dim;
    const int64_t dims[4] = {size[0], size[1], (size[2] + stride - 1) / stride,
                             (size[3] + stride - 1) / stride};
    const struct hn_make make = {
        .rule = rule,
        .in = in,
        .n_in = n_in,
        .aux_bytes = sizeof(struct pool),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    hnas_status st = hn_append(out, tape, &make);

    if (st < 0)
        return st;
    ((struct pool *)(*out)->aux)->stride = stride;
    (*out)->need.image = hn_padded_reals(in[0], 1);
    return HNAS_OK;
}

static hnas_status max_pool_pick(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *t, hnas_tensor *x, int64_t stride)
{
    struct hnas_tensor *in[2] = {NULL, x};
    struct hn_node *node;
    hnas_status st = hn_as_image(&in[T], tape, t);

    *out = NULL;
    if (st == HNAS_OK)
        st = append(&node, tape, in, 2, stride, &pick_rule);
    hnas_tensor_unref(in[T]);
    if (st < 0)
        return st;
    node->want[X] = 0;
    node->active = node->want[T];
    node->need.low = node->need.plain = node->need.image;
    return hn_finish(out, node);
}

static hnas_status max_tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct pool *p = node->aux;

    return max_pool_pick(out, node->tape, node->in[0]->tangent, node->in[0],
                         p->stride);
}

static const struct hn_rule max_rule = {
    .name = "max_pool_3x3",
    .forward_image = max_forward,
    .backward_begin = begin,
    .backward_image = max_backward,
    .tangent = max_tangent,
    .narrows = 1,
};

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                         int64_t stride, const struct hn_rule *rule)
{
    hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (stride != 1 && stride != 2)
        return hn_fail(x->ctx, HNAS_E_RANGE, "%s: stride %lld, want 1 or 2",
                       rule->name, (long long)stride);
    st = hn_as_image(&in, tape, x);
    if (st == HNAS_OK)
        st = append(&node, tape, &in, 1, stride, rule);
    hnas_tensor_unref(in);
    if (st < 0)
        return st;
    if (rule == &max_rule)
        node->need.low = node->need.image;
    else
        node->need.plain = node->need.image;
    return hn_finish(out, node);
}

hnas_status hnas_max_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x, int64_t stride)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "max_pool_3x3: out");
    st = hn_expect(x, 4, "max_pool_3x3: x [N, C, H, W]");
    return st < 0 ? st : apply(out, tape, x, stride, &max_rule);
}

hnas_status hnas_avg_pool_3x3(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x, int64_t stride)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "avg_pool_3x3: out");
    st = hn_expect(x, 4, "avg_pool_3x3: x [N, C, H, W]");
    return st < 0 ? st : apply(out, tape, x, stride, &avg_rule);
}
