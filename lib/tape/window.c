/* SPDX-License-Identifier: BSD-3-Clause */
#include "tape/window.h"

#include <string.h>

#include "tape/strided.h"

/* One border for all bundled windows, so that they share a padded input. */
enum { COMMON_BORDER = 4, GROUP_PIXELS = 112 };

static const size_t STREAM_BYTES = 1 << 20;

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void hnas_conv_opts_init(hnas_conv_opts *opts, size_t size)
{
    hnas_conv_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    for (int i = 0; i < 2; i++)
        o.stride[i] = o.dilation[i] = 1;
    memcpy(opts, &o, o.size);
}

/* Every size that follows from these stays far from overflow. */
static int is_sane(const struct hn_window *w, int i)
{
    const int64_t limit = 1 << 20, most_pad = 1 << 16;

    return w->k[i] <= 4096 && w->stride[i] >= 1 && w->stride[i] <= 4096 &&
           w->dilation[i] >= 1 && w->dilation[i] <= 4096 && w->in[i] <= limit &&
           w->pad[i] >= -most_pad && w->pad[i] <= most_pad && w->out[i] >= 0 &&
           w->out[i] <= limit && (w->k[i] - 1) * w->dilation[i] <= limit &&
           w->out[i] * w->stride[i] <= 4 * limit;
}

/* As far as any class of input pixels looks beyond the outputs; classes with
 * fewer taps than the others are filled up. */
static void set_back_border(struct hn_window *w, int i)
{
    int64_t most = 0;

    for (int64_t a = 0; a < w->stride[i]; a++) {
        struct hn_class c;

        hn_class_set(&c, w, i, a);
        most = max64(most, c.n_taps);
    }
    for (int64_t a = 0; a < w->stride[i]; a++) {
        struct hn_class c;

        hn_class_set(&c, w, i, a);
        if (!c.n_taps || !c.count)
            continue;
        w->dz_border = max64(w->dz_border,
                             max64(-c.q0, c.count - 1 + c.q0 +
                                              (most - 1) * max64(c.q_step, 1) -
                                              (w->out[i] - 1)));
    }
}

static void set_axis(struct hn_window *w, int i)
{
    const int64_t span = (w->k[i] - 1) * w->dilation[i];
    int64_t last;

    if (w->out[i] == 0 && w->in[i] + 2 * w->pad[i] > span)
        w->out[i] = (w->in[i] + 2 * w->pad[i] - span - 1) / w->stride[i] + 1;
    last = (w->out[i] - 1) * w->stride[i] + span - w->pad[i];
    w->border = max64(w->border, max64(w->pad[i], last - (w->in[i] - 1)));
    set_back_border(w, i);
}

hnas_status hn_window_set(struct hn_window *win, struct hnas_tensor *x,
                          int64_t kh, int64_t kw, const hnas_conv_opts *opts,
                          const char *what)
{
    hnas_conv_opts o;

    hnas_conv_opts_init(&o, sizeof o);
    if (hn_opts_merge(&o, sizeof o, opts) < 0)
        return hn_fail(x->ctx, HNAS_E_ARG, "%s: opts.size is not set", what);
    memset(win, 0, sizeof *win);
    win->k[0] = kh;
    win->k[1] = kw;
    win->border = win->dz_border = COMMON_BORDER;
    win->relu = o.relu != 0;
    for (int i = 0; i < 2; i++) {
        win->stride[i] = o.stride[i];
        win->dilation[i] = o.dilation[i];
        win->pad[i] = o.pad[i];
        win->out[i] = o.out[i];
        win->in[i] = x->dim[2 + i];
        if (!is_sane(win, i))
            return hn_fail(x->ctx, HNAS_E_RANGE,
                           "%s: stride %lld, dilation %lld, pad %lld, out "
                           "%lld do not make a window",
                           what, (long long)o.stride[i],
                           (long long)o.dilation[i], (long long)o.pad[i],
                           (long long)o.out[i]);
        set_axis(win, i);
        if (win->out[i] < 1)
            return hn_fail(x->ctx, HNAS_E_SHAPE,
                           "%s: input of %lld pixels is smaller than the "
                           "window",
                           what, (long long)win->in[i]);
    }
    return HNAS_OK;
}

void hn_window_opts(hnas_conv_opts *opts, const struct hn_window *win)
{
    hnas_conv_opts_init(opts, sizeof *opts);
    for (int i = 0; i < 2; i++) {
        opts->stride[i] = win->stride[i];
        opts->dilation[i] = win->dilation[i];
        opts->pad[i] = win->pad[i];
        opts->out[i] = win->out[i];
    }
}

struct hn_cplane hn_window_origin(const struct hn_window *win,
                                  struct hn_cplane inside)
{
    const struct hn_cplane origin = {
        inside.p - win->pad[0] * inside.row - win->pad[1] * inside.pix,
        inside.row * win->stride[0], inside.pix * win->stride[1]};

    return origin;
}

int64_t hn_row_group(int64_t n_cols)
{
    const int64_t rows = GROUP_PIXELS / n_cols;

    return rows < 1 ? 1 : rows;
}

int hn_stream_flag(const struct hnas_tensor *t)
{
    const size_t bytes = (size_t)hn_tensor_extent(t) * sizeof(real);

    if (t->record && t->record->is_moved)
        return 0; /* its tangent reads it next */
    return HN_IMAGES_APART && bytes > STREAM_BYTES ? HN_STREAM : 0;
}

real *hn_open_sums(const struct hn_node *node, int64_t image)
{
    const struct hnas_tensor *y = node->out;
    real *sums = y->record->sums;

    if (!sums)
        return NULL;
    sums += image * 2 * y->cp;
    memset(sums, 0, 2 * (size_t)y->cp * sizeof(real));
    return sums;
}

hnas_status hn_emit_sums(struct hn_node *node)
{
    struct hnas_tensor *y = node->out;
    const size_t n = (size_t)(y->dim[0] * 2 * y->cp);

    if (node->tape->mode & HNAS_TAPE_RUNNING_STATS)
        return HNAS_OK;
    y->record->sums = hn_tape_take(node->tape, n * sizeof(real));
    return y->record->sums ? HNAS_OK : hn_fail_nomem(node->ctx, "moments");
}
