/* SPDX-License-Identifier: BSD-3-Clause */
/* Every node keeps the two incoming edges with the largest weight, the
 * softmax (tau = 1, over all operations) of the edge's best operation that is
 * not the zero operation (DARTS, arXiv:1806.09055). */
#include <math.h>

#include "arch/builtin.h"
#include "arch/race.h"

enum { N_KEPT = 2 };

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

static struct hn_rank rank_softmax(const struct hn_selection *s, int32_t edge)
{
    const int32_t n = s->space->n_ops, op = s->op[edge];
    const double *alpha = s->alpha + (int64_t)edge * n;
    const double *slope = s->slope ? s->slope + (int64_t)edge * n : NULL;
    const double max = largest(alpha, n), sum = sum_exp(alpha, n, max);
    struct hn_rank r = {alpha[op] - max - log(sum), 0,
                        s->cost[(int64_t)edge * n + op]};

    if (!slope)
        return r;
    r.growth = slope[op];
    for (int32_t o = 0; o < n; o++)
        r.growth -= exp(alpha[o] - max) / sum * slope[o];
    return r;
}

static void top2_keep(struct hn_selection *s)
{
    hn_keep_best(s, N_KEPT, rank_softmax);
}

const struct hn_arch_rule hn_arch_rule_top2 = {
    .id = HNAS_RULE_TOP2,
    .name = "top2",
    .allows_zero = 0,
    .max_inputs = N_KEPT,
    .keep = top2_keep,
    .compete = hn_compete_softmax,
};
