/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rules that drop edges share. */
#include "arch/arch.h"

enum { MAX_KEPT = 8 };

static int is_better(struct hn_rank a, struct hn_rank b)
{
    if (a.weight != b.weight)
        return a.weight > b.weight;
    if (a.growth != b.growth)
        return a.growth > b.growth;
    return a.cost < b.cost; /* else the lower index, which came first */
}

struct hn_rank hn_rank_raw(const struct hn_selection *s, int32_t edge)
{
    const int64_t at = (int64_t)edge * s->space->n_ops + s->op[edge];
    const struct hn_rank r = {s->alpha[at], s->slope ? s->slope[at] : 0,
                              s->cost[at]};

    return r;
}

/* Keep the best of the edges [first, end), all of one node. */
static void
keep_of_node(struct hn_selection *s, int32_t first, int32_t end, int32_t n_kept,
             struct hn_rank (*rank)(const struct hn_selection *s, int32_t edge))
{
    struct hn_rank best[MAX_KEPT] = {{0}};
    int32_t kept[MAX_KEPT] = {0}, n = 0;

    for (int32_t e = first; e < end; e++) {
        struct hn_rank r;
        int32_t at;

        if (s->op[e] < 0)
            continue;
        r = rank(s, e);
        at = n;
        while (at && is_better(r, best[at - 1]))
            at--;
        if (at == n_kept)
            continue;
        n += n < n_kept;
        for (int32_t i = n - 1; i > at; i--) {
            best[i] = best[i - 1];
            kept[i] = kept[i - 1];
        }
        best[at] = r;
        kept[at] = e;
    }
    for (int32_t e = first; e < end; e++) {
        int32_t i = 0;

        while (i < n && kept[i] != e)
            i++;
        if (i == n)
            s->op[e] = -1;
    }
}

void hn_keep_best(struct hn_selection *s, int32_t n,
                  struct hn_rank (*rank)(const struct hn_selection *s,
                                         int32_t edge))
{
    const struct hn_space_kind *k = s->kind;
    int32_t first = 0;

    for (int32_t e = 1; e <= k->n_edges; e++)
        if (e == k->n_edges || k->to[e] != k->to[first]) {
            keep_of_node(s, first, e, n, rank);
            first = e;
        }
}
