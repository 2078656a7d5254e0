/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of costs: rows as a measurement or a host writes them, strictly, and
 * the sums over cells as a search keeps them. */
#include "io/cost_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hnas/io.h"
#include "net/space.h"

/* ---- in a search's settings ---- */

void hn_cost_table_write(struct hn_json_writer *w, const struct hn_space *space)
{
    if (!space->has_table)
        return;
    hn_json_key(w, "cost_table");
    hn_json_open(w, '{');
    hn_json_key(w, "fixed");
    hn_json_number(w, space->fixed_table);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_space_kind *kind = &space->kind[k];

        if (!kind->n_cells)
            continue;
        hn_json_key(w, hn_kind_names[k]);
        hn_json_open(w, '[');
        for (int32_t i = 0; i < kind->n_edges * space->n_ops; i++)
            hn_json_number(w, kind->cost[HNAS_COST_TABLE][i]);
        hn_json_close(w, ']');
    }
    hn_json_close(w, '}');
}

/* What is read: sums over cells, and of how many cells. */
struct reading {
    hnas_supernet *net;
    const struct hn_space *space;
    struct hnas_context *ctx;
    int64_t count; /* E * O */
    double *cost[HNAS_N_KINDS];
    int32_t *cells[HNAS_N_KINDS];
    double fixed;
};

static hnas_status begin(struct reading *r, hnas_supernet *net)
{
    memset(r, 0, sizeof *r);
    r->net = net;
    r->space = hn_supernet_space(net);
    r->ctx = r->space->ctx;
    r->count = (int64_t)r->space->kind[0].n_edges * r->space->n_ops;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        r->cost[k] = hn_alloc_array(&r->ctx->alloc, (size_t)r->count,
                                    sizeof *r->cost[k]);
        r->cells[k] = hn_alloc_array(&r->ctx->alloc, (size_t)r->count,
                                     sizeof *r->cells[k]);
        if (!r->cost[k] || !r->cells[k])
            return hn_fail_nomem(r->ctx, "cost table");
    }
    return HNAS_OK;
}

static hnas_status set(struct reading *r)
{
    return hnas_supernet_set_cost_table(
        r->net, (const double *const[2]){r->cost[0], r->cost[1]}, r->count,
        r->fixed);
}

static void finish(struct reading *r)
{
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hn_free(&r->ctx->alloc, r->cost[k]);
        hn_free(&r->ctx->alloc, r->cells[k]);
    }
}

static hnas_status bad(struct hnas_context *ctx, const char *what)
{
    return hn_fail(ctx, HNAS_E_FORMAT, "cost table: %s", what);
}

static hnas_status read_sums(struct reading *r,
                             const struct hn_json_value *table)
{
    const struct hn_json_value *fixed = hn_json_get(table, "fixed");

    if (!fixed || fixed->type != HN_JSON_NUMBER)
        return bad(r->ctx, "\"fixed\": want a number");
    r->fixed = fixed->number;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_json_value *v = hn_json_get(table, hn_kind_names[k]);
        int64_t n = 0;

        if (!r->space->kind[k].n_cells)
            continue;
        if (!v || v->type != HN_JSON_ARRAY || v->count != (size_t)r->count)
            return bad(r->ctx, "want a number for each edge and operation");
        for (v = v->first; v; v = v->next) {
            if (v->type != HN_JSON_NUMBER)
                return bad(r->ctx, "want numbers");
            r->cost[k][n++] = v->number;
        }
    }
    return HNAS_OK;
}

hnas_status hn_cost_table_read(hnas_supernet *net,
                               const struct hn_json_value *table)
{
    struct reading r;
    hnas_status st;

    if (!table)
        return HNAS_OK;
    st = begin(&r, net);
    if (st == HNAS_OK)
        st = read_sums(&r, table);
    if (st == HNAS_OK)
        st = set(&r);
    finish(&r);
    return st;
}

/* ---- rows ---- */

static int32_t find_name(const char *const *names, int32_t n,
                         const struct hn_json_value *value)
{
    for (int32_t i = 0; i < n; i++)
        if (value->type == HN_JSON_STRING && !strcmp(names[i], value->text))
            return i;
    return -1;
}

/* The number of an edge [from, to], or -1. */
static int32_t find_edge(const struct hn_space_kind *k,
                         const struct hn_json_value *edge)
{
    const struct hn_json_value *from = edge->first;

    if (edge->type != HN_JSON_ARRAY || edge->count != 2 || !from->is_integer ||
        !from->next->is_integer)
        return -1;
    for (int32_t e = 0; e < k->n_edges; e++)
        if (k->from[e] == from->integer && k->to[e] == from->next->integer)
            return e;
    return -1;
}

static hnas_status check_members(struct hnas_context *ctx, int64_t at,
                                 const struct hn_json_value *row)
{
    static const char *const needed[] = {"kind", "edge", "op", "us"};
    static const char *const known[] = {"kind",  "edge",   "op",   "us",
                                        "cells", "stride", "shape"};

    if (row->type != HN_JSON_OBJECT)
        return hn_fail(ctx, HNAS_E_FORMAT,
                       "cost table: row %lld: want an object", (long long)at);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!hn_json_get(row, needed[i]))
            return hn_fail(ctx, HNAS_E_FORMAT,
                           "cost table: row %lld: \"%s\" is missing",
                           (long long)at, needed[i]);
    for (const struct hn_json_value *v = row->first; v; v = v->next) {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(known[i], v->key))
            i++;
        if (i == sizeof known / sizeof *known)
            return hn_fail(ctx, HNAS_E_FORMAT,
                           "cost table: row %lld: \"%.80s\" is not known",
                           (long long)at, v->key);
    }
    return HNAS_OK;
}

/* Where a row belongs: its kind, and its place in the kind's table. */
static hnas_status find_place(const struct reading *r, int64_t at,
                              const struct hn_json_value *row, int32_t *kind,
                              int64_t *place)
{
    const struct hn_json_value *op = hn_json_get(row, "op");
    int32_t e, o;

    *kind = find_name(hn_kind_names, HNAS_N_KINDS, hn_json_get(row, "kind"));
    if (*kind < 0)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "cost table: row %lld: \"kind\", want normal or reduce",
                       (long long)at);
    if (!r->space->kind[*kind].n_cells)
        return hn_fail(r->ctx, HNAS_E_MISMATCH,
                       "cost table: row %lld: the network has no %s cell",
                       (long long)at, hn_kind_names[*kind]);
    e = find_edge(&r->space->kind[*kind], hn_json_get(row, "edge"));
    if (e < 0)
        return hn_fail(r->ctx, HNAS_E_MISMATCH,
                       "cost table: row %lld: \"edge\" is not [from, to] of "
                       "an edge of the network",
                       (long long)at);
    o = find_name(r->space->op_names, r->space->n_ops, op);
    if (o < 0)
        return hn_fail(r->ctx, HNAS_E_NAME,
                       "cost table: row %lld: \"op\" %.80s: the network has no "
                       "such operation",
                       (long long)at,
                       op->type == HN_JSON_STRING ? op->text : "");
    *place = (int64_t)e * r->space->n_ops + o;
    return HNAS_OK;
}

static hnas_status read_row(struct reading *r, int64_t at,
                            const struct hn_json_value *row)
{
    const struct hn_json_value *us, *cells;
    int32_t kind = 0, n;
    int64_t place = 0;
    hnas_status st = check_members(r->ctx, at, row);

    if (st == HNAS_OK)
        st = find_place(r, at, row, &kind, &place);
    if (st < 0)
        return st;
    us = hn_json_get(row, "us");
    cells = hn_json_get(row, "cells");
    n = r->space->kind[kind].n_cells;
    if (us->type != HN_JSON_NUMBER || us->number < 0)
        return hn_fail(
            r->ctx, us->type == HN_JSON_NUMBER ? HNAS_E_RANGE : HNAS_E_FORMAT,
            "cost table: row %lld: \"us\", want a number >= 0", (long long)at);
    if (cells &&
        (!cells->is_integer || cells->integer < 1 || cells->integer > n))
        return hn_fail(r->ctx, HNAS_E_RANGE,
                       "cost table: row %lld: \"cells\", want 1..%d",
                       (long long)at, (int)n);
    n = cells ? (int32_t)cells->integer : n;
    r->cost[kind][place] += n * us->number;
    r->cells[kind][place] += n;
    return HNAS_OK;
}

/* Every edge and operation has a cost in each cell, once. */
static hnas_status check_complete(const struct reading *r)
{
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_space_kind *kind = &r->space->kind[k];
        const int32_t n_ops = r->space->n_ops;

        for (int32_t i = 0; kind->n_cells && i < r->count; i++)
            if (r->cells[k][i] != kind->n_cells)
                return hn_fail(r->ctx, HNAS_E_MISMATCH,
                               "cost table: %s edge %d -> %d, %s: rows for %d "
                               "cells, want %d",
                               hn_kind_names[k], (int)kind->from[i / n_ops],
                               (int)kind->to[i / n_ops],
                               r->space->op_names[i % n_ops],
                               (int)r->cells[k][i], (int)kind->n_cells);
    }
    return HNAS_OK;
}

static hnas_status read_rows(struct reading *r,
                             const struct hn_json_value *root)
{
    const struct hn_json_value *unit = hn_json_get(root, "unit");
    const struct hn_json_value *fixed = hn_json_get(root, "fixed");
    const struct hn_json_value *rows = hn_json_get(root, "rows");
    int64_t at = 0;
    hnas_status st = HNAS_OK;

    if (!unit || unit->type != HN_JSON_STRING || strcmp(unit->text, "us"))
        return bad(r->ctx, "\"unit\": want \"us\"");
    if (!fixed || fixed->type != HN_JSON_NUMBER)
        return bad(r->ctx, "\"fixed\": want a number");
    if (!rows || rows->type != HN_JSON_ARRAY)
        return bad(r->ctx, "\"rows\": want an array");
    r->fixed = fixed->number;
    for (const struct hn_json_value *v = rows->first; v && st == HNAS_OK;
         v = v->next)
        st = read_row(r, at++, v);
    return st == HNAS_OK ? check_complete(r) : st;
}

hnas_status hnas_supernet_read_cost_table(hnas_supernet *net, const char *text,
                                          size_t length)
{
    struct hn_json *json = NULL;
    struct reading r;
    hnas_status st;

    if (!net || !text)
        return hn_fail_null(hn_supernet_context(net),
                            "supernet read cost table: text");
    st = begin(&r, net);
    if (st == HNAS_OK)
        st = hn_json_parse(&json, r.ctx, "cost table", text, length);
    if (st == HNAS_OK)
        st = read_rows(&r, json->root);
    if (st == HNAS_OK)
        st = set(&r);
    hn_json_destroy(json);
    finish(&r);
    return st;
}
