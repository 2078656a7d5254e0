/* SPDX-License-Identifier: BSD-3-Clause */
/* Batch normalisation, kept pending.  With m, v the mean and biased variance
 * of z over N, H, W, r = 1 / sqrt(v + eps), M = N H W, g = dv:
 *
 *     value = weight r (z - m) + bias       (scale z + shift, not computed)
 *     S = sum g,  X = sum g r (z - m)
 *     dz = weight r (g - S / M - r (z - m) X / M)
 *     dweight += X,  dbias += S
 *
 * The moments of z come from the func that made it where that emits them; S
 * and X come from the readers' own passes where they can.  (Ioffe & Szegedy
 * 2015, arXiv:1502.03167.) */
#include <math.h>
#include <string.h>

#include "base/fpmode.h"
#include "func/func.h"
#include "tape/image.h"
#include "tensor/norm.h"

enum { Z, WEIGHT, BIAS };

struct batch_norm {
    struct hnas_norm *norm;
    real *sums;          /* [N][2][cp]: ours, where z has none */
    real *scale, *shift; /* [cp] */
    double *mean, *rstd; /* [C] */
    int32_t running;     /* running statistics are constants */
};

static void moments(const struct hn_node *node, int64_t image,
                    struct hn_worker *worker)
{
    const struct batch_norm *b = node->aux;
    const struct hnas_tensor *z = node->in[Z];

    node->ctx->k.moments(b->sums + image * 2 * z->cp,
                         hn_read_image(worker, z, image, HN_WIDE_OTHER),
                         z->dim[2] * z->dim[3], z->cp);
}

/* scale and shift from mean and rstd; padding lanes stay 0. */
static void set_map(struct hn_node *node)
{
    const struct batch_norm *b = node->aux;
    const struct hnas_norm *n = b->norm;

    for (int64_t c = 0; c < n->channels; c++) {
        const double weight = n->weight ? (double)hn_real(n->weight)[c] : 1;
        const double bias = n->bias ? (double)hn_real(n->bias)[c] : 0;

        b->scale[c] = (real)(weight * b->rstd[c]);
        b->shift[c] = (real)(bias - weight * b->rstd[c] * b->mean[c]);
    }
}

static void keep_statistics(const struct hn_node *node, int64_t c, double mean,
                            double variance, double count)
{
    const struct batch_norm *b = node->aux;

    b->mean[c] = mean;
    b->rstd[c] = 1 / sqrt(variance + HN_NORM_EPSILON);
    b->norm->batch_mean[c] = mean;
    b->norm->batch_variance[c] =
        count > 1 ? variance * count / (count - 1) : variance;
}

/* sum z and sum z^2 of n channels over this rank's images. */
static void sum_moments(const struct hn_node *node, int64_t first, int64_t n,
                        double *s1, double *s2)
{
    const struct batch_norm *b = node->aux;
    const struct hnas_tensor *z = node->in[Z];
    const int64_t cp = z->cp;
    const real *sums = b->sums ? b->sums : (const real *)z->record->sums;

    hn_tree_double(s1, sums + first, z->dim[0], 2 * cp, n);
    hn_tree_double(s2, sums + cp + first, z->dim[0], 2 * cp, n);
}

static hnas_status forward_total(struct hn_node *node)
{
    const int64_t cp = node->in[Z]->cp;
    hnas_status st = hn_take_total(node, 2 * cp);

    if (st == HNAS_OK)
        sum_moments(node, 0, cp, node->total, node->total + cp);
    return st;
}

/* Pixels of the whole batch. */
static double count_pixels(const struct hn_node *node)
{
    const struct hnas_tensor *z = node->in[Z];

    return (double)(z->dim[0] * node->tape->n_ranks * z->dim[2] * z->dim[3]);
}

static hnas_status forward(struct hn_node *node)
{
    const struct batch_norm *b = node->aux;
    const int64_t cp = node->in[Z]->cp;
    const double count = count_pixels(node);
    double s[2][64];

    for (int64_t c0 = 0; c0 < b->norm->channels; c0 += 64) {
        const int64_t left = b->norm->channels - c0;
        const int64_t n = left < 64 ? left : 64;

        if (node->total) {
            memcpy(s[0], node->total + c0, (size_t)n * sizeof *s[0]);
            memcpy(s[1], node->total + cp + c0, (size_t)n * sizeof *s[1]);
        } else {
            sum_moments(node, c0, n, s[0], s[1]);
        }
        for (int64_t c = 0; c < n; c++) {
            const double mean = s[0][c] / count;
            const double variance = s[1][c] / count - mean * mean;

            keep_statistics(node, c0 + c, mean, variance > 0 ? variance : 0,
                            count);
        }
    }
    b->norm->has_batch = 1;
    set_map(node);
    return HNAS_OK;
}

/* Own pass over the gradient, unless all readers mix (they leave S and X) or
 * the only reader rectifies (its mask pass sums). */
static void plan(struct hn_node *node)
{
    const struct hn_record *r = node->out->record;
    const int mixed = r->n_push == 0 && r->n_relu == 0;
    const int masked = r->n_push == 0 && r->n_pull == 0 && r->n_relu == 1;

    node->bimage = !mixed && !masked;
}

static hnas_status begin(struct hn_node *node)
{
    struct hnas_tensor *v = node->out;
    struct hn_record *r = v->record;

    if (!node->bimage)
        return HNAS_OK;
    if (!r->grad_sums)
        r->grad_sums = hn_tape_take(
            node->tape, (size_t)(v->dim[0] * 2 * v->cp) * sizeof(real));
    if (!r->grad_sums)
        return hn_fail_nomem(node->ctx, "batch_norm");
    return hn_grad_reserve(v);
}

static void gradient_sums(const struct hn_node *node, int64_t image,
                          struct hn_worker *worker)
{
    struct hnas_tensor *v = node->out;
    const real *g = hn_fold_grad(worker, v, image, NULL);
    const real *z[1] = {
        hn_read_image(worker, node->in[Z], image, HN_WIDE_OTHER)};
    const struct hn_terms terms = {1, z, NULL};
    real *sums = v->record->grad_sums + image * 2 * v->cp;

    node->ctx->k.mix_sums(sums, sums + v->cp, g, terms, v->dim[2] * v->dim[3],
                          v->cp);
}

/* Sums that mixes leave are those of all ranks already. */
static hnas_status backward_total(struct hn_node *node)
{
    const struct hnas_tensor *v = node->out;
    const real *sums = v->record->grad_sums;
    const int64_t cp = v->cp;
    hnas_status st = sums ? hn_take_total(node, 2 * cp) : HNAS_OK;

    if (sums && st == HNAS_OK) {
        hn_tree_double(node->total, sums, v->dim[0], 2 * cp, cp);
        hn_tree_double(node->total + cp, sums + cp, v->dim[0], 2 * cp, cp);
    }
    return st;
}

/* S and sum g z over the batch. */
static void batch_sums(const struct hn_node *node, double *s1, double *s2)
{
    const struct hnas_tensor *v = node->out;
    const struct hn_record *r = v->record;
    const int64_t cp = v->cp;

    if (node->total) {
        memcpy(s1, node->total, (size_t)cp * sizeof *s1);
        memcpy(s2, node->total + cp, (size_t)cp * sizeof *s2);
    } else if (r->grad_sums) {
        hn_tree_double(s1, r->grad_sums, v->dim[0], 2 * cp, cp);
        hn_tree_double(s2, r->grad_sums + cp, v->dim[0], 2 * cp, cp);
    } else if (r->s1) {
        memcpy(s1, r->s1, (size_t)cp * sizeof *s1);
        memcpy(s2, r->s2, (size_t)cp * sizeof *s2);
    }
}

static hnas_status leave_gradient(struct hn_node *node, const double *s,
                                  const double *x)
{
    const struct batch_norm *b = node->aux;
    struct hnas_tensor *z = node->in[Z];
    const double count = count_pixels(node);
    struct hn_norm_grad *ng = hn_tape_take(node->tape, sizeof *ng);
    const size_t n = 2 * (size_t)z->cp;
    real *bk = hn_tape_take(node->tape, n * sizeof *bk);

    if (!ng || !bk)
        return hn_fail_nomem(node->ctx, "batch_norm");
    ng->v = node->out;
    ng->scale = b->scale;
    z->record->norm = ng;
    if (b->running)
        return HNAS_OK;
    ng->b = bk;
    ng->k = bk + z->cp;
    for (int64_t c = 0; c < b->norm->channels; c++) {
        const double scale = b->scale[c], r = b->rstd[c];

        bk[c] = (real)(-scale * r * x[c] / count);
        bk[z->cp + c] = (real)(scale * (r * b->mean[c] * x[c] - s[c]) / count);
    }
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct batch_norm *b = node->aux;
    const int64_t cp = node->in[Z]->cp;
    double *s = hn_tape_take(node->tape, 2 * (size_t)cp * sizeof *s), *x;

    if (!s)
        return hn_fail_nomem(node->ctx, "batch_norm");
    x = s + cp;
    batch_sums(node, s, x);
    for (int64_t c = 0; c < b->norm->channels; c++)
        x[c] = b->rstd[c] * (x[c] - b->mean[c] * s[c]);
    for (int32_t i = WEIGHT; i < node->n_in; i++) {
        real *d = node->want[i] ? hn_grad_whole(node->in[i]) : NULL;

        if (node->want[i] && !d)
            return hn_fail_nomem(node->ctx, "batch_norm");
        for (int64_t c = 0; d && c < b->norm->channels; c++)
            d[c] += (real)(i == WEIGHT ? x[c] : s[c]);
    }
    return node->want[Z] ? leave_gradient(node, s, x) : HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct batch_norm *b = node->aux;
    struct hnas_tensor *weight = b->norm->weight, *bias = b->norm->bias;
    const struct hn_norm_state state = {b->mean,
                                        b->rstd,
                                        weight,
                                        bias,
                                        weight ? weight->tangent : NULL,
                                        bias ? bias->tangent : NULL,
                                        b->running};

    return hn_batch_norm_tangent(out, node->tape, node->in[Z],
                                 node->in[Z]->tangent, &state);
}

static const struct hn_rule rule = {
    .name = "batch_norm",
    .forward_image = moments,
    .forward_join = forward,
    .backward_plan = plan,
    .backward_begin = begin,
    .backward_image = gradient_sums,
    .backward_join = backward,
    .forward_total = forward_total,
    .backward_total = backward_total,
    .joins_ranks = 1,
    .tangent = tangent,
};

/* Running statistics are there already: no phase at all. */
static void use_running(struct hn_node *node)
{
    struct batch_norm *b = node->aux;

    const uint64_t mode = hn_fp_enter(); /* we are still recording */

    b->running = 1;
    if (!node->tape->late) /* else others read it meanwhile */
        hn_norm_clear(b->norm);
    node->fimage = node->fjoin = node->fdelay = 0;
    for (int64_t c = 0; c < b->norm->channels; c++) {
        b->mean[c] = hn_real(b->norm->mean)[c];
        b->rstd[c] = 1 / sqrt(hn_real(b->norm->variance)[c] + HN_NORM_EPSILON);
    }
    set_map(node);
    hn_fp_leave(mode);
}

static hnas_status set_up(struct hn_node *node, struct hnas_norm *norm)
{
    struct batch_norm *b = node->aux;
    const struct hnas_tensor *z = node->in[Z];
    const size_t cp = (size_t)z->cp;

    b->norm = norm;
    b->scale = hn_tape_take(node->tape, 2 * cp * sizeof(real));
    b->mean = hn_tape_take(node->tape, 2 * cp * sizeof(double));
    if (!b->scale || !b->mean)
        return hn_fail_nomem(node->ctx, "batch_norm");
    b->shift = b->scale + cp;
    b->rstd = b->mean + cp;
    node->out->record->scale = b->scale;
    node->out->record->shift = b->shift;
    if (node->tape->mode & HNAS_TAPE_RUNNING_STATS) {
        use_running(node);
    } else if (z->record && z->record->sums) {
        node->fimage = 0;
    } else {
        b->sums =
            hn_tape_take(node->tape, (size_t)z->dim[0] * 2 * cp * sizeof(real));
        if (!b->sums)
            return hn_fail_nomem(node->ctx, "batch_norm");
    }
    return HNAS_OK;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *z, struct hnas_norm *norm)
{
    struct hnas_tensor *in[3] = {z, norm->weight, norm->bias};
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = norm->weight ? 3 : 1,
        .aux_bytes = sizeof(struct batch_norm),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = z->dim,
        .pending = z,
        .n_images = z->dim[0],
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    node->manner[Z] = HN_PULL;
    st = set_up(node, norm);
    st = st < 0 ? hn_abandon(node, st) : hn_finish(out, node);
    if (st == HNAS_OK && z->record)
        z->record->normed = 1;
    return st;
}

/* z as batch_norm wants it: dense, and not normalised a second time, since
 * a value has room for one pending gradient. */
static hnas_status fresh_image(hnas_tensor **out, hnas_tape *tape,
                               hnas_tensor *x)
{
    hnas_tensor *z = NULL;
    hnas_status st = hn_as_image(&z, tape, x);

    if (st < 0)
        return st;
    if (z->record && (z->record->scale || z->record->normed)) {
        st = hn_copy_image(out, tape, z);
        hnas_tensor_unref(z);
        return st;
    }
    *out = z;
    return HNAS_OK;
}

hnas_status hnas_batch_norm(hnas_tensor **out, hnas_tape *tape, hnas_tensor *x,
                            hnas_norm *norm)
{
    hnas_tensor *z = NULL, *v = NULL;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !norm)
        return hn_fail_null(x ? x->ctx : NULL, "batch_norm: out or norm");
    st = hn_expect(x, 4, "batch_norm: x [N, C, H, W]");
    if (st < 0)
        return st;
    if (x->dim[1] != norm->channels)
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "batch_norm: x has %lld channels, want %lld",
                       (long long)x->dim[1], (long long)norm->channels);
    st = fresh_image(&z, tape, x);
    if (st == HNAS_OK)
        st = hn_make_half(z);
    if (st == HNAS_OK)
        st = record(&v, tape, z, norm);
    if (st == HNAS_OK && tape && (tape->mode & HNAS_TAPE_PLAIN)) {
        st = hn_copy_image(out, tape, v);
    } else if (st == HNAS_OK) {
        *out = v;
        v = NULL;
    }
    hnas_tensor_unref(v);
    hnas_tensor_unref(z);
    return st;
}
