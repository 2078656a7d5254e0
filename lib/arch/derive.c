/* SPDX-License-Identifier: BSD-3-Clause */
/* From alpha, or from the lines of a hypernetwork at lambda, to an
 * architecture.
 *
 * At lambda the best operation of an edge is looked up on the envelope of its
 * lines, by the same breakpoints in lambda that the interval reports: at a
 * breakpoint the next piece has begun, so a piece is [lo, hi) and a query never
 * contradicts an interval. */
#include <math.h>

#include "arch/arch.h"
#include "base/fpmode.h"
#include "arch/envelope.h"
#include "arch/path.h"

/* One derivation: workspace for the larger kind, and what is found. */
struct derivation {
    const struct hn_space *space;
    const struct hn_arch_rule *rule;
    const hnas_hyper *hyper; /* NULL: from alpha */
    double lambda, s, theta;
    double lo, hi;                  /* the interval, narrowed edge by edge */
    int32_t has_lines;              /* alpha is piecewise linear */
    int32_t is_inside;              /* lambda lies in the range */
    double *alpha, *slope, *offset; /* [E * O] of the kind in work */
    struct hn_hyper_frame frame;    /* of slope and offset */
    double *start;                  /* [O] */
    int32_t *candidates;            /* [O] */
    int32_t *op[HNAS_N_KINDS];      /* [E] each */
};

int32_t hn_space_table(const struct hn_space *space, int32_t kind)
{
    int32_t table = 0;

    if (!space->kind[kind].n_cells)
        return -1;
    for (int32_t k = 0; k < kind; k++)
        table += space->kind[k].n_cells > 0;
    return table;
}

/* The size of the larger kind's table, at least 1. */
static size_t table_size(const struct hn_space *space)
{
    size_t largest = 1;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const size_t n = (size_t)space->kind[k].n_edges * (size_t)space->n_ops;

        if (space->kind[k].n_cells && n > largest)
            largest = n;
    }
    return largest;
}

static void finish(struct derivation *d)
{
    struct hn_allocator *a = &d->space->ctx->alloc;

    hn_free(a, d->alpha);
    hn_free(a, d->candidates);
    hn_free(a, d->op[0]);
    hn_free(a, d->op[1]);
}

static hnas_status begin(struct derivation *d, const struct hn_space *space,
                         int32_t rule, double theta)
{
    struct hn_allocator *a = &space->ctx->alloc;
    const size_t n = table_size(space), n_ops = (size_t)space->n_ops;
    int failed;

    d->space = space;
    d->theta = theta;
    d->rule = hn_arch_rule_check(space->ctx, rule, theta);
    if (!d->rule)
        return HNAS_E_RANGE;
    d->alpha = hn_alloc_array(a, 3 * n + n_ops, sizeof *d->alpha);
    d->candidates = hn_alloc_array(a, n_ops, sizeof *d->candidates);
    failed = !d->alpha || !d->candidates;
    for (int32_t k = 0; k < HNAS_N_KINDS && !failed; k++) {
        const size_t n_edges = (size_t)space->kind[k].n_edges;

        d->op[k] = hn_alloc_array(a, n_edges, sizeof *d->op[k]);
        failed = !d->op[k];
    }
    if (failed)
        return hn_fail_nomem(space->ctx, "derivation");
    d->slope = d->alpha + n;
    d->offset = d->slope + n;
    d->start = d->offset + n;
    return HNAS_OK;
}

/* List the operations that the rule allows; returns how many. */
static int32_t list_candidates(struct derivation *d)
{
    int32_t n = 0;

    for (int32_t o = 0; o < d->space->n_ops; o++)
        if (d->rule->allows_zero || !(d->space->op_flags[o] & HNAS_OP_ZERO))
            d->candidates[n++] = o;
    return n;
}

/* The candidate with the largest alpha, then the lowest cost, then the lowest
 * index; -1 if there is none. */
static int32_t best_of_alpha(const int32_t *candidates, int32_t n,
                             const double *alpha, const double *cost)
{
    int32_t best = n ? candidates[0] : -1;

    for (int32_t i = 1; i < n; i++) {
        const int32_t o = candidates[i];

        if (alpha[o] > alpha[best] ||
            (alpha[o] == alpha[best] && cost[o] < cost[best]))
            best = o;
    }
    return best;
}

/* The best candidate of an edge at lambda; narrows the interval. */
static int32_t best_of_lines(struct derivation *d, int32_t n, int64_t row,
                             const double *cost)
{
    const struct hn_scale *scale = &d->hyper->scale;
    const struct hn_lines lines = {d->slope + row, d->offset + row, cost,
                                   &d->frame};
    double begin_at = -INFINITY, end_at = INFINITY;
    int32_t k = 0, n_pieces;

    n_pieces = hn_envelope(d->candidates, d->start, n, &lines);
    while (k + 1 < n_pieces) {
        const double next = hn_scale_lambda(scale, d->start[k + 1]);

        /* rounding must not swap two breakpoints that nearly meet */
        end_at = next > begin_at ? next : begin_at;
        if (end_at > d->lambda || (d->is_inside && end_at >= scale->hi))
            break;
        begin_at = end_at;
        end_at = INFINITY;
        k++;
    }
    d->lo = begin_at > d->lo ? begin_at : d->lo;
    d->hi = end_at < d->hi ? end_at : d->hi;
    return d->candidates[k];
}

/* Choose an operation for each edge of a kind, and drop edges.  d->alpha, and
 * with lines d->slope and d->offset, are filled. */
static void choose(struct derivation *d, int32_t kind, const double *alpha,
                   int32_t metric)
{
    const struct hn_space_kind *k = &d->space->kind[kind];
    const double *cost = k->cost[metric];
    struct hn_selection selection = {
        d->space, k,        alpha,      d->has_lines ? d->slope : NULL,
        cost,     d->theta, d->op[kind]};

    for (int32_t e = 0; e < k->n_edges; e++) {
        const int64_t row = (int64_t)e * d->space->n_ops;
        const int32_t n = list_candidates(d);

        if (n && d->has_lines)
            d->op[kind][e] = best_of_lines(d, n, row, cost + row);
        else
            d->op[kind][e] =
                best_of_alpha(d->candidates, n, alpha + row, cost + row);
    }
    if (d->rule->keep)
        d->rule->keep(&selection);
}

/* Check one number for each edge and operation of a kind. */
static hnas_status check_finite(const struct hn_space *space, int32_t kind,
                                const double *value, const char *what)
{
    const int64_t n = (int64_t)space->kind[kind].n_edges * space->n_ops;

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(value[i]))
            return hn_fail(space->ctx, HNAS_E_NAN,
                           "%s[%lld] of kind %d: not a finite number", what,
                           (long long)i, (int)kind);
    return HNAS_OK;
}

static hnas_status check_alpha(const struct hn_space *space, int32_t kind,
                               const double *alpha)
{
    if (!space->kind[kind].n_cells)
        return HNAS_OK;
    if (!alpha)
        return hn_fail(space->ctx, HNAS_E_ARG,
                       "alpha[%d]: NULL, but the kind has cells", (int)kind);
    return check_finite(space, kind, alpha, "alpha");
}

static hnas_status from_alpha(hnas_arch **out, const struct hn_space *space,
                              const double *const alpha[HNAS_N_KINDS],
                              int32_t rule, int32_t metric, double theta)
{
    struct derivation d = {0};
    hnas_status st;

    *out = NULL;
    if (metric < 0 || metric >= HNAS_N_COSTS)
        return hn_fail(space->ctx, HNAS_E_RANGE, "metric: %d, want 0..%d",
                       (int)metric, HNAS_N_COSTS - 1);
    if (metric == HNAS_COST_TABLE && !space->has_table)
        return hn_fail(space->ctx, HNAS_E_STATE,
                       "metric: the network has no cost table");
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        st = check_alpha(space, k, alpha[k]);
        if (st < 0)
            return st;
    }
    st = begin(&d, space, rule, theta);
    if (st < 0)
        goto done;
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        if (space->kind[k].n_cells)
            choose(&d, k, alpha[k], metric);
    st = hn_arch_build(out, space, rule, (const int32_t *const *)d.op);
done:
    finish(&d);
    return st;
}

hnas_status hn_arch_from_alpha(hnas_arch **out, const struct hn_space *space,
                               const double *const alpha[HNAS_N_KINDS],
                               int32_t rule, int32_t metric, double theta)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = from_alpha(out, space, alpha, rule, metric, theta);

    hn_fp_leave(mode);
    return st;
}

/* Whether a hypernetwork's tables are those of the space. */
hnas_status hn_arch_check_tables(const struct hn_space *space,
                                 const hnas_hyper *hyper)
{
    int32_t n = 0;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const int32_t table = hn_space_table(space, k);
        const struct hn_hyper_table *t = &hyper->table[table < 0 ? 0 : table];

        if (table < 0)
            continue;
        n++;
        if (table >= hyper->opts.n_tables ||
            t->rows != space->kind[k].n_edges || t->cols != space->n_ops)
            return hn_fail(space->ctx, HNAS_E_MISMATCH,
                           "hyper: table %d, want %d x %d", (int)table,
                           (int)space->kind[k].n_edges, (int)space->n_ops);
    }
    if (n != hyper->opts.n_tables)
        return hn_fail(space->ctx, HNAS_E_MISMATCH, "hyper: %d tables, want %d",
                       (int)hyper->opts.n_tables, (int)n);
    return HNAS_OK;
}

/* Fill slopes and offsets of the segment that s lies on: the only one, or
 * outside the range an end. */
static void fill_lines(struct derivation *d, const struct hn_hyper_table *table)
{
    const struct hn_generator *g = d->hyper->generator;
    struct hn_hyper_segment seg = {0, 0, {0, 1, 0}, d->slope, d->offset};
    const int32_t n = g->n_segments(table);

    g->segment(&seg, table, 0);
    if (n > 1 && d->s >= seg.s_hi)
        g->segment(&seg, table, n - 1);
    d->frame = seg.frame;
}

/* alpha itself is needed where there are no lines or where edges compete; far
 * outside the range it may overflow although the lines are sound. */
static hnas_status choose_at_lambda(struct derivation *d, int32_t kind)
{
    const struct hn_hyper_table *table =
        &d->hyper->table[hn_space_table(d->space, kind)];
    hnas_status st = HNAS_OK;

    d->hyper->generator->eval(d->alpha, table, d->s);
    if (!d->has_lines || d->rule->keep)
        st = check_finite(d->space, kind, d->alpha, "alpha");
    if (st == HNAS_OK && d->has_lines) {
        fill_lines(d, table);
        st = check_finite(d->space, kind, d->slope, "slope");
        if (st == HNAS_OK)
            st = check_finite(d->space, kind, d->offset, "offset");
    }
    if (st == HNAS_OK)
        choose(d, kind, d->alpha, HNAS_COST_PARAMS);
    return st;
}

/* Where lambda counts as an end of the range, or is ignored, the end itself is
 * looked up, so that it lies in its interval. */
static void set_lambda(struct derivation *d, double lambda, int is_outside)
{
    const struct hn_scale *scale = &d->hyper->scale;

    d->lambda = is_outside ? lambda : fmin(fmax(lambda, scale->lo), scale->hi);
    d->lo = scale->lo;
    d->hi = scale->hi;
}

/* Where edges compete, or lines change at knots, the path knows. */
static hnas_status derive_by_path(hnas_arch **out, const struct hn_space *space,
                                  const hnas_hyper *hyper, double lambda,
                                  const struct hn_arch_rule *rule, double theta)
{
    hnas_path *path;
    hnas_status st = hn_path_create(&path, space, hyper, rule, theta);

    if (st < 0)
        return st;
    lambda = fmin(fmax(lambda, hyper->scale.lo), hyper->scale.hi);
    st = hnas_path_get_arch(out, path, hnas_path_find(path, lambda));
    hnas_path_destroy(path);
    return st;
}

static hnas_status derive_at(hnas_arch **out, const struct hn_space *space,
                             const hnas_hyper *hyper, double lambda,
                             int32_t rule, double theta)
{
    struct derivation d = {.hyper = hyper};
    hnas_status st, place;

    *out = NULL;
    st = hn_arch_check_tables(space, hyper);
    if (st < 0)
        return st;
    place = hn_hyper_place(&d.s, hyper, lambda);
    if (place < 0)
        return place;
    st = begin(&d, space, rule, theta);
    if (st < 0)
        goto done;
    d.has_lines = hyper->generator->n_segments != NULL;
    d.is_inside = place == HNAS_OK;
    if (d.has_lines && d.is_inside &&
        (d.rule->compete || hyper->generator->n_segments(hyper->table) > 1)) {
        st = derive_by_path(out, space, hyper, lambda, d.rule, theta);
        if (st == HNAS_OK)
            (*out)->lambda = lambda;
        goto done;
    }
    set_lambda(&d, lambda, place == HNAS_EXTRAPOLATED);
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        if (space->kind[k].n_cells) {
            st = choose_at_lambda(&d, k);
            if (st < 0)
                goto done;
        }
    st = hn_arch_build(out, space, rule, (const int32_t *const *)d.op);
    if (st < 0)
        goto done;
    hn_arch_set_lambda(*out, lambda, d.has_lines && d.is_inside ? d.lo : NAN,
                       d.has_lines && d.is_inside ? d.hi : NAN);
    (*out)->is_extrapolated = place == HNAS_EXTRAPOLATED;
    st = place;
done:
    finish(&d);
    return st;
}

hnas_status hn_arch_derive(hnas_arch **out, const struct hn_space *space,
                           const hnas_hyper *hyper, double lambda, int32_t rule,
                           double theta)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = derive_at(out, space, hyper, lambda, rule, theta);

    hn_fp_leave(mode);
    return st;
}
