/* SPDX-License-Identifier: BSD-3-Clause */
/* Depthwise convolution: each channel by its own k x k window.
 *
 *     z[c] = sum_t k[t][c] x[p + t][c]
 *
 * dk[t][c] += x[p + t][c] dz[p][c];  dx by the flipped k. */
#include <string.h>

#include "func/func.h"
#include "tape/strided.h"

enum { X, WEIGHT };

struct depthwise {
    struct hn_window win;
    real *turned;   /* as the data gradient reads it */
    int32_t gaps;   /* hn_window_has_gaps */
    real *d_weight; /* partial sums, one a chunk */
};

static struct hn_dwindow window(const struct depthwise *d, int64_t stride)
{
    const struct hn_dwindow win = {(int32_t)d->win.k[0],
                                   (int32_t)d->win.dilation[0], (int32_t)stride,
                                   NULL};

    return win;
}

static struct hn_cplane read_input(const struct hn_node *node,
                                   struct hn_worker *w, int64_t image)
{
    const struct depthwise *d = node->aux;
    struct hn_cplane p = hn_read_plain(w, node->in[X], image, d->win.border);

    p.p -= d->win.pad[0] * p.row + d->win.pad[1] * p.pix;
    return p;
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct depthwise *d = node->aux;
    struct hnas_tensor *y = node->out;
    const struct hn_plane dst = {hn_image_rw(y, image), y->dim[3] * y->cp,
                                 y->cp};

    node->ctx->k.dw_rows(dst, read_input(node, w, image),
                         hn_real(node->in[WEIGHT]), window(d, d->win.stride[0]),
                         y->dim[2], y->dim[3], y->cp, 0);
}

static void prepare(const struct hn_node *node)
{
    const struct depthwise *d = node->aux;
    const struct hnas_tensor *k = node->in[WEIGHT];

    if (d->turned)
        hn_dw_back_weights(d->turned, &d->win, hn_real(k), k->cp);
}

static hnas_status begin(struct hn_node *node)
{
    struct depthwise *d = node->aux;
    const struct hnas_tensor *k = node->in[WEIGHT];
    const int64_t n = hn_tensor_extent(k);

    if (node->want[WEIGHT]) {
        d->d_weight = hn_take_partials(node, n);
        if (!d->d_weight)
            return hn_fail_nomem(node->ctx, "depthwise_conv2d");
    }
    if (!node->want[X])
        return HNAS_OK;
    d->turned = hn_tape_take(
        node->tape, (size_t)hn_dw_back_reals(&d->win, k->cp) * sizeof(real));
    if (!d->turned)
        return hn_fail_nomem(node->ctx, "depthwise_conv2d");
    return hn_grad_reserve(node->in[X]);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct depthwise *d = node->aux;
    struct hnas_tensor *x = node->in[X], *y = node->out;
    struct hn_plane dz;
    struct hn_cplane cdz;
    struct hn_grad_view g;

    hn_view_grad(&g, w, y, image);
    dz =
        hn_open_dz(w, 0, d->win.out[0], d->win.out[1], y->cp, d->win.dz_border);
    cdz = (struct hn_cplane){dz.p, dz.row, dz.pix};
    node->ctx->k.bn_grad_rows(dz, g.terms, g.z, g.b, g.k, y->dim[2], y->dim[3],
                              y->cp);
    if (d->d_weight) {
        const int64_t n = hn_tensor_extent(node->in[WEIGHT]);

        node->ctx->k.dw_wgrad(
            d->d_weight + w->chunk * n, read_input(node, w, image), cdz,
            window(d, d->win.stride[0]), y->dim[2], y->dim[3], y->cp);
    }
    if (d->turned) {
        int flags;
        const struct hn_plane dx = {hn_push_grad(w, x, image, &flags),
                                    x->dim[3] * x->cp, x->cp};

        if (d->gaps && !(flags & HN_ACCUMULATE))
            memset(dx.p, 0, (size_t)x->stride[0] * sizeof(real));
        hn_dw_back(w, dx, cdz, d->turned, &d->win, x->cp, flags);
    }
}

static void reduce(const struct hn_node *node)
{
    const struct depthwise *d = node->aux;
    const int64_t n = hn_tensor_extent(node->in[WEIGHT]);

    if (d->d_weight)
        hn_tree_sum(d->d_weight, hn_chunk_count(node->tape, node->n_images), n,
                    n);
}

static hnas_status join(struct hn_node *node)
{
    const struct depthwise *d = node->aux;

    return d->d_weight ? hn_add_partials(node, WEIGHT, d->d_weight) : HNAS_OK;
}

/* k * x' + k' * x */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct depthwise *d = node->aux;
    struct hnas_tensor *x = node->in[X], *k = node->in[WEIGHT], *t = NULL;
    hnas_conv_opts opts;
    hnas_status st = HNAS_OK;

    hn_window_opts(&opts, &d->win);
    if (x->tangent)
        st = hnas_depthwise_conv2d(out, node->tape, x->tangent, k, &opts);
    if (st == HNAS_OK && k->tangent)
        st = hn_tangent_add(
            out, node->tape,
            hnas_depthwise_conv2d(&t, node->tape, x, k->tangent, &opts), &t);
    return st;
}

static const struct hn_rule rule = {
    .name = "depthwise_conv2d",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_prepare = prepare,
    .backward_image = backward,
    .backward_reduce = reduce,
    .backward_join = join,
    .tangent = tangent,
    .joins_ranks = 1,
};

static hnas_status check(struct hn_window *win, hnas_tensor *x, hnas_tensor *k,
                         const hnas_conv_opts *opts)
{
    const char *what = "depthwise_conv2d";
    char sx[96], sk[96];
    hnas_status st = hn_expect(x, 4, "depthwise_conv2d: x [N, C, H, W]");

    if (st == HNAS_OK)
        st = hn_expect(k, 4, "depthwise_conv2d: weight [C, 1, k, k]");
    if (st < 0)
        return st;
    if (k->dim[0] != x->dim[1] || k->dim[1] != 1 || k->dim[2] != k->dim[3])
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "%s: x %s, weight %s, want [N, C, H, W], [C, 1, k, k]",
                       what, hn_shape_text(sx, x), hn_shape_text(sk, k));
    st = hn_window_set(win, x, k->dim[2], k->dim[3], opts, what);
    if (st == HNAS_OK && win->relu)
        return hn_fail(x->ctx, HNAS_E_UNSUPPORTED,
                       "%s: opts.relu; rectify x with hnas_relu", what);
    if (st == HNAS_OK && (win->stride[0] != win->stride[1] ||
                          win->dilation[0] != win->dilation[1]))
        st =
            hn_fail(x->ctx, HNAS_E_UNSUPPORTED,
                    "%s: stride and dilation must be equal on both axes", what);
    return st;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[2],
                          const struct hn_window *win)
{
    const int64_t dims[4] = {in[X]->dim[0], in[X]->dim[1], win->out[0],
                             win->out[1]};
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = 2,
        .aux_bytes = sizeof(struct depthwise),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct depthwise *d;
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    d = node->aux;
    d->win = *win;
    d->gaps = hn_window_has_gaps(win);
    node->bdelay = 0;
    node->need.plain = hn_padded_reals(in[X], win->border);
    node->need.dz = (win->out[0] + 2 * win->dz_border) *
                    (win->out[1] + 2 * win->dz_border) * node->out->cp;
    return hn_finish(out, node);
}

hnas_status hnas_depthwise_conv2d(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *x, hnas_tensor *weight,
                                  const hnas_conv_opts *opts)
{
    struct hnas_tensor *in[2] = {NULL, NULL};
    struct hn_window win;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight)
        return hn_fail_null(x ? x->ctx : NULL,
                            "depthwise_conv2d: out or weight");
    st = check(&win, x, weight, opts);
    if (st == HNAS_OK)
        st = hn_as_image(&in[X], tape, x);
    if (st == HNAS_OK)
        st = hn_as_kernel(&in[WEIGHT], tape, weight);
    if (st == HNAS_OK)
        st = record(out, tape, in, &win);
    hnas_tensor_unref(in[X]);
    hnas_tensor_unref(in[WEIGHT]);
    return st;
}
