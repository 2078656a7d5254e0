/* SPDX-License-Identifier: BSD-3-Clause */
/* A search's settings as JSON.  Each number has a line in a table, which
 * writing and reading walk alike. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bilevel/search.h"
#include "io/search_file.h"
#include "net/supernet.h"

enum type { I32, I64, F64 };

struct field {
    const char *name;
    enum type type;
    size_t offset;
};

static const struct field net_fields[] = {
    {"image_channels", I64, offsetof(hnas_supernet_opts, image[0])},
    {"image_height", I64, offsetof(hnas_supernet_opts, image[1])},
    {"image_width", I64, offsetof(hnas_supernet_opts, image[2])},
    {"classes", I64, offsetof(hnas_supernet_opts, classes)},
    {"channels", I64, offsetof(hnas_supernet_opts, channels)},
    {"cells", I32, offsetof(hnas_supernet_opts, cells)},
    {"nodes", I32, offsetof(hnas_supernet_opts, nodes)},
    {"stem_multiplier", I32, offsetof(hnas_supernet_opts, stem_multiplier)},
    {NULL, I32, 0},
};

static const struct field hyper_fields[] = {
    {"kind", I32, offsetof(hnas_hyper_opts, kind)},
    {"scale", I32, offsetof(hnas_hyper_opts, scale)},
    {"lambda_lo", F64, offsetof(hnas_hyper_opts, lambda_lo)},
    {"lambda_hi", F64, offsetof(hnas_hyper_opts, lambda_hi)},
    {"init_std", F64, offsetof(hnas_hyper_opts, init_std)},
    {NULL, I32, 0},
};

static const struct field search_fields[] = {
    {"order", I32, offsetof(hnas_search_opts, bilevel.order)},
    {"virtual_clip", I32, offsetof(hnas_search_opts, bilevel.virtual_clip)},
    {"w_momentum", F64, offsetof(hnas_search_opts, bilevel.w.momentum)},
    {"w_decay", F64, offsetof(hnas_search_opts, bilevel.w.weight_decay)},
    {"w_clip", F64, offsetof(hnas_search_opts, bilevel.w.clip)},
    {"w_nesterov", I32, offsetof(hnas_search_opts, bilevel.w.nesterov)},
    {"w_rate", F64, offsetof(hnas_search_opts, bilevel.w_rate)},
    {"w_rate_last", F64, offsetof(hnas_search_opts, bilevel.w_rate_last)},
    {"u_beta1", F64, offsetof(hnas_search_opts, bilevel.u.beta1)},
    {"u_beta2", F64, offsetof(hnas_search_opts, bilevel.u.beta2)},
    {"u_epsilon", F64, offsetof(hnas_search_opts, bilevel.u.epsilon)},
    {"u_decay", F64, offsetof(hnas_search_opts, bilevel.u.weight_decay)},
    {"u_rate", F64, offsetof(hnas_search_opts, bilevel.u_rate)},
    {"total_steps", I64, offsetof(hnas_search_opts, bilevel.total_steps)},
    {"rate_steps", I64, offsetof(hnas_search_opts, bilevel.rate_steps)},
    {"warmup", F64, offsetof(hnas_search_opts, bilevel.warmup)},
    {"relax", I32, offsetof(hnas_search_opts, relax)},
    {"gumbel_per_image", I32, offsetof(hnas_search_opts, gumbel_per_image)},
    {"tau", F64, offsetof(hnas_search_opts, tau)},
    {"tau_last", F64, offsetof(hnas_search_opts, tau_last)},
    {"tau_schedule", I32, offsetof(hnas_search_opts, tau_schedule)},
    {"tau_steps", I32, offsetof(hnas_search_opts, tau_steps)},
    {"metric", I32, offsetof(hnas_search_opts, metric)},
    {"cost_weight", F64, offsetof(hnas_search_opts, cost_weight)},
    {"raw_cost", I32, offsetof(hnas_search_opts, raw_cost)},
    {"monotone", I32, offsetof(hnas_search_opts, monotone)},
    {"sample", I32, offsetof(hnas_search_opts, sample)},
    {"draws", I32, offsetof(hnas_search_opts, draws)},
    {"lambda", F64, offsetof(hnas_search_opts, lambda)},
    {"l1", F64, offsetof(hnas_search_opts, l1)},
    {"l1_lambda", I32, offsetof(hnas_search_opts, l1_lambda)},
    {"zero_one", F64, offsetof(hnas_search_opts, zero_one)},
    {"norm_momentum", F64, offsetof(hnas_search_opts, norm_momentum)},
    {"rule", I32, offsetof(hnas_search_opts, rule)},
    {NULL, I32, 0},
};

/* ---- writing ---- */

static void write_fields(struct hn_json_writer *w, const struct field *f,
                         const void *opts)
{
    for (; f->name; f++) {
        const char *p = (const char *)opts + f->offset;
        int32_t i32;
        int64_t i64;
        double f64;

        hn_json_key(w, f->name);
        switch (f->type) {
        case I32:
            memcpy(&i32, p, sizeof i32);
            hn_json_integer(w, i32);
            break;
        case I64:
            memcpy(&i64, p, sizeof i64);
            hn_json_integer(w, i64);
            break;
        case F64:
            memcpy(&f64, p, sizeof f64);
            hn_json_number(w, f64);
            break;
        }
    }
}

/* Operations with the version of their meaning. */
static void write_ops(struct hn_json_writer *w, struct hnas_context *ctx,
                      const hnas_supernet_opts *net)
{
    hn_json_key(w, "ops");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < net->n_ops; i++)
        hn_json_string(w, net->ops[i]);
    hn_json_close(w, ']');
    hn_json_key(w, "op_versions");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < net->n_ops; i++) {
        const hnas_op_table *table;

        if (hnas_op_find(&table, ctx, net->ops[i]) == HNAS_OK)
            hn_json_integer(w, table->version);
    }
    hn_json_close(w, ']');
}

hnas_status hn_settings_write(struct hn_json_writer *w,
                              const hnas_search *search)
{
    const struct hnas_bilevel *b = search->bilevel;
    hnas_hyper_opts hyper;

    hnas_hyper_get_opts(search->hyper, &hyper, sizeof hyper);
    hn_json_open(w, '{');
    hn_json_key(w, "supernet");
    hn_json_open(w, '{');
    write_fields(w, net_fields, &search->net->opts);
    write_ops(w, search->ctx, &search->net->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "hyper");
    hn_json_open(w, '{');
    write_fields(w, hyper_fields, &hyper);
    hn_json_close(w, '}');
    hn_json_key(w, "search");
    hn_json_open(w, '{');
    write_fields(w, search_fields, &search->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "seed"); /* as text: JSON readers round large numbers */
    {
        char seed[32];

        snprintf(seed, sizeof seed, "%" PRIu64, search->seed);
        hn_json_string(w, seed);
    }
    hn_json_key(w, "kernels");
    hn_json_string(w, search->ctx->k.level);
    hn_json_key(w, "steps");
    hn_json_integer(w, b->step);
    hn_json_key(w, "w_steps");
    hn_json_integer(w, hnas_optim_get_steps(b->sgd));
    hn_json_key(w, "u_steps");
    hn_json_integer(w, hnas_optim_get_steps(b->adam));
    hn_json_close(w, '}');
    return w->status;
}

/* ---- reading ---- */

static hnas_status bad(struct hn_settings *s, const char *path,
                       const char *name)
{
    return hn_fail(s->ctx, HNAS_E_FORMAT,
                   "%.200s: setting %s is missing or of the wrong kind", path,
                   name);
}

static hnas_status read_number(struct hn_settings *s, const char *path,
                               const struct hn_json_value *object,
                               const struct field *f, void *opts)
{
    const struct hn_json_value *v = hn_json_get(object, f->name);
    char *p = (char *)opts + f->offset;
    int32_t i32;

    if (!v || v->type != HN_JSON_NUMBER)
        return bad(s, path, f->name);
    if (f->type == F64) {
        memcpy(p, &v->number, sizeof v->number);
        return HNAS_OK;
    }
    if (!v->is_integer ||
        (f->type == I32 && (v->integer < INT32_MIN || v->integer > INT32_MAX)))
        return bad(s, path, f->name);
    i32 = (int32_t)v->integer;
    if (f->type == I32)
        memcpy(p, &i32, sizeof i32);
    else
        memcpy(p, &v->integer, sizeof v->integer);
    return HNAS_OK;
}

static hnas_status read_fields(struct hn_settings *s, const char *path,
                               const char *section, const struct field *f,
                               void *opts)
{
    const struct hn_json_value *object = hn_json_get(s->json->root, section);
    hnas_status st = HNAS_OK;

    if (!object || object->type != HN_JSON_OBJECT)
        return bad(s, path, section);
    for (; f->name && st == HNAS_OK; f++)
        st = read_number(s, path, object, f, opts);
    return st;
}

static hnas_status check_version(struct hn_settings *s, const char *path,
                                 const char *name,
                                 const struct hn_json_value *version)
{
    const hnas_op_table *table;
    hnas_status st = hnas_op_find(&table, s->ctx, name);

    if (st < 0)
        return st;
    if (!version || version->type != HN_JSON_NUMBER)
        return bad(s, path, "op_versions");
    if (version->integer != table->version)
        return hn_fail(s->ctx, HNAS_E_MISMATCH,
                       "%.200s: operation %s has version %lld, this library "
                       "has %d",
                       path, name, (long long)version->integer,
                       (int)table->version);
    return HNAS_OK;
}

static hnas_status read_ops(struct hn_settings *s, const char *path)
{
    const struct hn_json_value *net = hn_json_get(s->json->root, "supernet");
    const struct hn_json_value *ops = hn_json_get(net, "ops");
    const struct hn_json_value *versions = hn_json_get(net, "op_versions");
    const struct hn_json_value *v, *version;
    int32_t n = 0;
    hnas_status st = HNAS_OK;

    if (!ops || ops->type != HN_JSON_ARRAY || ops->count < 1 ||
        ops->count > 64 || !versions || versions->type != HN_JSON_ARRAY)
        return bad(s, path, "ops");
    s->ops = hn_alloc_array(&s->ctx->alloc, ops->count, sizeof *s->ops);
    if (!s->ops)
        return hn_fail_nomem(s->ctx, "search file");
    version = versions->first;
    for (v = ops->first; v && st == HNAS_OK; v = v->next) {
        if (v->type != HN_JSON_STRING)
            return bad(s, path, "ops");
        s->ops[n++] = v->text;
        st = check_version(s, path, v->text, version);
        version = version ? version->next : NULL;
    }
    s->net.ops = s->ops;
    s->net.n_ops = n;
    return st;
}

static hnas_status read_counters(struct hn_settings *s, const char *path)
{
    static const struct field fields[] = {
        {"steps", I64, offsetof(struct hn_settings, steps)},
        {"w_steps", I64, offsetof(struct hn_settings, w_steps)},
        {"u_steps", I64, offsetof(struct hn_settings, u_steps)},
    };
    const struct hn_json_value *seed = hn_json_get(s->json->root, "seed");
    hnas_status st = HNAS_OK;

    for (size_t i = 0; i < 3 && st == HNAS_OK; i++)
        st = read_number(s, path, s->json->root, &fields[i], s);
    if (st < 0)
        return st;
    if (!seed || seed->type != HN_JSON_STRING ||
        sscanf(seed->text, "%" SCNu64, &s->seed) != 1)
        return bad(s, path, "seed");
    if (s->steps < 0 || s->w_steps < 0 || s->u_steps < 0)
        return bad(s, path, "steps");
    return HNAS_OK;
}

/* One table of alpha for each kind that has cells, as the net will have. */
static void name_tables(struct hn_settings *s)
{
    static const char *const names[HNAS_N_KINDS] = {"normal", "reduce"};
    const int64_t edges = (int64_t)s->net.nodes * (s->net.nodes + 3) / 2;
    const int normals = s->net.cells > 2 || s->net.cells < 1;

    s->hyper.n_tables = 0;
    for (int k = normals ? HNAS_NORMAL : HNAS_REDUCE; k < HNAS_N_KINDS; k++) {
        const int32_t t = s->hyper.n_tables++;

        s->hyper.names[t] = names[k];
        s->hyper.rows[t] = edges;
        s->hyper.cols[t] = s->net.n_ops;
    }
}

hnas_status hn_settings_read(struct hn_settings *s, struct hnas_context *ctx,
                             const char *path, const char *text)
{
    hnas_status st;

    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    hnas_supernet_opts_init(&s->net, sizeof s->net);
    hnas_hyper_opts_init(&s->hyper, sizeof s->hyper);
    hnas_search_opts_init(&s->search, sizeof s->search);
    if (!text)
        return bad(s, path, "settings");
    st = hn_json_parse(&s->json, ctx, path, text, strlen(text));
    if (st == HNAS_OK)
        st = read_fields(s, path, "supernet", net_fields, &s->net);
    if (st == HNAS_OK)
        st = read_ops(s, path);
    if (st == HNAS_OK)
        st = read_fields(s, path, "hyper", hyper_fields, &s->hyper);
    if (st == HNAS_OK)
        st = read_fields(s, path, "search", search_fields, &s->search);
    if (st == HNAS_OK)
        st = read_counters(s, path);
    if (st == HNAS_OK)
        name_tables(s);
    return st;
}

void hn_settings_finish(struct hn_settings *s)
{
    hn_json_destroy(s->json);
    hn_free(&s->ctx->alloc, (void *)s->ops);
}
