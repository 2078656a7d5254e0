/* SPDX-License-Identifier: BSD-3-Clause */
/* The exact Euclidean projection of b1 onto the monotone cone, row by row:
 *
 *     min sum_o (x_o - b1_o)^2
 *     over x_i >= x_j  for every i on a cheaper level than j,
 *          x_o <= 0    where cost_o > 0, with `clip`.
 *
 * A level is a distinct cost, of which zero operations are one of their own
 * before the others; nothing is asked inside a level.
 *
 * Why sorting a level by b1 makes it a chain.  At the optimum let l be the
 * largest x of the dearer levels and u the smallest of the cheaper ones (and
 * 0 with `clip`).  The other levels fixed, an operation of the level is best
 * at b1_o clamped to [l, u], so inside a level x falls where b1 falls: the
 * optimum obeys the chain "level by level, b1 falling inside".  The chain
 * implies every constraint above, so it has the same, unique optimum; and a
 * chain is solved by pooling adjacent violators.
 *
 * Why the bound is no mere clipping.  The operations that cost something are
 * the chain's tail, and x <= 0 there says that its first, m, is <= 0.  Where
 * the pooled x_m is <= 0 the bound is idle.  Otherwise it is active (were x_m
 * < 0 at the optimum, dropping the bound would change nothing), so x_m = 0
 * and the chain falls in two: a head >= 0 and a tail <= 0.  A chain with one
 * common bound is the pooled chain clipped to it.  Clipping the pooled whole
 * instead is wrong: costs (0, 1) and b1 (0, 2) pool to (1, 1); the answer is
 * (0, 0), not (1, 0). */
#include <float.h>
#include <math.h>

#include "hyper/hyper.h"

#include "base/fpmode.h"

enum { DIGITS = sizeof(real) == sizeof(float) ? FLT_MANT_DIG : DBL_MANT_DIG };

/* Make slope[order[0..n)] non-increasing by pooling adjacent violators, then
 * clip it to [lo, hi]. */
static void pool_chain(double *slope, const int32_t *order, int32_t n,
                       double lo, double hi, double *work, int32_t *sizes)
{
    double *sum = work;
    int32_t n_blocks = 0, at = 0;

    for (int32_t i = 0; i < n; i++) {
        double s = slope[order[i]];
        int32_t size = 1;

        /* mean of the block before < mean of this one */
        while (n_blocks && sum[n_blocks - 1] * size < s * sizes[n_blocks - 1]) {
            n_blocks--;
            s += sum[n_blocks];
            size += sizes[n_blocks];
        }
        sum[n_blocks] = s;
        sizes[n_blocks++] = size;
    }
    for (int32_t b = 0; b < n_blocks; b++) {
        double mean = sum[b] / sizes[b];

        mean = mean < lo ? lo : mean > hi ? hi : mean;
        for (int32_t i = 0; i < sizes[b]; i++)
            slope[order[at++]] = mean;
    }
}

static void project_row(double *slope, const int32_t *order, int32_t n,
                        int32_t n_free, double *work, int32_t *sizes)
{
    double *kept = work + n;

    for (int32_t i = 0; i < n; i++)
        kept[i] = slope[i];
    pool_chain(slope, order, n, -INFINITY, INFINITY, work, sizes);
    if (n_free == n || slope[order[n_free]] <= 0)
        return;
    for (int32_t i = 0; i < n; i++)
        slope[i] = kept[i];
    pool_chain(slope, order, n_free, 0, INFINITY, work, sizes);
    pool_chain(slope, order + n_free, n - n_free, -INFINITY, 0, work, sizes);
}

/* Whether operation a comes before b in the chain of a row. */
static int comes_before(int32_t a, int32_t b, const double *slope,
                        const double *cost, const int32_t *zero_ops)
{
    const int zero_a = zero_ops[a] != 0, zero_b = zero_ops[b] != 0;

    if (cost[a] != cost[b])
        return cost[a] < cost[b];
    if (zero_a != zero_b)
        return zero_a;
    return slope[a] > slope[b];
}

/* Fill the chain of a row by insertion: rows are short.  Returns how many of
 * it are free of the bound. */
static int32_t make_chain(int32_t *order, int32_t n, const double *slope,
                          const double *cost, const int32_t *zero_ops)
{
    int32_t n_free = 0;

    for (int32_t i = 0; i < n; i++) {
        int32_t at = i;

        while (at && comes_before(i, order[at - 1], slope, cost, zero_ops)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
        n_free += zero_ops[i] || cost[i] == 0;
    }
    return n_free;
}

static hnas_status check_cost(const struct hnas_hyper *hyper,
                              const struct hn_hyper_table *table,
                              const double *cost, const int32_t *zero_ops,
                              int32_t clip)
{
    const struct hnas_tensor *moved = table->b1 ? table->b1 : table->knots;
    const int64_t n_moved = hnas_tensor_get_count(moved);

    for (int64_t i = 0; i < table->rows * table->cols; i++) {
        if (!(cost[i] >= 0) || isinf(cost[i]))
            return hn_fail(hyper->ctx, HNAS_E_RANGE,
                           "cost[%lld]: %g, want >= 0 and finite", (long long)i,
                           cost[i]);
        if (clip && zero_ops[i % table->cols] && cost[i] > 0)
            return hn_fail(hyper->ctx, HNAS_E_RANGE,
                           "cost[%lld]: %g, want 0 for a zero operation",
                           (long long)i, cost[i]);
    }
    for (int64_t i = 0; i < n_moved; i++)
        if (!isfinite((double)hn_real(moved)[i]))
            return hn_fail(hyper->ctx, HNAS_E_NAN,
                           "%.100s.%s[%lld]: not a finite number", table->name,
                           table->b1 ? "b1" : "knots", (long long)i);
    return HNAS_OK;
}

/* What the cone is made of. */
struct cone {
    const double *cost;
    const int32_t *zero_ops;
    int32_t clip;
};

/* Project the slopes of row e, which stand in the room of the table. */
static void project_slopes(double *slope, const struct hn_hyper_table *t,
                           int64_t e, const struct cone *c)
{
    const int32_t n = (int32_t)t->cols;
    const int32_t n_free =
        make_chain(t->order, n, slope, c->cost + e * n, c->zero_ops);

    project_row(slope, t->order, n, c->clip ? n_free : n, t->work,
                t->order + n);
}

static void project_b1(const struct hn_hyper_table *t, int64_t e,
                       const struct cone *c)
{
    real *row = hn_real(t->b1) + e * t->cols;
    double *slope = t->work + 2 * t->cols;

    for (int64_t o = 0; o < t->cols; o++)
        slope[o] = (double)row[o];
    project_slopes(slope, t, e, c);
    for (int64_t o = 0; o < t->cols; o++)
        row[o] = (real)slope[o];
}

static real to_grid(double x, double quantum)
{
    return (real)(floor(x / quantum + 0.5) * quantum);
}

/* Whether no increment of a row moves: then neither do the knots. */
static int is_in_cone(const struct hn_hyper_table *t, int64_t e,
                      const struct cone *c)
{
    const int64_t n = t->cols, size = t->rows * n;
    const real *row = hn_real(t->knots) + e * n;
    double *slope = t->work + 2 * n;

    for (int64_t k = 1; k < t->n_knots; k++) {
        const real *step = row + k * size;

        for (int64_t o = 0; o < n; o++)
            slope[o] = (double)step[o] - (double)step[o - size];
        project_slopes(slope, t, e, c);
        for (int64_t o = 0; o < n; o++)
            if (slope[o] != (double)step[o] - (double)step[o - size])
                return 0;
    }
    return 1;
}

/* The knots of a row: each increment between them is projected, and they are
 * put together again around the mean of each operation.
 *
 * All numbers become multiples of a quantum q.  With M the largest of the row,
 * an increment is at most 2 M, so what comes out is below 2 K M <= 2^DIGITS q:
 * no sum rounds, increments that were pooled stay equal, and the cone holds to
 * the last bit. */
static void project_knots(const struct hn_hyper_table *t, int64_t e,
                          const struct cone *c)
{
    const int64_t n = t->cols, size = t->rows * n, n_knots = t->n_knots;
    real *row = hn_real(t->knots) + e * n;
    double *slope = t->work + 2 * n, *mean = slope + n, most = 0, quantum;

    for (int64_t o = 0; o < n; o++) {
        mean[o] = 0;
        for (int64_t k = 0; k < n_knots; k++) {
            mean[o] += (double)row[k * size + o] / (double)n_knots;
            most = fmax(most, fabs((double)row[k * size + o]));
        }
    }
    if (most == 0 || is_in_cone(t, e, c))
        return;
    quantum = ldexp(1, ilogb(most) + ilogb((double)n_knots) + 3 - DIGITS);
    for (int64_t k = n_knots - 1; k > 0; k--) { /* increments, in place */
        real *step = row + k * size;

        for (int64_t o = 0; o < n; o++)
            slope[o] = (double)step[o] - (double)step[o - size];
        project_slopes(slope, t, e, c);
        for (int64_t o = 0; o < n; o++) {
            step[o] = to_grid(slope[o], quantum);
            mean[o] -=
                (double)step[o] * (double)(n_knots - k) / (double)n_knots;
        }
    }
    for (int64_t o = 0; o < n; o++) {
        row[o] = to_grid(mean[o], quantum);
        for (int64_t k = 1; k < n_knots; k++)
            row[k * size + o] += row[(k - 1) * size + o];
    }
}

/* Whether sums and differences of a table's knots are finite. */
static int has_room(const struct hn_hyper_table *t)
{
    const int64_t n = hnas_tensor_get_count(t->knots);
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)hn_real(t->knots)[i]));
    return most <= (double)HN_REAL_MAX / 4 / t->n_knots;
}

static hnas_status project(hnas_hyper *hyper, int32_t table, const double *cost,
                           const int32_t *zero_ops, int32_t clip)
{
    const struct cone cone = {cost, zero_ops, clip};
    const struct hn_hyper_table *t;
    hnas_status st;

    if (!hyper || !cost || !zero_ops)
        return hn_fail_null(hyper ? hyper->ctx : NULL,
                            "projection: cost or zero_ops");
    st = hn_hyper_check_table(hyper, table);
    if (st < 0)
        return st;
    t = &hyper->table[table];
    if (t->w1 || t->z)
        return hn_fail(hyper->ctx, HNAS_E_UNSUPPORTED,
                       "the kind %s has no monotone cone",
                       hyper->generator->name);
    if (!t->b1 && !t->knots) /* no slopes: inside every cone */
        return HNAS_OK;
    st = check_cost(hyper, t, cost, zero_ops, clip);
    if (st < 0)
        return st;
    if (t->knots && !has_room(t))
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "table %.100s: knots so large that their differences "
                       "leave the range",
                       t->name);
    for (int64_t e = 0; e < t->rows; e++)
        (t->b1 ? project_b1 : project_knots)(t, e, &cone);
    return HNAS_OK;
}

hnas_status hnas_hyper_project(hnas_hyper *hyper, int32_t table,
                               const double *cost, const int32_t *zero_ops,
                               int32_t clip)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = project(hyper, table, cost, zero_ops, clip);

    hn_fp_leave(mode);
    return st;
}
