/* SPDX-License-Identifier: BSD-3-Clause */
/* Genotypes as DARTS publishes them, Genotype(normal=[('op', source), ...],
 * normal_concat=range(2, 6), ...), and Fair DARTS, with ('op', node, source).
 * A name and '=' may stand before, Python's comments anywhere. */
#include <stdio.h>
#include <string.h>

#include "arch/list.h"
#include "hnas/formats.h"
#include "base/utf8.h"
#include "io/arch_json.h"
#include "net/space.h"

enum {
    MOST_BYTES = 64 << 10,
    MOST_EDGES = HN_DARTS_EDGES(HN_MOST_CELL_NODES),
    MOST_NUMBER = 9999,
    NAME_BYTES = 64
};

struct cell {
    int is_listed, has_concat;
    int32_t n;    /* edges */
    int32_t last; /* of the concatenated nodes 2..last; 1: none */
    hnas_arch_edge edge[MOST_EDGES];
    char name[MOST_EDGES][NAME_BYTES];
};

struct scan {
    struct hnas_context *ctx;
    const char *p, *end;
    int line;
    int arity; /* of the tuples, 2 or 3; 0: none seen */
    struct cell cell[HNAS_N_KINDS];
};

/* ---- tokens ---- */

static void skip_blanks(struct scan *s)
{
    int in_comment = 0;

    for (; s->p < s->end; s->p++) {
        if (*s->p == '\n') {
            s->line++;
            in_comment = 0;
        } else if (*s->p == '#') {
            in_comment = 1;
        } else if (!in_comment && *s->p != ' ' && *s->p != '\t' &&
                   *s->p != '\r') {
            return;
        }
    }
}

/* Fail with what stands here, as far as it can be printed. */
static hnas_status wanted(struct scan *s, const char *what)
{
    char found[16];
    size_t n = 0;

    for (; n < sizeof found - 1 && n < (size_t)(s->end - s->p); n++)
        found[n] = s->p[n] >= ' ' && s->p[n] <= '~' ? s->p[n] : '?';
    found[n] = '\0';
    if (!n)
        return hn_fail(s->ctx, HNAS_E_FORMAT,
                       "genotype: line %d: ends early, want %s", s->line, what);
    return hn_fail(s->ctx, HNAS_E_FORMAT, "genotype: line %d: \"%s\", want %s",
                   s->line, found, what);
}

static int peek(struct scan *s)
{
    skip_blanks(s);
    return s->p < s->end ? *s->p : 0;
}

/* Step over one character, if it is there. */
static int take(struct scan *s, char c)
{
    if (peek(s) != c)
        return 0;
    s->p++;
    return 1;
}

static hnas_status expect(struct scan *s, char c)
{
    const char what[] = {'\'', c, '\'', '\0'};

    return take(s, c) ? HNAS_OK : wanted(s, what);
}

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* A word, cut off where it has no room; its length without the cut. */
static size_t read_word(struct scan *s, char word[NAME_BYTES])
{
    size_t n = 0;

    skip_blanks(s);
    for (; s->p < s->end && is_word(*s->p); s->p++, n++)
        if (n < NAME_BYTES - 1)
            word[n] = *s->p;
    word[n < NAME_BYTES ? n : NAME_BYTES - 1] = '\0';
    return n;
}

static hnas_status read_number(struct scan *s, int32_t *out)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p < '0' || *s->p > '9')
        return wanted(s, "a number");
    for (*out = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
        if ((*out = 10 * *out + (*s->p - '0')) > MOST_NUMBER)
            return hn_fail(s->ctx, HNAS_E_RANGE,
                           "genotype: line %d: a number above %d", s->line,
                           (int)MOST_NUMBER);
    return HNAS_OK;
}

/* ---- lists ---- */

static hnas_status read_name(struct scan *s, char name[NAME_BYTES])
{
    const int quote = peek(s);
    size_t n;

    if (quote != '\'' && quote != '"')
        return wanted(s, "an operation in quotes");
    s->p++;
    n = read_word(s, name);
    if (!n || n >= NAME_BYTES || s->p == s->end || *s->p != quote)
        return wanted(s, "an operation of 1..63 letters in quotes");
    s->p++;
    return HNAS_OK;
}

/* ('operation', source) or ('operation', node, source). */
static hnas_status read_tuple(struct scan *s, struct cell *c)
{
    hnas_arch_edge *e = &c->edge[c->n];
    int32_t number[2] = {0, 0};
    hnas_status st = expect(s, '(');
    int n = 0;

    if (st == HNAS_OK)
        st = read_name(s, c->name[c->n]);
    while (st == HNAS_OK && take(s, ',') && peek(s) != ')') {
        if (n == 2)
            return wanted(s, "')'");
        st = read_number(s, &number[n++]);
    }
    if (st == HNAS_OK)
        st = expect(s, ')');
    if (st < 0)
        return st;
    if (!n || (s->arity && s->arity != n + 1))
        return hn_fail(s->ctx, HNAS_E_FORMAT,
                       "genotype: line %d: want pairs ('operation', source) or "
                       "triples ('operation', node, source) throughout",
                       s->line);
    s->arity = n + 1;
    e->op_name = c->name[c->n];
    e->from = number[n - 1];
    e->to = n == 2 ? number[0] : 2 + c->n / 2;
    c->n++;
    return HNAS_OK;
}

static hnas_status read_edges(struct scan *s, int kind)
{
    struct cell *c = &s->cell[kind];
    hnas_status st = expect(s, '[');

    if (st < 0)
        return st;
    c->is_listed = 1;
    while (peek(s) != ']') {
        if (c->n == MOST_EDGES)
            return hn_fail(s->ctx, HNAS_E_LIMIT,
                           "genotype: %s: more than %d edges",
                           hn_kind_names[kind], (int)MOST_EDGES);
        st = read_tuple(s, c);
        if (st < 0)
            return st;
        if (!take(s, ','))
            break;
    }
    return expect(s, ']');
}

static hnas_status refuse_concat(struct scan *s, int kind)
{
    return hn_fail(s->ctx, HNAS_E_UNSUPPORTED,
                   "genotype: line %d: %s_concat leaves nodes out, want all "
                   "from 2 on in order",
                   s->line, hn_kind_names[kind]);
}

/* range(2, end): nodes 2..end-1. */
static hnas_status read_range(struct scan *s, int kind)
{
    char word[NAME_BYTES];
    int32_t first = 0, end = 0;
    hnas_status st;

    read_word(s, word);
    if (strcmp(word, "range"))
        return wanted(s, "range(2, N) or a list of nodes");
    st = expect(s, '(');
    if (st == HNAS_OK)
        st = read_number(s, &first);
    if (st == HNAS_OK)
        st = expect(s, ',');
    if (st == HNAS_OK)
        st = read_number(s, &end);
    if (st == HNAS_OK)
        st = expect(s, ')');
    if (st != HNAS_OK)
        return st;
    if (first != 2 || end < 2)
        return refuse_concat(s, kind);
    s->cell[kind].last = end - 1;
    return HNAS_OK;
}

static hnas_status read_concat(struct scan *s, int kind)
{
    struct cell *c = &s->cell[kind];
    hnas_status st = HNAS_OK;
    int32_t node;

    c->has_concat = 1;
    if (!take(s, '['))
        return read_range(s, kind);
    while (peek(s) != ']') {
        st = read_number(s, &node);
        if (st != HNAS_OK)
            return st;
        if (node != c->last + 1)
            return refuse_concat(s, kind);
        c->last = node;
        if (!take(s, ','))
            break;
    }
    return expect(s, ']');
}

/* ---- the whole ---- */

/* Which field a word names: the kind, and whether its nodes that are
 * concatenated; HNAS_N_KINDS: none. */
static int find_field(int *is_concat, const char *word)
{
    for (int kind = 0; kind < HNAS_N_KINDS; kind++) {
        const size_t n = strlen(hn_kind_names[kind]);

        if (strncmp(word, hn_kind_names[kind], n))
            continue;
        *is_concat = !strcmp(word + n, "_concat");
        if (*is_concat || !word[n])
            return kind;
    }
    return HNAS_N_KINDS;
}

static hnas_status read_field(struct scan *s)
{
    char word[NAME_BYTES] = "";
    int kind, is_concat = 0;
    const char *at;
    hnas_status st;

    skip_blanks(s);
    at = s->p;
    read_word(s, word);
    kind = find_field(&is_concat, word);
    if (kind == HNAS_N_KINDS) {
        s->p = at;
        return wanted(s, "normal, normal_concat, reduce or reduce_concat");
    }
    if (is_concat ? s->cell[kind].has_concat : s->cell[kind].is_listed)
        return hn_fail(s->ctx, HNAS_E_FORMAT, "genotype: line %d: %s again",
                       s->line, word);
    st = expect(s, '=');
    if (st < 0)
        return st;
    return is_concat ? read_concat(s, kind) : read_edges(s, kind);
}

static hnas_status read_genotype(struct scan *s)
{
    char word[NAME_BYTES];
    const char *at;
    hnas_status st;

    skip_blanks(s);
    at = s->p;
    read_word(s, word);
    if (*word && take(s, '=')) {
        skip_blanks(s);
        at = s->p;
        read_word(s, word);
    }
    if (strcmp(word, "Genotype")) {
        s->p = at;
        return wanted(s, "Genotype(normal=..., reduce=...) or a JSON object");
    }
    st = expect(s, '(');
    while (st == HNAS_OK && peek(s) != ')') {
        st = read_field(s);
        if (st == HNAS_OK && !take(s, ','))
            break;
    }
    if (st == HNAS_OK)
        st = expect(s, ')');
    if (st == HNAS_OK && peek(s))
        return wanted(s, "nothing behind one genotype");
    return st;
}

/* Check what only the whole tells, and its rule. */
static hnas_status check(struct scan *s, int32_t *nodes, int32_t *rule)
{
    *nodes = 0;
    *rule = s->arity == 2 ? HNAS_RULE_TOP2 : HNAS_RULE_ARGMAX;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct cell *c = &s->cell[k];
        const int32_t n = c->last - 1;

        if (!c->is_listed || !c->has_concat)
            return hn_fail(s->ctx, HNAS_E_FORMAT, "genotype: no %s%s",
                           hn_kind_names[k], c->is_listed ? "_concat" : "");
        if (!n && !c->n)
            continue;
        if (s->arity == 2 && c->n != 2 * n)
            return hn_fail(s->ctx, HNAS_E_MISMATCH,
                           "genotype: %s: %d edges, want 2 for each of the %d "
                           "nodes of %s_concat",
                           hn_kind_names[k], (int)c->n, (int)n,
                           hn_kind_names[k]);
        if (*nodes && n != *nodes)
            return hn_fail(s->ctx, HNAS_E_MISMATCH,
                           "genotype: %s cell of %d nodes, want %d as in the "
                           "normal one",
                           hn_kind_names[k], (int)n, (int)*nodes);
        *nodes = n;
        if (s->arity != 2 && c->n != HN_DARTS_EDGES(n)) /* or no edge at all */
            *rule = HNAS_RULE_THRESHOLD;
    }
    return *nodes ? HNAS_OK
                  : hn_fail(s->ctx, HNAS_E_FORMAT, "genotype: no node at all");
}

/* A program or a picture is named as such, not quoted. */
static hnas_status check_is_text(struct hnas_context *ctx, const char *text,
                                 size_t length)
{
    const char *end = text + length;

    for (const char *p = text; p < end; p += hn_utf8_length(p, end))
        if (!hn_utf8_length(p, end) || *p == 0x7f ||
            ((unsigned char)*p < 0x20 && !memchr("\t\n\v\f\r", *p, 5)))
            return hn_fail(ctx, HNAS_E_FORMAT,
                           "genotype: byte 0x%02x at %zu: not text, want "
                           "Genotype(normal=..., reduce=...) or JSON",
                           (unsigned char)*p, (size_t)(p - text));
    return HNAS_OK;
}

static hnas_status read_text(hnas_arch **out, struct hnas_context *ctx,
                             const char *text, size_t length)
{
    const hnas_arch_edge *edges[HNAS_N_KINDS];
    int32_t n[HNAS_N_KINDS], nodes = 0, rule = 0;
    struct scan *s;
    hnas_status st = check_is_text(ctx, text, length);

    if (st < 0)
        return st;
    if (length > MOST_BYTES)
        return hn_fail(ctx, HNAS_E_LIMIT,
                       "genotype: %zu bytes, want at most %d", length,
                       (int)MOST_BYTES);
    s = hn_zalloc(&ctx->alloc, sizeof *s);
    if (!s)
        return hn_fail_nomem(ctx, "genotype");
    s->ctx = ctx;
    s->p = text;
    s->end = text + length;
    s->line = s->cell[0].last = s->cell[1].last = 1;
    st = read_genotype(s);
    if (st == HNAS_OK)
        st = check(s, &nodes, &rule);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        edges[k] = s->cell[k].last > 1 || s->cell[k].n ? s->cell[k].edge : NULL;
        n[k] = s->cell[k].n;
    }
    if (st == HNAS_OK)
        st = hnas_arch_from_edges(out, ctx, nodes, rule, edges, n);
    hn_free(&ctx->alloc, s);
    return st;
}

hnas_status hnas_arch_read(hnas_arch **out, hnas_context *ctx, const char *text,
                           size_t length)
{
    size_t i = 0;

    if (out)
        *out = NULL;
    if (!out || !ctx || !text)
        return hn_fail_null(ctx, "arch read: out or text");
    while (i < length && strchr(" \t\r\n", text[i]) && text[i])
        i++;
    return i < length && text[i] == '{'
               ? hn_arch_read_object(out, ctx, text, length)
               : read_text(out, ctx, text, length);
}

/* ---- writing ---- */

/* Whether every node keeps two edges that pairs can hold. */
static int is_paired(const hnas_arch *arch)
{
    const int32_t rule = hnas_arch_get_rule(arch);

    if (rule != HNAS_RULE_TOP2 && rule != HNAS_RULE_TOP2_RAW)
        return 0;
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const hnas_arch_edge *e = hnas_arch_get_edges(arch, k);
        const int32_t n = hnas_arch_get_edge_count(arch, k);

        if (n != 2 * hnas_arch_get_node_count(arch, k))
            return 0;
        for (int32_t i = 0; i < n; i++)
            if (e[i].to != 2 + i / 2)
                return 0;
    }
    return 1;
}

static void put_cell(struct hn_text *t, const hnas_arch *arch, int32_t kind,
                     int paired)
{
    const int32_t nodes = hnas_arch_get_node_count(arch, kind);
    const int32_t n = nodes ? hnas_arch_get_edge_count(arch, kind) : 0;
    const hnas_arch_edge *e = hnas_arch_get_edges(arch, kind);

    hn_text_put(t, "%s=[", hn_kind_names[kind]);
    for (int32_t i = 0; i < n; i++) {
        hn_text_put(t, "%s('%s', ", i ? ", " : "", e[i].op_name);
        if (!paired)
            hn_text_put(t, "%d, ", (int)e[i].to);
        hn_text_put(t, "%d)", (int)e[i].from);
    }
    hn_text_put(t, "], %s_concat=range(2, %d)", hn_kind_names[kind],
                (int)(2 + nodes));
}

hnas_status hnas_arch_write_text(const hnas_arch *arch, char *buffer,
                                 size_t capacity, size_t *length)
{
    struct hn_text t;
    hnas_status st;
    int paired;

    if (length)
        *length = 0;
    if (!arch || !length || (!buffer && capacity > 0))
        return hn_fail_null(arch ? arch->ctx : NULL,
                            "arch text: length or buffer");
    paired = is_paired(arch);
    hn_text_init(&t, arch->ctx);
    hn_text_put(&t, "Genotype(");
    put_cell(&t, arch, HNAS_NORMAL, paired);
    hn_text_put(&t, ", ");
    put_cell(&t, arch, HNAS_REDUCE, paired);
    hn_text_put(&t, ")");
    st = hn_text_copy(buffer, capacity, length, &t);
    hn_text_finish(&t);
    return st;
}
