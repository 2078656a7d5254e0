/* SPDX-License-Identifier: BSD-3-Clause */
/* Fused ReLU, depthwise kxk, pointwise 1x1:
 *
 *     r = max(x, 0)   d = depthwise(r)   z[p] = d[p] W
 *
 * Only z is kept.  The backward recomputes r and d, which is cheaper than to
 * store them:  dW += d^T dz,  dd = dz W^T,  dK += r dd (correlated),
 * dr = dd K (turned round), and dx = dr where x > 0. */
#include <string.h>

#include "func/func.h"
#include "tape/strided.h"

enum { X, DEPTHWISE, POINTWISE };

struct separable {
    struct hn_window win;
    int64_t group;             /* output rows worked on at a time */
    int32_t gaps;              /* hn_window_has_gaps */
    real *turned, *transposed; /* K and W as the data gradient reads them */
    real *d_depthwise, *d_pointwise; /* partial sums, one a chunk */
};

/* The rows [h0, h0 + rows) of d, dense, into a row buffer. */
static void depthwise_rows(const struct hn_node *node, struct hn_worker *w,
                           struct hn_cplane src, int64_t h0, int64_t rows)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *x = node->in[X];
    const struct hn_dwindow win = {(int32_t)s->win.k[0],
                                   (int32_t)s->win.dilation[0],
                                   (int32_t)s->win.stride[0], hn_ahead(w)};
    const struct hn_plane dst = {w->rows[0], s->win.out[1] * x->cp, x->cp};

    src.p += h0 * s->win.stride[0] * src.row;
    node->ctx->k.dw_rows(dst, src, hn_real(node->in[DEPTHWISE]), win, rows,
                         s->win.out[1], x->cp, 0);
}

/* The pixel under tap (0, 0), neighbours not strided: dw_rows strides. */
static struct hn_cplane tap_origin(const struct separable *s,
                                   struct hn_cplane inside)
{
    inside.p -= s->win.pad[0] * inside.row + s->win.pad[1] * inside.pix;
    return inside;
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct separable *s = node->aux;
    const int64_t cols = s->win.out[1], cp = node->in[X]->cp;
    const int64_t cpo = node->out->cp, zero = 0;
    struct hn_taps taps = {&zero, 1, node->in[X]->dim[1], cpo, NULL};
    const struct hn_cplane src =
        tap_origin(s, hn_read_relu(w, node->in[X], image, s->win.border));
    const struct hn_cplane d = {w->rows[0], cols * cp, cp};
    const int flags = hn_is_half(node->out) ? 0 : hn_stream_flag(node->out);
    real *z = hn_open_result(w, node->out, image);
    real *sums = hn_open_sums(node, image);

    for (int64_t h = 0; h < s->win.out[0]; h += s->group) {
        const int64_t left = s->win.out[0] - h;
        const int64_t rows = left < s->group ? left : s->group;
        const struct hn_plane dst = {z + h * cols * cpo, cols * cpo, cpo};

        depthwise_rows(node, w, src, h, rows);
        taps.ahead = hn_ahead(w);
        node->ctx->k.conv_rows(dst, d, hn_real(node->in[POINTWISE]), taps, rows,
                               cols, sums, flags);
    }
    hn_close_result(w, node->out, image);
}

static void prepare(const struct hn_node *node)
{
    const struct separable *s = node->aux;
    const real *k = hn_real(node->in[DEPTHWISE]);
    const real *w = hn_real(node->in[POINTWISE]);
    const int64_t cp = node->in[X]->cp, cpo = node->out->cp;

    if (!s->turned)
        return;
    hn_dw_back_weights(s->turned, &s->win, k, cp);
    for (int64_t o = 0; o < node->out->dim[1]; o++)
        for (int64_t i = 0; i < node->in[X]->dim[1]; i++)
            s->transposed[o * cp + i] = w[i * cpo + o];
}

static hnas_status begin(struct hn_node *node)
{
    struct separable *s = node->aux;
    struct hnas_tape *tape = node->tape;
    const int64_t nk = hn_tensor_extent(node->in[DEPTHWISE]);
    const int64_t nw = hn_tensor_extent(node->in[POINTWISE]);
    const int64_t cp = node->in[X]->cp, o = node->out->dim[1];
    hnas_status st = HNAS_OK;

    if (node->want[X] || node->want[DEPTHWISE]) {
        s->turned = hn_tape_take(tape, (size_t)hn_dw_back_reals(&s->win, cp) *
                                           sizeof(real));
        s->transposed = hn_tape_take(tape, (size_t)(o * cp) * sizeof(real));
        if (!s->turned || !s->transposed)
            return hn_fail_nomem(node->ctx, "separable_conv2d");
    }
    if (node->want[DEPTHWISE])
        s->d_depthwise = hn_take_partials(node, nk);
    if (node->want[POINTWISE])
        s->d_pointwise = hn_take_partials(node, nw);
    if ((node->want[DEPTHWISE] && !s->d_depthwise) ||
        (node->want[POINTWISE] && !s->d_pointwise))
        return hn_fail_nomem(node->ctx, "separable_conv2d");
    if (node->want[X])
        st = hn_grad_reserve(node->in[X]);
    return st;
}

/* One group of rows: dz, dW, and dd into its plane. */
static void backward_rows(const struct hn_node *node, struct hn_worker *w,
                          struct hn_grad_view *g, struct hn_cplane src,
                          struct hn_plane dd, int64_t h, int64_t rows)
{
    const struct separable *s = node->aux;
    const int64_t cols = s->win.out[1], cp = node->in[X]->cp;
    const int64_t cpo = node->out->cp, zero = 0;
    const struct hn_plane dz = {w->rows[1], cols * cpo, cpo};
    const struct hn_cplane cdz = {w->rows[1], cols * cpo, cpo};
    const struct hn_cplane cd = {w->rows[0], cols * cp, cp};
    const struct hn_taps forth = {&zero, 1, node->in[X]->dim[1], cpo, NULL};
    struct hn_taps back = {&zero, 1, node->out->dim[1], cp, NULL};

    node->ctx->k.bn_grad_rows(dz, g->terms, g->z, g->b, g->k, rows, cols, cpo);
    hn_advance_view(g, rows * cols * cpo);
    if (node->want[POINTWISE]) {
        const int64_t nw = hn_tensor_extent(node->in[POINTWISE]);

        depthwise_rows(node, w, src, h, rows);
        node->ctx->k.conv_wgrad(s->d_pointwise + w->chunk * nw, cd, cdz, forth,
                                rows, cols);
    }
    if (s->transposed) {
        const struct hn_plane dst = {dd.p + h * dd.row, dd.row, dd.pix};

        back.ahead = hn_ahead(w);
        node->ctx->k.conv_rows(dst, cdz, s->transposed, back, rows, cols, NULL,
                               0);
    }
}

/* dx behind the rectifier, from the plane of dd. */
static void data_gradient(const struct hn_node *node, struct hn_worker *w,
                          struct hn_cplane dd, int64_t image)
{
    const struct separable *s = node->aux;
    struct hnas_tensor *x = node->in[X];
    int flags;
    real *acc = hn_open_relu_grad(w, x, image, &flags);
    const struct hn_plane dst = {acc, x->dim[3] * x->cp, x->cp};

    if (s->gaps && !(flags & HN_ACCUMULATE))
        memset(acc, 0, (size_t)x->stride[0] * sizeof(real));
    hn_dw_back(w, dst, dd, s->turned, &s->win, x->cp, flags);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct separable *s = node->aux;
    struct hnas_tensor *x = node->in[X];
    struct hn_grad_view g;
    struct hn_cplane src = {NULL, 0, 0}, cdd;
    struct hn_plane dd;

    hn_view_grad(&g, w, node->out, image);
    if (node->want[DEPTHWISE] || node->want[POINTWISE])
        src = tap_origin(s, hn_read_relu(w, x, image, s->win.border));
    dd =
        hn_open_dz(w, 0, s->win.out[0], s->win.out[1], x->cp, s->win.dz_border);
    cdd = (struct hn_cplane){dd.p, dd.row, dd.pix};
    for (int64_t h = 0; h < s->win.out[0]; h += s->group) {
        const int64_t left = s->win.out[0] - h;

        backward_rows(node, w, &g, src, dd, h,
                      left < s->group ? left : s->group);
    }
    if (node->want[DEPTHWISE]) {
        const struct hn_dwindow win = {(int32_t)s->win.k[0],
                                       (int32_t)s->win.dilation[0],
                                       (int32_t)s->win.stride[0], NULL};
        const int64_t nk = hn_tensor_extent(node->in[DEPTHWISE]);

        node->ctx->k.dw_wgrad(s->d_depthwise + w->chunk * nk, src, cdd, win,
                              s->win.out[0], s->win.out[1], x->cp);
    }
    if (node->want[X])
        data_gradient(node, w, cdd, image);
}

static void reduce(const struct hn_node *node)
{
    const struct separable *s = node->aux;
    const int64_t n = hn_chunk_count(node->tape, node->n_images);
    const int64_t nk = hn_tensor_extent(node->in[DEPTHWISE]);
    const int64_t nw = hn_tensor_extent(node->in[POINTWISE]);

    if (s->d_depthwise)
        hn_tree_sum(s->d_depthwise, n, nk, nk);
    if (s->d_pointwise)
        hn_tree_sum(s->d_pointwise, n, nw, nw);
}

static hnas_status join(struct hn_node *node)
{
    const struct separable *s = node->aux;
    hnas_status st = HNAS_OK;

    if (s->d_depthwise)
        st = hn_add_partials(node, DEPTHWISE, s->d_depthwise);
    if (st == HNAS_OK && s->d_pointwise)
        st = hn_add_partials(node, POINTWISE, s->d_pointwise);
    return st;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct separable *s = node->aux;
    struct hnas_tensor *const move[3] = {node->in[X]->tangent,
                                         node->in[DEPTHWISE]->tangent,
                                         node->in[POINTWISE]->tangent};
    hnas_conv_opts opts;

    hn_window_opts(&opts, &s->win);
    return hn_separable_tangent(out, node->tape, node->in, move, &opts);
}

static const struct hn_rule rule = {
    .name = "separable_conv2d",
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

static hnas_status check(struct hn_window *win, hnas_tensor *x, hnas_tensor *k,
                         hnas_tensor *w, const hnas_conv_opts *opts)
{
    const char *what = "separable_conv2d";
    char sx[96], sk[96], sw[96];
    hnas_status st = hn_expect(x, 4, "separable_conv2d: x [N, C, H, W]");

    if (st == HNAS_OK)
        st = hn_expect(k, 4, "separable_conv2d: depthwise [C, 1, k, k]");
    if (st == HNAS_OK)
        st = hn_expect(w, 4, "separable_conv2d: pointwise [O, C, 1, 1]");
    if (st < 0)
        return st;
    if (k->dim[0] != x->dim[1] || k->dim[1] != 1 || k->dim[2] != k->dim[3] ||
        w->dim[1] != x->dim[1] || w->dim[2] != 1 || w->dim[3] != 1)
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "%s: x %s, depthwise %s, pointwise %s, want [N, C, H, "
                       "W], [C, 1, k, k], [O, C, 1, 1]",
                       what, hn_shape_text(sx, x), hn_shape_text(sk, k),
                       hn_shape_text(sw, w));
    st = hn_window_set(win, x, k->dim[2], k->dim[3], opts, what);
    if (st == HNAS_OK && (win->stride[0] != win->stride[1] ||
                          win->dilation[0] != win->dilation[1]))
        st =
            hn_fail(x->ctx, HNAS_E_UNSUPPORTED,
                    "%s: stride and dilation must be equal on both axes", what);
    return st;
}

static void set_need(struct hn_node *node)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *x = node->in[X], *y = node->out;
    const int64_t cp = x->cp > y->cp ? x->cp : y->cp;

    node->need.relu = hn_padded_reals(x, s->win.border);
    node->need.dz = (s->win.out[0] + 2 * s->win.dz_border) *
                    (s->win.out[1] + 2 * s->win.dz_border) * x->cp;
    node->need.acc = hn_padded_reals(x, 0);
    node->need.rows = s->group * s->win.out[1] * cp;
}

/* The same composed of plain funcs, for tests to compare with. */
static hnas_status plain(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                         hnas_tensor *k, hnas_tensor *w,
                         const hnas_conv_opts *opts)
{
    hnas_tensor *r = NULL, *d = NULL;
    hnas_status st = hnas_relu(&r, tape, x);

    if (st == HNAS_OK)
        st = hnas_depthwise_conv2d(&d, tape, r, k, opts);
    if (st == HNAS_OK)
        st = hnas_conv2d(out, tape, d, w, NULL);
    hnas_tensor_unref(r);
    hnas_tensor_unref(d);
    return st;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[3],
                          const struct hn_window *win)
{
    const int64_t dims[4] = {in[X]->dim[0], in[POINTWISE]->dim[0], win->out[0],
                             win->out[1]};
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = 3,
        .aux_bytes = sizeof(struct separable),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct separable *s;
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    s = node->aux;
    s->win = *win;
    s->group = hn_row_group(win->out[1]);
    s->gaps = hn_window_has_gaps(win);
    node->manner[X] = HN_RELU;
    node->bdelay = 0;
    set_need(node);
    st = hn_emit_sums(node);
    return st < 0 ? hn_abandon(node, st) : hn_finish(out, node);
}

hnas_status hnas_separable_conv2d(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *x, hnas_tensor *depthwise,
                                  hnas_tensor *pointwise,
                                  const hnas_conv_opts *opts)
{
    struct hnas_tensor *in[3] = {NULL, NULL, NULL};
    struct hn_window win;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !depthwise || !pointwise)
        return hn_fail_null(x ? x->ctx : NULL,
                            "separable_conv2d: out, depthwise or pointwise");
    st = check(&win, x, depthwise, pointwise, opts);
    if (st < 0)
        return st;
    if (tape && (tape->mode & HNAS_TAPE_PLAIN))
        return plain(out, tape, x, depthwise, pointwise, opts);
    st = hn_as_image(&in[X], tape, x);
    if (st == HNAS_OK)
        st = hn_as_kernel(&in[DEPTHWISE], tape, depthwise);
    if (st == HNAS_OK)
        st = hn_as_kernel(&in[POINTWISE], tape, pointwise);
    if (st == HNAS_OK)
        st = record(out, tape, in, &win);
    for (int i = 0; i < 3; i++)
        hnas_tensor_unref(in[i]);
    return st;
}
