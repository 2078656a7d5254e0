/* SPDX-License-Identifier: BSD-3-Clause */
/* The events of the race, sorted, become pieces: an event that changes no
 * kept operation ends none. */
#include "arch/path.h"

#include <math.h>
#include <string.h>

#include "arch/race.h"

/* The state while lambda rises. */
struct sweep {
    struct hnas_path *path;
    struct hn_race race;
    double cost[HNAS_N_KINDS][HNAS_N_COSTS];
    unsigned char *alive; /* [2 * nodes] */
};

static int32_t row_size(const struct hnas_path *path)
{
    return path->n_edges[0] + path->n_edges[1];
}

/* By s where edges compete, so that all who is ahead of whom holds at one s;
 * else by lambda, edge by edge, as a query sees it. */
static int comes_before(const struct hn_event *a, const struct hn_event *b,
                        int by_s)
{
    const double x = by_s ? a->s : a->lambda, y = by_s ? b->s : b->lambda;

    return x != y ? x < y : a->order < b->order;
}

/* Shell's sort. */
static void sort_events(struct hn_event *event, int32_t n, int by_s)
{
    int32_t gap = 1;

    while (gap < n / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (int32_t i = gap; i < n; i++) {
            const struct hn_event e = event[i];
            int32_t at = i;

            while (at >= gap && comes_before(&e, &event[at - gap], by_s)) {
                event[at] = event[at - gap];
                at -= gap;
            }
            event[at] = e;
        }
}

/* What the rule keeps of a kind in this state. */
static void select_ops(int32_t *op, const struct sweep *w, int32_t kind)
{
    const struct hn_space_kind *k = &w->path->space->kind[kind];
    const struct hn_edge_state *state = w->race.start[kind];
    const int32_t max = w->path->rule->max_inputs;
    int32_t n = 0;

    for (int32_t e = 0; e < k->n_edges; e++) {
        int kept;

        if (e && k->to[e] != k->to[e - 1])
            n = 0;
        kept = state[e].op >= 0 && (!max || (state[e].beaten < max && n < max));
        op[e] = kept ? state[e].op : -1;
        n += kept;
    }
}

static void count_cost(struct sweep *w, int32_t kind, const int32_t *op)
{
    const struct hn_space *space = w->path->space;

    memset(w->cost[kind], 0, sizeof w->cost[kind]);
    hn_prune_kind(w->cost[kind], w->alive,
                  w->alive + space->kind[kind].n_inputs +
                      space->kind[kind].n_nodes,
                  space, kind, op);
}

/* Begin a piece at lambda if the state keeps other operations than the last
 * one does; touched: a bit for each kind that events met. */
static void add_piece(struct sweep *w, double lambda, double s, int touched)
{
    struct hnas_path *path = w->path;
    const size_t row = (size_t)row_size(path);
    int32_t *op = path->op + (size_t)path->n * row;
    const int32_t *last = op - row;
    int32_t at = 0, changed = 0;

    if (path->n)
        memcpy(op, last, row * sizeof *op);
    for (int32_t k = 0; k < HNAS_N_KINDS; at += path->n_edges[k++]) {
        if (!path->n_edges[k] || !(touched >> k & 1))
            continue;
        select_ops(op + at, w, k);
        if (path->n &&
            !memcmp(op + at, last + at, (size_t)path->n_edges[k] * sizeof *op))
            continue;
        changed = 1;
        count_cost(w, k, op + at);
    }
    if (!changed && path->n)
        return;
    path->piece[path->n].lo = lambda;
    path->piece[path->n].s_lo = s;
    hn_prune_total(&path->piece[path->n].cost, &path->piece[path->n].table_cost,
                   path->space, w->cost);
    path->n++;
}

static void apply(struct sweep *w, const struct hn_event *e)
{
    struct hn_edge_state *state = &w->race.start[e->kind][e->edge];

    if (e->step)
        state->beaten += e->step;
    else
        state->op = e->op;
}

static void run_sweep(struct sweep *w)
{
    const struct hn_race *r = &w->race;
    int32_t i = 0;

    for (; i < r->n && r->event[i].lambda <= w->path->lo; i++)
        apply(w, &r->event[i]);
    add_piece(w, w->path->lo, hn_scale_s(&r->hyper->scale, w->path->lo), 3);
    while (i < r->n && r->event[i].lambda < w->path->hi) {
        const struct hn_event *first = &r->event[i];
        int touched = 0;

        for (; i < r->n && r->event[i].lambda == first->lambda; i++) {
            apply(w, &r->event[i]);
            touched |= 1 << r->event[i].kind;
        }
        add_piece(w, first->lambda, first->s, touched);
    }
}

hnas_status hn_path_alloc(hnas_path *path, int32_t n)
{
    struct hn_allocator *a = &path->ctx->alloc;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_space_kind *kind = &path->space->kind[k];

        path->n_edges[k] = kind->n_cells ? kind->n_edges : 0;
    }
    path->piece = hn_alloc_array(a, (size_t)n + 1, sizeof *path->piece);
    path->op = hn_alloc_dims(
        a, 2, (int64_t[]){(int64_t)n + 1, (int64_t)row_size(path) + 1},
        sizeof *path->op);
    return path->piece && path->op ? HNAS_OK : hn_fail_nomem(path->ctx, "path");
}

static hnas_status alloc_alive(struct sweep *w)
{
    size_t n_nodes = 1;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_space_kind *kind = &w->path->space->kind[k];
        const size_t here = (size_t)kind->n_inputs + (size_t)kind->n_nodes;

        n_nodes = kind->n_cells && here > n_nodes ? here : n_nodes;
    }
    w->alive = hn_alloc_array(&w->path->ctx->alloc, n_nodes, 2);
    return w->alive ? HNAS_OK : hn_fail_nomem(w->path->ctx, "path");
}

/* From lines: exactly. */
static hnas_status compute(struct hnas_path *path, const hnas_hyper *hyper,
                           double theta)
{
    struct sweep w = {.path = path};
    double last = -INFINITY;
    hnas_status st =
        hn_race_run(&w.race, path->space, hyper, path->rule, theta);

    if (st == HNAS_OK)
        st = hn_path_alloc(path, w.race.n);
    if (st == HNAS_OK)
        st = alloc_alive(&w);
    if (st == HNAS_OK) {
        sort_events(w.race.event, w.race.n, path->rule->compete != NULL);
        for (int32_t i = 0; i < w.race.n; i++)
            last = w.race.event[i].lambda = fmax(w.race.event[i].lambda, last);
        run_sweep(&w);
    }
    hn_race_finish(&w.race);
    hn_free(&path->ctx->alloc, w.alive);
    return st;
}

hnas_status hn_path_create(hnas_path **out, const struct hn_space *space,
                           const hnas_hyper *hyper,
                           const struct hn_arch_rule *rule, double theta)
{
    struct hnas_path *path = hn_zalloc(&space->ctx->alloc, sizeof *path);
    hnas_status st;

    *out = NULL;
    if (!path)
        return hn_fail_nomem(space->ctx, "path");
    path->ctx = space->ctx;
    path->space = space;
    path->rule = rule;
    path->lo = hyper->scale.lo;
    path->hi = hyper->scale.hi;
    st = hyper->generator->n_segments ? compute(path, hyper, theta)
                                      : hn_path_sample(path, hyper, theta);
    if (st == HNAS_OK)
        *out = path;
    else
        hnas_path_destroy(path);
    return st;
}

void hnas_path_destroy(hnas_path *path)
{
    if (!path)
        return;
    hn_free(&path->ctx->alloc, path->piece);
    hn_free(&path->ctx->alloc, path->op);
    hn_free(&path->ctx->alloc, path);
}

const int32_t *hn_path_ops(const hnas_path *path, int32_t index, int32_t kind)
{
    return path->op + (size_t)index * (size_t)row_size(path) +
           (kind ? path->n_edges[0] : 0);
}
