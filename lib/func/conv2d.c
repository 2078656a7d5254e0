/* SPDX-License-Identifier: BSD-3-Clause */
/* Dense convolution, its input rectified first where asked:
 *
 *     z[o] = sum_t sum_i w[t][i][o] r[p + t][i],  r = x or max(x, 0)
 *
 * dw[t][i][o] += r[p + t][i] dz[p][o];  dr by the turned, transposed w, one
 * class of input pixels after the other (strided.h). */
#include <string.h>

#include "func/func.h"
#include "tape/strided.h"

enum { X, WEIGHT };

struct conv {
    struct hn_window win;
    int32_t relu;
    int64_t n_taps;
    int64_t *forth;           /* tap offsets in the padded input */
    struct hn_conv_back back; /* weights NULL: not needed */
    real *d_weight;           /* partial sums, one a chunk */
};

static struct hn_cplane read_input(const struct hn_node *node,
                                   struct hn_worker *w, int64_t image)
{
    const struct conv *c = node->aux;

    if (c->relu)
        return hn_read_relu(w, node->in[X], image, c->win.border);
    return hn_read_plain(w, node->in[X], image, c->win.border);
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *y = node->out;
    const struct hn_taps taps = {c->forth, c->n_taps, node->in[X]->dim[1],
                                 y->cp, NULL};
    const struct hn_cplane src =
        hn_window_origin(&c->win, read_input(node, w, image));
    const struct hn_plane dst = {hn_open_result(w, y, image), y->dim[3] * y->cp,
                                 y->cp};

    node->ctx->k.conv_rows(dst, src, hn_real(node->in[WEIGHT]), taps, y->dim[2],
                           y->dim[3], hn_open_sums(node, image),
                           hn_is_half(y) ? 0 : hn_stream_flag(y));
    hn_close_result(w, y, image);
}

static void prepare(const struct hn_node *node)
{
    const struct conv *c = node->aux;

    if (c->back.weights)
        hn_conv_back_weights(&c->back, &c->win, node->in[WEIGHT],
                             node->in[X]->cp);
}

static hnas_status begin(struct hn_node *node)
{
    struct conv *c = node->aux;

    if (node->want[X] && (hn_conv_back_take(&c->back, node, node->in[WEIGHT],
                                            node->in[X]->cp) < 0 ||
                          hn_grad_reserve(node->in[X]) < 0))
        return hn_fail_nomem(node->ctx, "conv2d");
    if (node->want[WEIGHT]) {
        c->d_weight =
            hn_take_partials(node, hn_tensor_extent(node->in[WEIGHT]));
        if (!c->d_weight)
            return hn_fail_nomem(node->ctx, "conv2d");
    }
    return HNAS_OK;
}

static void data_gradient(const struct hn_node *node, struct hn_worker *w,
                          struct hn_cplane dz, int64_t image)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *x = node->in[X];
    int flags;
    real *dx = c->relu ? hn_open_relu_grad(w, x, image, &flags)
                       : hn_push_grad(w, x, image, &flags);

    hn_conv_back(node->ctx, dx, x, dz, &c->back, &c->win, node->out->dim[1],
                 flags);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *y = node->out;
    struct hn_grad_view g;
    struct hn_cplane src = {NULL, 0, 0}, cdz;
    struct hn_plane dz;

    hn_view_grad(&g, w, y, image);
    if (c->d_weight)
        src = hn_window_origin(&c->win, read_input(node, w, image));
    dz =
        hn_open_dz(w, 0, c->win.out[0], c->win.out[1], y->cp, c->win.dz_border);
    cdz = (struct hn_cplane){dz.p, dz.row, dz.pix};
    node->ctx->k.bn_grad_rows(dz, g.terms, g.z, g.b, g.k, y->dim[2], y->dim[3],
                              y->cp);
    if (c->d_weight) {
        const struct hn_taps taps = {c->forth, c->n_taps, node->in[X]->dim[1],
                                     y->cp, NULL};
        const int64_t n = hn_tensor_extent(node->in[WEIGHT]);

        node->ctx->k.conv_wgrad(c->d_weight + w->chunk * n, src, cdz, taps,
                                y->dim[2], y->dim[3]);
    }
    if (node->want[X])
        data_gradient(node, w, cdz, image);
}

static void reduce(const struct hn_node *node)
{
    const struct conv *c = node->aux;
    const int64_t n = hn_tensor_extent(node->in[WEIGHT]);

    if (c->d_weight)
        hn_tree_sum(c->d_weight, hn_chunk_count(node->tape, node->n_images), n,
                    n);
}

static hnas_status join(struct hn_node *node)
{
    const struct conv *c = node->aux;

    return c->d_weight ? hn_add_partials(node, WEIGHT, c->d_weight) : HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *const move[2] = {node->in[X]->tangent,
                                         node->in[WEIGHT]->tangent};
    hnas_conv_opts opts;

    hn_window_opts(&opts, &c->win);
    opts.relu = c->relu;
    return hn_conv2d_tangent(out, node->tape, node->in, move, &opts);
}

static const struct hn_rule rule = {
    .name = "conv2d",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_prepare = prepare,
    .backward_image = backward,
    .backward_reduce = reduce,
    .backward_join = join,
    .tangent = tangent,
    .narrows = 1,
    .joins_ranks = 1,
};

static void set_need(struct hn_node *node)
{
    const struct conv *c = node->aux;
    const int64_t padded = hn_padded_reals(node->in[X], c->win.border);

    if (c->relu) {
        node->need.relu = padded;
        node->need.acc = hn_padded_reals(node->in[X], 0);
    } else {
        node->need.plain = padded;
    }
    node->need.dz = (c->win.out[0] + 2 * c->win.dz_border) *
                    (c->win.out[1] + 2 * c->win.dz_border) * node->out->cp;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[2],
                          const struct hn_window *win, int32_t relu)
{
    const int64_t dims[4] = {in[X]->dim[0], in[WEIGHT]->dim[0], win->out[0],
                             win->out[1]};
    const struct hn_make make = {.rule = &rule,
                                 .in = in,
                                 .n_in = 2,
                                 .aux_bytes = sizeof(struct conv),
                                 .layout = HN_IMAGE,
                                 .rank = 4,
                                 .dims = dims,
                                 .n_images = dims[0],
                                 .reads_parts = relu};
    struct conv *c;
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    c = node->aux;
    c->win = *win;
    c->relu = relu;
    node->manner[X] = relu ? HN_RELU : HN_PUSH;
    node->bdelay = 0;
    c->n_taps = win->k[0] * win->k[1];
    c->forth = hn_conv_taps(node, win, in[X]->cp);
    set_need(node);
    st = c->forth ? hn_emit_sums(node) : hn_fail_nomem(node->ctx, "conv2d");
    return st < 0 ? hn_abandon(node, st) : hn_finish(out, node);
}

static hnas_status check(struct hn_window *win, hnas_tensor *x, hnas_tensor *w,
                         const hnas_conv_opts *opts)
{
    char sx[96], sw[96];
    hnas_status st = hn_expect(x, 4, "conv2d: x [N, C, H, W]");

    if (st == HNAS_OK)
        st = hn_expect(w, 4, "conv2d: weight [O, I, kH, kW]");
    if (st < 0)
        return st;
    if (w->dim[1] != x->dim[1])
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "conv2d: x %s has %lld channels, weight %s takes %lld",
                       hn_shape_text(sx, x), (long long)x->dim[1],
                       hn_shape_text(sw, w), (long long)w->dim[1]);
    return hn_window_set(win, x, w->dim[2], w->dim[3], opts, "conv2d");
}

hnas_status hnas_conv2d(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                        hnas_tensor *weight, const hnas_conv_opts *opts)
{
    struct hnas_tensor *in[2] = {NULL, NULL}, *r = NULL;
    struct hn_window win;
    int apart = 0; /* whether relu is a node of its own */
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight)
        return hn_fail_null(x ? x->ctx : NULL, "conv2d: out or weight");
    st = check(&win, x, weight, opts);
    if (st == HNAS_OK)
        apart = win.relu && tape && (tape->mode & HNAS_TAPE_PLAIN);
    if (st == HNAS_OK && apart)
        st = hnas_relu(&r, tape, x);
    if (st == HNAS_OK)
        st = hn_as_image(&in[X], tape, r ? r : x);
    if (st == HNAS_OK)
        st = hn_as_kernel(&in[WEIGHT], tape, weight);
    if (st == HNAS_OK)
        st = record(out, tape, in, &win, win.relu && !apart);
    hnas_tensor_unref(r);
    hnas_tensor_unref(in[X]);
    hnas_tensor_unref(in[WEIGHT]);
    return st;
}
