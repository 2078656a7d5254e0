/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of a dense convolution, x moving by t, w by w':
 *
 *     z' = w * s + w' * r,  r = x, s = t; or r = max(x, 0), s = t where x > 0
 *
 * and for g = dz': dt by the turned w, dx by the turned w', both masked where
 * the input was rectified. */
#include "func/func.h"
#include "tape/strided.h"

enum { X, WEIGHT, N_MOVES };

struct conv {
    struct hn_window win;
    int32_t relu;
    int64_t *taps;
    struct hnas_tensor *move[N_MOVES]; /* NULL: doesn't move */
    int32_t of_move;                   /* the input t, or -1 */
    struct hn_conv_back to_x, to_t;    /* weights NULL: not needed */
};

static void add_rows(const struct hn_node *node, struct hn_plane dst,
                     struct hn_cplane inside, const struct hnas_tensor *w,
                     int flags)
{
    const struct conv *c = node->aux;
    const struct hnas_tensor *y = node->out;
    const struct hn_taps taps = {c->taps, c->win.k[0] * c->win.k[1],
                                 node->in[X]->dim[1], y->cp, NULL};

    node->ctx->k.conv_rows(dst, hn_window_origin(&c->win, inside), hn_real(w),
                           taps, y->dim[2], y->dim[3], NULL, flags);
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct conv *c = node->aux;
    const int64_t border = c->win.border;
    struct hnas_tensor *x = node->in[X], *y = node->out, *t = c->move[X];
    const struct hn_plane dst = {hn_image_rw(y, image), y->dim[3] * y->cp,
                                 y->cp};
    struct hn_cplane r = {NULL, 0, 0};

    if (c->relu)
        r = hn_read_relu(w, x, image, border);
    if (t)
        add_rows(node, dst,
                 c->relu ? hn_read_masked(w, t, x, image, border)
                         : hn_read_plain(w, t, image, border),
                 node->in[WEIGHT], 0);
    if (!c->relu && c->move[WEIGHT])
        r = hn_read_plain(w, x, image, border);
    if (c->move[WEIGHT])
        add_rows(node, dst, r, c->move[WEIGHT], t ? HN_ACCUMULATE : 0);
}

static int wants_move(const struct hn_node *node)
{
    const struct conv *c = node->aux;

    return c->of_move >= 0 && node->want[c->of_move];
}

static hnas_status begin(struct hn_node *node)
{
    struct conv *c = node->aux;
    const int64_t cp = node->in[X]->cp;
    hnas_status st = HNAS_OK;

    if (node->want[X] && c->move[WEIGHT])
        st = hn_conv_back_take(&c->to_x, node, c->move[WEIGHT], cp);
    if (st == HNAS_OK && node->want[X])
        st = hn_grad_reserve(node->in[X]);
    if (st == HNAS_OK && wants_move(node))
        st = hn_conv_back_take(&c->to_t, node, node->in[WEIGHT], cp);
    if (st == HNAS_OK && wants_move(node))
        st = hn_grad_reserve(c->move[X]);
    return st < 0 ? hn_fail_nomem(node->ctx, "conv2d_tangent") : st;
}

static void prepare(const struct hn_node *node)
{
    const struct conv *c = node->aux;
    const int64_t cp = node->in[X]->cp;

    if (c->to_x.weights)
        hn_conv_back_weights(&c->to_x, &c->win, c->move[WEIGHT], cp);
    if (c->to_t.weights)
        hn_conv_back_weights(&c->to_t, &c->win, node->in[WEIGHT], cp);
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct conv *c = node->aux;
    struct hnas_tensor *x = node->in[X], *y = node->out, *t = c->move[X];
    struct hn_grad_view g;
    struct hn_cplane cdz;
    struct hn_plane dz;
    real *d;
    int flags;

    hn_view_grad(&g, w, y, image);
    if (c->relu)
        (void)hn_read_relu(w, x, image, c->win.border); /* the mask */
    dz = hn_open_dz(w, 0, y->dim[2], y->dim[3], y->cp, c->win.dz_border);
    cdz = (struct hn_cplane){dz.p, dz.row, dz.pix};
    node->ctx->k.bn_grad_rows(dz, g.terms, g.z, g.b, g.k, y->dim[2], y->dim[3],
                              y->cp);
    if (c->to_x.weights) {
        d = c->relu ? hn_open_relu_grad(w, x, image, &flags)
                    : hn_push_grad(w, x, image, &flags);
        hn_conv_back(node->ctx, d, x, cdz, &c->to_x, &c->win, y->dim[1], flags);
    }
    if (c->to_t.weights) {
        d = c->relu ? hn_open_tangent_grad(w, t, image, &flags)
                    : hn_push_grad(w, t, image, &flags);
        hn_conv_back(node->ctx, d, t, cdz, &c->to_t, &c->win, y->dim[1], flags);
    }
}

static const struct hn_rule rule = {
    .name = "conv2d_tangent",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_prepare = prepare,
    .backward_image = backward,
};

static void set_need(struct hn_node *node)
{
    const struct conv *c = node->aux;
    const struct hnas_tensor *x = node->in[X];
    const int64_t padded = hn_padded_reals(x, c->win.border);

    if (c->relu) {
        node->need.relu = node->need.masked = padded;
        node->need.acc = node->need.tangent_acc = hn_padded_reals(x, 0);
        node->need.image = hn_padded_reals(x, 0);
    } else {
        node->need.plain = padded;
    }
    node->need.dz = (c->win.out[0] + 2 * c->win.dz_border) *
                    (c->win.out[1] + 2 * c->win.dz_border) * node->out->cp;
}

static void set_wants(struct hn_node *node)
{
    const struct conv *c = node->aux;

    for (int32_t i = 0; i < node->n_in; i++)
        if (i != X && i != c->of_move)
            node->want[i] = 0;
    if (!c->move[WEIGHT])
        node->want[X] = 0;
    node->active = node->want[X] | (uint8_t)wants_move(node);
    node->manner[X] = c->relu ? HN_RELU : HN_PUSH;
    if (c->of_move >= 0)
        node->manner[c->of_move] = node->manner[X];
    node->bdelay = 0;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[2],
                          struct hnas_tensor *const move[N_MOVES],
                          const struct hn_window *win, int32_t relu)
{
    const int64_t dims[4] = {in[X]->dim[0], in[WEIGHT]->dim[0], win->out[0],
                             win->out[1]};
    struct hnas_tensor *list[2 * N_MOVES] = {in[X], in[WEIGHT]};
    struct hn_make make = {
        .rule = &rule,
        .in = list,
        .n_in = N_MOVES,
        .aux_bytes = sizeof(struct conv),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
        .reads_parts = relu,
    };
    struct hn_node *node;
    struct conv *c;
    hnas_status st;

    for (int i = 0; i < N_MOVES; i++)
        if (move[i])
            list[make.n_in++] = move[i];
    st = hn_append(&node, tape, &make);
    if (st < 0)
        return st;
    c = node->aux;
    c->win = *win;
    c->relu = relu;
    c->move[X] = move[X];
    c->move[WEIGHT] = move[WEIGHT];
    c->of_move = move[X] ? N_MOVES : -1;
    c->taps = hn_conv_taps(node, win, in[X]->cp);
    if (!c->taps)
        return hn_abandon(node, hn_fail_nomem(node->ctx, "conv2d_tangent"));
    set_wants(node);
    set_need(node);
    return hn_finish(out, node);
}

/* The same of plain funcs, where the weight wants a gradient too. */
static hnas_status compose(hnas_tensor **out, hnas_tape *tape,
                           struct hnas_tensor *const in[2],
                           struct hnas_tensor *const move[N_MOVES],
                           const hnas_conv_opts *opts)
{
    struct hnas_tensor *s = hnas_tensor_ref(move[X]), *t = NULL;
    hnas_conv_opts still = *opts;
    hnas_status st = HNAS_OK;

    still.relu = 0;
    if (s && opts->relu) {
        hnas_tensor_unref(s);
        st = hn_mask(&s, tape, move[X], in[X]);
    }
    if (st == HNAS_OK && s)
        st = hnas_conv2d(out, tape, s, in[WEIGHT], &still);
    if (st == HNAS_OK && move[WEIGHT])
        st = hn_tangent_add(
            out, tape, hnas_conv2d(&t, tape, in[X], move[WEIGHT], opts), &t);
    hnas_tensor_unref(s);
    return st;
}

hnas_status hn_conv2d_tangent(hnas_tensor **out, hnas_tape *tape,
                              hnas_tensor *const in[2],
                              hnas_tensor *const move[2],
                              const hnas_conv_opts *opts)
{
    struct hnas_tensor *m[N_MOVES] = {NULL, NULL}, *w = in[WEIGHT];
    struct hn_window win;
    hnas_status st;

    *out = NULL;
    if (hn_wants(w))
        return compose(out, tape, in, move, opts);
    st = hn_window_set(&win, in[X], w->dim[2], w->dim[3], opts,
                       "conv2d_tangent");
    if (st == HNAS_OK && move[X])
        st = hn_as_image(&m[X], tape, move[X]);
    if (st == HNAS_OK && move[WEIGHT])
        st = hn_as_kernel(&m[WEIGHT], tape, move[WEIGHT]);
    if (st == HNAS_OK)
        st = record(out, tape, in, m, &win, opts->relu);
    hnas_tensor_unref(m[X]);
    hnas_tensor_unref(m[WEIGHT]);
    return st;
}
