/* SPDX-License-Identifier: BSD-3-Clause */
/* An architecture as the object that hnas-query prints. */
#include "io/arch_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/list.h"
#include "io/json.h"
#include "net/space.h"

/* The intermediate nodes of a kind, [first, end): each has a kept edge or a
 * remark that it has none.  Empty where the network has no such cell. */
static void find_nodes(int32_t *first, int32_t *end, const hnas_arch *arch,
                       int32_t kind)
{
    const hnas_arch_edge *edge = hnas_arch_get_edges(arch, kind);
    const hnas_arch_warning *w;
    const int32_t n_edges = hnas_arch_get_edge_count(arch, kind);
    const int32_t n_warnings = hnas_arch_get_warnings(arch, &w);

    *first = INT32_MAX;
    *end = 0;
    for (int32_t i = 0; i < n_edges; i++) {
        *first = edge[i].to < *first ? edge[i].to : *first;
        *end = edge[i].to >= *end ? edge[i].to + 1 : *end;
    }
    for (int32_t i = 0; i < n_warnings; i++) {
        if (w[i].kind != kind || w[i].code == HNAS_ARCH_INPUT_UNUSED)
            continue;
        *first = w[i].node < *first ? w[i].node : *first;
        *end = w[i].node >= *end ? w[i].node + 1 : *end;
    }
}

/* One list a node of ["operation", source] pairs. */
static void put_cell(struct hn_json_writer *w, const hnas_arch *arch,
                     int32_t kind)
{
    const hnas_arch_edge *edge = hnas_arch_get_edges(arch, kind);
    const int32_t n_edges = hnas_arch_get_edge_count(arch, kind);
    int32_t node, end, i = 0;

    find_nodes(&node, &end, arch, kind);
    hn_json_key(w, hn_kind_names[kind]);
    hn_json_open(w, '[');
    for (; node < end; node++) {
        hn_json_open(w, '[');
        for (; i < n_edges && edge[i].to == node; i++) {
            hn_json_open(w, '[');
            hn_json_string(w, edge[i].op_name);
            hn_json_integer(w, edge[i].from);
            hn_json_close(w, ']');
        }
        hn_json_close(w, ']');
    }
    hn_json_close(w, ']');
}

void hn_arch_put_cells(struct hn_json_writer *w, const hnas_arch *arch)
{
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++)
        put_cell(w, arch, kind);
}

static void put_warning(struct hn_json_writer *w, const hnas_arch_warning *a)
{
    static const struct {
        const char *code, *before, *behind;
    } words[] = {
        [HNAS_ARCH_NODE_WITHOUT_INPUT] = {"node_without_input", "node",
                                          " has no input, it is zeros in the "
                                          "output"},
        [HNAS_ARCH_INPUT_UNUSED] = {"input_unused", "nothing reads input", ""},
        [HNAS_ARCH_NODE_DEAD] = {"node_dead", "node",
                                 " reads zeros alone, it is zeros in the "
                                 "output"},
    };
    char text[96];

    snprintf(text, sizeof text, "%s cell: %s %d%s", hn_kind_names[a->kind],
             words[a->code].before, (int)a->node, words[a->code].behind);
    hn_json_open(w, '{');
    hn_json_key(w, "code");
    hn_json_string(w, words[a->code].code);
    hn_json_key(w, "kind");
    hn_json_string(w, hn_kind_names[a->kind]);
    hn_json_key(w, "node");
    hn_json_integer(w, a->node);
    hn_json_key(w, "text");
    hn_json_string(w, text);
    hn_json_close(w, '}');
}

void hn_arch_put_cost(struct hn_json_writer *w, const hnas_arch *arch)
{
    hnas_cost total, fixed;

    hnas_arch_get_cost(arch, &total, &fixed);
    hn_json_key(w, "cost");
    if (total.params < 0) {
        hn_json_null(w);
        return;
    }
    hn_json_open(w, '{');
    hn_json_key(w, "params");
    hn_json_integer(w, total.params);
    hn_json_key(w, "macs");
    hn_json_integer(w, total.macs);
    hn_json_key(w, "bytes");
    hn_json_integer(w, total.bytes);
    hn_json_key(w, "fixed_params");
    hn_json_integer(w, fixed.params);
    if (!isnan(arch->table_cost)) {
        hn_json_key(w, "latency_us");
        hn_json_number(w, arch->table_cost);
    }
    hn_json_close(w, '}');
}

/* lambda, rule, status and interval.  A rule with exact intervals leaves one
 * out only outside the range. */
static void put_origin(struct hn_json_writer *w, const hnas_arch *arch)
{
    const struct hn_arch_rule *rule =
        hn_arch_rule_find(hnas_arch_get_rule(arch));
    double lambda, lo, hi;

    hnas_arch_get_lambda(arch, &lambda, &lo, &hi);
    hn_json_key(w, "lambda");
    hn_json_number(w, lambda);
    hn_json_key(w, "rule");
    hn_json_string(w, rule->name);
    hn_json_key(w, "status");
    hn_json_string(w, arch->is_extrapolated ? "extrapolated" : "ok");
    hn_json_key(w, "interval");
    if (isnan(lo)) {
        hn_json_null(w);
        return;
    }
    hn_json_open(w, '[');
    hn_json_number(w, lo);
    hn_json_number(w, hi);
    hn_json_close(w, ']');
}

static void put_arch(struct hn_json_writer *w, const hnas_arch *arch)
{
    const hnas_arch_warning *warning;
    const int32_t n = hnas_arch_get_warnings(arch, &warning);

    hn_json_open(w, '{');
    put_origin(w, arch);
    hn_arch_put_cost(w, arch);
    hn_arch_put_cells(w, arch);
    hn_json_key(w, "warnings");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < n; i++)
        put_warning(w, &warning[i]);
    hn_json_close(w, ']');
    hn_json_close(w, '}');
}

hnas_status hnas_arch_write_json(const hnas_arch *arch, char *buffer,
                                 size_t capacity, size_t *length)
{
    struct hn_json_writer w;
    hnas_status st;

    if (length)
        *length = 0;
    if (!arch || !length || (!buffer && capacity > 0))
        return hn_fail_null(arch ? arch->ctx : NULL,
                            "arch json: length or buffer");
    hn_json_writer_init(&w, arch->ctx);
    put_arch(&w, arch);
    st = hn_text_copy(buffer, capacity, length, &w.text);
    hn_json_writer_finish(&w);
    return st;
}

/* An architecture being read. */
struct reading {
    struct hnas_context *ctx;
    const struct hn_space *space;
    const struct hn_json_value *root;
    const struct hn_arch_rule *rule;
    hnas_arch_edge *edge[HNAS_N_KINDS];
    int32_t n_edges[HNAS_N_KINDS];
    double lambda, lo, hi;
    int32_t is_extrapolated;
};

static const char wanted[] =
    "an object as hnas-query prints it, with \"rule\", \"normal\" and "
    "\"reduce\"";

static hnas_status read_rule(struct reading *r)
{
    const struct hn_json_value *v = hn_json_get(r->root, "rule");

    if (!v || v->type != HN_JSON_STRING)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: no \"rule\", want %s", wanted);
    r->rule = hn_arch_rule_named(v->text);
    if (!r->rule)
        return hn_fail(r->ctx, HNAS_E_NAME,
                       "architecture: rule \"%.100s\": unknown, want one that "
                       "hnas-query takes, as argmax",
                       v->text);
    return HNAS_OK;
}

/* A number, or null and a missing key for NaN. */
static int read_number(double *out, const struct hn_json_value *v)
{
    *out = NAN;
    if (!v || v->type == HN_JSON_NULL)
        return 0;
    if (v->type != HN_JSON_NUMBER)
        return -1;
    *out = v->number;
    return 0;
}

static hnas_status read_status(struct reading *r)
{
    const struct hn_json_value *v = hn_json_get(r->root, "status");

    if (!v)
        return HNAS_OK;
    r->is_extrapolated =
        v->type == HN_JSON_STRING && !strcmp(v->text, "extrapolated");
    if (!r->is_extrapolated &&
        (v->type != HN_JSON_STRING || strcmp(v->text, "ok")))
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: \"status\", want \"ok\" or "
                       "\"extrapolated\"");
    return HNAS_OK;
}

static hnas_status read_origin(struct reading *r)
{
    const struct hn_json_value *v = hn_json_get(r->root, "interval");

    if (read_number(&r->lambda, hn_json_get(r->root, "lambda")) != 0)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: \"lambda\", want a number or null");
    r->lo = r->hi = NAN;
    if (!v || v->type == HN_JSON_NULL)
        return HNAS_OK;
    if (v->type != HN_JSON_ARRAY || v->count != 2 ||
        read_number(&r->lo, v->first) != 0 ||
        read_number(&r->hi, v->first->next) != 0 || !(r->lo <= r->hi))
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: \"interval\", want [lo, hi] or null");
    return HNAS_OK;
}

/* One ["operation", source] pair. */
static hnas_status read_edge(struct reading *r, hnas_arch_edge *edge,
                             int32_t kind, const struct hn_json_value *pair)
{
    const struct hn_json_value *name = pair->first, *from;

    if (pair->type != HN_JSON_ARRAY || pair->count != 2 ||
        name->type != HN_JSON_STRING || !name->next->is_integer ||
        name->next->integer < 0 || name->next->integer > INT32_MAX)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: %s node %d: want pairs "
                       "[\"operation\", source]",
                       hn_kind_names[kind], (int)edge->to);
    from = name->next;
    edge->from = (int32_t)from->integer;
    for (edge->op = 0; edge->op < r->space->n_ops; edge->op++)
        if (!strcmp(r->space->op_names[edge->op], name->text))
            return HNAS_OK;
    return hn_fail(r->ctx, HNAS_E_NAME,
                   "architecture: %s node %d: operation \"%.100s\" is not "
                   "known here",
                   hn_kind_names[kind], (int)edge->to, name->text);
}

/* Check a cell's lists, one a node, and count their pairs. */
static hnas_status count_edges(struct reading *r, int32_t kind,
                               const struct hn_json_value *nodes)
{
    const struct hn_space_kind *k = &r->space->kind[kind];
    const size_t want = k->n_cells ? (size_t)k->n_nodes : 0;

    if (!nodes || nodes->type != HN_JSON_ARRAY)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: no list \"%s\", want %s",
                       hn_kind_names[kind], wanted);
    if (nodes->count != want)
        return hn_fail(r->ctx, HNAS_E_MISMATCH,
                       "architecture: %s cell of %zu nodes, want %zu as in "
                       "the network",
                       hn_kind_names[kind], nodes->count, want);
    for (const struct hn_json_value *v = nodes->first; v; v = v->next) {
        if (v->type != HN_JSON_ARRAY)
            return hn_fail(r->ctx, HNAS_E_FORMAT,
                           "architecture: \"%s\": want a list a node",
                           hn_kind_names[kind]);
        r->n_edges[kind] += (int32_t)v->count; /* the parser bounds all */
    }
    return HNAS_OK;
}

static hnas_status read_cell(struct reading *r, int32_t kind)
{
    const struct hn_json_value *nodes =
        hn_json_get(r->root, hn_kind_names[kind]);
    int32_t to = r->space->kind[kind].n_inputs, n = 0;
    hnas_status st = count_edges(r, kind, nodes);

    if (st < 0)
        return st;
    r->edge[kind] = hn_alloc_array(&r->ctx->alloc, (size_t)r->n_edges[kind],
                                   sizeof *r->edge[kind]);
    if (!r->edge[kind])
        return hn_fail_nomem(r->ctx, "architecture");
    for (const struct hn_json_value *v = nodes->first; v; v = v->next, to++)
        for (const struct hn_json_value *e = v->first; e; e = e->next) {
            r->edge[kind][n].to = to;
            st = read_edge(r, &r->edge[kind][n++], kind, e);
            if (st < 0)
                return st;
        }
    return HNAS_OK;
}

static hnas_status read_all(hnas_arch **out, struct reading *r)
{
    hnas_status st;

    if (r->root->type != HN_JSON_OBJECT)
        return hn_fail(r->ctx, HNAS_E_FORMAT,
                       "architecture: no object, want %s", wanted);
    st = read_rule(r);
    if (st == HNAS_OK)
        st = read_origin(r);
    if (st == HNAS_OK)
        st = read_status(r);
    for (int32_t kind = 0; kind < HNAS_N_KINDS && st == HNAS_OK; kind++)
        st = read_cell(r, kind);
    if (st == HNAS_OK)
        st = hn_arch_create(out, r->space, r->rule->id,
                            (const hnas_arch_edge *const *)r->edge, r->n_edges);
    if (st == HNAS_OK) {
        hn_arch_set_lambda(*out, r->lambda, r->lo, r->hi);
        (*out)->is_extrapolated = r->is_extrapolated;
    }
    return st;
}

hnas_status hn_arch_read_json(hnas_arch **out, const struct hn_space *space,
                              const char *text, size_t length)
{
    struct reading r = {.ctx = space->ctx, .space = space};
    struct hn_json *json;
    hnas_status st;

    *out = NULL;
    st = hn_json_parse(&json, r.ctx, "architecture", text, length);
    if (st < 0)
        return st;
    r.root = json->root;
    st = read_all(out, &r);
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++)
        hn_free(&r.ctx->alloc, r.edge[kind]);
    hn_json_destroy(json);
    return st;
}

/* The nodes of the first kind that has any; 1 where none has. */
static int32_t count_nodes(int32_t has[HNAS_N_KINDS],
                           const struct hn_json_value *root)
{
    int32_t nodes = 0;

    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_json_value *v = hn_json_get(root, hn_kind_names[k]);

        has[k] = v && v->type == HN_JSON_ARRAY && v->count > 0;
        if (has[k] && !nodes)
            nodes = (int32_t)v->count; /* the parser bounds it */
    }
    return nodes ? nodes : 1;
}

hnas_status hn_arch_read_object(hnas_arch **out, struct hnas_context *ctx,
                                const char *text, size_t length)
{
    int32_t has[HNAS_N_KINDS];
    struct hn_list_space s;
    struct reading r = {.ctx = ctx, .space = &s.space};
    struct hn_json *json;
    hnas_status st;

    *out = NULL;
    st = hn_json_parse(&json, ctx, "architecture", text, length);
    if (st < 0)
        return st;
    r.root = json->root;
    st = hn_list_space_init(&s, ctx, count_nodes(has, r.root), has);
    if (st == HNAS_OK)
        st = read_all(out, &r);
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++)
        hn_free(&ctx->alloc, r.edge[kind]);
    hn_list_space_finish(&s);
    hn_json_destroy(json);
    return st;
}

hnas_status hnas_arch_read_json(hnas_arch **out, const hnas_supernet *net,
                                const char *text, size_t length)
{
    if (out)
        *out = NULL;
    if (!out || !net || !text)
        return hn_fail_null(hn_supernet_context(net),
                            "arch read json: out or text");
    return hn_arch_read_json(out, hn_supernet_space(net), text, length);
}
