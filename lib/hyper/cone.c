/* SPDX-License-Identifier: BSD-3-Clause */
/* The exact Euclidean projection of b1 onto the monotone cone, row by row:
 *
 *     min sum_o (x_o - b1_o)^2
 *     over x_i >= x_j  for every i on a cheaper level than j,
 *          x_o <= 0    where cost_o > 0, with `clip`.
 *
 * Levels are the zero operations, then each distinct cost; nothing is asked
 * inside a level.
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
#include <math.h>

#include "hyper/hyper.h"

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

void hn_cone_project_row(double *slope, const int32_t *order, int32_t n,
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

    if (zero_a != zero_b)
        return zero_a;
    if (!zero_a && cost[a] != cost[b])
        return cost[a] < cost[b];
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
    for (int64_t i = 0; i < table->rows * table->cols; i++) {
        if (!(cost[i] >= 0) || isinf(cost[i]))
            return hn_fail(hyper->ctx, HNAS_E_RANGE,
                           "cost[%lld]: %g, want >= 0 and finite", (long long)i,
                           cost[i]);
        if (clip && zero_ops[i % table->cols] && cost[i] > 0)
            return hn_fail(hyper->ctx, HNAS_E_RANGE,
                           "cost[%lld]: %g, want 0 for a zero operation",
                           (long long)i, cost[i]);
        if (!isfinite((double)hn_real(table->b1)[i]))
            return hn_fail(hyper->ctx, HNAS_E_NAN,
                           "%.100s.b1[%lld]: not a finite number", table->name,
                           (long long)i);
    }
    return HNAS_OK;
}

static void project_table(const struct hn_hyper_table *t, const double *cost,
                          const int32_t *zero_ops, int32_t clip, double *work,
                          int32_t *order)
{
    const int32_t n = (int32_t)t->cols;
    double *slope = work + 2 * n;

    for (int64_t e = 0; e < t->rows; e++) {
        real *row = hn_real(t->b1) + e * n;
        int32_t n_free;

        for (int32_t o = 0; o < n; o++)
            slope[o] = (double)row[o];
        n_free = make_chain(order, n, slope, cost + e * n, zero_ops);
        hn_cone_project_row(slope, order, n, clip ? n_free : n, work,
                            order + n);
        for (int32_t o = 0; o < n; o++)
            row[o] = (real)slope[o];
    }
}

hnas_status hnas_hyper_project(hnas_hyper *hyper, int32_t table,
                               const double *cost, const int32_t *zero_ops,
                               int32_t clip)
{
    const struct hn_hyper_table *t;
    hnas_status st;

    if (!hyper || !cost || !zero_ops)
        return HNAS_E_ARG;
    st = hn_hyper_check_table(hyper, table);
    if (st < 0)
        return st;
    t = &hyper->table[table];
    if (!t->b1) /* no slopes: inside every cone */
        return HNAS_OK;
    st = check_cost(hyper, t, cost, zero_ops, clip);
    if (st < 0)
        return st;
    project_table(t, cost, zero_ops, clip, t->work, t->order);
    return HNAS_OK;
}
