/* SPDX-License-Identifier: BSD-3-Clause */
/* What a set answers. */
#include <math.h>
#include <string.h>

#include "model/set.h"

int32_t hnas_set_get_count(const hnas_set *set)
{
    return set->frozen->n;
}

void hnas_set_get_member(const hnas_set *set, int32_t index,
                         hnas_set_member *member)
{
    memset(member, 0, sizeof *member);
    if (index >= 0 && index < set->frozen->n)
        *member = set->member[index];
}

int32_t hnas_set_find(const hnas_set *set, double lambda)
{
    int32_t lo = 0, hi = set->frozen->n;

    if (!(lambda >= set->member[0].lo && lambda <= set->member[hi - 1].hi))
        return -1;
    while (hi - lo > 1) {
        const int32_t middle = lo + (hi - lo) / 2;

        if (set->member[middle].lo <= lambda)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

/* The value that a budget limits. */
enum { LATENCY = -1 };

static double value_of(const hnas_set_member *m, int32_t metric)
{
    switch (metric) {
    case LATENCY:
        return m->latency_us;
    case HNAS_COST_PARAMS:
        return (double)m->cost.params;
    case HNAS_COST_MACS:
        return (double)m->cost.macs;
    default:
        return (double)m->cost.bytes;
    }
}

static hnas_status find_within(int32_t *index, const hnas_set *set,
                               int32_t metric, double limit)
{
    int32_t best = -1, smallest = 0;

    for (int32_t i = 0; i < set->frozen->n; i++) {
        const double v = value_of(&set->member[i], metric);

        if (v < value_of(&set->member[smallest], metric))
            smallest = i;
        if (v <= limit &&
            (best < 0 || v > value_of(&set->member[best], metric)))
            best = i;
    }
    *index = best < 0 ? smallest : best;
    return best < 0 ? HNAS_INFEASIBLE : HNAS_OK;
}

hnas_status hnas_set_find_budget(int32_t *index, const hnas_set *set,
                                 int32_t metric, int64_t limit)
{
    if (!index || !set)
        return HNAS_E_ARG;
    if (metric < HNAS_COST_PARAMS || metric > HNAS_COST_BYTES)
        return HNAS_E_RANGE;
    return find_within(index, set, metric, (double)limit);
}

hnas_status hnas_set_find_latency(int32_t *index, const hnas_set *set,
                                  double limit_us)
{
    if (!index || !set)
        return HNAS_E_ARG;
    if (isnan(limit_us))
        return HNAS_E_RANGE;
    if (isnan(set->member[0].latency_us))
        return HNAS_E_STATE;
    return find_within(index, set, LATENCY, limit_us);
}

hnas_status hnas_set_get_model(hnas_model **out, const hnas_set *set,
                               int32_t index)
{
    const struct hnas_model *m;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !set)
        return hn_fail_null(set ? set->owner : NULL, "set get model: out");
    st = hn_set_expect_idle(set, "hnas_set_get_model");
    if (st < 0)
        return st;
    if (index < 0 || index >= set->frozen->n)
        return hn_fail(set->owner, HNAS_E_RANGE, "set: member %d, want 0..%d",
                       (int)index, (int)set->frozen->n - 1);
    m = set->frozen->model[index];
    st = hn_model_make(out, set->owner, m->kind, &m->opts);
    if (st < 0)
        return st;
    (*out)->rule = m->rule;
    st = hnas_model_inherit(*out, &m->params); /* equal lists */
    if (st < 0) {
        hnas_model_destroy(*out);
        *out = NULL;
    }
    return st;
}

hnas_status hnas_set_create_predictor(hnas_predictor **out, hnas_set *set,
                                      int32_t n_threads)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !set)
        return hn_fail_null(set ? set->owner : NULL,
                            "set create predictor: out");
    st = hn_set_expect_idle(set, "hnas_set_create_predictor");
    if (st < 0)
        return st;
    set->runs = 1; /* it tries every member */
    st = hn_predictor_make(out, set->frozen, n_threads, set->owner);
    set->runs = 0;
    return st;
}
