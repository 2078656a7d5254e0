/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of fused ReLU, depthwise k, pointwise W, the input x moving by
 * t, the weights by k' and W':
 *
 *     r = max(x, 0)   s = t where x > 0
 *     z' = (k s + k' r) W + (k r) W'
 *
 * and for g = dz', with a = g W^T, b = g W'^T, turned kernels k^T:
 *
 *     dt = k^T a where x > 0     dx = k'^T a + k^T b where x > 0
 *
 * z' passes (tape/passing.c); r, s and what lies between are made again. */
#include <string.h>

#include "func/func.h"
#include "tape/strided.h"

enum { X, K, W, N_MOVES };

struct separable {
    struct hn_window win;
    int64_t group; /* output rows worked on at a time */
    int32_t gaps;
    struct hnas_tensor *move[N_MOVES]; /* NULL: doesn't move */
    /* k and k' turned; W and W' transposed; NULL: not needed */
    real *turned[2], *transposed[2];
    int32_t of_move; /* the input t, or -1 */
};

static const real *kernel_of(const struct hnas_tensor *t)
{
    return t ? hn_real(t) : NULL;
}

static void depthwise_rows(const struct hn_node *node, struct hn_cplane src,
                           const real *k, int64_t h, int64_t rows, real *d,
                           int flags)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *x = node->in[X];
    const struct hn_dwindow win = {(int32_t)s->win.k[0],
                                   (int32_t)s->win.dilation[0],
                                   (int32_t)s->win.stride[0], NULL};
    const struct hn_plane dst = {d, s->win.out[1] * x->cp, x->cp};

    src.p += h * s->win.stride[0] * src.row -
             (s->win.pad[0] * src.row + s->win.pad[1] * src.pix);
    node->ctx->k.dw_rows(dst, src, k, win, rows, s->win.out[1], x->cp, flags);
}

/* What the rows read: the rectified input, and its masked movement. */
struct planes {
    struct hn_cplane r, s;
};

static struct planes read_input(const struct hn_node *node, struct hn_worker *w,
                                int64_t image)
{
    const struct separable *s = node->aux;
    struct planes p;

    p.r = p.s = hn_read_relu(w, node->in[X], image, s->win.border);
    if (s->move[X])
        p.s = hn_read_masked(w, s->move[X], node->in[X], image, s->win.border);
    return p;
}

/* z' of some rows. */
static void forward_rows(const struct hn_node *node, struct hn_worker *w,
                         struct planes p, struct hn_plane dst, int64_t h,
                         int64_t rows)
{
    const struct separable *s = node->aux;
    const int64_t cols = s->win.out[1], cp = node->in[X]->cp, zero = 0;
    const struct hn_cplane d = {w->rows[0], cols * cp, cp};
    const struct hn_taps taps = {&zero, 1, node->in[X]->dim[1], node->out->cp,
                                 NULL};
    const real *k = kernel_of(node->in[K]);
    int flags = 0;

    if (s->move[X])
        depthwise_rows(node, p.s, k, h, rows, w->rows[0], 0);
    if (s->move[K])
        depthwise_rows(node, p.r, kernel_of(s->move[K]), h, rows, w->rows[0],
                       s->move[X] ? HN_ACCUMULATE : 0);
    if (s->move[X] || s->move[K]) {
        node->ctx->k.conv_rows(dst, d, kernel_of(node->in[W]), taps, rows, cols,
                               NULL, 0);
        flags = HN_ACCUMULATE;
    }
    if (!s->move[W])
        return;
    depthwise_rows(node, p.r, k, h, rows, w->rows[0], 0);
    node->ctx->k.conv_rows(dst, d, kernel_of(s->move[W]), taps, rows, cols,
                           NULL, flags);
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct separable *s = node->aux;
    const int64_t cols = s->win.out[1], cpo = node->out->cp;
    const struct planes p = read_input(node, w, image);
    real *z = hn_image_rw(node->out, image);

    for (int64_t h = 0; h < s->win.out[0]; h += s->group) {
        const int64_t left = s->win.out[0] - h;
        const struct hn_plane dst = {z + h * cols * cpo, cols * cpo, cpo};

        forward_rows(node, w, p, dst, h, left < s->group ? left : s->group);
    }
}

/* ---- backward ---- */

static void transpose(real *dst, const struct hn_node *node, const real *w)
{
    const int64_t cp = node->in[X]->cp, cpo = node->out->cp;

    for (int64_t o = 0; o < node->out->dim[1]; o++)
        for (int64_t i = 0; i < node->in[X]->dim[1]; i++)
            dst[o * cp + i] = w[i * cpo + o];
}

static void prepare(const struct hn_node *node)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *const k[2] = {node->in[K], s->move[K]};
    const struct hnas_tensor *const w[2] = {node->in[W], s->move[W]};

    for (int i = 0; i < 2; i++) {
        if (s->turned[i])
            hn_dw_back_weights(s->turned[i], &s->win, hn_real(k[i]),
                               node->in[X]->cp);
        if (s->transposed[i])
            transpose(s->transposed[i], node, hn_real(w[i]));
    }
}

static hnas_status take(real **p, struct hn_node *node, int needed, int64_t n)
{
    if (!needed)
        return HNAS_OK;
    *p = hn_tape_take(node->tape, (size_t)n * sizeof **p);
    return *p ? HNAS_OK : hn_fail_nomem(node->ctx, "separable_tangent");
}

static int wants_move(const struct hn_node *node)
{
    const struct separable *s = node->aux;

    return s->of_move >= 0 && node->want[s->of_move];
}

static hnas_status begin(struct hn_node *node)
{
    struct separable *s = node->aux;
    const int of_x = node->want[X], of_t = wants_move(node);
    const int64_t cp = node->in[X]->cp, nw = node->out->dim[1] * cp;
    const int64_t nk = hn_dw_back_reals(&s->win, cp);
    const int a = of_t || (of_x && s->move[K]), b = of_x && s->move[W];
    hnas_status st = take(&s->turned[0], node, of_t || b, nk);

    if (st == HNAS_OK)
        st = take(&s->turned[1], node, of_x && s->move[K], nk);
    if (st == HNAS_OK)
        st = take(&s->transposed[0], node, a, nw);
    if (st == HNAS_OK)
        st = take(&s->transposed[1], node, b, nw);
    if (st == HNAS_OK && of_x)
        st = hn_grad_reserve(node->in[X]);
    if (st == HNAS_OK && of_t)
        st = hn_grad_reserve(s->move[X]);
    return st;
}

/* a and b of some rows, each into its padded plane. */
static void back_rows(const struct hn_node *node, struct hn_worker *w,
                      struct hn_grad_view *g, struct hn_plane ab[2], int64_t h,
                      int64_t rows)
{
    const struct separable *s = node->aux;
    const int64_t cols = s->win.out[1], cp = node->in[X]->cp;
    const int64_t cpo = node->out->cp, zero = 0;
    const struct hn_plane dz = {w->rows[1], cols * cpo, cpo};
    const struct hn_cplane cdz = {w->rows[1], cols * cpo, cpo};
    const struct hn_taps back = {&zero, 1, node->out->dim[1], cp, NULL};

    node->ctx->k.bn_grad_rows(dz, g->terms, g->z, g->b, g->k, rows, cols, cpo);
    hn_advance_view(g, rows * cols * cpo);
    for (int i = 0; i < 2; i++) {
        const struct hn_plane dst = {ab[i].p + h * ab[i].row, ab[i].row,
                                     ab[i].pix};

        if (s->transposed[i])
            node->ctx->k.conv_rows(dst, cdz, s->transposed[i], back, rows, cols,
                                   NULL, 0);
    }
}

/* (+)= turned kernel over a plane; nothing without the kernel. */
static void back(const struct hn_node *node, struct hn_worker *w, real *dst,
                 struct hn_plane src, const real *turned, int *flags)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *x = node->in[X];
    const struct hn_plane plane = {dst, x->dim[3] * x->cp, x->cp};
    const struct hn_cplane from = {src.p, src.row, src.pix};

    if (s->gaps && !(*flags & HN_ACCUMULATE))
        memset(dst, 0, (size_t)x->stride[0] * sizeof(real));
    hn_dw_back(w, plane, from, turned, &s->win, x->cp, *flags);
    *flags = HN_ACCUMULATE;
}

static void to_input(const struct hn_node *node, struct hn_worker *w,
                     const struct hn_plane ab[2], int64_t image)
{
    const struct separable *s = node->aux;
    int flags;
    real *acc = hn_open_relu_grad(w, node->in[X], image, &flags);

    if (s->move[K])
        back(node, w, acc, ab[0], s->turned[1], &flags);
    if (s->move[W])
        back(node, w, acc, ab[1], s->turned[0], &flags);
    if (!(flags & HN_ACCUMULATE))
        memset(acc, 0, (size_t)node->in[X]->stride[0] * sizeof(real));
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct separable *s = node->aux;
    const int64_t *out = s->win.out;
    struct hn_grad_view g;
    struct hn_plane ab[2];

    hn_view_grad(&g, w, node->out, image);
    (void)hn_read_relu(w, node->in[X], image, s->win.border); /* the mask */
    for (int i = 0; i < 2; i++)
        ab[i] =
            hn_open_dz(w, i, out[0], out[1], node->in[X]->cp, s->win.dz_border);
    for (int64_t h = 0; h < out[0]; h += s->group) {
        const int64_t left = out[0] - h;

        back_rows(node, w, &g, ab, h, left < s->group ? left : s->group);
    }
    if (node->want[X])
        to_input(node, w, ab, image);
    if (wants_move(node)) {
        int flags;
        real *acc = hn_open_tangent_grad(w, s->move[X], image, &flags);

        back(node, w, acc, ab[0], s->turned[0], &flags);
    }
}

static const struct hn_rule rule = {
    .name = "separable_tangent",
    .forward_image = forward,
    .backward_begin = begin,
    .backward_prepare = prepare,
    .backward_image = backward,
    .passes = 1,
};

/* ---- recording ---- */

static void set_need(struct hn_node *node)
{
    const struct separable *s = node->aux;
    const struct hnas_tensor *x = node->in[X], *y = node->out;
    const int64_t cp = x->cp > y->cp ? x->cp : y->cp;

    node->need.relu = node->need.masked = hn_padded_reals(x, s->win.border);
    node->need.dz = node->need.dz2 = (s->win.out[0] + 2 * s->win.dz_border) *
                                     (s->win.out[1] + 2 * s->win.dz_border) *
                                     x->cp;
    node->need.acc = node->need.tangent_acc = hn_padded_reals(x, 0);
    node->need.image = hn_padded_reals(x, 0);
    node->need.rows = s->group * s->win.out[1] * cp;
}

/* The inputs that don't move are not listed twice: x, k, W, then movements. */
static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const in[3],
                          struct hnas_tensor *const move[N_MOVES],
                          const struct hn_window *win)
{
    const int64_t dims[4] = {in[X]->dim[0], in[W]->dim[0], win->out[0],
                             win->out[1]};
    struct hnas_tensor *list[2 * N_MOVES] = {in[X], in[K], in[W]};
    struct hn_make make = {
        .rule = &rule,
        .in = list,
        .n_in = N_MOVES,
        .aux_bytes = sizeof(struct separable),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct separable *s;
    struct hn_node *node;
    hnas_status st;

    for (int i = 0; i < N_MOVES; i++)
        if (move[i])
            list[make.n_in++] = move[i];
    st = hn_append(&node, tape, &make);
    if (st < 0)
        return st;
    s = node->aux;
    s->win = *win;
    s->group = hn_row_group(win->out[1]);
    s->gaps = hn_window_has_gaps(win);
    memcpy(s->move, move, sizeof s->move);
    s->of_move = move[X] ? N_MOVES : -1;
    for (int32_t i = 0; i < make.n_in; i++)
        if (i != X && i != s->of_move)
            node->want[i] = 0;
    node->active = node->want[X] | (uint8_t)wants_move(node);
    node->manner[X] = HN_RELU;
    if (move[X])
        node->manner[N_MOVES] = HN_RELU;
    node->bdelay = 0;
    set_need(node);
    return hn_finish(out, node);
}

/* The same of plain funcs, where weights want gradients too. */
static hnas_status compose(hnas_tensor **out, hnas_tape *tape,
                           struct hnas_tensor *const in[3],
                           struct hnas_tensor *const move[N_MOVES],
                           const hnas_conv_opts *opts)
{
    hnas_tensor *r = NULL, *s = NULL, *d = NULL, *dd = NULL, *t = NULL;
    hnas_status st = hnas_relu(&r, tape, in[X]);

    if (st == HNAS_OK)
        st = hnas_depthwise_conv2d(&d, tape, r, in[K], opts);
    if (st == HNAS_OK && move[X])
        st = hn_mask(&s, tape, move[X], in[X]);
    if (st == HNAS_OK && move[X])
        st = hnas_depthwise_conv2d(&dd, tape, s, in[K], opts);
    if (st == HNAS_OK && move[K])
        st = hn_tangent_add(
            &dd, tape, hnas_depthwise_conv2d(&t, tape, r, move[K], opts), &t);
    if (st == HNAS_OK && dd)
        st = hnas_conv2d(out, tape, dd, in[W], NULL);
    if (st == HNAS_OK && move[W])
        st = hn_tangent_add(out, tape, hnas_conv2d(&t, tape, d, move[W], NULL),
                            &t);
    hnas_tensor_unref(r);
    hnas_tensor_unref(s);
    hnas_tensor_unref(d);
    hnas_tensor_unref(dd);
    return st;
}

static int wants_weights(struct hnas_tensor *const in[3])
{
    for (int i = K; i <= W; i++)
        if (hn_wants(in[i]))
            return 1;
    return 0;
}

hnas_status hn_separable_tangent(hnas_tensor **out, hnas_tape *tape,
                                 hnas_tensor *const in[3],
                                 hnas_tensor *const move[3],
                                 const hnas_conv_opts *opts)
{
    struct hnas_tensor *m[N_MOVES] = {NULL, NULL, NULL};
    struct hn_window win;
    hnas_status st;

    *out = NULL;
    if (wants_weights(in))
        return compose(out, tape, in, move, opts);
    st = hn_window_set(&win, in[X], in[K]->dim[2], in[K]->dim[3], opts,
                       "separable_tangent");
    if (st == HNAS_OK && move[X])
        st = hn_as_image(&m[X], tape, move[X]);
    for (int i = K; i <= W && st == HNAS_OK; i++)
        if (move[i])
            st = hn_as_kernel(&m[i], tape, move[i]);
    if (st == HNAS_OK)
        st = record(out, tape, in, m, &win);
    for (int i = 0; i < N_MOVES; i++)
        hnas_tensor_unref(m[i]);
    return st;
}
