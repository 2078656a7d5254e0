/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's scratch, and values read into it. */
#include "tape/image.h"
#include "tape/window.h"

#include <assert.h>
#include <string.h>

enum { HEAD_BYTES = (sizeof(struct hn_worker) + 63) / 64 * 64 };

/* Each area begins on a cache line; a line of slack between them. */
static int64_t area(int64_t reals)
{
    return reals ? (reals + 31) / 16 * 16 : 0;
}

static size_t need_bytes(const struct hn_need *n)
{
    const int64_t reals = 2 * area(n->relu) + area(n->plain) + area(n->low) +
                          area(n->dz) + area(n->acc) + area(n->masked) +
                          area(n->dz2) + area(n->wide) + area(n->result) +
                          area(n->tangent_acc) + 2 * area(n->rows) +
                          2 * area(n->image) + area(n->vec);

    return HEAD_BYTES + (size_t)reals * sizeof(real);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void hn_need_max(struct hn_need *a, const struct hn_need *b)
{
    a->relu = max64(a->relu, b->relu);
    a->plain = max64(a->plain, b->plain);
    a->low = max64(a->low, b->low);
    a->dz = max64(a->dz, b->dz);
    a->acc = max64(a->acc, b->acc);
    a->masked = max64(a->masked, b->masked);
    a->dz2 = max64(a->dz2, b->dz2);
    a->wide = max64(a->wide, b->wide);
    a->result = max64(a->result, b->result);
    a->tangent_acc = max64(a->tangent_acc, b->tangent_acc);
    a->rows = max64(a->rows, b->rows);
    a->image = max64(a->image, b->image);
    a->vec = max64(a->vec, b->vec);
}

static real *lay(real **at, int64_t reals)
{
    real *p = *at;

    *at += area(reals);
    return p;
}

static void lay_out(struct hn_worker *w, const struct hn_need *need)
{
    real *at = (real *)(void *)((char *)w + HEAD_BYTES);

    memset(w, 0, sizeof *w);
    w->laid = *need;
    w->relu.memory = lay(&at, need->relu);
    w->other_relu.memory = lay(&at, need->relu);
    w->plain.memory = lay(&at, need->plain);
    w->low.memory = lay(&at, need->low);
    w->dz[0].memory = lay(&at, need->dz);
    w->acc.memory = lay(&at, need->acc);
    w->masked.memory = lay(&at, need->masked);
    w->dz[1].memory = lay(&at, need->dz2);
    w->tangent_acc.memory = lay(&at, need->tangent_acc);
    w->rows[0] = lay(&at, need->rows);
    w->rows[1] = lay(&at, need->rows);
    w->image[0] = lay(&at, need->image);
    w->image[1] = lay(&at, need->image);
    w->vec = lay(&at, need->vec);
    w->wide = lay(&at, need->wide);
    w->result = lay(&at, need->result);
}

hnas_status hn_workers_reserve(struct hnas_tape *tape,
                               const struct hn_need *need)
{
    hn_need_max(&tape->need, need);
    return hn_scratch_reserve(tape->ctx, need_bytes(&tape->need));
}

struct hn_worker *hn_worker_get(struct hnas_tape *tape, int32_t index)
{
    struct hn_worker *w = tape->ctx->scratch[index];

    if (!w->ctx || memcmp(&w->laid, &tape->need, sizeof w->laid))
        lay_out(w, &tape->need);
    w->ctx = tape->ctx;
    w->relu.tensor = w->plain.tensor = w->low.tensor = NULL;
    w->other_relu.tensor = NULL;
    w->masked.tensor = NULL;
    w->reading.tape = NULL;
    w->acc.tensor = w->tangent_acc.tensor = NULL;
    return w;
}

int64_t hn_padded_reals(const struct hnas_tensor *t, int64_t pad)
{
    return (t->dim[2] + 2 * pad) * (t->dim[3] + 2 * pad) * t->cp;
}

static const struct hnas_tensor *dense_of(const struct hnas_tensor *t)
{
    return t->record && t->record->scale ? t->record->source : t;
}

const real *hn_image_at(const struct hnas_tensor *t, int64_t image)
{
    const struct hnas_tensor *d = dense_of(t);

    return hn_real(d) + hn_image_start(d, image);
}

real *hn_image_rw(struct hnas_tensor *t, int64_t image)
{
    return hn_real(t) + hn_image_start(t, image);
}

int hn_is_half(const struct hnas_tensor *t)
{
    const struct hnas_tensor *d = dense_of(t);

    return d->record && d->record->half;
}

static uint16_t *half_at(const struct hnas_tensor *t, int64_t image)
{
    return (uint16_t *)t->data + hn_image_start(t, image);
}

const real *hn_read_image(struct hn_worker *w, const struct hnas_tensor *t,
                          int64_t image, int slot)
{
    const struct hnas_tensor *d = dense_of(t);
    real *wide;

    if (!d->record || !d->record->half)
        return hn_image_at(d, image);
    wide = w->wide + slot * d->stride[0];
    w->ctx->k.widen(wide, half_at(d, image), d->stride[0]);
    return wide;
}

real *hn_open_result(struct hn_worker *w, struct hnas_tensor *t, int64_t image)
{
    return t->record->half ? w->result : hn_image_rw(t, image);
}

void hn_close_result(struct hn_worker *w, struct hnas_tensor *t, int64_t image)
{
    if (t->record->half)
        w->ctx->k.narrow(half_at(t, image), w->result, t->stride[0],
                         hn_stream_flag(t));
}

static void need_image(struct hn_need *need, const struct hnas_tensor *t)
{
    if (!hn_is_half(t))
        return;
    need->wide = max64(need->wide, MOST_WIDE * t->stride[0]);
    need->result = max64(need->result, t->stride[0]);
}

void hn_need_half(struct hn_need *need, const struct hn_node *node)
{
    if (!(node->tape->mode & HNAS_TAPE_HALF))
        return;
    need_image(need, node->out);
    for (int32_t i = 0; i < node->n_in; i++)
        need_image(need, node->in[i]);
}

hnas_status hn_make_half(struct hnas_tensor *t)
{
    struct hn_record *r = t->record;
    struct hnas_tape *tape;

    if (!r || !r->node->rule->narrows || r->n_readers || r->half)
        return HNAS_OK;
    tape = r->tape;
    if (!(tape->mode & HNAS_TAPE_HALF) || !tape->deferred || r->node->done)
        return HNAS_OK;
    hn_arena_give(&tape->arena, t->data, r->data_bytes);
    r->data_bytes /= sizeof(real) / sizeof(uint16_t);
    r->half = 1;
    t->data = hn_arena_take(&tape->arena, r->data_bytes);
    return t->data ? HNAS_OK : hn_fail_nomem(t->ctx, "a value on the tape");
}

void hn_pending(const struct hnas_tensor *t, const real **scale,
                const real **shift)
{
    *scale = t->record ? t->record->scale : NULL;
    *shift = *scale ? t->record->shift : NULL;
}

static void put_border(real *p, int64_t n, real border)
{
    if (border == 0)
        memset(p, 0, (size_t)n * sizeof(real));
    else
        for (int64_t i = 0; i < n; i++)
            p[i] = border;
}

static int has_geometry(const struct hn_padded *p, int64_t h, int64_t w,
                        int64_t cp, int64_t pad, real border)
{
    return p->h == h && p->w == w && p->cp == cp && p->pad == pad &&
           p->border == border;
}

/* Give the area a geometry; its border is filled only when that changes.  The
 * right end of a row and the left one of the next lie side by side. */
static struct hn_plane open_padded(struct hn_padded *p, int64_t h, int64_t w,
                                   int64_t cp, int64_t pad, real border)
{
    const int64_t row = (w + 2 * pad) * cp, side = pad * cp;
    const struct hn_plane inside = {p->memory + pad * row + side, row, cp};

    if (!has_geometry(p, h, w, cp, pad, border)) {
        put_border(p->memory, pad * row + side, border);
        for (int64_t y = 1; y < h; y++)
            put_border(p->memory + (pad + y) * row - side, 2 * side, border);
        put_border(p->memory + (pad + h) * row - side, pad * row + side,
                   border);
        p->h = h;
        p->w = w;
        p->cp = cp;
        p->pad = pad;
        p->border = border;
        p->tensor = NULL;
    }
    return inside;
}

static struct hn_cplane read_only(struct hn_plane p)
{
    const struct hn_cplane c = {p.p, p.row, p.pix};

    return c;
}

static struct hn_cplane fill(struct hn_worker *w, struct hn_padded *p,
                             struct hnas_tensor *x, int64_t image, int64_t pad,
                             real border, int relu)
{
    const struct hn_plane inside =
        open_padded(p, x->dim[2], x->dim[3], x->cp, pad, border);
    struct hn_plane dst = inside;
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&x, &n);

    if (p->tensor == x && p->image == image)
        return read_only(inside);
    for (int32_t i = 0; i < n; i++) {
        const struct hnas_tensor *t = part[i];
        const real *scale, *shift;

        hn_pending(t, &scale, &shift);
        w->ctx->k.affine_pad(dst, hn_read_image(w, t, image, HN_WIDE_FILL),
                             t->dim[2], t->dim[3], t->cp, scale, shift, relu);
        dst.p += t->cp;
    }
    p->tensor = x;
    p->image = image;
    return read_only(inside);
}

struct hn_cplane hn_read_relu(struct hn_worker *w, struct hnas_tensor *x,
                              int64_t image, int64_t pad)
{
    /* the mask of a waiting gradient is what would be overwritten */
    if (w->relu.tensor != x || w->relu.image != image || w->relu.pad != pad)
        hn_flush_relu_grad(w);
    /* a reduction's inputs and nodes take turns */
    if (!has_geometry(&w->relu, x->dim[2], x->dim[3], x->cp, pad, 0)) {
        const struct hn_padded other = w->other_relu;

        w->other_relu = w->relu;
        w->relu = other;
    }
    return fill(w, &w->relu, x, image, pad, 0, 1);
}

struct hn_cplane hn_read_plain(struct hn_worker *w, struct hnas_tensor *x,
                               int64_t image, int64_t pad)
{
    return fill(w, &w->plain, x, image, pad, 0, 0);
}

struct hn_cplane hn_read_low(struct hn_worker *w, struct hnas_tensor *x,
                             int64_t image, int64_t pad)
{
    return fill(w, &w->low, x, image, pad, -HN_REAL_MAX, 0);
}

struct hn_cplane hn_read_masked(struct hn_worker *w,
                                struct hnas_tensor *tangent,
                                const struct hnas_tensor *x, int64_t image,
                                int64_t pad)
{
    struct hn_padded *p = &w->masked;
    const int64_t h = x->dim[2], wd = x->dim[3];
    const struct hn_plane inside = open_padded(p, h, wd, x->cp, pad, 0);
    const struct hn_padded *r = &w->relu;
    const int64_t row = (r->w + 2 * r->pad) * r->cp;
    struct hn_mask mask = {
        {r->memory + r->pad * (row + r->cp), row, r->cp}, NULL, NULL};
    struct hn_plane dst = inside;
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&tangent, &n);

    if (p->tensor == tangent && p->image == image)
        return read_only(inside);
    for (int32_t i = 0; i < n; i++) {
        const int64_t cp = part[i]->cp;
        const struct hn_cplane g = {hn_image_at(part[i], image), wd * cp, cp};

        w->ctx->k.relu_grad(w->image[0], g, mask, NULL, NULL, h, wd, cp, 0);
        w->ctx->k.affine_pad(dst, w->image[0], h, wd, cp, NULL, NULL, 0);
        mask.x.p += cp;
        dst.p += cp;
    }
    p->tensor = tangent;
    p->image = image;
    return read_only(inside);
}

struct hn_plane hn_open_dz(struct hn_worker *w, int i, int64_t h, int64_t wd,
                           int64_t cp, int64_t pad)
{
    return open_padded(&w->dz[i], h, wd, cp, pad, 0);
}
