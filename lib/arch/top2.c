/* SPDX-License-Identifier: BSD-3-Clause */
/* Every node keeps the two incoming edges with the largest weight, the
 * softmax (tau = 1, over all operations) of the edge's best operation that is
 * not the zero operation (DARTS, arXiv:1806.09055). */
#include <math.h>

#include "arch/builtin.h"

enum { N_KEPT = 2 };

/* Where an edge stands among those of its node, most important first. */
struct rank {
    double weight; /* ln softmax of its operation */
    double growth; /* d weight / d s, 0 where unknown */
    double cost;
};

static double largest(const double *alpha, int32_t n)
{
    double max = alpha[0];

    for (int32_t o = 1; o < n; o++)
        max = alpha[o] > max ? alpha[o] : max;
    return max;
}

/* Sum exp(alpha[o] - max) from the smallest up, so that rows with the same
 * values in another order have the same sum and tie. */
static double sum_exp(const double *alpha, int32_t n, double max)
{
    double sum = 0, below = -INFINITY;

    for (;;) {
        double next = INFINITY;
        int32_t count = 0;

        for (int32_t o = 0; o < n; o++)
            if (alpha[o] > below && alpha[o] < next)
                next = alpha[o];
        if (isinf(next))
            return sum;
        for (int32_t o = 0; o < n; o++)
            count += alpha[o] == next;
        sum += count * exp(next - max);
        below = next;
    }
}

static struct rank rank_edge(const struct hn_selection *s, int32_t edge)
{
    const int32_t n = s->space->n_ops, op = s->op[edge];
    const double *alpha = s->alpha + (int64_t)edge * n;
    const double *slope = s->slope ? s->slope + (int64_t)edge * n : NULL;
    const double max = largest(alpha, n), sum = sum_exp(alpha, n, max);
    struct rank r = {alpha[op] - max - log(sum), 0,
                     s->cost[(int64_t)edge * n + op]};

    if (!slope)
        return r;
    r.growth = slope[op];
    for (int32_t o = 0; o < n; o++)
        r.growth -= exp(alpha[o] - max) / sum * slope[o];
    return r;
}

static int is_better(struct rank a, struct rank b)
{
    if (a.weight != b.weight)
        return a.weight > b.weight;
    if (a.growth != b.growth)
        return a.growth > b.growth;
    return a.cost < b.cost; /* else the lower index, which came first */
}

/* Keep the best of the edges [first, end), all of one node. */
static void keep_best(struct hn_selection *s, int32_t first, int32_t end)
{
    struct rank best[N_KEPT];
    int32_t kept[N_KEPT], n = 0;

    for (int32_t e = first; e < end; e++) {
        struct rank r;
        int32_t at;

        if (s->op[e] < 0)
            continue;
        r = rank_edge(s, e);
        at = n;
        while (at && is_better(r, best[at - 1]))
            at--;
        if (at == N_KEPT)
            continue;
        n += n < N_KEPT;
        for (int32_t i = n - 1; i > at; i--) {
            best[i] = best[i - 1];
            kept[i] = kept[i - 1];
        }
        best[at] = r;
        kept[at] = e;
    }
    for (int32_t e = first; e < end; e++)
        if (!(n > 0 && e == kept[0]) && !(n > 1 && e == kept[1]))
            s->op[e] = -1;
}

static void top2_keep(struct hn_selection *s)
{
    const struct hn_space_kind *k = s->kind;
    int32_t first = 0;

    for (int32_t e = 1; e <= k->n_edges; e++)
        if (e == k->n_edges || k->to[e] != k->to[first]) {
            keep_best(s, first, e);
            first = e;
        }
}

const struct hn_arch_rule hn_arch_rule_top2 = {
    .id = HNAS_RULE_TOP2,
    .name = "top2",
    .allows_zero = 0,
    .max_inputs = N_KEPT,
    .has_interval = 0,
    .keep = top2_keep,
};
