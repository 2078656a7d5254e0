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
    int32_t gaps;          /* hn_window_has_gaps */
    int64_t *forth, *back; /* tap offsets in the padded input and gradient */
    real *transposed;      /* [tap, by class][O][cp of x] */
    real *d_weight;        /* partial sums, one a chunk */
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
    const struct hn_plane dst = {hn_image_rw(y, image), y->dim[3] * y->cp,
                                 y->cp};

    node->ctx->k.conv_rows(dst, src, hn_real(node->in[WEIGHT]), taps, y->dim[2],
                           y->dim[3], hn_open_sums(node, image),
                           hn_stream_flag(y));
}

/* One class of input pixels: rows a / s1, columns a % s1. */
static void get_class(struct hn_class *y, struct hn_class *x,
                      const struct hn_window *win, int64_t a)
{
    hn_class_set(y, win, 0, a / win->stride[1]);
    hn_class_set(x, win, 1, a % win->stride[1]);
}

/* dst[o][i] = w[tap][i][o] */
static void transpose_tap(real *dst, const struct hnas_tensor *w, int64_t tap,
                          int64_t cp)
{
    const int64_t n_o = w->dim[0], n_i = w->dim[1];
    const real *src = hn_real(w) + tap * n_i * w->cp;

    for (int64_t o = 0; o < n_o; o++)
        for (int64_t i = 0; i < n_i; i++)
            dst[o * cp + i] = src[i * w->cp + o];
}

/* The taps of each class one after the other: weights, and where they look. */
static void prepare(const struct hn_node *node)
{
    const struct conv *c = node->aux;
    const struct hn_window *win = &c->win;
    const struct hnas_tensor *w = node->in[WEIGHT];
    const int64_t cp = node->in[X]->cp, cy = node->out->cp;
    const int64_t row = (win->out[1] + 2 * win->dz_border) * cy;
    int64_t n = 0;

    if (!c->transposed)
        return;
    for (int64_t a = 0; a < win->stride[0] * win->stride[1]; a++) {
        struct hn_class y, x;

        get_class(&y, &x, win, a);
        for (int64_t t = 0; t < y.n_taps * x.n_taps; t++, n++) {
            const int64_t i = t / x.n_taps, j = t % x.n_taps;
            const int64_t ky = y.tap0 - i * y.tap_step;
            const int64_t kx = x.tap0 - j * x.tap_step;

            c->back[n] =
                (y.q0 + i * y.q_step) * row + (x.q0 + j * x.q_step) * cy;
            transpose_tap(c->transposed + n * w->dim[0] * cp, w,
                          ky * win->k[1] + kx, cp);
        }
    }
}

static hnas_status begin(struct hn_node *node)
{
    struct conv *c = node->aux;
    const int64_t cp = node->in[X]->cp;

    if (node->want[X]) {
        const int64_t n = c->n_taps * node->out->dim[1] * cp;

        c->transposed = hn_tape_take(node->tape, (size_t)n * sizeof(real));
        if (!c->transposed || hn_grad_reserve(node->in[X]) < 0)
            return hn_fail_nomem(node->ctx, "conv2d");
    }
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
    const int64_t *s = c->win.stride, n_o = node->out->dim[1];
    struct hnas_tensor *x = node->in[X];
    int flags;
    real *dx = c->relu ? hn_open_relu_grad(w, x, image, &flags)
                       : hn_push_grad(w, x, image, &flags);
    const int64_t row = x->dim[3] * x->cp;
    struct hn_taps taps = {c->back, 0, n_o, x->cp, NULL};
    const real *weights = c->transposed;

    if (c->gaps && !(flags & HN_ACCUMULATE))
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    for (int64_t a = 0; a < s[0] * s[1]; a++) {
        const struct hn_plane dst = {dx + a / s[1] * row + a % s[1] * x->cp,
                                     row * s[0], x->cp * s[1]};
        struct hn_class cy, cx;

        get_class(&cy, &cx, &c->win, a);
        taps.n_taps = cy.n_taps * cx.n_taps;
        if (taps.n_taps && cy.count && cx.count)
            node->ctx->k.conv_rows(dst, dz, weights, taps, cy.count, cx.count,
                                   NULL, flags);
        taps.offset += taps.n_taps;
        weights += taps.n_taps * n_o * x->cp;
    }
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
    if (c->relu || c->d_weight)
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
        hn_tree_sum(c->d_weight, hn_chunk_count(node->n_images), n, n);
}

static hnas_status join(struct hn_node *node)
{
    const struct conv *c = node->aux;

    return c->d_weight ? hn_add_partials(node, WEIGHT, c->d_weight) : HNAS_OK;
}

/* w * r' + w' * r, r' = x' where x > 0 if the input is rectified */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *x = node->in[X], *w = node->in[WEIGHT];
    struct hnas_tensor *move = hnas_tensor_ref(x->tangent), *t = NULL;
    hnas_conv_opts opts;
    hnas_status st = HNAS_OK;

    hn_window_opts(&opts, &c->win);
    if (move && c->relu) {
        hnas_tensor_unref(move);
        st = hn_mask(&move, node->tape, x->tangent, x);
    }
    if (st == HNAS_OK && move)
        st = hnas_conv2d(out, node->tape, move, w, &opts);
    opts.relu = c->relu;
    if (st == HNAS_OK && w->tangent)
        st = hn_tangent_add(out, node->tape,
                            hnas_conv2d(&t, node->tape, x, w->tangent, &opts),
                            &t);
    hnas_tensor_unref(move);
    return st;
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
};

static hnas_status set_taps(struct hn_node *node)
{
    struct conv *c = node->aux;
    const struct hn_window *win = &c->win;
    const int64_t cx = node->in[X]->cp;
    const int64_t row_x = (win->in[1] + 2 * win->border) * cx;

    c->n_taps = win->k[0] * win->k[1];
    c->forth =
        hn_tape_take(node->tape, 2 * (size_t)c->n_taps * sizeof *c->forth);
    if (!c->forth)
        return hn_fail_nomem(node->ctx, "conv2d");
    c->back = c->forth + c->n_taps;
    for (int64_t i = 0; i < win->k[0]; i++)
        for (int64_t j = 0; j < win->k[1]; j++) {
            const int64_t t = i * win->k[1] + j;

            c->forth[t] =
                i * win->dilation[0] * row_x + j * win->dilation[1] * cx;
        }
    return HNAS_OK;
}

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
    const struct hn_make make = {
        &rule, in, 2, sizeof(struct conv), HN_IMAGE, 4, dims, NULL, dims[0]};
    struct conv *c;
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    c = node->aux;
    c->win = *win;
    c->relu = relu;
    c->gaps = hn_window_has_gaps(win);
    node->manner[X] = relu ? HN_RELU : HN_PUSH;
    node->bdelay = 0;
    st = set_taps(node);
    set_need(node);
    if (st == HNAS_OK)
        st = hn_emit_sums(node);
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
    const int relu = opts && opts->size >= sizeof *opts && opts->relu;
    const int apart = tape && (tape->mode & HNAS_TAPE_PLAIN) && relu;
    struct hn_window win;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !weight)
        return HNAS_E_ARG;
    st = check(&win, x, weight, opts);
    if (st == HNAS_OK && apart)
        st = hnas_relu(&r, tape, x);
    if (st == HNAS_OK)
        st = hn_as_image(&in[X], tape, r ? r : x);
    if (st == HNAS_OK)
        st = hn_as_kernel(&in[WEIGHT], tape, weight);
    if (st == HNAS_OK)
        st = record(out, tape, in, &win, relu && !apart);
    hnas_tensor_unref(r);
    hnas_tensor_unref(in[X]);
    hnas_tensor_unref(in[WEIGHT]);
    return st;
}
