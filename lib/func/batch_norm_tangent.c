/* SPDX-License-Identifier: BSD-3-Clause */
/* The tangent of batch normalisation, z moving by t, weight w by w', bias by
 * b'.  With x = r (z - m), M = N H W, q = mean of x t:
 *
 *     v' = w r (t - mean t - x q) + w' x + b'        (s t + a z + c)
 *
 * and for g = dv', S = sum g, X = sum g x, P = sum g (v' - w' x - b'),
 * J g = r (g - S / M - x X / M):
 *
 *     dt += w J g                                    (left pending)
 *     dz += (w' - w r q) J g - r (x P + (v' - w' x - b') X) / M
 *     dw += sum g r (t - mean t - x q)
 *
 * Two nodes: `sums` finds s, a, c and, backward, gives z its part; `apply`
 * makes v', in t's own memory where nobody else reads t: v' and z tell all
 * that the backward asks of t. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

enum { T, Z, SUMS, WEIGHT, MOST_IN = 7 };

struct tangent {
    struct hn_norm_state state;
    struct hnas_tensor *moved; /* v', whose gradient both nodes read */
    real *sums;                /* [N][2][cp]: sum t, sum t z */
    real *grad_sums;           /* [N][4][cp]: sum g, of g z, g v', g t */
    double *mean_t, *q;        /* [C] */
    real *push;                /* [5][cp]: of g, v', z and 1, to z; 1 */
    int32_t keeps_t;           /* v' has memory of its own */
};

static struct tangent *shared(const struct hn_node *node)
{
    return *(struct tangent **)node->aux;
}

static double at(const struct hnas_tensor *t, int64_t c, double otherwise)
{
    return t ? (double)hn_real(t)[c] : otherwise;
}

/* Of the whole batch. */
static double pixels(const struct hnas_tensor *z)
{
    return (double)(z->dim[0] * hn_share_ranks(z) * z->dim[2] * z->dim[3]);
}

/* The sums of `count` numbers of each image over this rank's images. */
static hnas_status total(struct hn_node *node, const real *sums, int64_t count)
{
    hnas_status st = hn_take_total(node, count);

    if (st == HNAS_OK)
        hn_tree_double(node->total, sums, node->n_images, count, count);
    return st;
}

/* ---- the sums: forward s, a, c; backward z's part ---- */

static void gather(const struct hn_node *node, int64_t image,
                   struct hn_worker *w)
{
    const struct hnas_tensor *z = node->in[Z];
    const real *list[1] = {hn_image_at(z, image)};
    const struct hn_terms terms = {1, list, NULL};
    real *sums = shared(node)->sums + image * 2 * z->cp;

    (void)w;
    node->ctx->k.mix_sums(sums, sums + z->cp, hn_image_at(node->in[T], image),
                          terms, z->dim[2] * z->dim[3], z->cp);
}

static hnas_status moves_total(struct hn_node *node)
{
    const struct tangent *b = shared(node);

    return b->state.running ? HNAS_OK
                            : total(node, b->sums, 2 * node->in[Z]->cp);
}

/* mean t and q, which are constants where the statistics are. */
static void set_means(const struct hn_node *node)
{
    const struct tangent *b = shared(node);
    const struct hn_norm_state *s = &b->state;
    const struct hnas_tensor *z = node->in[Z];
    const int64_t cp = z->cp, n_c = z->dim[1];
    const double count = pixels(z);

    if (s->running)
        return; /* zeros */
    if (node->total) {
        memcpy(b->mean_t, node->total, (size_t)n_c * sizeof *b->mean_t);
        memcpy(b->q, node->total + cp, (size_t)n_c * sizeof *b->q);
    } else {
        hn_tree_double(b->mean_t, b->sums, z->dim[0], 2 * cp, n_c);
        hn_tree_double(b->q, b->sums + cp, z->dim[0], 2 * cp, n_c);
    }
    for (int64_t c = 0; c < n_c; c++) {
        b->mean_t[c] /= count;
        b->q[c] = s->rstd[c] * (b->q[c] / count - s->mean[c] * b->mean_t[c]);
    }
}

static hnas_status set_map(struct hn_node *node)
{
    const struct tangent *b = shared(node);
    const struct hn_norm_state *s = &b->state;
    const int64_t cp = node->in[Z]->cp;
    real *map = hn_real(node->out);

    set_means(node);
    memset(map, 0, 3 * (size_t)cp * sizeof *map);
    for (int64_t c = 0; c < node->in[Z]->dim[1]; c++) {
        const double r = s->rstd[c], wr = at(s->weight, c, 1) * r;
        const double of_x = at(s->weight_move, c, 0) - wr * b->q[c];

        map[c] = (real)wr;
        map[cp + c] = (real)(of_x * r);
        map[2 * cp + c] = (real)(at(s->bias_move, c, 0) - wr * b->mean_t[c] -
                                 of_x * r * s->mean[c]);
    }
    return HNAS_OK;
}

static hnas_status push_begin(struct hn_node *node)
{
    node->need.vec += hn_view_need(shared(node)->moved);
    return hn_grad_reserve(node->in[Z]);
}

static void push(const struct hn_node *node, int64_t image, struct hn_worker *w)
{
    const struct tangent *b = shared(node);
    struct hnas_tensor *z = node->in[Z];
    const int64_t cp = z->cp, h = z->dim[2], wd = z->dim[3];
    const real *g = hn_fold_grad(w, b->moved, image, w->image[0]);
    int flags;
    real *dz = hn_push_grad(w, z, image, &flags);
    const real *list[3] = {g, hn_image_at(b->moved, image), dz};
    const real *scale[3] = {b->push, b->push + cp, b->push + 4 * cp};
    const struct hn_terms terms = {flags & HN_ACCUMULATE ? 3 : 2, list, scale};
    const struct hn_plane dst = {dz, wd * cp, cp};

    node->ctx->k.bn_grad_rows(dst, terms, hn_image_at(z, image),
                              b->push + 2 * cp, b->push + 3 * cp, h, wd, cp);
}

static const struct hn_rule sums_rule = {
    .name = "batch_norm_tangent_sums",
    .forward_image = gather,
    .forward_join = set_map,
    .forward_total = moves_total,
    .backward_begin = push_begin,
    .backward_image = push,
};

/* ---- v' ---- */

static void apply(const struct hn_node *node, int64_t image,
                  struct hn_worker *w)
{
    const struct hnas_tensor *y = node->out;
    const int64_t cp = y->cp;
    const real *map = hn_real(node->in[SUMS]);
    const real *list[1] = {hn_image_at(node->in[T], image)};
    const struct hn_terms terms = {1, list, &map};
    const struct hn_plane dst = {hn_image_rw(node->out, image), y->dim[3] * cp,
                                 cp};

    (void)w;
    node->ctx->k.bn_grad_rows(dst, terms, hn_image_at(node->in[Z], image),
                              map + cp, map + 2 * cp, y->dim[2], y->dim[3], cp);
}

static hnas_status begin(struct hn_node *node)
{
    struct tangent *b = shared(node);
    const size_t n = (size_t)(4 * node->n_images * node->out->cp);

    b->grad_sums = hn_tape_take(node->tape, n * sizeof(real));
    return b->grad_sums ? HNAS_OK
                        : hn_fail_nomem(node->ctx, "batch_norm_tangent");
}

static void gather_gradient(const struct hn_node *node, int64_t image,
                            struct hn_worker *w)
{
    const struct tangent *b = shared(node);
    const struct hnas_tensor *y = node->out;
    const real *g = hn_fold_grad(w, node->out, image, w->image[0]);
    const real *list[3] = {hn_image_at(node->in[Z], image),
                           hn_image_at(y, image),
                           hn_image_at(node->in[T], image)};
    const struct hn_terms terms = {b->keeps_t ? 3 : 2, list, NULL};
    real *sums = b->grad_sums + image * 4 * y->cp;

    node->ctx->k.mix_sums(sums, sums + y->cp, g, terms, y->dim[2] * y->dim[3],
                          y->cp);
}

/* A channel's sums of g, g x, g (v' - w' x - b'), g t over the batch. */
struct gradient_sums {
    double s, x, p, t;
};

static void set_push(const struct tangent *b, int64_t c, int64_t cp,
                     const struct gradient_sums *g, double count)
{
    const struct hn_norm_state *s = &b->state;
    const double r = s->rstd[c], m = s->mean[c];
    const double dw = at(s->weight_move, c, 0), db = at(s->bias_move, c, 0);
    const double j = dw - at(s->weight, c, 1) * r * b->q[c];
    const double inner = s->running ? 0 : 1 / count;
    const double of_x = -r * inner * (g->p + (j - dw) * g->x);

    b->push[c] = (real)(j * r);
    b->push[cp + c] = (real)(-r * g->x * inner);
    b->push[2 * cp + c] = (real)(of_x * r);
    b->push[3 * cp + c] =
        (real)(r * inner * (db * g->x - j * g->s) - of_x * r * m);
    b->push[4 * cp + c] = 1;
}

/* dt = w J g, pending. */
static hnas_status leave_gradient(struct hn_node *node,
                                  const struct gradient_sums *g)
{
    const struct hn_norm_state *s = &shared(node)->state;
    const int64_t cp = node->out->cp;
    const double count = pixels(node->out);
    struct hn_norm_grad *ng = hn_tape_take(node->tape, sizeof *ng);
    real *bk = hn_tape_take(node->tape, 3 * (size_t)cp * sizeof *bk);

    if (!ng || !bk)
        return hn_fail_nomem(node->ctx, "batch_norm_tangent");
    ng->v = node->out;
    ng->z = node->in[Z];
    ng->scale = memcpy(bk + 2 * cp, node->in[SUMS]->data,
                       (size_t)cp * sizeof *bk); /* the map may go first */
    node->in[T]->record->norm = ng;
    if (s->running)
        return HNAS_OK;
    ng->b = bk;
    ng->k = bk + cp;
    for (int64_t c = 0; c < node->out->dim[1]; c++) {
        const double r = s->rstd[c], wr = at(s->weight, c, 1) * r;

        bk[c] = (real)(-wr * r * g[c].x / count);
        bk[cp + c] = (real)(wr * (r * s->mean[c] * g[c].x - g[c].s) / count);
    }
    return HNAS_OK;
}

static hnas_status gradient_total(struct hn_node *node)
{
    return total(node, shared(node)->grad_sums, 4 * node->out->cp);
}

/* The sums of all channels; x in place of z, and what is left of v'. */
static void reduce(const struct hn_node *node, struct gradient_sums *g)
{
    const struct tangent *b = shared(node);
    const struct hn_norm_state *s = &b->state;
    const int64_t cp = node->out->cp, n = node->n_images;

    for (int64_t c = 0; c < node->out->dim[1]; c++) {
        double sum[4];

        for (int i = 0; i < 4; i++)
            if (node->total)
                sum[i] = node->total[i * cp + c];
            else
                hn_tree_double(&sum[i], b->grad_sums + i * cp + c, n, 4 * cp,
                               1);
        g[c].s = sum[0];
        g[c].x = s->rstd[c] * (sum[1] - s->mean[c] * sum[0]);
        g[c].p = sum[2] - at(s->weight_move, c, 0) * g[c].x -
                 at(s->bias_move, c, 0) * sum[0];
        g[c].t = sum[3];
    }
}

static hnas_status add_weight_gradient(struct hn_node *node,
                                       const struct gradient_sums *g)
{
    const struct tangent *b = shared(node);
    const double *r = b->state.rstd;
    real *d = hn_grad_whole(node->in[WEIGHT]);

    if (!d)
        return hn_fail_nomem(node->ctx, "batch_norm_tangent");
    for (int64_t c = 0; c < node->out->dim[1]; c++)
        d[c] +=
            (real)(r[c] * (g[c].t - b->mean_t[c] * g[c].s - b->q[c] * g[c].x));
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct tangent *b = shared(node);
    const int64_t n_c = node->out->dim[1], cp = node->out->cp;
    struct gradient_sums *g = hn_tape_take(node->tape, (size_t)n_c * sizeof *g);
    hnas_status st = HNAS_OK;

    if (!g)
        return hn_fail_nomem(node->ctx, "batch_norm_tangent");
    reduce(node, g);
    for (int64_t c = 0; c < n_c; c++)
        set_push(b, c, cp, &g[c], pixels(node->out));
    if (node->want[T])
        st = leave_gradient(node, g);
    if (st == HNAS_OK && node->n_in > WEIGHT && node->want[WEIGHT])
        st = add_weight_gradient(node, g);
    return st;
}

static const struct hn_rule apply_rule = {
    .name = "batch_norm_tangent",
    .forward_image = apply,
    .backward_begin = begin,
    .backward_image = gather_gradient,
    .backward_join = backward,
    .backward_total = gradient_total,
    .joins_ranks = 1,
};

/* ---- recording ---- */

static struct tangent *make_shared(struct hnas_tape *tape,
                                   const struct hnas_tensor *z,
                                   const struct hn_norm_state *state)
{
    const size_t n = (size_t)z->dim[0], cp = (size_t)z->cp;
    struct tangent *b = hn_tape_take(tape, sizeof *b);

    if (!b)
        return NULL;
    b->state = *state;
    b->sums = hn_tape_take(tape, n * 2 * cp * sizeof *b->sums);
    b->mean_t = hn_tape_take(tape, 2 * cp * sizeof *b->mean_t);
    b->push = hn_tape_take(tape, 5 * cp * sizeof *b->push);
    b->q = b->mean_t + cp;
    return b->sums && b->mean_t && b->push ? b : NULL;
}

static hnas_status record_sums(struct hnas_tensor **out, struct hnas_tape *tape,
                               struct hnas_tensor *const in[2],
                               struct tangent *b)
{
    const int64_t dims[2] = {3, in[Z]->cp};
    const struct hn_make make = {
        .rule = &sums_rule,
        .in = in,
        .n_in = 2,
        .aux_bytes = sizeof b,
        .layout = HN_STRIDED,
        .rank = 2,
        .dims = dims,
        .n_images = in[Z]->dim[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    *(struct tangent **)node->aux = b;
    node->want[T] = 0; /* through `apply` */
    node->active = node->want[Z];
    node->out->record->is_share = 0; /* a map of the whole batch */
    node->need.image = hn_padded_reals(in[Z], 0);
    return hn_finish(out, node);
}

/* Weight and bias and their movements follow as inputs, to be held. */
static int32_t list_inputs(struct hnas_tensor *in[MOST_IN],
                           const struct hn_norm_state *s)
{
    struct hnas_tensor *const more[3] = {s->bias, s->weight_move, s->bias_move};
    int32_t n = WEIGHT;

    if (s->weight)
        in[n++] = s->weight;
    for (int i = 0; s->weight && i < 3; i++)
        if (more[i])
            in[n++] = more[i];
    return n;
}

static hnas_status record_apply(struct hnas_tensor **out,
                                struct hnas_tape *tape,
                                struct hnas_tensor *in[MOST_IN],
                                struct tangent *b)
{
    const int32_t n = list_inputs(in, &b->state);
    const struct hn_make make = {
        .rule = &apply_rule,
        .in = in,
        .n_in = n,
        .aux_bytes = sizeof b,
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = in[Z]->dim,
        .pending = b->keeps_t ? NULL : in[T],
        .n_images = in[Z]->dim[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    *(struct tangent **)node->aux = b;
    b->moved = node->out;
    b->moved->record->held = 1; /* for `sums`, and for what made t */
    node->manner[T] = HN_PULL;
    node->want[Z] = 0; /* through `sums` */
    for (int32_t i = WEIGHT + 1; i < n; i++)
        node->want[i] = 0;
    node->active = node->want[T] | node->want[SUMS];
    if (n > WEIGHT)
        node->active |= node->want[WEIGHT];
    node->need.image = hn_padded_reals(in[Z], 0);
    return hn_finish(out, node);
}

hnas_status hn_batch_norm_tangent(hnas_tensor **out, hnas_tape *tape,
                                  hnas_tensor *z, hnas_tensor *t,
                                  const struct hn_norm_state *state)
{
    struct hnas_tensor *in[MOST_IN] = {t, z};
    struct tangent *b = make_shared(tape, z, state);
    hnas_status st = HNAS_OK;

    *out = NULL;
    if (!b)
        return hn_fail_nomem(z->ctx, "batch_norm_tangent");
    b->keeps_t = !z->record || z->record->n_uses != 1 ||
                 (state->weight && state->weight->wanted);
    if (!t)
        st = hn_zeros(&in[T], z->ctx, tape, z->dim);
    else if (b->keeps_t && !t->record)
        st = hn_copy_image(&in[T], tape, t); /* has room for a gradient */
    else
        st = hn_as_image(&in[T], tape, t);
    if (st == HNAS_OK)
        st = record_sums(&in[SUMS], tape, in, b);
    if (st == HNAS_OK)
        st = record_apply(out, tape, in, b);
    hnas_tensor_unref(in[T]);
    hnas_tensor_unref(in[SUMS]);
    return st;
}
