/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network in one safetensors file: its tensors in the border's
 * layout, while it trains the optimizer's state ("optim.w.momentum.<name>")
 * and the weights' average ("average.<name>") beside them; edges, settings and
 * counters as JSON in the metadata.  A pure function of the network. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "hnas/io.h"
#include "io/fields.h"
#include "io/tensors.h"
#include "model/model.h"

static const char *const kind_names[HNAS_N_KINDS] = {"normal", "reduce"};

static const struct hn_field model_fields[] = {
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

static const struct hn_field train_fields[] = {
    {"momentum", HN_F64, offsetof(hnas_train_opts, sgd.momentum)},
    {"decay", HN_F64, offsetof(hnas_train_opts, sgd.weight_decay)},
    {"clip", HN_F64, offsetof(hnas_train_opts, sgd.clip)},
    {"nesterov", HN_I32, offsetof(hnas_train_opts, sgd.nesterov)},
    {"rate", HN_F64, offsetof(hnas_train_opts, rate)},
    {"rate_last", HN_F64, offsetof(hnas_train_opts, rate_last)},
    {"total_steps", HN_I64, offsetof(hnas_train_opts, total_steps)},
    {"rate_steps", HN_I64, offsetof(hnas_train_opts, rate_steps)},
    {"drop_path", HN_F64, offsetof(hnas_train_opts, drop_path)},
    {"aux_weight", HN_F64, offsetof(hnas_train_opts, aux_weight)},
    {"label_smoothing", HN_F64, offsetof(hnas_train_opts, label_smoothing)},
    {"norm_momentum", HN_F64, offsetof(hnas_train_opts, norm_momentum)},
    {"average", HN_F64, offsetof(hnas_train_opts, average)},
    {NULL, HN_I32, 0},
};

/* What stands beside the options in the metadata. */
struct counters {
    int64_t steps;
    int32_t is_swapped;
};

static const struct hn_field counter_fields[] = {
    {"steps", HN_I64, offsetof(struct counters, steps)},
    {"is_swapped", HN_I32, offsetof(struct counters, is_swapped)},
    {NULL, HN_I32, 0},
};

/* ---- the list of tensors, the same for both directions ---- */

static hnas_status add_average(struct hn_tensors *l, const struct hnas_model *m)
{
    hnas_status st = HNAS_OK;
    int64_t k = 0;

    for (int64_t i = 0; i < m->params.n && st == HNAS_OK; i++)
        if (m->params.entry[i].kind == HNAS_PARAM_WEIGHT)
            st = hn_tensors_add(l, "average.", m->params.entry[i].name,
                                m->training->average[k++], NULL);
    return st;
}

static hnas_status list_all(struct hn_tensors *l, const struct hnas_model *m)
{
    const struct hn_training *t = m->training;
    hnas_status st = hn_tensors_init(l, m->ctx, 3 * m->params.n);

    for (int64_t i = 0; i < m->params.n && st == HNAS_OK; i++)
        st = hn_tensors_add(l, "", m->params.entry[i].name,
                            m->params.entry[i].tensor, NULL);
    if (st == HNAS_OK && t)
        st = hn_tensors_add_states(l, "w", t->sgd, &m->params,
                                   HNAS_PARAM_WEIGHT);
    if (st == HNAS_OK && t && t->average)
        st = add_average(l, m);
    return st;
}

/* ---- saving ---- */

/* [["operation", version, from, to], ...]; null where there is no such cell. */
static void put_edges(struct hn_json_writer *w, const struct hnas_model *m,
                      int32_t kind)
{
    const struct hn_model_kind *k = &m->kind[kind];

    hn_json_key(w, kind_names[kind]);
    if (k->n_edges < 0) {
        hn_json_null(w);
        return;
    }
    hn_json_open(w, '[');
    for (int32_t i = 0; i < k->n_edges; i++) {
        const hnas_op_table *table;

        if (hnas_op_find(&table, m->ctx, k->edge[i].op_name) < 0)
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

static void put_settings(struct hn_json_writer *w, const struct hnas_model *m)
{
    const struct hn_training *t = m->training;
    const struct counters counters = {t ? t->step : 0, t ? t->is_swapped : 0};
    const struct hn_arch_rule *rule = hn_arch_rule_find(m->rule);
    char seed[32];

    hn_json_open(w, '{');
    hn_json_key(w, "model");
    hn_json_open(w, '{');
    hn_fields_write(w, model_fields, &m->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "rule");
    hn_json_string(w, rule->name);
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++)
        put_edges(w, m, kind);
    hn_json_key(w, "train");
    if (t) {
        hn_json_open(w, '{');
        hn_fields_write(w, train_fields, &t->opts);
        hn_json_close(w, '}');
    } else {
        hn_json_null(w);
    }
    hn_fields_write(w, counter_fields, &counters);
    snprintf(seed, sizeof seed, "%" PRIu64, m->seed);
    hn_json_key(w, "seed"); /* as text: JSON readers round large numbers */
    hn_json_string(w, seed);
    hn_json_key(w, "kernels");
    hn_json_string(w, m->ctx->k.level);
    hn_json_close(w, '}');
}

hnas_status hnas_model_save(const hnas_model *model, const char *path,
                            const char *text)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    struct hn_json_writer w;
    hnas_status st;

    if (!model || !path)
        return HNAS_E_ARG;
    hn_json_writer_init(&w, model->ctx);
    put_settings(&w, model);
    st = w.text.status;
    if (st == HNAS_OK)
        st = list_all(&l, model);
    if (st == HNAS_OK) {
        const struct hn_st_pair pairs[] = {{"format", "hnas-model-1"},
                                           {"settings", w.text.data},
                                           {"text", text ? text : ""}};

        st = hn_tensors_write(&l, path, pairs, sizeof pairs / sizeof pairs[0]);
    }
    hn_tensors_finish(&l);
    hn_json_writer_finish(&w);
    return st;
}

/* ---- loading ---- */

struct loading {
    struct hnas_context *ctx;
    const char *path;
    const struct hn_json_value *root;
    struct hn_model_kind kind[HNAS_N_KINDS];
    hnas_model_opts opts;
    const struct hn_arch_rule *rule;
    uint64_t seed;
    struct counters counters;
};

static hnas_status bad(const struct loading *r, const char *name)
{
    return hn_fields_bad(r->ctx, r->path, name);
}

/* An integer of an edge, or -1. */
static int32_t small(const struct hn_json_value *v)
{
    return v && v->is_integer && v->integer >= 0 && v->integer < INT32_MAX
               ? (int32_t)v->integer
               : -1;
}

static hnas_status read_edge(struct loading *r, int32_t kind,
                             hnas_arch_edge *edge,
                             const struct hn_json_value *v)
{
    const struct hn_json_value *name = v->first, *version;
    const hnas_op_table *table;
    hnas_status st;

    if (v->type != HN_JSON_ARRAY || v->count != 4 ||
        name->type != HN_JSON_STRING)
        return bad(r, kind_names[kind]);
    version = name->next;
    edge->op_name = name->text;
    edge->from = small(version->next);
    edge->to = small(version->next->next);
    st = hnas_op_find(&table, r->ctx, name->text);
    if (st < 0)
        return st;
    if (small(version) != table->version)
        return hn_fail(r->ctx, HNAS_E_MISMATCH,
                       "%.200s: operation %s has version %d, this library has "
                       "%d",
                       r->path, name->text, (int)small(version),
                       (int)table->version);
    return HNAS_OK;
}

static hnas_status read_edges(struct loading *r, int32_t kind)
{
    const struct hn_json_value *list = hn_json_get(r->root, kind_names[kind]);
    struct hn_model_kind *k = &r->kind[kind];
    hnas_status st = HNAS_OK;
    int32_t n = 0;

    k->n_edges = -1;
    if (list && list->type == HN_JSON_NULL)
        return HNAS_OK;
    if (!list || list->type != HN_JSON_ARRAY ||
        list->count > HN_DARTS_EDGES(HN_MOST_CELL_NODES))
        return bad(r, kind_names[kind]);
    k->n_edges = (int32_t)list->count;
    k->edge = hn_alloc_array(&r->ctx->alloc, list->count, sizeof *k->edge);
    if (!k->edge)
        return hn_fail_nomem(r->ctx, "model file");
    for (const struct hn_json_value *v = list->first; v && st == HNAS_OK;
         v = v->next, n++) {
        st = read_edge(r, kind, &k->edge[n], v);
        if (st == HNAS_OK && n &&
            (k->edge[n].to < k->edge[n - 1].to ||
             (k->edge[n].to == k->edge[n - 1].to &&
              k->edge[n].from <= k->edge[n - 1].from)))
            st = bad(r, kind_names[kind]);
    }
    return st;
}

static hnas_status read_settings(struct loading *r)
{
    const struct hn_json_value *rule = hn_json_get(r->root, "rule");
    const struct hn_json_value *seed = hn_json_get(r->root, "seed");
    hnas_status st;

    hnas_model_opts_init(&r->opts, sizeof r->opts);
    st = hn_fields_read(r->ctx, r->path, r->root, "model", model_fields,
                        &r->opts);
    if (st == HNAS_OK)
        st = hn_fields_read(r->ctx, r->path, r->root, NULL, counter_fields,
                            &r->counters);
    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = read_edges(r, k);
    if (st < 0)
        return st;
    if (rule && rule->type == HN_JSON_STRING)
        r->rule = hn_arch_rule_named(rule->text);
    if (!r->rule)
        return bad(r, "rule");
    if (!seed || seed->type != HN_JSON_STRING ||
        sscanf(seed->text, "%" SCNu64, &r->seed) != 1)
        return bad(r, "seed");
    return r->counters.steps < 0 ? bad(r, "steps") : HNAS_OK;
}

static hnas_status begin_training(struct hnas_model *m, const struct loading *r)
{
    const struct hn_json_value *train = hn_json_get(r->root, "train");
    hnas_train_opts o;
    hnas_status st;

    if (train && train->type == HN_JSON_NULL)
        return HNAS_OK;
    hnas_train_opts_init(&o, sizeof o);
    st = hn_fields_read(r->ctx, r->path, r->root, "train", train_fields, &o);
    if (st == HNAS_OK)
        st = hnas_model_train(m, &o);
    if (st < 0)
        return st;
    m->training->step = r->counters.steps;
    m->training->is_swapped = r->counters.is_swapped;
    hn_optim_set_steps(m->training->sgd, r->counters.steps);
    return HNAS_OK;
}

static hnas_status build(hnas_model **out, struct loading *r,
                         const struct hn_st_file *file)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    const char *text = hn_st_meta(file, "text");
    hnas_status st = read_settings(r);

    if (st == HNAS_OK)
        st = hn_model_make(out, r->ctx, r->kind, &r->opts);
    if (st < 0)
        return st;
    (*out)->rule = r->rule->id;
    (*out)->seed = r->seed;
    st = begin_training(*out, r);
    if (st == HNAS_OK)
        st = list_all(&l, *out);
    if (st == HNAS_OK)
        st = hn_tensors_load(&l, file);
    hn_tensors_finish(&l);
    if (st < 0)
        return st;
    (*out)->text = hn_strdup(&r->ctx->alloc, text ? text : "");
    return (*out)->text ? HNAS_OK : hn_fail_nomem(r->ctx, "model file");
}

static hnas_status load(hnas_model **out, struct hnas_context *ctx,
                        const char *path, const struct hn_st_file *file)
{
    const char *format = hn_st_meta(file, "format");
    const char *settings = hn_st_meta(file, "settings");
    struct loading r = {.ctx = ctx, .path = path};
    struct hn_json *json;
    hnas_status st;

    if (!format || strcmp(format, "hnas-model-1"))
        return hn_fail(ctx, HNAS_E_MISMATCH,
                       "%.200s: not a network (format %.40s, want "
                       "hnas-model-1)",
                       path, format ? format : "missing");
    if (!settings)
        return bad(&r, "settings");
    st = hn_json_parse(&json, ctx, path, settings, strlen(settings));
    if (st < 0)
        return st;
    r.root = json->root;
    st = build(out, &r, file);
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        hn_free(&ctx->alloc, r.kind[k].edge);
    hn_json_destroy(json);
    return st;
}

hnas_status hnas_model_load(hnas_model **out, hnas_context *ctx,
                            const char *path)
{
    struct hn_st_file *file;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !path)
        return HNAS_E_ARG;
    st = hn_st_open(&file, ctx, path);
    if (st < 0)
        return st;
    st = load(out, ctx, path, file);
    hn_st_close(file);
    if (st < 0) {
        hnas_model_destroy(*out);
        *out = NULL;
    }
    return st;
}

const char *hnas_model_get_text(const hnas_model *model)
{
    return model->text ? model->text : "";
}
