/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of two edges has the larger softmax weight, along s, certified.
 *
 * With best operations A and B the edges weigh exp(-L_a) and exp(-L_b),
 *
 *     L = ln sum_o exp(alpha_o - alpha_best),
 *
 * convex in s where the best operations stay.  On a stretch [p, q] a convex
 * function lies between its tangents and its chord, so D = L_b - L_a has
 * bounds that are lines; and D' lies between differences of slopes at the
 * ends.  A stretch is halved until D has no root for sure, or D' none: then
 * bisection finds the root.  Rounding is bounded at every evaluation, and a
 * sign within the bound counts as unknown.  Edge a is ahead where D > 0.
 *
 * A root lies where the former sign ceases to be certain: a query on the root
 * itself finds the next piece begun. */
#include <math.h>

#include "arch/race.h"

static const double U = 0x1p-53;

/* Evaluations of a stretch after which twice as much counts as small. */
enum { PATIENCE = 256 };

/* One edge's exponents beside its best operation: slope[o], offset[o]. */
struct excess {
    double *slope, *offset;
};

struct duel {
    struct hn_race *race;
    int32_t a, b, n_ops;
    struct excess edge[2]; /* a, b */
    double unsure;         /* since where the sign is unknown, or NaN */
    int32_t n_evaluated;   /* of this stretch */
};

/* D and what is known of it at one s. */
struct value {
    double s, level[2], growth[2]; /* L and dL / ds of each edge */
    double error, growth_error;
    int sign; /* of D; 0: unknown */
};

/* Add exp(excess) of one edge: L, L' and the bounds of their errors. */
static void add_edge(struct value *v, const struct duel *d, int which, double t,
                     double t_error)
{
    const struct excess *x = &d->edge[which];
    double sum = 0, slope = 0, size = 0, lost = 0, lost_slope = 0;

    for (int32_t o = 0; o < d->n_ops; o++) {
        const double move = x->slope[o] * t;
        const double p = exp(move + x->offset[o]);
        const double rounding = 4 * U * (fabs(move) + fabs(x->offset[o]) + 1) +
                                fabs(x->slope[o]) * t_error;

        sum += p;
        slope += p * x->slope[o];
        size += p * fabs(x->slope[o]);
        lost += p * rounding;
        lost_slope += p * fabs(x->slope[o]) * rounding;
    }
    v->level[which] = log(sum);
    v->growth[which] = slope / sum;
    lost = lost / sum + (d->n_ops + 8) * U;
    v->error += lost + 2 * U * v->level[which];
    v->growth_error +=
        2 * (lost_slope / sum + (lost + (d->n_ops + 8) * U) * (size / sum));
}

static struct value evaluate(struct duel *d, double s)
{
    const struct hn_hyper_frame *f = &d->race->segment.frame;
    const double t = (s - f->origin) / f->width;
    const int is_exact = f->origin == 0 && f->width == 1;
    struct value v = {s, {0, 0}, {0, 0}, 0, 0, 0};
    double lead;

    add_edge(&v, d, 0, t, is_exact ? 0 : 4 * U * fabs(t));
    add_edge(&v, d, 1, t, is_exact ? 0 : 4 * U * fabs(t));
    v.growth[0] /= f->width;
    v.growth[1] /= f->width;
    v.growth_error = v.growth_error / fabs(f->width) * (1 + 8 * U);
    lead = v.level[1] - v.level[0];
    d->n_evaluated++;
    v.sign = lead > v.error ? 1 : lead < -v.error ? -1 : 0;
    return v;
}

/* What D is at least all over [p, q] by the tangents of L[x] above the chord
 * of L[y], x = 1 and y = 0; of -D the other way round. */
static double lower_bound(const struct value *p, const struct value *q, int x,
                          int y)
{
    const double width = q->s - p->s;
    const double at_p = p->level[x] - p->level[y];
    const double at_q = q->level[x] - q->level[y];
    const double from_p = p->level[x] + p->growth[x] * width - q->level[y];
    const double from_q = q->level[x] - q->growth[x] * width - p->level[y];

    return fmax(fmin(at_p, from_p), fmin(at_q, from_q));
}

/* What rounding can do to those bounds. */
static double margin_of(const struct value *p, const struct value *q)
{
    return p->error + q->error +
           (q->s - p->s) * (p->growth_error + q->growth_error) +
           8 * U * (p->level[0] + p->level[1] + q->level[0] + q->level[1]);
}

/* The sign of D' all over [p, q], 0: unknown. */
static int slope_sign(const struct value *p, const struct value *q)
{
    const double margin = 2 * (p->growth_error + q->growth_error);

    if (p->growth[1] - q->growth[0] > margin)
        return 1;
    return q->growth[1] - p->growth[0] < -margin ? -1 : 0;
}

static void lead(struct duel *d, double s, int sign)
{
    hn_race_lead(d->race, isnan(d->unsure) ? s : d->unsure, d->a, d->b,
                 sign > 0);
    d->unsure = NAN;
}

/* D is monotone on [p, q], rising where sign > 0: find the end of what is
 * certainly of the other sign. */
static void find_root(struct duel *d, const struct value *p,
                      const struct value *q, int sign)
{
    double at = p->s, end = q->s;

    if (p->sign == -sign || q->sign == -sign)
        lead(d, p->s, -sign);
    if (q->sign == -sign)
        return;
    while (p->sign == -sign) {
        const double middle = at + (end - at) / 2;

        if (middle <= at || middle >= end)
            break;
        if (evaluate(d, middle).sign == -sign)
            at = middle;
        else
            end = middle;
    }
    at = p->sign == -sign ? end : p->s;
    if (q->sign == sign)
        lead(d, at, sign);
    else if (isnan(d->unsure))
        d->unsure = at;
}

/* Where D is as small as its error all over (or not much above it, the longer
 * one has looked: edges may all but tie), or parameters are so large that
 * nothing is known of it, not even a number, halving would never end: there and
 * on the smallest stretches the sign stays unknown. */
static int is_hopeless(const struct duel *d, const struct value *p,
                       const struct value *q, double least, double most,
                       double margin)
{
    const double width = q->s - p->s;
    const double middle = p->s + width / 2;
    const double small = ldexp(8 * margin, d->n_evaluated / PATIENCE);

    return !(least < -small || most > small) || width <= 0x1p-60 ||
           width <= 4 * U * fmax(fabs(p->s), fabs(q->s)) || middle <= p->s ||
           middle >= q->s;
}

static void search(struct duel *d, const struct value *p, const struct value *q)
{
    const double least = lower_bound(p, q, 1, 0);
    const double most = -lower_bound(p, q, 0, 1);
    const double margin = margin_of(p, q);
    const int slope = slope_sign(p, q);

    if (least > margin) {
        lead(d, p->s, 1);
    } else if (most < -margin) {
        lead(d, p->s, -1);
    } else if (slope) {
        find_root(d, p, q, slope);
    } else if (is_hopeless(d, p, q, least, most, margin)) {
        if (isnan(d->unsure))
            d->unsure = p->s;
    } else {
        const struct value m = evaluate(d, p->s + (q->s - p->s) / 2);

        search(d, p, &m);
        search(d, &m, q);
    }
}

/* Set the exponents of an edge beside its operation best; sorted, so that
 * edges that differ by the order of their operations alone are seen to tie. */
static void set_edge(struct duel *d, int which, int32_t edge, int32_t best)
{
    const struct hn_hyper_segment *seg = &d->race->segment;
    const int64_t row = (int64_t)edge * d->n_ops;
    const struct excess *x = &d->edge[which];

    for (int32_t o = 0; o < d->n_ops; o++) {
        const double slope = seg->slope[row + o] - seg->slope[row + best];
        const double offset = seg->offset[row + o] - seg->offset[row + best];
        int32_t at = o;

        while (at &&
               (slope < x->slope[at - 1] ||
                (slope == x->slope[at - 1] && offset < x->offset[at - 1]))) {
            x->slope[at] = x->slope[at - 1];
            x->offset[at] = x->offset[at - 1];
            at--;
        }
        x->slope[at] = slope;
        x->offset[at] = offset;
    }
}

static int is_tie(const struct duel *d)
{
    for (int32_t o = 0; o < d->n_ops; o++)
        if (d->edge[0].slope[o] != d->edge[1].slope[o] ||
            d->edge[0].offset[o] != d->edge[1].offset[o])
            return 0;
    return 1;
}

/* One stretch on which both best operations stay. */
static void run_stretch(struct duel *d, double from, double to, int32_t best_a,
                        int32_t best_b)
{
    const struct hn_race *r = d->race;
    const double *cost = r->space->kind[r->kind].cost[HNAS_COST_PARAMS];
    const int64_t n = d->n_ops;
    struct value p, q;

    set_edge(d, 0, d->a, best_a);
    set_edge(d, 1, d->b, best_b);
    if (is_tie(d)) {
        lead(d, from,
             cost[(int64_t)d->b * n + best_b] < cost[(int64_t)d->a * n + best_a]
                 ? -1
                 : 1);
        return;
    }
    d->n_evaluated = 0;
    p = evaluate(d, from);
    q = evaluate(d, to);
    search(d, &p, &q);
}

/* The piece of an edge's envelope that holds s, and where it ends. */
static int32_t find_piece(const struct hn_race *r, int32_t edge, double s,
                          double *end)
{
    const int64_t row = (int64_t)edge * r->space->n_ops;
    int32_t k = 0;

    while (k + 1 < r->n_best[edge] && r->from[row + k + 1] <= s)
        k++;
    *end =
        k + 1 < r->n_best[edge] ? fmin(r->from[row + k + 1], r->end) : r->end;
    return r->best[row + k];
}

void hn_compete_softmax(struct hn_race *r, int32_t a, int32_t b)
{
    const int32_t n = r->space->n_ops;
    struct duel d = {
        r,
        a,
        b,
        n,
        {{r->room, r->room + n}, {r->room + 2 * n, r->room + 3 * n}},
        NAN,
        0};
    double s = r->begin;

    do {
        double end_a, end_b;
        const int32_t best_a = find_piece(r, a, s, &end_a);
        const int32_t best_b = find_piece(r, b, s, &end_b);
        const double end = fmin(end_a, end_b);

        run_stretch(&d, s, end, best_a, best_b);
        s = end;
    } while (s < r->end);
    if (r->ahead[(int64_t)a * r->space->kind[r->kind].n_edges + b] < 0)
        hn_race_lead(r, r->begin, a, b, 1); /* no sign is certain anywhere */
}
