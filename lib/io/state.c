/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/state.h"
#include "net/space.h"

#include <stdint.h>
#include <string.h>

/* Memory for what a file describes: so much in any case, and beside that for
 * each array and each number: names, copies, padded channels. */
static const size_t ROOM = 16 << 20, ARRAY_ROOM = 8 << 10, NUMBER_ROOM = 64;

const struct hn_field hn_model_fields[] = {
    {"image_channels", HN_I64, offsetof(hnas_model_opts, image[0])},
    {"image_height", HN_I64, offsetof(hnas_model_opts, image[1])},
    {"image_width", HN_I64, offsetof(hnas_model_opts, image[2])},
    {"classes", HN_I64, offsetof(hnas_model_opts, classes)},
    {"channels", HN_I64, offsetof(hnas_model_opts, channels)},
    {"cells", HN_I32, offsetof(hnas_model_opts, cells)},
    {"nodes", HN_I32, offsetof(hnas_model_opts, nodes)},
    {"stem_multiplier", HN_I32, offsetof(hnas_model_opts, stem_multiplier)},
    {"affine", HN_I32, offsetof(hnas_model_opts, affine)},
    {"auxiliary", HN_I32, offsetof(hnas_model_opts, auxiliary)},
    {NULL, HN_I32, 0},
};

hnas_status hn_state_write(struct hn_tensors *l, struct hn_json_writer *w,
                           const char *path, const char *format,
                           const char *text)
{
    const struct hn_st_pair pairs[] = {{"format", format},
                                       {"settings", w->text.data},
                                       {"text", text ? text : ""}};
    hnas_status st = w->text.status;

    if (st == HNAS_OK)
        st = hn_tensors_write(l, path, pairs, sizeof pairs / sizeof pairs[0]);
    hn_tensors_finish(l);
    hn_json_writer_finish(w);
    return st;
}

hnas_status hn_state_open(struct hn_st_file **out, struct hnas_context *ctx,
                          const char *path, const char *format,
                          const char *what)
{
    const char *found;
    hnas_status st = hn_st_open(out, ctx, path);

    if (st < 0)
        return st;
    found = hn_st_meta(*out, "format");
    if (found && !strcmp(found, format))
        return HNAS_OK;
    st = hn_fail(ctx, HNAS_E_MISMATCH, "%.200s: not %s (format %.40s, want %s)",
                 path, what, found ? found : "missing", format);
    hn_st_close(*out);
    *out = NULL;
    return st;
}

hnas_status hn_state_settings(struct hn_json **out, struct hnas_context *ctx,
                              const char *path, const struct hn_st_file *file)
{
    const char *settings = hn_st_meta(file, "settings");

    return settings ? hn_json_parse(out, ctx, path, settings, strlen(settings))
                    : hn_fields_bad(ctx, path, "settings");
}

void hn_state_bound(struct hnas_context *ctx, const struct hn_st_file *file)
{
    size_t room = ROOM, more;

    for (int64_t i = 0; i < hn_st_count(file); i++) {
        const struct hn_st_entry *e = hn_st_get(file, i);

        /* what the file has fits into memory, so nothing of it overflows */
        more = NUMBER_ROOM;
        for (int32_t d = 0; d < e->rank; d++)
            more *= (size_t)e->dims[d];
        room += ARRAY_ROOM + more;
    }
    if (!hn_size_add(&more, ctx->alloc.now_bytes, room) &&
        more < ctx->alloc.limit_bytes)
        ctx->alloc.most_bytes = more;
    ctx->alloc.is_over = 0;
}

hnas_status hn_state_unbound(struct hnas_context *ctx,
                             const struct hn_st_file *file, hnas_status st)
{
    const int is_over =
        ctx->alloc.is_over && ctx->alloc.most_bytes < ctx->alloc.limit_bytes;

    ctx->alloc.most_bytes = ctx->alloc.limit_bytes;
    ctx->alloc.is_over = 0;
    if (st != HNAS_E_NOMEM || !is_over)
        return st;
    return hn_fail(ctx, HNAS_E_FORMAT,
                   "%.200s: describes more than its %lld arrays hold",
                   hn_st_path(file), (long long)hn_st_count(file));
}

hnas_status hn_state_text(char **out, struct hnas_context *ctx,
                          const struct hn_st_file *file)
{
    const char *text = hn_st_meta(file, "text");

    *out = hn_strdup(&ctx->alloc, text ? text : "");
    return *out ? HNAS_OK : hn_fail_nomem(ctx, "the host's text");
}

/* ---- edges ---- */

static void put_edges(struct hn_json_writer *w, struct hnas_context *ctx,
                      const struct hn_model_kind *k)
{
    hn_json_open(w, '[');
    for (int32_t i = 0; i < k->n_edges; i++) {
        const hnas_op_table *table;

        if (hnas_op_find(&table, ctx, k->edge[i].op_name) < 0)
            continue; /* it was found before */
        hn_json_open(w, '[');
        hn_json_string(w, table->name);
        hn_json_integer(w, table->version);
        hn_json_integer(w, k->edge[i].from);
        hn_json_integer(w, k->edge[i].to);
        hn_json_close(w, ']');
    }
    hn_json_close(w, ']');
}

void hn_edges_write(struct hn_json_writer *w, struct hnas_context *ctx,
                    const struct hn_model_kind kind[HNAS_N_KINDS])
{
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        hn_json_key(w, hn_kind_names[k]);
        if (kind[k].n_edges < 0)
            hn_json_null(w);
        else
            put_edges(w, ctx, &kind[k]);
    }
}

/* An integer of an edge, or -1. */
static int32_t small(const struct hn_json_value *v)
{
    return v && v->is_integer && v->integer >= 0 && v->integer < INT32_MAX
               ? (int32_t)v->integer
               : -1;
}

static hnas_status read_edge(hnas_arch_edge *edge, struct hnas_context *ctx,
                             const char *path, const char *kind,
                             const struct hn_json_value *v)
{
    const struct hn_json_value *name = v->first, *version;
    const hnas_op_table *table;
    hnas_status st;

    if (v->type != HN_JSON_ARRAY || v->count != 4 ||
        name->type != HN_JSON_STRING)
        return hn_fields_bad(ctx, path, kind);
    version = name->next;
    edge->op_name = name->text;
    edge->from = small(version->next);
    edge->to = small(version->next->next);
    st = hnas_op_find(&table, ctx, name->text);
    if (st < 0)
        return st;
    if (small(version) != table->version)
        return hn_fail(ctx, HNAS_E_MISMATCH,
                       "%.200s: operation %s has version %d, this library has "
                       "%d",
                       path, name->text, (int)small(version),
                       (int)table->version);
    return HNAS_OK;
}

/* Whether an edge stands behind another by target, then source. */
static int follows(const hnas_arch_edge *b, const hnas_arch_edge *a)
{
    return b->to > a->to || (b->to == a->to && b->from > a->from);
}

static hnas_status read_kind(struct hn_model_kind *k, struct hnas_context *ctx,
                             const char *path, const char *name,
                             const struct hn_json_value *list)
{
    hnas_status st = HNAS_OK;
    int32_t n = 0;

    k->n_edges = -1;
    if (list && list->type == HN_JSON_NULL)
        return HNAS_OK;
    if (!list || list->type != HN_JSON_ARRAY ||
        list->count > HN_DARTS_EDGES(HN_MOST_CELL_NODES))
        return hn_fields_bad(ctx, path, name);
    k->n_edges = (int32_t)list->count;
    k->edge = hn_alloc_array(&ctx->alloc, list->count, sizeof *k->edge);
    if (!k->edge)
        return hn_fail_nomem(ctx, "edges of a file");
    for (const struct hn_json_value *v = list->first; v && st == HNAS_OK;
         v = v->next, n++) {
        st = read_edge(&k->edge[n], ctx, path, name, v);
        if (st == HNAS_OK && n && !follows(&k->edge[n], &k->edge[n - 1]))
            st = hn_fields_bad(ctx, path, name);
    }
    return st;
}

hnas_status hn_edges_read(struct hn_model_kind kind[HNAS_N_KINDS],
                          struct hnas_context *ctx, const char *path,
                          const struct hn_json_value *object)
{
    hnas_status st = HNAS_OK;

    memset(kind, 0, HNAS_N_KINDS * sizeof *kind);
    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = read_kind(&kind[k], ctx, path, hn_kind_names[k],
                       hn_json_get(object, hn_kind_names[k]));
    return st;
}

void hn_edges_free(struct hn_model_kind kind[HNAS_N_KINDS],
                   struct hnas_context *ctx)
{
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        hn_free(&ctx->alloc, kind[k].edge);
}
