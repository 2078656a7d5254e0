/* SPDX-License-Identifier: BSD-3-Clause */
#include "tape/strided.h"

#include <string.h>

void hn_class_set(struct hn_class *c, const struct hn_window *win, int axis,
                  int64_t first)
{
    const int64_t s = win->stride[axis], d = win->dilation[axis];

    memset(c, 0, sizeof *c);
    c->first = first;
    c->count = first < win->in[axis] ? (win->in[axis] - first - 1) / s + 1 : 0;
    if (s == 1) { /* once an image: without the divisions below */
        c->n_taps = win->k[axis];
        c->tap0 = c->n_taps - 1;
        c->tap_step = 1;
        c->q0 = first + win->pad[axis] - c->tap0 * d;
        c->q_step = d;
        return;
    }
    for (int64_t i = 0; i < win->k[axis]; i++) {
        const int64_t at = first + win->pad[axis] - i * d;

        if (at % s != 0)
            continue;
        if (c->n_taps == 1) {
            c->tap_step = i - c->tap0;
            c->q_step = c->q0 - at / s;
        }
        c->n_taps++;
        c->tap0 = i;
        c->q0 = at / s;
    }
}

int hn_window_has_gaps(const struct hn_window *win)
{
    for (int axis = 0; axis < 2; axis++)
        for (int64_t a = 0; a < win->stride[axis]; a++) {
            struct hn_class c;

            hn_class_set(&c, win, axis, a);
            if (c.count && !c.n_taps)
                return 1;
        }
    return 0;
}

/* Taps along an axis of the class that has most of them. */
static int64_t most_taps(const struct hn_window *win)
{
    int64_t most = 1;

    for (int64_t a = 0; a < win->stride[0]; a++) {
        struct hn_class c;

        hn_class_set(&c, win, 0, a);
        most = c.n_taps > most ? c.n_taps : most;
    }
    return most;
}

int64_t hn_dw_back_reals(const struct hn_window *win, int64_t cp)
{
    const int64_t side = win->stride[0] * most_taps(win);

    return side * side * cp;
}

/* One square of `most` x `most` taps. */
static void class_weights(real *dst, const struct hn_class *y,
                          const struct hn_class *x, int64_t most, const real *k,
                          int64_t n_k, int64_t cp)
{
    memset(dst, 0, (size_t)(most * most * cp) * sizeof *dst);
    for (int64_t i = 0; i < y->n_taps; i++)
        for (int64_t j = 0; j < x->n_taps; j++) {
            const int64_t ky = y->tap0 - i * y->tap_step;
            const int64_t kx = x->tap0 - j * x->tap_step;

            memcpy(dst + (i * most + j) * cp, k + (ky * n_k + kx) * cp,
                   (size_t)cp * sizeof *dst);
        }
}

void hn_dw_back_weights(real *dst, const struct hn_window *win, const real *k,
                        int64_t cp)
{
    const int64_t s = win->stride[0], most = most_taps(win);

    for (int64_t a = 0; a < s * s; a++) {
        struct hn_class y, x;

        hn_class_set(&y, win, 0, a / s);
        hn_class_set(&x, win, 1, a % s);
        class_weights(dst + a * most * most * cp, &y, &x, most, k, win->k[0],
                      cp);
    }
}

void hn_dw_back(struct hn_worker *w, struct hn_plane dx, struct hn_cplane dz,
                const real *weights, const struct hn_window *win, int64_t cp,
                int flags)
{
    const int64_t s = win->stride[0], most = most_taps(win);

    for (int64_t a = 0; a < s * s; a++, weights += most * most * cp) {
        const struct hn_plane dst = {dx.p + a / s * dx.row + a % s * dx.pix,
                                     dx.row * s, dx.pix * s};
        struct hn_cplane src = dz;
        struct hn_dwindow square = {(int32_t)most, 1, 1, hn_ahead(w)};
        struct hn_class y, x;

        hn_class_set(&y, win, 0, a / s);
        hn_class_set(&x, win, 1, a % s);
        if (!y.n_taps || !x.n_taps || !y.count || !x.count)
            continue;
        if (y.n_taps > 1 || x.n_taps > 1)
            square.dilation = (int32_t)(y.n_taps > 1 ? y.q_step : x.q_step);
        src.p += y.q0 * src.row + x.q0 * src.pix;
        w->ctx->k.dw_rows(dst, src, weights, square, y.count, x.count, cp,
                          flags);
    }
}

/* ---- dense ---- */

int64_t *hn_conv_taps(struct hn_node *node, const struct hn_window *win,
                      int64_t cp)
{
    const int64_t row = (win->in[1] + 2 * win->border) * cp;
    const size_t n = (size_t)(win->k[0] * win->k[1]);
    int64_t *taps = hn_tape_take(node->tape, n * sizeof *taps);

    for (int64_t t = 0; taps && t < win->k[0] * win->k[1]; t++)
        taps[t] = t / win->k[1] * win->dilation[0] * row +
                  t % win->k[1] * win->dilation[1] * cp;
    return taps;
}

/* One class of input pixels: rows a / s1, columns a % s1. */
static void get_class(struct hn_class *y, struct hn_class *x,
                      const struct hn_window *win, int64_t a)
{
    hn_class_set(y, win, 0, a / win->stride[1]);
    hn_class_set(x, win, 1, a % win->stride[1]);
}

hnas_status hn_conv_back_take(struct hn_conv_back *back, struct hn_node *node,
                              const struct hnas_tensor *weight, int64_t cp)
{
    const size_t n = (size_t)(weight->dim[2] * weight->dim[3]);
    const size_t reals = n * (size_t)(weight->dim[0] * cp);

    back->weights = hn_tape_take(node->tape, reals * sizeof(real));
    back->offset = hn_tape_take(node->tape, n * sizeof *back->offset);
    return back->weights && back->offset ? HNAS_OK : HNAS_E_NOMEM;
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

void hn_conv_back_weights(const struct hn_conv_back *back,
                          const struct hn_window *win,
                          const struct hnas_tensor *weight, int64_t cp)
{
    const int64_t row = (win->out[1] + 2 * win->dz_border) * weight->cp;
    int64_t n = 0;

    for (int64_t a = 0; a < win->stride[0] * win->stride[1]; a++) {
        struct hn_class y, x;

        get_class(&y, &x, win, a);
        for (int64_t t = 0; t < y.n_taps * x.n_taps; t++, n++) {
            const int64_t i = t / x.n_taps, j = t % x.n_taps;
            const int64_t ky = y.tap0 - i * y.tap_step;
            const int64_t kx = x.tap0 - j * x.tap_step;

            back->offset[n] = (y.q0 + i * y.q_step) * row +
                              (x.q0 + j * x.q_step) * weight->cp;
            transpose_tap(back->weights + n * weight->dim[0] * cp, weight,
                          ky * win->k[1] + kx, cp);
        }
    }
}

void hn_conv_back(const struct hnas_context *ctx, real *dx,
                  const struct hnas_tensor *x, struct hn_cplane dz,
                  const struct hn_conv_back *back, const struct hn_window *win,
                  int64_t n_o, int flags)
{
    const int64_t *s = win->stride, row = x->dim[3] * x->cp;
    struct hn_taps taps = {back->offset, 0, n_o, x->cp, NULL};
    const real *weights = back->weights;

    if (hn_window_has_gaps(win) && !(flags & HN_ACCUMULATE))
        memset(dx, 0, (size_t)x->stride[0] * sizeof(real));
    for (int64_t a = 0; a < s[0] * s[1]; a++) {
        const struct hn_plane dst = {dx + a / s[1] * row + a % s[1] * x->cp,
                                     row * s[0], x->cp * s[1]};
        struct hn_class cy, cx;

        get_class(&cy, &cx, win, a);
        taps.n_taps = cy.n_taps * cx.n_taps;
        if (taps.n_taps && cy.count && cx.count)
            ctx->k.conv_rows(dst, dz, weights, taps, cy.count, cx.count, NULL,
                             flags);
        taps.offset += taps.n_taps;
        weights += taps.n_taps * n_o * x->cp;
    }
}
