/* SPDX-License-Identifier: BSD-3-Clause */
/* Edges compete by pairs: the upper envelope of the lines of two edges
 * together says who is ahead, and where that changes, exactly.  A threshold is
 * a horizontal line that an edge competes with. */
#include "arch/race.h"

#include <math.h>
#include <string.h>

enum { UNKNOWN = -2 };

static void add_event(struct hn_race *r, double s, int32_t edge, int32_t op,
                      int32_t step)
{
    const double lambda = hn_scale_lambda(&r->hyper->scale, s);
    struct hn_event e = {s, lambda, r->kind, edge, op, step, r->n};

    /* rounding must not swap two breakpoints that nearly meet; where edges
     * compete the events are sorted first */
    if (!r->rule->compete && lambda < r->last[edge])
        e.lambda = r->last[edge];
    r->last[edge] = e.lambda;
    if (r->status < 0)
        return;
    if (r->n == r->capacity) {
        const int32_t capacity = r->capacity ? 2 * r->capacity : 256;
        struct hn_event *more = hn_alloc_array(&r->space->ctx->alloc,
                                               (size_t)capacity, sizeof *more);

        if (!more) {
            r->status = hn_fail_nomem(r->space->ctx, "path");
            return;
        }
        if (r->n)
            memcpy(more, r->event, (size_t)r->n * sizeof *more);
        hn_free(&r->space->ctx->alloc, r->event);
        r->event = more;
        r->capacity = capacity;
    }
    r->event[r->n++] = e;
}

static void set_op(struct hn_race *r, double s, int32_t edge, int32_t op)
{
    if (r->current[edge] == UNKNOWN)
        r->start[r->kind][edge].op = op;
    else if (r->current[edge] != op)
        add_event(r, s, edge, op, 0);
    r->current[edge] = op;
}

void hn_race_lead(struct hn_race *r, double s, int32_t a, int32_t b, int first)
{
    const int32_t n_edges = r->space->kind[r->kind].n_edges;
    int32_t *ahead = &r->ahead[(int64_t)a * n_edges + b];
    const int32_t before = *ahead, now = first ? 0 : 1;
    const int32_t step = a == b ? r->rule->max_inputs : 1;

    *ahead = now;
    if (before < 0) {
        if (a == b)
            r->start[r->kind][a].beaten += now ? step : 0;
        else
            r->start[r->kind][now ? a : b].beaten += step;
        return;
    }
    if (before == now)
        return;
    add_event(r, s, a, -1, now ? step : -step);
    if (a != b)
        add_event(r, s, b, -1, now ? -step : step);
}

/* The envelope of each edge in the segment, and the changes on it. */
static void run_edge(struct hn_race *r, int32_t edge)
{
    const struct hn_space *space = r->space;
    const int64_t row = (int64_t)edge * space->n_ops;
    const struct hn_lines lines = {
        r->segment.slope + row, r->segment.offset + row,
        space->kind[r->kind].cost[HNAS_COST_PARAMS] + row, &r->segment.frame};
    int32_t *op = r->best + row, n = 0, k = 0;
    double *start = r->from + row;

    for (int32_t o = 0; o < space->n_ops; o++)
        if (r->rule->allows_zero || !(space->op_flags[o] & HNAS_OP_ZERO))
            op[n++] = o;
    r->n_best[edge] = n = n ? hn_envelope(op, start, n, &lines) : 0;
    if (!n)
        set_op(r, r->begin, edge, -1);
    while (k + 1 < n && start[k + 1] <= r->begin)
        k++;
    for (; k < n && (start[k] < r->end || start[k] <= r->begin); k++)
        set_op(r, start[k] > r->begin ? start[k] : r->begin, edge, op[k]);
}

/* Append the lines on an edge's envelope to those in room. */
static int32_t add_lines(const struct hn_race *r, int32_t n, int32_t edge)
{
    const int32_t room = 2 * r->space->n_ops + 1;
    const int64_t row = (int64_t)edge * r->space->n_ops;
    const double *cost = r->space->kind[r->kind].cost[HNAS_COST_PARAMS] + row;

    for (int32_t k = 0; k < r->n_best[edge]; k++, n++) {
        const int32_t o = r->best[row + k];

        r->room[n] = r->segment.slope[row + o];
        r->room[room + n] = r->segment.offset[row + o];
        r->room[2 * room + n] = cost[o];
    }
    return n;
}

/* Report who is ahead along the envelope of n lines, the first of them a's. */
static void report_lead(struct hn_race *r, int32_t a, int32_t b, int32_t n_a,
                        int32_t n)
{
    const int32_t room = 2 * r->space->n_ops + 1;
    const struct hn_lines lines = {r->room, r->room + room, r->room + 2 * room,
                                   &r->segment.frame};
    double *start = r->room + 3 * room;
    int32_t *line = r->room_ops, k = 0;

    for (int32_t i = 0; i < n; i++)
        line[i] = i;
    n = hn_envelope(line, start, n, &lines);
    while (k + 1 < n && start[k + 1] <= r->begin)
        k++;
    for (; k < n && (start[k] < r->end || start[k] <= r->begin); k++)
        hn_race_lead(r, start[k] > r->begin ? start[k] : r->begin, a, b,
                     line[k] < n_a);
}

void hn_compete_raw(struct hn_race *r, int32_t a, int32_t b)
{
    const int32_t n_a = add_lines(r, 0, a);

    report_lead(r, a, b, n_a, add_lines(r, n_a, b));
}

/* Whether a line has reached the level at s, and the next s at which that
 * changes: the crossing, or infinity. */
static int reaches(const struct hn_race *r, struct hn_line line, double s,
                   double *change)
{
    const double terms[3] = {line.offset, -r->level.hi, -r->level.lo};
    double at;

    *change = INFINITY;
    if (isinf(r->level.hi))
        return r->level.hi < 0;
    if (line.slope == 0)
        return hn_exact_sign(terms, 3) >= 0;
    at = hn_line_level(line, r->level, &r->segment.frame);
    if (at > s)
        *change = at;
    return (at <= s) == (line.slope > 0);
}

/* An edge against the threshold, along its envelope. */
static void compete_level(struct hn_race *r, int32_t edge)
{
    const int64_t row = (int64_t)edge * r->space->n_ops;
    const double *start = r->from + row;
    const int32_t n = r->n_best[edge];
    int32_t k = 0;

    while (k + 1 < n && start[k + 1] <= r->begin)
        k++;
    for (; k < n && (start[k] < r->end || start[k] <= r->begin); k++) {
        const int32_t o = r->best[row + k];
        const struct hn_line line = {r->segment.slope[row + o],
                                     r->segment.offset[row + o]};
        const double s = start[k] > r->begin ? start[k] : r->begin;
        const double end =
            k + 1 < n && start[k + 1] < r->end ? start[k + 1] : r->end;
        double change;
        const int now = reaches(r, line, s, &change);

        hn_race_lead(r, s, edge, edge, now);
        if (change < end)
            hn_race_lead(r, change, edge, edge, !now);
    }
}

static void run_segment(struct hn_race *r)
{
    const struct hn_space_kind *k = &r->space->kind[r->kind];

    for (int32_t e = 0; e < k->n_edges; e++)
        run_edge(r, e);
    for (int32_t a = 0; a < k->n_edges && r->rule->compete; a++) {
        if (!r->n_best[a])
            continue;
        for (int32_t b = a + 1; b < k->n_edges && k->to[b] == k->to[a]; b++)
            if (r->n_best[b])
                r->rule->compete(r, a, b);
        if (r->rule->has_theta)
            compete_level(r, a);
    }
}

static hnas_status check_lines(const struct hn_race *r)
{
    const struct hn_hyper_segment *s = &r->segment;
    const int64_t n =
        (int64_t)r->space->kind[r->kind].n_edges * r->space->n_ops;

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(s->slope[i]) || !isfinite(s->offset[i]))
            return hn_fail(r->space->ctx, HNAS_E_NAN,
                           "line[%lld] of kind %d: not a finite number",
                           (long long)i, (int)r->kind);
    return HNAS_OK;
}

/* All segments of a kind that meet the range. */
static void run_kind(struct hn_race *r)
{
    const struct hn_space_kind *k = &r->space->kind[r->kind];
    const struct hn_generator *g = r->hyper->generator;
    const struct hn_scale *scale = &r->hyper->scale;
    const struct hn_hyper_table *table =
        &r->hyper->table[hn_space_table(r->space, r->kind)];
    const double s_lo = hn_scale_s(scale, scale->lo);
    const double s_hi = hn_scale_s(scale, scale->hi);
    const int32_t n = g->n_segments(table);

    for (int32_t e = 0; e < k->n_edges; e++)
        r->current[e] = UNKNOWN;
    for (int32_t e = 0; e < k->n_edges; e++)
        r->last[e] = -INFINITY;
    for (int64_t i = 0; i < (int64_t)k->n_edges * k->n_edges; i++)
        r->ahead[i] = -1;
    for (int32_t i = 0; i < n && r->status == HNAS_OK; i++) {
        g->segment(&r->segment, table, i);
        r->begin = i ? r->segment.s_lo : s_lo;
        r->end = i + 1 < n ? r->segment.s_hi : s_hi;
        r->status = check_lines(r);
        if (r->status == HNAS_OK)
            run_segment(r);
    }
}

static int alloc_room(struct hn_race *r)
{
    struct hn_allocator *a = &r->space->ctx->alloc;
    const size_t n_ops = (size_t)r->space->n_ops;
    size_t n = 1;
    int failed = 0;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const size_t n_edges = (size_t)r->space->kind[k].n_edges;

        n = r->space->kind[k].n_cells && n_edges > n ? n_edges : n;
        r->start[k] = hn_alloc_array(a, n_edges + 1, sizeof *r->start[k]);
        failed |= !r->start[k];
    }
    r->segment.slope =
        hn_alloc_dims(a, 2, (int64_t[]){(int64_t)n, (int64_t)(3 * n_ops + 1)},
                      sizeof(double));
    r->room = hn_alloc_array(a, 8 * n_ops + 4, sizeof *r->room);
    r->room_ops = hn_alloc_array(a, 2 * n_ops + 1, sizeof *r->room_ops);
    r->current =
        hn_alloc_dims(a, 2, (int64_t[]){(int64_t)n, (int64_t)(2 + n + n_ops)},
                      sizeof *r->current);
    if (failed || !r->segment.slope || !r->room || !r->room_ops || !r->current)
        return -1;
    r->segment.offset = r->segment.slope + n * n_ops;
    r->from = r->segment.offset + n * n_ops;
    r->last = r->from + n * n_ops;
    r->n_best = r->current + n;
    r->ahead = r->n_best + n;
    r->best = r->ahead + n * n;
    return 0;
}

hnas_status hn_race_run(struct hn_race *race, const struct hn_space *space,
                        const struct hnas_hyper *hyper,
                        const struct hn_arch_rule *rule, double theta)
{
    const struct hn_race empty = {0};

    *race = empty;
    race->space = space;
    race->hyper = hyper;
    race->rule = rule;
    if (rule->has_theta)
        race->level = hn_dd_logit(theta);
    if (alloc_room(race) != 0)
        race->status = hn_fail_nomem(space->ctx, "path");
    for (int32_t k = 0; k < HNAS_N_KINDS && race->status == HNAS_OK; k++)
        if (space->kind[k].n_cells) {
            race->kind = k;
            run_kind(race);
        }
    return race->status;
}

void hn_race_finish(struct hn_race *race)
{
    struct hn_allocator *a = &race->space->ctx->alloc;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        hn_free(a, race->start[k]);
    hn_free(a, race->event);
    hn_free(a, race->segment.slope);
    hn_free(a, race->room);
    hn_free(a, race->room_ops);
    hn_free(a, race->current);
}
