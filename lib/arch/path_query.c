/* SPDX-License-Identifier: BSD-3-Clause */
/* What a path answers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/path.h"

#include "base/fpmode.h"

void hnas_path_opts_init(hnas_path_opts *opts, size_t size)
{
    hnas_path_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.rule = HNAS_RULE_ARGMAX;
    o.theta = HN_THETA;
    memcpy(opts, &o, o.size);
}

static hnas_status create_path(hnas_path **out, const hnas_supernet *net,
                               const hnas_hyper *hyper,
                               const hnas_path_opts *opts)
{
    const struct hn_arch_rule *rule;
    hnas_path_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !net || !hyper)
        return hn_fail_null(hn_supernet_context(net), "path: out or hyper");
    hnas_path_opts_init(&o, sizeof o);
    if (opts) {
        st = hn_opts_merge(&o, sizeof o, opts);
        if (st < 0)
            return hn_fail(hyper->ctx, st, "opts: size not set");
    }
    rule = hn_arch_rule_check(hyper->ctx, o.rule, o.theta);
    if (!rule)
        return HNAS_E_RANGE;
    st = hn_arch_check_tables(hn_supernet_space(net), hyper);
    if (st < 0)
        return st;
    return hn_path_create(out, hn_supernet_space(net), hyper, rule, o.theta);
}

hnas_status hnas_path_create(hnas_path **out, const hnas_supernet *net,
                             const hnas_hyper *hyper,
                             const hnas_path_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = create_path(out, net, hyper, opts);

    hn_fp_leave(mode);
    return st;
}

int32_t hnas_path_is_sampled(const hnas_path *path)
{
    return path->is_sampled;
}

int32_t hnas_path_get_count(const hnas_path *path)
{
    return path->n;
}

void hnas_path_get_piece(const hnas_path *path, int32_t index,
                         hnas_path_piece *piece)
{
    memset(piece, 0, sizeof *piece);
    if (index < 0 || index >= path->n)
        return;
    piece->lo = path->piece[index].lo;
    piece->hi = index + 1 < path->n ? path->piece[index + 1].lo : path->hi;
    piece->s_lo = path->piece[index].s_lo;
    piece->cost = path->piece[index].cost;
}

int32_t hnas_path_find(const hnas_path *path, double lambda)
{
    int32_t first = 0, end = path->n;

    if (!(lambda >= path->lo && lambda <= path->hi))
        return -1;
    while (end - first > 1) {
        const int32_t middle = first + (end - first) / 2;

        if (path->piece[middle].lo <= lambda)
            first = middle;
        else
            end = middle;
    }
    return first;
}

static hnas_status check_index(const hnas_path *path, int32_t index)
{
    if (index < 0 || index >= path->n)
        return hn_fail(path->ctx, HNAS_E_RANGE, "index: %d, want 0..%d",
                       (int)index, (int)path->n - 1);
    return HNAS_OK;
}

hnas_status hnas_path_get_arch(hnas_arch **out, const hnas_path *path,
                               int32_t index)
{
    const int32_t *op[HNAS_N_KINDS];
    hnas_path_piece piece;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !path)
        return hn_fail_null(path ? path->ctx : NULL, "path get arch: out");
    st = check_index(path, index);
    if (st < 0)
        return st;
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        op[k] = hn_path_ops(path, index, k);
    st = hn_arch_build(out, path->space, path->rule->id, op);
    if (st < 0)
        return st;
    hnas_path_get_piece(path, index, &piece);
    hn_arch_set_lambda(*out, piece.lo, path->is_sampled ? NAN : piece.lo,
                       path->is_sampled ? NAN : piece.hi);
    return HNAS_OK;
}

static double cost_of(const struct hn_piece *piece, int32_t metric)
{
    return hn_cost_in(&piece->cost, piece->table_cost, metric);
}

static hnas_status check_metric(const hnas_path *path, int32_t metric)
{
    if (metric < 0 || metric >= HNAS_N_COSTS)
        return hn_fail(path->ctx, HNAS_E_RANGE, "metric: %d, want 0..%d",
                       (int)metric, HNAS_N_COSTS - 1);
    if (metric == HNAS_COST_TABLE && isnan(path->piece[0].table_cost))
        return hn_fail(path->ctx, HNAS_E_STATE,
                       "metric: the network has no cost table");
    return HNAS_OK;
}

static hnas_status find_budget(int32_t *index, const hnas_path *path,
                               int32_t metric, double limit)
{
    int32_t best = -1, smallest = 0;
    hnas_status st = check_metric(path, metric);

    if (st < 0)
        return st;
    for (int32_t i = 0; i < path->n; i++) {
        const double cost = cost_of(&path->piece[i], metric);

        if (cost < cost_of(&path->piece[smallest], metric))
            smallest = i;
        if (cost <= limit &&
            (best < 0 || cost > cost_of(&path->piece[best], metric)))
            best = i;
    }
    *index = best < 0 ? smallest : best;
    return best < 0 ? HNAS_INFEASIBLE : HNAS_OK;
}

hnas_status hnas_path_find_budget(int32_t *index, const hnas_path *path,
                                  int32_t metric, int64_t limit)
{
    if (!index || !path)
        return hn_fail_null(path ? path->ctx : NULL, "path find budget: index");
    return find_budget(index, path, metric, (double)limit);
}

hnas_status hnas_path_find_table_budget(int32_t *index, const hnas_path *path,
                                        double limit)
{
    if (!index || !path)
        return hn_fail_null(path ? path->ctx : NULL,
                            "path find table budget: index");
    if (isnan(limit))
        return hn_fail(path->ctx, HNAS_E_RANGE, "limit: NaN, want a number");
    return find_budget(index, path, HNAS_COST_TABLE, limit);
}

double hnas_path_get_table_cost(const hnas_path *path, int32_t index)
{
    return index < 0 || index >= path->n ? (double)NAN
                                         : path->piece[index].table_cost;
}

/* Whether piece j makes piece i superfluous. */
static int beats(const hnas_path *path, int32_t metric, const double *quality,
                 int32_t j, int32_t i)
{
    const double mine = cost_of(&path->piece[i], metric);
    const double other = cost_of(&path->piece[j], metric);

    if (!(other <= mine && quality[j] >= quality[i])) /* or NaN */
        return 0;
    return other < mine || quality[j] > quality[i] || j < i;
}

hnas_status hnas_path_pareto(int32_t *index, int32_t *n, const hnas_path *path,
                             int32_t metric, const double *quality)
{
    int32_t count = 0;
    hnas_status st;

    if (!index || !n || !path || !quality)
        return hn_fail_null(path ? path->ctx : NULL,
                            "path pareto: index, n or quality");
    st = check_metric(path, metric);
    if (st < 0)
        return st;
    for (int32_t i = 0; i < path->n; i++) {
        int32_t j = 0;

        while (j < path->n && !beats(path, metric, quality, j, i))
            j++;
        if (j == path->n && !isnan(quality[i]))
            index[count++] = i;
    }
    *n = count;
    return HNAS_OK;
}

/* A text that is counted where it has no room. */
struct text {
    char *data;
    size_t capacity, length;
};

static void put(struct text *t, const char *part)
{
    for (; *part; part++, t->length++)
        if (t->length + 1 < t->capacity)
            t->data[t->length] = *part;
}

static void put_edge(struct text *t, const hnas_path *path, int32_t kind,
                     int32_t edge, int32_t before, int32_t after)
{
    const struct hn_space *s = path->space;
    char where[64];

    snprintf(where, sizeof where, "%s%s %d -> %d: ", t->length ? "; " : "",
             hn_kind_names[kind], (int)s->kind[kind].from[edge],
             (int)s->kind[kind].to[edge]);
    put(t, where);
    if (before >= 0)
        put(t, s->op_names[before]);
    if (before >= 0 && after >= 0)
        put(t, " -> ");
    if (after >= 0)
        put(t, s->op_names[after]);
    if (before < 0 || after < 0)
        put(t, before < 0 ? " added" : " dropped");
}

hnas_status hnas_path_write_change(const hnas_path *path, int32_t index,
                                   char *buffer, size_t capacity,
                                   size_t *length)
{
    struct text t = {buffer, capacity, 0};
    hnas_status st;

    if (length)
        *length = 0;
    if (!path || !length || (!buffer && capacity > 0))
        return hn_fail_null(path ? path->ctx : NULL,
                            "path change: length or buffer");
    st = check_index(path, index);
    if (st < 0)
        return st;
    for (int32_t k = 0; k < HNAS_N_KINDS && index > 0; k++) {
        const int32_t *before = hn_path_ops(path, index - 1, k);
        const int32_t *after = hn_path_ops(path, index, k);

        for (int32_t e = 0; e < path->n_edges[k]; e++)
            if (before[e] != after[e])
                put_edge(&t, path, k, e, before[e], after[e]);
    }
    if (capacity > 0)
        buffer[t.length < capacity ? t.length : capacity - 1] = '\0';
    *length = t.length;
    return HNAS_OK;
}
