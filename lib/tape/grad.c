/* SPDX-License-Identifier: BSD-3-Clause */
/* Gradients of images: pushed, left pending, collected. */
#include <string.h>

#include "tape/image.h"

/* Images may hold nothing yet; a whole func adds to all of them. */
static real *whole_image_grad(struct hnas_tensor *t)
{
    if (hn_grad_reserve(t) < 0)
        return NULL;
    for (int64_t n = 0; n < t->dim[0]; n++) {
        if (t->record->grad_set[n] & HN_GRAD_WRITTEN)
            continue;
        memset(t->grad + n * t->stride[0], 0,
               (size_t)t->stride[0] * sizeof(real));
        t->record->grad_set[n] |= HN_GRAD_WRITTEN;
    }
    return t->grad;
}

real *hn_grad_whole(struct hnas_tensor *t)
{
    if (!t->record)
        return hn_tensor_grad(t);
    if (t->layout == HN_IMAGE)
        return whole_image_grad(t);
    if (!t->grad)
        t->grad = hn_tape_take(t->record->tape,
                               (size_t)hn_tensor_extent(t) * sizeof(real));
    return t->grad;
}

const real *hn_out_grad(struct hn_node *node)
{
    struct hnas_tensor *t = node->out;
    const real *g = hn_grad_whole(t);
    struct hn_worker *worker;

    if (!g || t->layout != HN_IMAGE)
        return g;
    worker = hn_worker_get(node->tape, 0);
    for (int64_t n = 0; n < t->dim[0]; n++)
        (void)hn_fold_grad(worker, t, n, NULL);
    return g;
}

hnas_status hn_add_partials(struct hn_node *node, int32_t input,
                            const real *part)
{
    real *d = hn_grad_whole(node->in[input]);

    if (!d)
        return hn_fail_nomem(node->ctx, "gradient of a weight");
    node->ctx->k.axpy(d, 1, part, hn_tensor_extent(node->in[input]));
    return HNAS_OK;
}

static hnas_status reserve_one(struct hnas_tensor *x)
{
    struct hn_record *r = x->record;
    const size_t bytes = (size_t)hn_tensor_extent(x) * sizeof(real);

    if (!r)
        return hn_tensor_grad(x) ? HNAS_OK : hn_fail_nomem(x->ctx, "gradient");
    if (!x->grad)
        x->grad = hn_arena_take(&r->tape->arena, bytes);
    if (!r->grad_set)
        r->grad_set = hn_tape_take(r->tape, (size_t)x->dim[0]);
    /* the only reader rectifies: its mask pass gives batch-norm's sums */
    if (r->scale && r->n_relu == 1 && r->n_push == 0 && r->n_pull == 0 &&
        !r->grad_sums) {
        r->grad_sums = hn_tape_take(r->tape, (size_t)(x->dim[0] * 2 * x->cp) *
                                                 sizeof(real));
        if (!r->grad_sums)
            return hn_fail_nomem(x->ctx, "gradient");
    }
    if (!x->grad || !r->grad_set)
        return hn_fail_nomem(x->ctx, "gradient");
    return HNAS_OK;
}

hnas_status hn_grad_reserve(struct hnas_tensor *x)
{
    int32_t n;
    struct hnas_tensor *const *part = hn_parts(&x, &n);
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < n && st == HNAS_OK; i++)
        if (part[i] == x || hn_wants(part[i]))
            st = reserve_one(part[i]);
    return st;
}

/* Dense gradient of an image and whether it holds something already. */
static real *dense_grad(struct hnas_tensor *x, int64_t image, int *flags)
{
    struct hn_record *r = x->record;

    *flags = HN_ACCUMULATE; /* a leaf's gradient starts as zeros */
    if (r) {
        *flags = r->grad_set[image] & HN_GRAD_WRITTEN ? HN_ACCUMULATE : 0;
        r->grad_set[image] |= HN_GRAD_WRITTEN;
    }
    return x->grad + hn_image_start(x, image);
}

/* Whether a rectifier's accumulator holds a part of x's gradient. */
static int is_behind_mask(const struct hn_worker *w,
                          const struct hnas_tensor *x)
{
    return (w->acc.tensor && hn_is_part(x, w->acc.tensor)) ||
           (w->tangent_acc.tensor && hn_is_part(x, w->tangent_acc.tensor));
}

real *hn_push_grad(struct hn_worker *w, struct hnas_tensor *x, int64_t image,
                   int *flags)
{
    if (is_behind_mask(w, x))
        hn_flush_relu_grad(w);
    return dense_grad(x, image, flags);
}

static real *open_masked(struct hn_worker *w, struct hn_masked_grad *acc,
                         struct hnas_tensor *x, int64_t image, int *flags)
{
    *flags = HN_ACCUMULATE;
    if (acc->tensor == x && acc->image == image)
        return acc->memory;
    if (acc->tensor)
        hn_flush_relu_grad(w);
    acc->tensor = x;
    acc->image = image;
    *flags = 0;
    return acc->memory;
}

real *hn_open_relu_grad(struct hn_worker *w, struct hnas_tensor *x,
                        int64_t image, int *flags)
{
    return open_masked(w, &w->acc, x, image, flags);
}

real *hn_open_tangent_grad(struct hn_worker *w, struct hnas_tensor *tangent,
                           int64_t image, int *flags)
{
    return open_masked(w, &w->tangent_acc, tangent, image, flags);
}

/* Through the mask into t's dense gradient; z: its image, for the sums. */
static void push_masked(struct hn_worker *w, struct hnas_tensor *t,
                        int64_t image, struct hn_cplane g, struct hn_mask mask,
                        const real *z)
{
    real *sums = NULL, *dx;
    int flags;

    dx = dense_grad(t, image, &flags);
    if (t->record && t->record->grad_sums)
        sums = t->record->grad_sums + image * 2 * t->cp;
    w->ctx->k.relu_grad(dx, g, mask, sums ? z : NULL, sums, t->dim[2],
                        t->dim[3], t->cp, flags);
}

/* The mask of a part of what is rectified, from its own value: the backward
 * of a func then need not rectify it anew. */
static void push_part(struct hn_worker *w, struct hnas_tensor *t, int64_t image,
                      struct hn_cplane g)
{
    const real *z = hn_read_image(w, t, image, HN_WIDE_MASK);
    struct hn_mask mask = {{z, t->dim[3] * t->cp, t->cp}, NULL, NULL};

    hn_pending(t, &mask.scale, &mask.shift);
    push_masked(w, t, image, g, mask, z);
}

/* The mask of a part of a tangent, whose parts need not be those of what is
 * rectified, from the plane of that. */
static void push_tangent(struct hn_worker *w, struct hnas_tensor *t,
                         int64_t image, struct hn_cplane g, int64_t channel)
{
    const struct hn_padded *p = &w->relu;
    const int64_t row = (p->w + 2 * p->pad) * p->cp;
    const real *inside = p->memory + p->pad * (row + p->cp);
    const struct hn_mask mask = {{inside + channel, row, p->cp}, NULL, NULL};

    push_masked(w, t, image, g, mask, hn_read_image(w, t, image, HN_WIDE_MASK));
}

static void close_masked(struct hn_worker *w, struct hn_masked_grad *acc)
{
    struct hnas_tensor *x = acc->tensor, *const * part;
    int64_t channel = 0;
    int32_t n;

    if (!x)
        return;
    acc->tensor = NULL;
    part = hn_parts(&x, &n);
    for (int32_t i = 0; i < n; i++) {
        const struct hn_cplane g = {acc->memory + channel, x->dim[3] * x->cp,
                                    x->cp};

        if (part[i] == x || hn_wants(part[i])) {
            if (acc == &w->tangent_acc)
                push_tangent(w, part[i], acc->image, g, channel);
            else
                push_part(w, part[i], acc->image, g);
        }
        channel += part[i]->cp;
    }
}

void hn_flush_relu_grad(struct hn_worker *w)
{
    close_masked(w, &w->acc);
    close_masked(w, &w->tangent_acc);
}

hnas_status hn_add_term(struct hnas_tensor *t, struct hnas_tensor *base,
                        const real *gate, int64_t gate_step)
{
    struct hn_record *r = t->record;
    struct hn_term *term = hn_tape_take(r->tape, sizeof *term);

    if (!term)
        return hn_fail_nomem(t->ctx, "gradient");
    term->base = base;
    term->gate = gate;
    term->gate_step = gate_step;
    *r->last_term = term;
    r->last_term = &term->next;
    base->record->pins++;
    return HNAS_OK;
}

static int64_t count_terms(const struct hn_record *r)
{
    int64_t n = 0;

    for (const struct hn_term *t = r->terms; t; t = t->next)
        n++;
    return n;
}

/* The gradient of t itself: its dense part, its own terms, and those of the
 * batch-norm that reads it. */
static int64_t most_terms(const struct hnas_tensor *t)
{
    const struct hn_record *r = t->record;
    int64_t n = 2 + count_terms(r);

    if (r->norm)
        n += 1 + count_terms(r->norm->v->record);
    return n;
}

int64_t hn_view_need(const struct hnas_tensor *t)
{
    const int64_t per_term =
        t->cp + 2 * (int64_t)(sizeof(void *) / sizeof(float));

    return t->record ? most_terms(t) * per_term + t->cp : 0;
}

/* Builder of a list of terms in a worker's vec. */
struct list {
    const real **z, **scale;
    real *vec;
    int64_t n, cp;
};

static void add(struct list *l, const real *g, const real *scale, real gate)
{
    for (int64_t c = 0; c < l->cp; c++)
        l->vec[c] = scale ? scale[c] * gate : gate;
    l->z[l->n] = g;
    l->scale[l->n] = l->vec;
    l->vec += l->cp;
    l->n++;
}

static void add_record(struct list *l, const struct hnas_tensor *t,
                       int64_t image, const real *scale)
{
    const struct hn_record *r = t->record;

    if (t->grad && r->grad_set && (r->grad_set[image] & HN_GRAD_WRITTEN))
        add(l, t->grad + hn_image_start(t, image), scale, 1);
    if (r->grad_set && (r->grad_set[image] & HN_GRAD_FOLDED))
        return; /* the terms are folded in */
    for (const struct hn_term *term = r->terms; term; term = term->next)
        add(l, term->base->grad + hn_image_start(term->base, image), scale,
            term->gate[image * term->gate_step]);
}

void hn_view_grad(struct hn_grad_view *view, struct hn_worker *w,
                  struct hnas_tensor *t, int64_t image)
{
    const struct hn_record *r = t->record;
    const int64_t n = most_terms(t);
    struct list l = {NULL, NULL, NULL, 0, t->cp};

    /* vectors first: they want the alignment */
    l.vec = w->vec;
    l.z = (const real **)(void *)(w->vec + n * t->cp);
    l.scale = l.z + n;
    if (is_behind_mask(w, t) || (r->norm && is_behind_mask(w, r->norm->v)))
        hn_flush_relu_grad(w);
    add_record(&l, t, image, NULL);
    view->z = view->b = view->k = NULL;
    if (r->norm && !(r->grad_set && (r->grad_set[image] & HN_GRAD_FOLDED))) {
        add_record(&l, r->norm->v, image, r->norm->scale);
        view->z = r->norm->b ? hn_read_image(w, r->norm->z ? r->norm->z : t,
                                             image, HN_WIDE_VIEW)
                             : NULL;
        view->b = r->norm->b;
        view->k = r->norm->k;
    }
    view->terms.n_terms = l.n;
    view->terms.z = view->g = l.z;
    view->terms.scale = l.scale;
}

void hn_advance_view(struct hn_grad_view *view, int64_t reals)
{
    for (int64_t t = 0; t < view->terms.n_terms; t++)
        view->g[t] += reals;
    if (view->z)
        view->z += reals;
}

const real *hn_fold_grad(struct hn_worker *w, struct hnas_tensor *t,
                         int64_t image, real *scratch)
{
    struct hn_record *r = t->record;
    const int64_t h = t->dim[2], wd = t->dim[3];
    struct hn_grad_view view;
    struct hn_plane dst = {scratch, wd * t->cp, t->cp};

    hn_view_grad(&view, w, t, image);
    if (view.terms.n_terms == 1 && !view.b && t->grad &&
        view.terms.z[0] == t->grad + hn_image_start(t, image))
        return view.terms.z[0];
    if (!scratch) {
        dst.p = t->grad + hn_image_start(t, image);
        r->grad_set[image] |= HN_GRAD_WRITTEN | HN_GRAD_FOLDED;
    }
    w->ctx->k.bn_grad_rows(dst, view.terms, view.z, view.b, view.k, h, wd,
                           t->cp);
    return dst.p;
}
