/* SPDX-License-Identifier: BSD-3-Clause */
/* Concatenation of images over channels; the gradient is cut back.  Where it
 * can the output stays joined (tape/joined.c), and nothing is copied. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

enum { MOST_INPUTS = 1024 };

static void copy_in(const struct hn_node *node, struct hn_worker *w, real *dst,
                    int64_t dst_step, const struct hnas_tensor *x,
                    int64_t image)
{
    const int64_t n_pix = x->dim[2] * x->dim[3], n = x->dim[1];
    const real *src = hn_read_image(w, x, image, HN_WIDE_OTHER), *scale, *shift;

    hn_pending(x, &scale, &shift);
    if (x->cp == n && dst_step % HN_LANES == 0) {
        const struct hn_plane plane = {dst, x->dim[3] * dst_step, dst_step};

        node->ctx->k.affine_pad(plane, src, x->dim[2], x->dim[3], n, scale,
                                shift, 0);
        return;
    }
    for (int64_t p = 0; p < n_pix; p++, dst += dst_step, src += x->cp) {
        if (scale)
            for (int64_t c = 0; c < n; c++)
                dst[c] = scale[c] * src[c] + shift[c];
        else
            memcpy(dst, src, (size_t)n * sizeof(real));
    }
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *worker)
{
    const struct hnas_tensor *y = node->out;
    real *dst = hn_image_rw(node->out, image);

    if (y->cp > y->dim[1])
        memset(dst, 0, (size_t)y->stride[0] * sizeof(real));
    for (int32_t i = 0; i < node->n_in; i++) {
        copy_in(node, worker, dst, y->cp, node->in[i], image);
        dst += node->in[i]->dim[1];
    }
}

static hnas_status begin(struct hn_node *node)
{
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < node->n_in && st == HNAS_OK; i++)
        if (node->want[i])
            st = hn_grad_reserve(node->in[i]);
    return st;
}

/* One pixel: HN_LANES channels at a time, which the compiler turns into
 * vectors, then the rest. */
static void push_pixel(real *dx, const real *g, int64_t n, int add)
{
    int64_t c = 0;

    for (; c + HN_LANES <= n; c += HN_LANES)
        for (int i = 0; i < HN_LANES; i++)
            dx[c + i] = add ? dx[c + i] + g[c + i] : g[c + i];
    for (; c < n; c++)
        dx[c] = add ? dx[c] + g[c] : g[c];
}

static void push(struct hn_worker *w, struct hnas_tensor *x, int64_t image,
                 const real *g, int64_t g_step)
{
    const int64_t n_pix = x->dim[2] * x->dim[3], n = x->dim[1];
    int flags;
    real *dx = hn_push_grad(w, x, image, &flags);

    if (!(flags & HN_ACCUMULATE) && x->cp > n)
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    for (int64_t p = 0; p < n_pix; p++, dx += x->cp, g += g_step)
        push_pixel(dx, g, n, flags & HN_ACCUMULATE);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct hnas_tensor *y = node->out;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);

    for (int32_t i = 0; i < node->n_in; i++) {
        if (node->want[i])
            push(w, node->in[i], image, g, y->cp);
        g += node->in[i]->dim[1];
    }
}

/* Of the tangents, zeros where there is none. */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const size_t bytes = (size_t)node->n_in * sizeof(struct hnas_tensor *);
    struct hnas_tensor **t = hn_list_take(node->tape, node->ctx, bytes);
    hnas_status st = HNAS_OK;

    if (!t)
        return hn_fail_nomem(node->ctx, "concat");
    for (int32_t i = 0; i < node->n_in && st == HNAS_OK; i++) {
        struct hnas_tensor *x = node->in[i];

        t[i] = hnas_tensor_ref(x->tangent);
        if (!t[i])
            st = hn_zeros(&t[i], node->ctx, node->tape, x->dim);
    }
    if (st == HNAS_OK)
        st = hnas_concat(out, node->tape, t, node->n_in);
    for (int32_t i = 0; i < node->n_in; i++)
        hnas_tensor_unref(t[i]);
    hn_list_give(node->tape, node->ctx, t, bytes);
    return st;
}

static const struct hn_rule rule = {
    .name = "concat",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_image = backward,
    .tangent = tangent,
};

static hnas_status check(hnas_tensor *const *x, int64_t n_x, int64_t *channels)
{
    char a[96], b[96];

    *channels = 0;
    for (int64_t i = 0; i < n_x; i++) {
        hnas_status st = hn_expect(x[i], 4, "concat: x [N, C, H, W]");

        if (st < 0)
            return st;
        if (x[i]->dim[0] != x[0]->dim[0] || x[i]->dim[2] != x[0]->dim[2] ||
            x[i]->dim[3] != x[0]->dim[3])
            return hn_fail(x[0]->ctx, HNAS_E_SHAPE,
                           "concat: %s and %s differ in more than channels",
                           hn_shape_text(a, x[0]), hn_shape_text(b, x[i]));
        *channels += x[i]->dim[1];
    }
    return HNAS_OK;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const *in, int64_t n,
                          int64_t channels)
{
    const int64_t dims[4] = {in[0]->dim[0], channels, in[0]->dim[2],
                             in[0]->dim[3]};
    const struct hn_make make = {.rule = &rule,
                                 .in = in,
                                 .n_in = (int32_t)n,
                                 .layout = HN_IMAGE,
                                 .rank = 4,
                                 .dims = dims,
                                 .n_images = dims[0],
                                 .joins = hn_can_join(tape, in, (int32_t)n)};
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->need.image = hn_padded_reals(node->out, 0);
    return hn_finish(out, node);
}

hnas_status hnas_concat(hnas_tensor **out, hnas_tape *tape,
                        hnas_tensor *const *x, int64_t n_x)
{
    const size_t bytes = ((size_t)n_x) * sizeof(struct hnas_tensor *);
    struct hnas_tensor **in;
    int64_t channels;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || n_x < 1 || !x[0])
        return HNAS_E_ARG;
    if (n_x > MOST_INPUTS)
        return hn_fail(x[0]->ctx, HNAS_E_ARG, "concat: %lld inputs, want 1..%d",
                       (long long)n_x, MOST_INPUTS);
    st = check(x, n_x, &channels);
    if (st < 0)
        return st;
    in = hn_list_take(tape, x[0]->ctx, bytes);
    if (!in)
        return hn_fail_nomem(x[0]->ctx, "concat");
    for (int64_t i = 0; i < n_x && st == HNAS_OK; i++)
        st = hn_as_image(&in[i], tape, x[i]);
    if (st == HNAS_OK)
        st = record(out, tape, in, n_x, channels);
    for (int64_t i = 0; i < n_x; i++)
        hnas_tensor_unref(in[i]);
    hn_list_give(tape, x[0]->ctx, in, bytes);
    return st;
}
