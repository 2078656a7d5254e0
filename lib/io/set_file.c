/* SPDX-License-Identifier: BSD-3-Clause */
/* A network set in one safetensors file: what members share once, each
 * member's statistics and weights of its own as "member.<i>.<name>"; shape,
 * rule and members (interval, measured latency, edges) as JSON in the metadata.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "hnas/io.h"
#include "io/state.h"
#include "model/set.h"

enum { MOST_MEMBERS = 1 << 20, NAME_BYTES = 512 };

static const char format[] = "hnas-set-1";

static const struct hn_field member_fields[] = {
    {"lo", HN_F64, offsetof(hnas_set_member, lo)},
    {"hi", HN_F64, offsetof(hnas_set_member, hi)},
    {NULL, HN_I32, 0},
};

/* ---- the list of tensors, the same for both directions ---- */

static hnas_status list_statistics(struct hn_tensors *l,
                                   const struct hnas_params *params,
                                   int32_t member)
{
    char prefix[HN_MEMBER_PREFIX_BYTES];
    hnas_status st = HNAS_OK;

    hn_member_prefix(prefix, member);
    for (int64_t i = 0; i < params->n && st == HNAS_OK; i++)
        if (params->entry[i].kind == HNAS_PARAM_BUFFER)
            st = hn_tensors_add(l, prefix, params->entry[i].name,
                                params->entry[i].tensor, NULL);
    return st;
}

static hnas_status list_all(struct hn_tensors *l, const struct hnas_set *s)
{
    int64_t n = s->weights.n;
    hnas_status st;

    for (int32_t i = 0; i < s->frozen->n; i++)
        n += s->frozen->model[i]->params.n;
    st = hn_tensors_init(l, s->owner, n);
    for (int64_t i = 0; i < s->weights.n && st == HNAS_OK; i++)
        st = hn_tensors_add(l, "", s->weights.entry[i].name,
                            s->weights.entry[i].tensor, NULL);
    for (int32_t i = 0; i < s->frozen->n && st == HNAS_OK; i++)
        st = list_statistics(l, &s->frozen->model[i]->params, i);
    return st;
}

/* ---- saving ---- */

static void put_settings(struct hn_json_writer *w, const struct hnas_set *s)
{
    const struct hnas_model *first = s->frozen->model[0];

    hn_json_open(w, '{');
    hn_json_key(w, "model");
    hn_json_open(w, '{');
    hn_fields_write(w, hn_model_fields, &first->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "rule");
    hn_json_string(w, hn_arch_rule_find(first->rule)->name);
    hn_json_key(w, "members");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < s->frozen->n; i++) {
        hn_json_open(w, '{');
        hn_fields_write(w, member_fields, &s->member[i]);
        hn_json_key(w, "latency_us");
        hn_json_number(w, s->member[i].latency_us); /* NaN: null */
        hn_edges_write(w, s->owner, s->frozen->model[i]->kind);
        hn_json_close(w, '}');
    }
    hn_json_close(w, ']');
    hn_json_key(w, "kernels");
    hn_json_string(w, s->owner->k.level);
    hn_json_close(w, '}');
}

hnas_status hnas_set_save(const hnas_set *set, const char *path,
                          const char *text)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    struct hn_json_writer w;

    if (!set || !path)
        return hn_fail_null(set ? set->owner : NULL, "set save: path");
    hn_json_writer_init(&w, set->owner);
    put_settings(&w, set);
    if (w.text.status == HNAS_OK)
        w.text.status = list_all(&l, set);
    return hn_state_write(&l, &w, path, format, text);
}

/* ---- loading ---- */

struct loading {
    struct hnas_context *ctx;
    const char *path;
    const struct hn_st_file *file;
    const struct hn_json_value *root, *members;
    hnas_model_opts opts;
    const struct hn_arch_rule *rule;
};

static hnas_status bad(const struct loading *r, const char *name)
{
    return hn_fields_bad(r->ctx, r->path, name);
}

static hnas_status read_settings(struct loading *r)
{
    const struct hn_json_value *rule = hn_json_get(r->root, "rule");
    hnas_status st;

    hnas_model_opts_init(&r->opts, sizeof r->opts);
    st = hn_fields_read(r->ctx, r->path, r->root, "model", hn_model_fields,
                        &r->opts);
    if (st < 0)
        return st;
    if (rule && rule->type == HN_JSON_STRING)
        r->rule = hn_arch_rule_named(rule->text);
    if (!r->rule)
        return bad(r, "rule");
    if (r->opts.auxiliary)
        return bad(r, "auxiliary");
    r->members = hn_json_get(r->root, "members");
    if (!r->members || r->members->type != HN_JSON_ARRAY ||
        r->members->count < 1 || r->members->count > MOST_MEMBERS)
        return bad(r, "members");
    return HNAS_OK;
}

/* Whether the file has a weight of the member's own. */
static int is_own(const void *user, int32_t member, const char *name)
{
    char prefix[HN_MEMBER_PREFIX_BYTES], full[NAME_BYTES];

    snprintf(full, sizeof full, "%s%s", hn_member_prefix(prefix, member), name);
    return hn_st_find(user, full) != NULL;
}

static hnas_status read_member(struct hnas_set *s, int32_t index,
                               const struct loading *r,
                               const struct hn_json_value *v)
{
    const struct hn_json_value *latency = hn_json_get(v, "latency_us");
    hnas_set_member *m = &s->member[index];
    const struct hn_set_source source = {NULL, is_own, r->file};
    struct hn_model_kind kind[HNAS_N_KINDS];
    hnas_status st = hn_fields_read(r->ctx, r->path, v, NULL, member_fields, m);

    if (st < 0)
        return st;
    if (!(m->lo <= m->hi) || (index && m->lo != s->member[index - 1].hi))
        return bad(r, "lo");
    if (!latency ||
        (latency->type != HN_JSON_NUMBER && latency->type != HN_JSON_NULL))
        return bad(r, "latency_us");
    st = hn_edges_read(kind, r->ctx, r->path, v);
    if (st == HNAS_OK)
        st = hn_set_add(s, index, kind, &r->opts, &source);
    hn_edges_free(kind, r->ctx);
    if (st < 0)
        return st;
    s->frozen->model[index]->rule = r->rule->id;
    if (latency->type == HN_JSON_NUMBER)
        m->latency_us = latency->number;
    return HNAS_OK;
}

/* Members live in a context of the set's own. */
static hnas_status read_members(struct hnas_set *set, const struct loading *r)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was made */
    struct hnas_context *ctx = set->frozen->ctx;
    hnas_status st = HNAS_OK, bounded;
    int32_t n = 0;

    hn_state_bound(ctx, r->file);
    for (const struct hn_json_value *v = r->members->first; v && st == HNAS_OK;
         v = v->next)
        st = read_member(set, n++, r, v);
    bounded = hn_state_unbound(ctx, r->file, st);
    return bounded == st ? st : hn_fail(r->ctx, bounded, "%s", ctx->message);
}

static hnas_status build(hnas_set **out, struct loading *r,
                         const struct hn_st_file *file)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    hnas_status st = read_settings(r);

    if (st == HNAS_OK)
        st = hn_set_make(out, r->ctx, (int32_t)r->members->count);
    if (st < 0)
        return st;
    st = read_members(*out, r);
    if (st == HNAS_OK)
        st = list_all(&l, *out);
    if (st == HNAS_OK)
        st = hn_tensors_load(&l, file);
    hn_tensors_finish(&l);
    return st < 0 ? st : hn_state_text(&(*out)->text, r->ctx, file);
}

static hnas_status load(hnas_set **out, struct hnas_context *ctx,
                        const char *path, const struct hn_st_file *file)
{
    struct loading r = {.ctx = ctx, .path = path, .file = file};
    struct hn_json *json;
    hnas_status st = hn_state_settings(&json, ctx, path, file);

    if (st < 0)
        return st;
    r.root = json->root;
    st = build(out, &r, file);
    hn_json_destroy(json);
    return st;
}

hnas_status hnas_set_load(hnas_set **out, hnas_context *ctx, const char *path)
{
    struct hn_st_file *file;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !path)
        return hn_fail_null(ctx, "set load: out or path");
    st = hn_state_open(&file, ctx, path, format, "a network set");
    if (st < 0)
        return st;
    st = load(out, ctx, path, file);
    hn_st_close(file);
    if (st < 0) {
        hnas_set_destroy(*out);
        *out = NULL;
    }
    return st;
}

const char *hnas_set_get_text(const hnas_set *set)
{
    return set->text ? set->text : "";
}
