/* SPDX-License-Identifier: BSD-3-Clause */
/* out = t where x > 0, else 0: a rectifier's tangent.  dt += dout where x > 0;
 * nothing flows to x. */
#include "func/func.h"
#include "tape/image.h"

enum { T, X };

static hnas_status forward(struct hn_node *node)
{
    const real *t = hn_real(node->in[T]), *x = hn_real(node->in[X]);
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] = x[i] > 0 ? t[i] : 0;
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const real *x = hn_real(node->in[X]), *g = hn_out_grad(node);
    const int64_t n = hn_tensor_extent(node->out);
    real *d = hn_grad_whole(node->in[T]);

    if (!d || !g)
        return hn_fail_nomem(node->ctx, "gradient of mask");
    for (int64_t i = 0; i < n; i++)
        if (x[i] > 0)
            d[i] += g[i];
    return HNAS_OK;
}

static const struct hn_rule rule = {
    .name = "mask",
    .forward_join = forward,
    .backward_join = backward,
};

enum { PAD = 4 }; /* as the convolutions', to share the rectified input */

static void masked(const struct hn_node *node, struct hn_worker *w,
                   int64_t image, real *dst, const real *src, int flags)
{
    const struct hnas_tensor *y = node->out;
    const struct hn_mask mask = {hn_read_relu(w, node->in[X], image, PAD), NULL,
                                 NULL};
    const struct hn_cplane g = {src, y->dim[3] * y->cp, y->cp};

    node->ctx->k.relu_grad(dst, g, mask, NULL, NULL, y->dim[2], y->dim[3],
                           y->cp, flags);
}

static void image_forward(const struct hn_node *node, int64_t image,
                          struct hn_worker *w)
{
    masked(node, w, image, hn_image_rw(node->out, image),
           hn_image_at(node->in[T], image), 0);
}

static hnas_status image_begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[T]);
}

static void image_backward(const struct hn_node *node, int64_t image,
                           struct hn_worker *w)
{
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);
    int flags;
    real *d = hn_push_grad(w, node->in[T], image, &flags);

    masked(node, w, image, d, g, flags);
}

static const struct hn_rule image_rule = {
    .name = "mask",
    .forward_image = image_forward,
    .backward_begin = image_begin,
    .backward_image = image_backward,
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[2])
{
    const int image = in[T]->layout == HN_IMAGE;
    const struct hn_make make = {
        .rule = image ? &image_rule : &rule,
        .in = in,
        .n_in = 2,
        .layout = in[T]->layout,
        .rank = in[T]->rank,
        .dims = in[T]->dim,
        .n_images = image ? in[T]->dim[0] : 0,
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->want[X] = 0;
    node->active = node->want[T];
    if (image) {
        node->need.image = hn_padded_reals(node->out, 0);
        node->need.relu = hn_padded_reals(node->out, PAD);
    }
    return hn_finish(out, node);
}

/* A pending x may be read as it is; t never is. */
hnas_status hn_mask(hnas_tensor **out, hnas_tape *tape, hnas_tensor *t,
                    hnas_tensor *x)
{
    struct hnas_tensor *in[2] = {NULL, NULL};
    hnas_status st;

    *out = NULL;
    if (x->layout == HN_IMAGE) {
        st = hn_as_image(&in[T], tape, t);
        in[X] = hnas_tensor_ref(x);
    } else {
        st = hn_expect_pair(in, tape, t, x, "mask");
    }
    if (st == HNAS_OK)
        st = record(out, tape, in);
    hnas_tensor_unref(in[T]);
    hnas_tensor_unref(in[X]);
    return st;
}
