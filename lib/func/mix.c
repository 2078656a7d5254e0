/* SPDX-License-Identifier: BSD-3-Clause */
/* The sum at a node of a cell:  y[n] = sum_t p_t[n] x_t[n].
 *
 * Inputs are read through their pending maps x = s z + h, so one pass serves
 * batch-norm and mixing.  Backward, one pass takes G[n][c] = sum_pixels dy and
 * H[n][t][c] = sum_pixels dy z_t; they give all that is wanted:
 *
 *     dp_t[n] = sum_c s_c H_c + h_c G_c                 (mixing gradient)
 *     S_t = sum_n p_t[n] G[n],  sum_n p_t[n] H[n][t]    (batch-norm's sums)
 *
 * and dx_t = p_t dy is left as a term, never stored. */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

struct mix {
    int64_t n_x, gate_step; /* 0: a gate a step */
    int64_t *index;         /* into the gates of an image */
    real *sums;             /* [N][1 + n_x][cp]: G, then H of each input */
    real *dp;               /* [N][n_x] */
    uint8_t *idle;          /* [n_x], or NULL */
    int32_t has_half;       /* some inputs are in half precision */
};

static real gate(const struct hn_node *node, int64_t t, int64_t image)
{
    const struct mix *m = node->aux;

    return hn_real(node->in[m->n_x])[image * m->gate_step + m->index[t]];
}

/* The sum of the inputs' shifts. */
static void add_shifts(const struct hn_node *node, int64_t image, real *shift)
{
    const struct mix *m = node->aux;
    const int64_t cp = node->out->cp;

    memset(shift, 0, (size_t)cp * sizeof(real));
    for (int64_t t = 0; t < m->n_x; t++) {
        const real p = gate(node, t, image), *scale, *h;

        hn_pending(node->in[t], &scale, &h);
        for (int64_t c = 0; p != 0 && h && c < cp; c++)
            shift[c] += p * h[c];
    }
}

/* Inputs that one pass takes from *from on, which it advances: all, or, where
 * some must be widened, as many as the worker has slots.  Scale vectors and
 * pointers are laid in its vec, behind one for the shift.  all: inputs whose
 * gate is 0 take part too. */
static struct hn_terms lay_terms(const struct hn_node *node,
                                 struct hn_worker *w, int64_t image,
                                 int64_t *from, int all)
{
    const struct mix *m = node->aux;
    const int64_t cp = node->out->cp;
    real *vec = w->vec + cp;
    const real **z = (const real **)(void *)(vec + (m->n_x + 1) * cp);
    const real **scales = z + m->n_x + 1;
    int64_t n = 0, t = *from;

    for (; t < m->n_x && !(m->has_half && n == MOST_WIDE); t++) {
        const real p = gate(node, t, image), *scale, *h;

        if (p == 0 && !all)
            continue;
        hn_pending(node->in[t], &scale, &h);
        z[n] = hn_read_image(w, node->in[t], image, (int)(n % MOST_WIDE));
        scales[n++] = vec;
        for (int64_t c = 0; c < cp; c++)
            vec[c] = scale ? p * scale[c] : p;
        vec += cp;
    }
    *from = t;
    return (struct hn_terms){n, z, scales};
}

/* dst += terms, as a pass over one more term: dst itself. */
static void add_terms(const struct hn_node *node, real *dst,
                      struct hn_terms terms, const real **z,
                      const real **scales, real *one)
{
    const struct hnas_tensor *y = node->out;
    const struct hn_plane plane = {dst, y->dim[3] * y->cp, y->cp};

    for (int64_t c = 0; c < y->cp; c++)
        one[c] = 1;
    z[terms.n_terms] = dst;
    scales[terms.n_terms++] = one;
    node->ctx->k.bn_grad_rows(plane, terms, NULL, NULL, NULL, y->dim[2],
                              y->dim[3], y->cp);
}

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *w)
{
    const struct mix *m = node->aux;
    const struct hnas_tensor *y = node->out;
    real *dst = hn_image_rw(node->out, image);
    int64_t from = 0;
    struct hn_terms terms;

    add_shifts(node, image, w->vec);
    terms = lay_terms(node, w, image, &from, 0);
    node->ctx->k.mix(dst, terms, w->vec, y->dim[2] * y->dim[3], y->cp);
    while (from < m->n_x) {
        terms = lay_terms(node, w, image, &from, 0);
        if (terms.n_terms)
            add_terms(node, dst, terms, (const real **)(uintptr_t)terms.z,
                      (const real **)(uintptr_t)terms.scale, w->vec);
    }
}

/* Sums over the batch that a pending input's batch-norm will ask for. */
static hnas_status reserve_sums(struct hnas_tensor *x)
{
    struct hn_record *r = x->record;

    if (!r->scale || r->s1)
        return HNAS_OK;
    r->s1 = hn_tape_take(r->tape, 2 * (size_t)x->cp * sizeof *r->s1);
    if (!r->s1)
        return hn_fail_nomem(x->ctx, "mix");
    r->s2 = r->s1 + x->cp;
    return HNAS_OK;
}

static hnas_status begin(struct hn_node *node)
{
    struct mix *m = node->aux;
    const real *gates = hn_real(node->in[m->n_x]);
    const size_t n = (size_t)node->n_images, n_x = (size_t)m->n_x;
    hnas_status st = hn_grad_reserve(node->out);

    m->sums = hn_tape_take(node->tape, n * (1 + n_x) * (size_t)node->out->cp *
                                           sizeof(real));
    m->dp = hn_tape_take(node->tape, n * n_x * sizeof(real));
    if (!m->sums || !m->dp)
        return hn_fail_nomem(node->ctx, "mix");
    for (int64_t t = 0; t < m->n_x && st == HNAS_OK; t++) {
        if (!node->want[t])
            continue;
        st = hn_add_term(node->in[t], node->out, gates + m->index[t],
                         m->gate_step);
        if (st == HNAS_OK)
            st = reserve_sums(node->in[t]);
    }
    return st;
}

static real gate_gradient(const struct hnas_tensor *x, const real *g,
                          const real *h)
{
    const real *scale, *shift;
    double sum = 0;

    hn_pending(x, &scale, &shift);
    for (int64_t c = 0; c < x->dim[1]; c++)
        sum += scale ? (double)scale[c] * h[c] + (double)shift[c] * g[c]
                     : (double)h[c];
    return (real)sum;
}

static void backward(const struct hn_node *node, int64_t image,
                     struct hn_worker *w)
{
    const struct mix *m = node->aux;
    struct hnas_tensor *y = node->out;
    const int64_t cp = y->cp;
    const real *g = hn_fold_grad(w, y, image, NULL);
    real *sums = m->sums + image * (1 + m->n_x) * cp;
    int64_t from = 0;

    while (from < m->n_x) {
        real *dst = sums + (1 + from) * cp;
        const struct hn_terms terms = lay_terms(node, w, image, &from, 1);

        node->ctx->k.mix_sums(sums, dst, g, terms, y->dim[2] * y->dim[3], cp);
    }
    for (int64_t t = 0; t < m->n_x; t++)
        m->dp[image * m->n_x + t] =
            gate_gradient(node->in[t], sums, sums + (1 + t) * cp);
}

static hnas_status add_gate_gradients(struct hn_node *node)
{
    const struct mix *m = node->aux;
    real *d = hn_grad_whole(node->in[m->n_x]);

    if (!d)
        return hn_fail_nomem(node->ctx, "gradient of gates");
    if (m->gate_step) {
        for (int64_t n = 0; n < node->n_images; n++)
            for (int64_t t = 0; t < m->n_x; t++)
                d[n * m->gate_step + m->index[t]] += m->dp[n * m->n_x + t];
        return HNAS_OK;
    }
    for (int64_t t = 0; t < m->n_x; t++) {
        double sum;

        if (node->total)
            sum = node->total[m->n_x * 2 * node->out->cp + t];
        else
            hn_tree_double(&sum, m->dp + t, node->n_images, m->n_x, 1);
        d[m->index[t]] += (real)sum;
    }
    return HNAS_OK;
}

/* p_t G and p_t H over this rank's images.  scaled: room for [N][2][cp]. */
static void norm_sums(const struct hn_node *node, int64_t t, real *scaled,
                      double *total)
{
    const struct mix *m = node->aux;
    const int64_t cp = node->out->cp;

    for (int64_t n = 0; n < node->n_images; n++) {
        const real *g = m->sums + n * (1 + m->n_x) * cp;
        const real *h = g + (1 + t) * cp, p = gate(node, t, n);
        real *dst = scaled + n * 2 * cp;

        for (int64_t c = 0; c < cp; c++) {
            dst[c] = p * g[c];
            dst[cp + c] = p * h[c];
        }
    }
    hn_tree_double(total, scaled, node->n_images, 2 * cp, 2 * cp);
}

static int has_norm(const struct hn_node *node, int64_t t)
{
    return node->want[t] && node->in[t]->record->s1;
}

/* [n_x][2][cp] norm sums, [n_x] gate gradients: one message for all. */
static hnas_status backward_total(struct hn_node *node)
{
    const struct mix *m = node->aux;
    const int64_t cp2 = 2 * node->out->cp;
    const size_t bytes = (size_t)(node->n_images * cp2) * sizeof(real);
    real *scaled = hn_arena_take(&node->tape->arena, bytes);
    hnas_status st = hn_take_total(node, m->n_x * (cp2 + 1));

    if (!scaled || st < 0)
        return hn_fail_nomem(node->ctx, "mix");
    for (int64_t t = 0; t < m->n_x; t++)
        if (has_norm(node, t))
            norm_sums(node, t, scaled, node->total + t * cp2);
    hn_arena_give(&node->tape->arena, scaled, bytes);
    hn_tree_double(node->total + m->n_x * cp2, m->dp, node->n_images, m->n_x,
                   m->n_x);
    return HNAS_OK;
}

/* Add them to what an input's batch-norm will ask for. */
static void add_norm_sums(struct hn_node *node, int64_t t, real *scaled,
                          double *room)
{
    const struct hn_record *r = node->in[t]->record;
    const int64_t cp = node->out->cp;
    const double *total = room;

    if (node->total)
        total = node->total + t * 2 * cp;
    else
        norm_sums(node, t, scaled, room);
    for (int64_t c = 0; c < cp; c++) {
        r->s1[c] += total[c];
        r->s2[c] += total[cp + c];
    }
}

static hnas_status backward_join(struct hn_node *node)
{
    const struct mix *m = node->aux;
    const size_t cp2 = 2 * (size_t)node->out->cp;
    const size_t bytes = (size_t)node->n_images * cp2 * sizeof(real);
    real *scaled = hn_arena_take(&node->tape->arena, bytes);
    double *total = hn_tape_take(node->tape, cp2 * sizeof *total);
    hnas_status st = HNAS_OK;

    if (!scaled || !total)
        return hn_fail_nomem(node->ctx, "mix");
    for (int64_t t = 0; t < m->n_x; t++)
        if (has_norm(node, t))
            add_norm_sums(node, t, scaled, total);
    hn_arena_give(&node->tape->arena, scaled, bytes);
    if (node->want[m->n_x])
        st = add_gate_gradients(node);
    return st;
}

/* sum_t p_t x_t' of the inputs that move. */
static hnas_status mix_moves(struct hnas_tensor **out, struct hn_node *node)
{
    const struct mix *m = node->aux;
    const size_t n_x = (size_t)m->n_x;
    struct hnas_tensor **x = hn_tape_take(node->tape, n_x * sizeof *x);
    int64_t *index = hn_tape_take(node->tape, n_x * sizeof *index), n = 0;
    uint8_t *idle = hn_tape_take(node->tape, n_x);

    if (!x || !index || !idle)
        return hn_fail_nomem(node->ctx, "mix");
    for (int64_t t = 0; t < m->n_x; t++) {
        if (!node->in[t]->tangent)
            continue;
        x[n] = node->in[t]->tangent;
        idle[n] = m->idle && m->idle[t];
        index[n++] = m->index[t];
    }
    return n ? hn_mix(out, node->tape, x, n, node->in[m->n_x], index, idle)
             : HNAS_OK;
}

/* ... + sum_t p_t' x_t */
static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct mix *m = node->aux;
    struct hnas_tensor *gates = node->in[m->n_x]->tangent, *t = NULL;
    hnas_status st = mix_moves(out, node);

    if (st == HNAS_OK && gates)
        st = hn_tangent_add(
            out, node->tape,
            hn_mix(&t, node->tape, node->in, m->n_x, gates, m->index, NULL),
            &t);
    return st;
}

/* A gate of 0 for the whole batch. */
static int skips(const struct hn_node *node, int32_t input)
{
    const struct mix *m = node->aux;

    return input < m->n_x && m->gate_step == 0 && gate(node, input, 0) == 0;
}

static const struct hn_rule rule = {
    .name = "mix",
    .forward_skips = skips,
    .forward_image = forward,
    .backward_begin = begin,
    .backward_image = backward,
    .backward_join = backward_join,
    .backward_total = backward_total,
    .joins_ranks = 1,
    .tangent = tangent,
};

static hnas_status check(hnas_tensor *const *x, int64_t n_x, hnas_tensor *gates,
                         const int64_t *index)
{
    const int32_t per_image = gates->rank == 3;
    const int64_t *d = gates->dim;
    const int64_t n_gates = per_image ? d[1] * d[2] : d[0] * d[1];
    char a[96], b[96];
    hnas_status st = hn_expect(gates, per_image ? 3 : 2, "mix: gates [E, O]");

    for (int64_t t = 0; t < n_x && st == HNAS_OK; t++) {
        st = hn_expect(x[t], 4, "mix: x [N, C, H, W]");
        if (st == HNAS_OK && !hn_same_shape(x[t], x[0]))
            st = hn_fail(gates->ctx, HNAS_E_SHAPE,
                         "mix: inputs %s and %s, want equal shapes",
                         hn_shape_text(a, x[0]), hn_shape_text(b, x[t]));
        if (st == HNAS_OK && (index[t] < 0 || index[t] >= n_gates))
            st = hn_fail(gates->ctx, HNAS_E_RANGE,
                         "mix: index %lld of input %lld, want 0..%lld",
                         (long long)index[t], (long long)t,
                         (long long)n_gates - 1);
    }
    if (st == HNAS_OK && per_image && d[0] != x[0]->dim[0])
        st = hn_fail(gates->ctx, HNAS_E_SHAPE,
                     "mix: gates for %lld images, want %lld", (long long)d[0],
                     (long long)x[0]->dim[0]);
    return st;
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hnas_tensor *const *in, int64_t n_x,
                          const int64_t *index, const uint8_t *idle)
{
    const struct hnas_tensor *gates = in[n_x];
    const struct hn_make make = {
        .rule = &rule,
        .in = in,
        .n_in = (int32_t)n_x + 1,
        .aux_bytes = sizeof(struct mix),
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = in[0]->dim,
        .n_images = in[0]->dim[0],
    };
    struct hn_node *node;
    struct mix *m;
    hnas_status st = hn_append(&node, tape, &make);

    if (st < 0)
        return st;
    m = node->aux;
    m->n_x = n_x;
    m->gate_step = gates->rank == 3 ? gates->dim[1] * gates->dim[2] : 0;
    m->index = hn_tape_take(node->tape, (size_t)n_x * sizeof *index);
    if (!m->index)
        return hn_abandon(node, hn_fail_nomem(node->ctx, "mix"));
    memcpy(m->index, index, (size_t)n_x * sizeof *index);
    memset(node->manner, HN_PULL, (size_t)n_x);
    if (idle) {
        m->idle = hn_tape_take(node->tape, (size_t)n_x);
        if (!m->idle)
            return hn_abandon(node, hn_fail_nomem(node->ctx, "mix"));
        memcpy(m->idle, idle, (size_t)n_x);
    }
    for (int64_t t = 0; idle && t < n_x; t++)
        if (idle[t])
            node->want[t] = 0;
    for (int64_t t = 0; t < n_x; t++)
        m->has_half |= hn_is_half(node->in[t]);
    node->need.vec =
        (n_x + 2) *
        (node->out->cp + 4 * (int64_t)(sizeof(void *) / sizeof(float)));
    return hn_finish(out, node);
}

hnas_status hnas_mix(hnas_tensor **out, hnas_tape *tape, hnas_tensor *const *x,
                     int64_t n_x, hnas_tensor *gates, const int64_t *index)
{
    return hn_mix(out, tape, x, n_x, gates, index, NULL);
}

hnas_status hn_mix(hnas_tensor **out, hnas_tape *tape, hnas_tensor *const *x,
                   int64_t n_x, hnas_tensor *gates, const int64_t *index,
                   const uint8_t *idle)
{
    const int64_t most = 1 << 16;
    const size_t bytes = ((size_t)n_x + 1) * sizeof(struct hnas_tensor *);
    struct hnas_tensor **in;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !x || !gates || !index)
        return hn_fail_null(gates ? gates->ctx : NULL, "mix: out, x or index");
    if (n_x < 1 || n_x > most)
        return hn_fail(gates->ctx, HNAS_E_ARG, "mix: %lld inputs, want 1..%lld",
                       (long long)n_x, (long long)most);
    st = check(x, n_x, gates, index);
    if (st < 0)
        return st;
    in = hn_list_take(tape, gates->ctx, bytes);
    if (!in)
        return hn_fail_nomem(gates->ctx, "mix");
    for (int64_t t = 0; t < n_x && st == HNAS_OK; t++)
        st = hn_as_image(&in[t], tape, x[t]);
    if (st == HNAS_OK)
        st = hn_as_dense(&in[n_x], tape, gates);
    if (st == HNAS_OK)
        st = record(out, tape, in, n_x, index, idle);
    for (int64_t t = 0; t <= n_x; t++)
        hnas_tensor_unref(in[t]);
    hn_list_give(tape, gates->ctx, in, bytes);
    return st;
}
