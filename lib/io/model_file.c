/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network in one safetensors file: its tensors in the border's
 * layout, while it trains the optimizer's state ("optim.w.momentum.<name>")
 * and the weights' average ("average.<name>") beside them; edges, settings and
 * counters as JSON in the metadata.  A pure function of the network. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "base/utf8.h"
#include "hnas/io.h"
#include "io/state.h"

static const char format[] = "hnas-model-1";

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

static void put_settings(struct hn_json_writer *w, const struct hnas_model *m)
{
    const struct hn_training *t = m->training;
    const struct counters counters = {t ? t->step : 0, t ? t->is_swapped : 0};
    const struct hn_arch_rule *rule = hn_arch_rule_find(m->rule);
    char seed[32];

    hn_json_open(w, '{');
    hn_json_key(w, "model");
    hn_json_open(w, '{');
    hn_fields_write(w, hn_model_fields, &m->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "rule");
    hn_json_string(w, rule->name);
    hn_edges_write(w, m->ctx, m->kind);
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

    if (!model || !path)
        return hn_fail_null(model ? model->ctx : NULL, "model save: path");
    hn_json_writer_init(&w, model->ctx);
    put_settings(&w, model);
    if (w.text.status == HNAS_OK)
        w.text.status = list_all(&l, model);
    return hn_state_write(&l, &w, path, format, text);
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

static hnas_status read_settings(struct loading *r)
{
    const struct hn_json_value *rule = hn_json_get(r->root, "rule");
    const struct hn_json_value *seed = hn_json_get(r->root, "seed");
    hnas_status st;

    hnas_model_opts_init(&r->opts, sizeof r->opts);
    st = hn_fields_read(r->ctx, r->path, r->root, "model", hn_model_fields,
                        &r->opts);
    if (st == HNAS_OK)
        st = hn_fields_read(r->ctx, r->path, r->root, NULL, counter_fields,
                            &r->counters);
    if (st == HNAS_OK)
        st = hn_edges_read(r->kind, r->ctx, r->path, r->root);
    if (st < 0)
        return st;
    if (rule && rule->type == HN_JSON_STRING)
        r->rule = hn_arch_rule_named(rule->text);
    if (!r->rule)
        return bad(r, "rule");
    if (!seed || seed->type != HN_JSON_STRING ||
        sscanf(seed->text, "%" SCNu64, &r->seed) != 1)
        return bad(r, "seed");
    if (!hn_is_count(r->counters.steps))
        return bad(r, "steps");
    return HNAS_OK;
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
    if (r->counters.is_swapped && !m->training->average)
        return bad(r, "is_swapped");
    m->training->step = r->counters.steps;
    m->training->is_swapped = r->counters.is_swapped;
    hn_optim_set_steps(m->training->sgd, r->counters.steps);
    return HNAS_OK;
}

static hnas_status build(hnas_model **out, struct loading *r,
                         const struct hn_st_file *file)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    hnas_status st = read_settings(r);

    if (st == HNAS_OK)
        st = hn_model_make(out, r->ctx, r->kind, &r->opts);
    if (st != HNAS_OK)
        return st;
    (*out)->rule = r->rule->id;
    (*out)->seed = r->seed;
    st = begin_training(*out, r);
    if (st == HNAS_OK)
        st = list_all(&l, *out);
    if (st == HNAS_OK)
        st = hn_tensors_load(&l, file);
    hn_tensors_finish(&l);
    return st < 0 ? st : hn_state_text(&(*out)->text, r->ctx, file);
}

static hnas_status load(hnas_model **out, struct hnas_context *ctx,
                        const char *path, const struct hn_st_file *file)
{
    struct loading r = {.ctx = ctx, .path = path};
    struct hn_json *json;
    hnas_status st = hn_state_settings(&json, ctx, path, file);

    if (st < 0)
        return st;
    r.root = json->root;
    hn_state_bound(ctx, file);
    st = hn_state_unbound(ctx, file, build(out, &r, file));
    hn_edges_free(r.kind, ctx);
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
        return hn_fail_null(ctx, "model load: out or path");
    st = hn_state_open(&file, ctx, path, format, "a network");
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

hnas_status hnas_model_set_text(hnas_model *model, const char *text)
{
    const char *end, *p = text;
    char *copy;

    if (!model || !text)
        return hn_fail_null(model ? model->ctx : NULL, "model set text: text");
    for (end = text + strlen(text); p < end; p += hn_utf8_length(p, end))
        if (!hn_utf8_length(p, end))
            return hn_fail(model->ctx, HNAS_E_FORMAT,
                           "text: byte 0x%02x, want UTF-8",
                           (unsigned)(unsigned char)*p);
    copy = hn_strdup(&model->ctx->alloc, text);
    if (!copy)
        return hn_fail_nomem(model->ctx, "the host's text");
    hn_free(&model->ctx->alloc, model->text);
    model->text = copy;
    return HNAS_OK;
}

const char *hnas_model_get_text(const hnas_model *model)
{
    return model->text ? model->text : "";
}
