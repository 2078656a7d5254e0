/* SPDX-License-Identifier: BSD-3-Clause */
/* The copies that funcs ask for: an input that can't be read as it is goes
 * through one, and its gradient comes back the same way. */
#include <string.h>

#include "tape/image.h"

/* Strides of a tensor's gradient: like the data, contiguous if STRIDED. */
static void grad_strides(int64_t stride[HNAS_MAX_RANK],
                         const struct hnas_tensor *t)
{
    int64_t step = 1;

    memcpy(stride, t->stride, sizeof t->stride);
    if (t->layout != HN_STRIDED)
        return;
    for (int i = HNAS_MAX_RANK - 1; i >= 0; i--) {
        stride[i] = step;
        step *= t->dim[i];
    }
}

static int is_contiguous(const struct hnas_tensor *t)
{
    int64_t stride[HNAS_MAX_RANK];

    grad_strides(stride, t);
    for (int32_t i = 0; i < t->rank; i++)
        if (t->dim[i] > 1 && t->stride[i] != stride[i])
            return 0;
    return 1;
}

/* ---- to the internal image layout ---- */

static void to_image_forward(const struct hn_node *node, int64_t image,
                             struct hn_worker *worker)
{
    const struct hnas_tensor *x = node->in[0];
    struct hnas_tensor *y = node->out;
    const int64_t *d = y->dim, *s = x->stride;
    const real *src = hn_real(x) + image * s[0];
    real *dst = hn_image_rw(y, image);

    (void)worker;
    for (int64_t h = 0; h < d[2]; h++)
        for (int64_t w = 0; w < d[3]; w++, dst += y->cp) {
            const real *p = src + h * s[2] + w * s[3];

            for (int64_t c = 0; c < d[1]; c++)
                dst[c] = p[c * s[1]];
            for (int64_t c = d[1]; c < y->cp; c++)
                dst[c] = 0;
        }
}

static hnas_status to_image_begin(struct hn_node *node)
{
    return hn_grad_whole(node->in[0]) ? HNAS_OK
                                      : hn_fail_nomem(node->ctx, "gradient");
}

static void to_image_backward(const struct hn_node *node, int64_t image,
                              struct hn_worker *worker)
{
    const struct hnas_tensor *x = node->in[0];
    const int64_t *d = x->dim, cp = node->out->cp;
    const real *g = hn_fold_grad(worker, node->out, image, worker->image[0]);
    int64_t s[HNAS_MAX_RANK];

    grad_strides(s, x);
    for (int64_t h = 0; h < d[2]; h++)
        for (int64_t w = 0; w < d[3]; w++, g += cp)
            for (int64_t c = 0; c < d[1]; c++)
                x->grad[image * s[0] + c * s[1] + h * s[2] + w * s[3]] += g[c];
}

static hnas_status to_image_tangent(struct hnas_tensor **out,
                                    struct hn_node *node)
{
    return hn_as_image(out, node->tape, node->in[0]->tangent);
}

static const struct hn_rule to_image_rule = {
    .name = "to_image",
    .forward_image = to_image_forward,
    .backward_begin = to_image_begin,
    .backward_image = to_image_backward,
    .tangent = to_image_tangent,
};

hnas_status hn_as_image(struct hnas_tensor **out, struct hnas_tape *tape,
                        struct hnas_tensor *x)
{
    const struct hn_make make = {
        .rule = &to_image_rule,
        .in = &x,
        .n_in = 1,
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = x->dim,
        .n_images = x->dim[0],
    };
    struct hn_node *node;
    hnas_status st;

    if (x->layout == HN_IMAGE && (x->record || !x->wanted)) {
        *out = hnas_tensor_ref(x);
        return HNAS_OK;
    }
    st = hn_append(&node, tape, &make);
    if (st < 0)
        return st;
    node->need.image = hn_padded_reals(node->out, 0);
    return hn_finish(out, node);
}

/* ---- to a dense image ---- */

static void to_dense_forward(const struct hn_node *node, int64_t image,
                             struct hn_worker *worker)
{
    const real *scale, *shift, *z[1];
    const struct hnas_tensor *y = node->out;

    hn_pending(node->in[0], &scale, &shift);
    z[0] = hn_read_image(worker, node->in[0], image, HN_WIDE_OTHER);
    if (scale) {
        const struct hn_terms terms = {1, z, &scale};

        node->ctx->k.mix(hn_image_rw(node->out, image), terms, shift,
                         y->dim[2] * y->dim[3], y->cp);
    } else {
        memcpy(hn_image_rw(node->out, image), z[0],
               (size_t)y->stride[0] * sizeof(real));
    }
}

static hnas_status to_dense_begin(struct hn_node *node)
{
    return hn_grad_reserve(node->in[0]);
}

static void to_dense_backward(const struct hn_node *node, int64_t image,
                              struct hn_worker *worker)
{
    const int64_t n = node->out->stride[0];
    const real *g = hn_fold_grad(worker, node->out, image, worker->image[0]);
    int flags;
    real *dx = hn_push_grad(worker, node->in[0], image, &flags);

    if (flags & HN_ACCUMULATE)
        node->ctx->k.axpy(dx, 1, g, n);
    else
        memcpy(dx, g, (size_t)n * sizeof(real));
}

static hnas_status to_dense_tangent(struct hnas_tensor **out,
                                    struct hn_node *node)
{
    return hn_copy_image(out, node->tape, node->in[0]->tangent);
}

static const struct hn_rule to_dense_rule = {
    .name = "to_dense",
    .forward_image = to_dense_forward,
    .backward_begin = to_dense_begin,
    .backward_image = to_dense_backward,
    .tangent = to_dense_tangent,
};

hnas_status hn_copy_image(struct hnas_tensor **out, struct hnas_tape *tape,
                          struct hnas_tensor *x)
{
    const struct hn_make make = {
        .rule = &to_dense_rule,
        .in = &x,
        .n_in = 1,
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = x->dim,
        .n_images = x->dim[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->need.image = hn_padded_reals(node->out, 0);
    return hn_finish(out, node);
}

/* ---- to another layout, whole ---- */

static hnas_status relayout_forward(struct hn_node *node)
{
    const struct hnas_tensor *x = node->in[0], *y = node->out;
    const int64_t *d = x->dim, *s = x->stride, *t = y->stride;

    memset(y->data, 0, (size_t)hn_tensor_extent(y) * sizeof(real));
    for (int64_t a = 0; a < d[0]; a++)
        for (int64_t b = 0; b < d[1]; b++)
            for (int64_t c = 0; c < d[2]; c++)
                for (int64_t e = 0; e < d[3]; e++)
                    hn_real(y)[a * t[0] + b * t[1] + c * t[2] + e * t[3]] =
                        hn_real(x)[a * s[0] + b * s[1] + c * s[2] + e * s[3]];
    return HNAS_OK;
}

static hnas_status relayout_backward(struct hn_node *node)
{
    struct hnas_tensor *x = node->in[0];
    const int64_t *d = x->dim, *t = node->out->stride;
    const real *g = hn_out_grad(node);
    real *dx = hn_grad_whole(x);
    int64_t s[HNAS_MAX_RANK];

    if (!dx || !g)
        return hn_fail_nomem(node->ctx, "gradient");
    grad_strides(s, x);
    for (int64_t a = 0; a < d[0]; a++)
        for (int64_t b = 0; b < d[1]; b++)
            for (int64_t c = 0; c < d[2]; c++)
                for (int64_t e = 0; e < d[3]; e++)
                    dx[a * s[0] + b * s[1] + c * s[2] + e * s[3]] +=
                        g[a * t[0] + b * t[1] + c * t[2] + e * t[3]];
    return HNAS_OK;
}

static hnas_status relayout_tangent(struct hnas_tensor **out,
                                    struct hn_node *node);

static const struct hn_rule relayout_rule = {
    .name = "relayout",
    .forward_join = relayout_forward,
    .backward_join = relayout_backward,
    .tangent = relayout_tangent,
};

static hnas_status relayout(struct hnas_tensor **out, struct hnas_tape *tape,
                            struct hnas_tensor *x, enum hn_layout layout)
{
    const struct hn_make make = {
        .rule = &relayout_rule,
        .in = &x,
        .n_in = 1,
        .layout = layout,
        .rank = x->rank,
        .dims = x->dim,
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    return st < 0 ? st : hn_finish(out, node);
}

static hnas_status relayout_tangent(struct hnas_tensor **out,
                                    struct hn_node *node)
{
    return relayout(out, node->tape, node->in[0]->tangent, node->out->layout);
}

hnas_status hn_as_kernel(struct hnas_tensor **out, struct hnas_tape *tape,
                         struct hnas_tensor *weight)
{
    if (weight->layout == HN_KERNEL) {
        *out = hnas_tensor_ref(weight);
        return HNAS_OK;
    }
    return relayout(out, tape, weight, HN_KERNEL);
}

hnas_status hn_as_dense(struct hnas_tensor **out, struct hnas_tape *tape,
                        struct hnas_tensor *x)
{
    if (x->record && (x->record->scale || x->record->half))
        return hn_copy_image(out, tape, x);
    if (x->layout == HN_STRIDED && !is_contiguous(x))
        return relayout(out, tape, x, HN_STRIDED);
    *out = hnas_tensor_ref(x);
    return HNAS_OK;
}

void hn_dense_rows(const struct hnas_tensor *t, struct hn_rows *rows)
{
    rows->used = rows->step = hnas_tensor_get_count(t);
    rows->n = 1;
    if (t->layout == HN_IMAGE) {
        rows->used = t->dim[1];
        rows->step = t->cp;
        rows->n = t->dim[0] * t->dim[2] * t->dim[3];
    } else if (t->layout == HN_KERNEL) {
        rows->used = t->dim[0];
        rows->step = t->cp;
        rows->n = t->dim[1] * t->dim[2] * t->dim[3];
    }
}

hnas_status hn_expect_pair(struct hnas_tensor *in[2], struct hnas_tape *tape,
                           struct hnas_tensor *a, struct hnas_tensor *b,
                           const char *what)
{
    char sa[96], sb[96];
    hnas_status st = hn_expect(a, -1, what);

    if (st == HNAS_OK)
        st = hn_expect(b, -1, what);
    if (st < 0)
        return st;
    if (!hn_same_shape(a, b))
        return hn_fail(a->ctx, HNAS_E_SHAPE, "%s: %s and %s, want equal shapes",
                       what, hn_shape_text(sa, a), hn_shape_text(sb, b));
    st = hn_as_dense(&in[0], tape, a);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[1], tape, b);
    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        struct hnas_tensor *t = in[i];

        if (in[0]->layout == in[1]->layout)
            break;
        if (t->layout == HN_STRIDED)
            continue;
        in[i] = NULL;
        st = relayout(&in[i], tape, t, HN_STRIDED);
        hnas_tensor_unref(t);
    }
    return st;
}
