/* SPDX-License-Identifier: BSD-3-Clause */
/* out = max(x, 0);  dx += dout where x > 0. */
#include "func/func.h"
#include "tape/image.h"

static hnas_status forward(struct hn_node *node)
{
    const real *x = hn_real(node->in[0]);
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] = x[i] > 0 ? x[i] : 0;
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const real *y = hn_real(node->out), *g = hn_out_grad(node);
    const int64_t n = hn_tensor_extent(node->out);
    real *d = hn_grad_whole(node->in[0]);

    if (!d || !g)
        return hn_fail_nomem(node->ctx, "gradient of relu");
    for (int64_t i = 0; i < n; i++)
        if (y[i] > 0)
            d[i] += g[i];
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    return hn_mask(out, node->tape, node->in[0]->tangent, node->in[0]);
}

static const struct hn_rule rule = {
    .name = "relu",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

/* Images run through the image phase, like every reader of images. */
static void image_forward(const struct hn_node *node, int64_t image,
                          struct hn_worker *worker)
{
    const struct hnas_tensor *y = node->out;
    const struct hn_plane dst = {hn_image_rw(node->out, image),
                                 y->dim[3] * y->cp, y->cp};
    const real *scale, *shift;

    hn_pending(node->in[0], &scale, &shift);
    node->ctx->k.affine_pad(
        dst, hn_read_image(worker, node->in[0], image, HN_WIDE_OTHER),
        y->dim[2], y->dim[3], y->cp, scale, shift, 1);
}

static hnas_status image_begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[0]);
}

static void image_backward(const struct hn_node *node, int64_t image,
                           struct hn_worker *worker)
{
    const struct hnas_tensor *y = node->out;
    const real *g = hn_fold_grad(worker, node->out, image, worker->image[0]);
    int flags;
    real *acc = hn_open_relu_grad(worker, node->in[0], image, &flags);

    if (!(flags & HN_ACCUMULATE))
        for (int64_t i = 0; i < y->stride[0]; i++)
            acc[i] = g[i];
    else
        node->ctx->k.axpy(acc, 1, g, y->stride[0]);
}

static const struct hn_rule image_rule = {
    .name = "relu",
    .forward_image = image_forward,
    .backward_begin = image_begin,
    .backward_image = image_backward,
    .tangent = tangent,
};

static hnas_status relu_image(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *x)
{
    const struct hn_make make = {
        .rule = &image_rule,
        .in = &x,
        .n_in = 1,
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = x->dim,
        .n_images = x->dim[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->manner[0] = HN_RELU;
    node->need.image = node->need.acc = hn_padded_reals(x, 0);
    return hn_finish(out, node);
}

hnas_status hnas_relu(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x)
{
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "relu: out");
    st = hn_expect(x, -1, "relu: x");
    if (st == HNAS_OK)
        st = x->layout == HN_IMAGE ? hn_as_image(&in, tape, x)
                                   : hn_as_dense(&in, tape, x);
    if (st == HNAS_OK && in->layout == HN_IMAGE) {
        st = relu_image(out, tape, in);
        hnas_tensor_unref(in);
        return st;
    }
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .layout = in->layout,
            .rank = in->rank,
            .dims = in->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    hnas_tensor_unref(in);
    return st;
}
