/* SPDX-License-Identifier: BSD-3-Clause */
/* out[n][c] = mean of x[n][c] over the pixels;  dx += dout / (H W). */
#include <string.h>

#include "hnas/func.h"
#include "tape/image.h"

static void average(real *y, struct hn_worker *w, const struct hnas_tensor *x,
                    int64_t image)
{
    const int64_t n_pix = x->dim[2] * x->dim[3];
    const real *scale, *shift;

    hn_pending(x, &scale, &shift);
    w->ctx->k.moments(w->vec, hn_read_image(w, x, image, HN_WIDE_OTHER), n_pix,
                      x->cp);
    for (int64_t c = 0; c < x->dim[1]; c++) {
        const real mean = w->vec[c] / (real)n_pix;

        y[c] = scale ? scale[c] * mean + shift[c] : mean;
    }
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&node->in[0], &n);
    real *y = hn_real(node->out) + image * node->in[0]->dim[1];

    for (int32_t i = 0; i < n; y += part[i++]->dim[1])
        average(y, w, part[i], image);
}

static hnas_status begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[0]);
}

static void spread(struct hn_worker *w, struct hnas_tensor *x, int64_t image,
                   const real *g)
{
    const int64_t n_pix = x->dim[2] * x->dim[3], n_c = x->dim[1];
    int flags;
    real *dx = hn_push_grad(w, x, image, &flags);

    if (!(flags & HN_ACCUMULATE))
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    for (int64_t p = 0; p < n_pix; p++, dx += x->cp)
        for (int64_t c = 0; c < n_c; c++)
            dx[c] += g[c] / (real)n_pix;
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&node->in[0], &n);
    const real *g = node->out->grad + image * node->in[0]->dim[1];

    for (int32_t i = 0; i < n; g += part[i++]->dim[1])
        if (part[i] == node->in[0] || hn_wants(part[i]))
            spread(w, part[i], image, g);
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    return hnas_global_avg_pool(out, node->tape, node->in[0]->tangent);
}

static const struct hn_rule rule = {
    .name = "global_avg_pool",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_image = backward,
    .tangent = tangent,
};

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *x)
{
    const struct hn_make make = {.rule = &rule,
                                 .in = &x,
                                 .n_in = 1,
                                 .layout = HN_STRIDED,
                                 .rank = 2,
                                 .dims = x->dim,
                                 .n_images = x->dim[0],
                                 .reads_parts = 1};
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->need.vec = 2 * x->cp;
    return hn_finish(out, node);
}

hnas_status hnas_global_avg_pool(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *x)
{
    hnas_tensor *in = NULL;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x)
        return hn_fail_null(x ? x->ctx : NULL, "global_avg_pool: out");
    st = hn_expect(x, 4, "global_avg_pool: x [N, C, H, W]");
    if (st == HNAS_OK)
        st = hn_as_image(&in, tape, x);
    if (st == HNAS_OK)
        st = record(out, tape, in);
    hnas_tensor_unref(in);
    return st;
}
