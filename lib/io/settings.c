/* SPDX-License-Identifier: BSD-3-Clause */
/* A search's settings as JSON.  Each number has a line in a table, which
 * writing and reading walk alike. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bilevel/search.h"
#include "io/cost_table.h"
#include "io/fields.h"
#include "io/search_file.h"
#include "net/supernet.h"

static const struct hn_field net_fields[] = {
    {"image_channels", HN_I64, offsetof(hnas_supernet_opts, image[0])},
    {"image_height", HN_I64, offsetof(hnas_supernet_opts, image[1])},
    {"image_width", HN_I64, offsetof(hnas_supernet_opts, image[2])},
    {"classes", HN_I64, offsetof(hnas_supernet_opts, classes)},
    {"channels", HN_I64, offsetof(hnas_supernet_opts, channels)},
    {"cells", HN_I32, offsetof(hnas_supernet_opts, cells)},
    {"nodes", HN_I32, offsetof(hnas_supernet_opts, nodes)},
    {"stem_multiplier", HN_I32, offsetof(hnas_supernet_opts, stem_multiplier)},
    {NULL, HN_I32, 0},
};

static const struct hn_field hyper_fields[] = {
    {"kind", HN_I32, offsetof(hnas_hyper_opts, kind)},
    {"scale", HN_I32, offsetof(hnas_hyper_opts, scale)},
    {"lambda_lo", HN_F64, offsetof(hnas_hyper_opts, lambda_lo)},
    {"lambda_hi", HN_F64, offsetof(hnas_hyper_opts, lambda_hi)},
    {"init_std", HN_F64, offsetof(hnas_hyper_opts, init_std)},
    {NULL, HN_I32, 0},
};

static const struct hn_field search_fields[] = {
    {"order", HN_I32, offsetof(hnas_search_opts, bilevel.order)},
    {"virtual_clip", HN_I32, offsetof(hnas_search_opts, bilevel.virtual_clip)},
    {"w_momentum", HN_F64, offsetof(hnas_search_opts, bilevel.w.momentum)},
    {"w_decay", HN_F64, offsetof(hnas_search_opts, bilevel.w.weight_decay)},
    {"w_clip", HN_F64, offsetof(hnas_search_opts, bilevel.w.clip)},
    {"w_nesterov", HN_I32, offsetof(hnas_search_opts, bilevel.w.nesterov)},
    {"w_rate", HN_F64, offsetof(hnas_search_opts, bilevel.w_rate)},
    {"w_rate_last", HN_F64, offsetof(hnas_search_opts, bilevel.w_rate_last)},
    {"u_beta1", HN_F64, offsetof(hnas_search_opts, bilevel.u.beta1)},
    {"u_beta2", HN_F64, offsetof(hnas_search_opts, bilevel.u.beta2)},
    {"u_epsilon", HN_F64, offsetof(hnas_search_opts, bilevel.u.epsilon)},
    {"u_decay", HN_F64, offsetof(hnas_search_opts, bilevel.u.weight_decay)},
    {"u_rate", HN_F64, offsetof(hnas_search_opts, bilevel.u_rate)},
    {"total_steps", HN_I64, offsetof(hnas_search_opts, bilevel.total_steps)},
    {"rate_steps", HN_I64, offsetof(hnas_search_opts, bilevel.rate_steps)},
    {"warmup", HN_F64, offsetof(hnas_search_opts, bilevel.warmup)},
    {"relax", HN_I32, offsetof(hnas_search_opts, relax)},
    {"gumbel_per_image", HN_I32, offsetof(hnas_search_opts, gumbel_per_image)},
    {"tau", HN_F64, offsetof(hnas_search_opts, tau)},
    {"tau_last", HN_F64, offsetof(hnas_search_opts, tau_last)},
    {"tau_schedule", HN_I32, offsetof(hnas_search_opts, tau_schedule)},
    {"tau_steps", HN_I32, offsetof(hnas_search_opts, tau_steps)},
    {"metric", HN_I32, offsetof(hnas_search_opts, metric)},
    {"cost_weight", HN_F64, offsetof(hnas_search_opts, cost_weight)},
    {"raw_cost", HN_I32, offsetof(hnas_search_opts, raw_cost)},
    {"monotone", HN_I32, offsetof(hnas_search_opts, monotone)},
    {"sample", HN_I32, offsetof(hnas_search_opts, sample)},
    {"draws", HN_I32, offsetof(hnas_search_opts, draws)},
    {"lambda", HN_F64, offsetof(hnas_search_opts, lambda)},
    {"l1", HN_F64, offsetof(hnas_search_opts, l1)},
    {"l1_lambda", HN_F64, offsetof(hnas_search_opts, l1_lambda)},
    {"zero_one", HN_F64, offsetof(hnas_search_opts, zero_one)},
    {"norm_momentum", HN_F64, offsetof(hnas_search_opts, norm_momentum)},
    {"rule", HN_I32, offsetof(hnas_search_opts, rule)},
    {NULL, HN_I32, 0},
};

/* Fields that older files lack; they keep their defaults then. */
static const struct hn_field search_later[] = {
    {"theta", HN_F64, offsetof(hnas_search_opts, theta)},
    {"beta_decay", HN_F64, offsetof(hnas_search_opts, beta_decay)},
    {"l2", HN_F64, offsetof(hnas_search_opts, l2)},
    {"alpha_paths", HN_I32, offsetof(hnas_search_opts, alpha_paths)},
    {"half", HN_I32, offsetof(hnas_search_opts, bilevel.half)},
    {"tau_fall", HN_F64, offsetof(hnas_search_opts, tau_fall)},
    {"u_span", HN_F64, offsetof(hnas_search_opts, bilevel.u_span)},
    {"cooldown", HN_F64, offsetof(hnas_search_opts, bilevel.cooldown)},
    {"on_nan", HN_I32, offsetof(hnas_search_opts, on_nan)},
    {NULL, HN_I32, 0},
};

static const struct hn_field net_later[] = {
    {"head", HN_I32, offsetof(hnas_supernet_opts, head)},
    {"kernels", HN_I32, offsetof(hnas_supernet_opts, kernels)},
    {"embedding", HN_I32, offsetof(hnas_supernet_opts, embedding)},
    {"knots", HN_I32, offsetof(hnas_supernet_opts, knots)},
    {"scale", HN_I32, offsetof(hnas_supernet_opts, scale)},
    {"lambda_lo", HN_F64, offsetof(hnas_supernet_opts, lambda_lo)},
    {"lambda_hi", HN_F64, offsetof(hnas_supernet_opts, lambda_hi)},
    {NULL, HN_I32, 0},
};

static const struct hn_field hyper_later[] = {
    {"knots", HN_I32, offsetof(hnas_hyper_opts, knots)},
    {"hidden", HN_I32, offsetof(hnas_hyper_opts, hidden)},
    {"embedding", HN_I32, offsetof(hnas_hyper_opts, embedding)},
    {"tile", HN_I32, offsetof(hnas_hyper_opts, tile)},
    {"embed_s", HN_I32, offsetof(hnas_hyper_opts, embed_s)},
    {NULL, HN_I32, 0},
};

/* Steps that were not finite; older files lack all of it. */
static const struct hn_field nan_fields[] = {
    {"skipped", HN_I64, offsetof(struct hn_nan, n_skipped)},
    {"rolled_back", HN_I64, offsetof(struct hn_nan, n_rolled_back)},
    {"tries", HN_I32, offsetof(struct hn_nan, tries)},
    {"has_moved", HN_I32, offsetof(struct hn_nan, has_moved)},
    {"has_kept", HN_I32, offsetof(struct hn_nan, has_kept)},
    {"kept_w_steps", HN_I64, offsetof(struct hn_nan, kept_w_steps)},
    {"kept_u_steps", HN_I64, offsetof(struct hn_nan, kept_u_steps)},
    {NULL, HN_I32, 0},
};

/* ---- writing ---- */

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

static void write_nan(struct hn_json_writer *w, const hnas_search *search)
{
    struct hn_nan nan = search->nan;

    nan.has_kept = hn_nan_is_stored(search);
    if (!nan.has_kept)
        nan.kept_w_steps = nan.kept_u_steps = 0;
    hn_json_key(w, "nan");
    hn_json_open(w, '{');
    hn_fields_write(w, nan_fields, &nan);
    hn_json_close(w, '}');
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
    hn_fields_write(w, net_fields, &search->net->opts);
    hn_fields_write(w, net_later, &search->net->opts);
    write_ops(w, search->ctx, &search->net->opts);
    hn_json_close(w, '}');
    hn_json_key(w, "hyper");
    hn_json_open(w, '{');
    hn_fields_write(w, hyper_fields, &hyper);
    hn_fields_write(w, hyper_later, &hyper);
    hn_json_close(w, '}');
    hn_json_key(w, "search");
    hn_json_open(w, '{');
    hn_fields_write(w, search_fields, &search->opts);
    hn_fields_write(w, search_later, &search->opts);
    hn_json_close(w, '}');
    hn_cost_table_write(w, hn_supernet_space(search->net));
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
    write_nan(w, search);
    hn_json_close(w, '}');
    return w->text.status;
}

/* ---- reading ---- */

static hnas_status bad(struct hn_settings *s, const char *path,
                       const char *name)
{
    return hn_fields_bad(s->ctx, path, name);
}

static hnas_status read_fields(struct hn_settings *s, const char *path,
                               const char *section, const struct hn_field *f,
                               void *opts)
{
    return hn_fields_read(s->ctx, path, s->json->root, section, f, opts);
}

static hnas_status read_later(struct hn_settings *s, const char *path,
                              const char *section, const struct hn_field *f,
                              void *opts)
{
    const struct hn_json_value *object = hn_json_get(s->json->root, section);
    struct hn_field one[2] = {{NULL, HN_I32, 0}, {NULL, HN_I32, 0}};
    hnas_status st = HNAS_OK;

    for (; f->name && st == HNAS_OK; f++) {
        one[0] = *f;
        if (hn_json_get(object, f->name))
            st = read_fields(s, path, section, one, opts);
    }
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
        ops->count > HN_MOST_OPS || !versions ||
        versions->type != HN_JSON_ARRAY)
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
    static const struct hn_field fields[] = {
        {"steps", HN_I64, offsetof(struct hn_settings, steps)},
        {"w_steps", HN_I64, offsetof(struct hn_settings, w_steps)},
        {"u_steps", HN_I64, offsetof(struct hn_settings, u_steps)},
        {NULL, HN_I32, 0},
    };
    const struct hn_json_value *seed = hn_json_get(s->json->root, "seed");
    hnas_status st = read_fields(s, path, NULL, fields, s);

    if (st < 0)
        return st;
    if (!seed || seed->type != HN_JSON_STRING ||
        sscanf(seed->text, "%" SCNu64, &s->seed) != 1)
        return bad(s, path, "seed");
    if (!hn_is_count(s->steps) || !hn_is_count(s->w_steps) ||
        !hn_is_count(s->u_steps))
        return bad(s, path, "steps");
    return HNAS_OK;
}

static hnas_status read_nan(struct hn_settings *s, const char *path)
{
    struct hn_nan *nan = &s->nan;
    hnas_status st;

    if (!hn_json_get(s->json->root, "nan"))
        return HNAS_OK;
    st = read_fields(s, path, "nan", nan_fields, nan);
    if (st < 0)
        return st;
    if (!hn_is_count(nan->n_skipped) || !hn_is_count(nan->n_rolled_back) ||
        nan->tries < 0 || nan->tries > HN_NAN_TRIES ||
        !hn_is_count(nan->kept_w_steps) || !hn_is_count(nan->kept_u_steps) ||
        (nan->has_kept && s->search.on_nan != HNAS_NAN_ROLLBACK))
        return bad(s, path, "nan");
    return HNAS_OK;
}

/* One table of alpha for each kind that has cells, as the net will have. */
static void name_tables(struct hn_settings *s)
{
    const int64_t edges = s->net.nodes * ((int64_t)s->net.nodes + 3) / 2;
    const int normals = s->net.cells > 2 || s->net.cells < 1;

    s->hyper.n_tables = 0;
    for (int k = normals ? HNAS_NORMAL : HNAS_REDUCE; k < HNAS_N_KINDS; k++) {
        const int32_t t = s->hyper.n_tables++;

        s->hyper.names[t] = hn_kind_names[k];
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
        st = read_later(s, path, "supernet", net_later, &s->net);
    if (st == HNAS_OK)
        st = read_ops(s, path);
    if (st == HNAS_OK)
        st = read_fields(s, path, "hyper", hyper_fields, &s->hyper);
    if (st == HNAS_OK)
        st = read_later(s, path, "hyper", hyper_later, &s->hyper);
    if (st == HNAS_OK)
        st = read_fields(s, path, "search", search_fields, &s->search);
    if (st == HNAS_OK)
        st = read_later(s, path, "search", search_later, &s->search);
    if (st == HNAS_OK)
        st = read_counters(s, path);
    if (st == HNAS_OK)
        st = read_nan(s, path);
    if (st == HNAS_OK)
        name_tables(s);
    return st;
}

void hn_settings_finish(struct hn_settings *s)
{
    hn_json_destroy(s->json);
    hn_free(&s->ctx->alloc, (void *)s->ops);
}
