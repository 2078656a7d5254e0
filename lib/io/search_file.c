/* SPDX-License-Identifier: BSD-3-Clause */
/* A search's state in one safetensors file: every named tensor of net and
 * hypernetwork in the border's layout, the optimizers' states beside them
 * ("optim.w.momentum.<name>", "optim.u.m.<name>", ...), settings and counters
 * as JSON in the metadata.  A pure function of the search. */
#include <stdio.h>
#include <string.h>

#include "bilevel/search.h"
#include "hyper/hyper.h"
#include "io/search_file.h"
#include "net/supernet.h"

enum { FORMAT = 1, NAME_BYTES = 256 };

/* ---- the list of tensors, the same for both directions ---- */

struct item {
    char name[NAME_BYTES];
    hnas_tensor *tensor; /* borrowed */
    const real *data;    /* instead of the tensor's own, or NULL */
};

struct list {
    struct hnas_context *ctx;
    struct item *item;
    int64_t n, capacity;
};

static hnas_status add(struct list *l, const char *prefix, const char *name,
                       hnas_tensor *t, const real *data)
{
    struct item *i = &l->item[l->n];

    if (l->n == l->capacity)
        return hn_fail(l->ctx, HNAS_E_LIMIT, "search file: too many tensors");
    if (snprintf(i->name, NAME_BYTES, "%s%s", prefix, name) >= NAME_BYTES)
        return hn_fail(l->ctx, HNAS_E_LIMIT,
                       "search file: %.40s…: name too "
                       "long",
                       name);
    i->tensor = t;
    i->data = data;
    l->n++;
    return HNAS_OK;
}

static hnas_status add_states(struct list *l, const char *group,
                              const hnas_optim *optim,
                              const hnas_params *params, int32_t kind)
{
    char prefix[NAME_BYTES];
    hnas_status st = HNAS_OK;
    int64_t k = 0;

    for (int64_t i = 0; i < params->n; i++) {
        if (params->entry[i].kind != kind)
            continue;
        for (int32_t s = 0; s < hn_optim_get_state_count(optim); s++) {
            snprintf(prefix, sizeof prefix, "optim.%s.%s.", group,
                     hn_optim_get_state_name(optim, s));
            st = add(l, prefix, params->entry[i].name,
                     hn_optim_get_state(optim, s, k), NULL);
            if (st < 0)
                return st;
        }
        k++;
    }
    return HNAS_OK;
}

/* Running statistics are the search's own, also while it is calibrated. */
static hnas_status add_net(struct list *l, const struct hnas_search *s)
{
    const hnas_params *net = hnas_supernet_get_params(s->net);
    hnas_status st = HNAS_OK;
    int64_t b = 0;

    for (int64_t i = 0; i < net->n && st == HNAS_OK; i++) {
        const int buffer = net->entry[i].kind == HNAS_PARAM_BUFFER;
        const real *own = buffer && s->calibrating ? s->own.copy[b] : NULL;

        b += buffer;
        st = add(l, "", net->entry[i].name, net->entry[i].tensor, own);
    }
    return st;
}

static hnas_status list_all(struct list *l, const struct hnas_search *s)
{
    const hnas_params *net = hnas_supernet_get_params(s->net);
    const hnas_params *hyper = hnas_hyper_get_params(s->hyper);
    hnas_status st;

    l->ctx = s->ctx;
    l->n = 0;
    l->capacity = 2 * net->n + 3 * hyper->n;
    l->item =
        hn_alloc_array(&s->ctx->alloc, (size_t)l->capacity, sizeof *l->item);
    if (!l->item)
        return hn_fail_nomem(s->ctx, "search file");
    st = add_net(l, s);
    for (int64_t i = 0; i < hyper->n && st == HNAS_OK; i++)
        st = add(l, "", hyper->entry[i].name, hyper->entry[i].tensor, NULL);
    if (st == HNAS_OK)
        st = add_states(l, "w", s->bilevel->sgd, net, HNAS_PARAM_WEIGHT);
    if (st == HNAS_OK)
        st = add_states(l, "u", s->bilevel->adam, hyper, HNAS_PARAM_ARCH);
    return st;
}

/* ---- saving ---- */

/* Dense copies of all tensors, one block. */
static hnas_status copy_out(struct hn_st_entry *entry, real *block,
                            const struct list *l)
{
    for (int64_t i = 0; i < l->n; i++) {
        const hnas_tensor *t = l->item[i].tensor;

        entry[i].name = l->item[i].name;
        entry[i].dtype = HN_REAL;
        entry[i].rank = t->rank;
        memcpy(entry[i].dims, t->dim, sizeof entry[i].dims);
        entry[i].data = block;
        hn_copy_out(block, HN_REAL,
                    l->item[i].data ? (const void *)l->item[i].data : t->data,
                    HN_REAL, t->dim, t->stride);
        block += hnas_tensor_get_count(t);
    }
    return HNAS_OK;
}

static hnas_status write(const struct hnas_search *s, const char *path,
                         const struct list *l, const char *settings,
                         const char *text)
{
    const struct hn_st_pair pairs[] = {
        {"format", "hnas-search-1"},
        {"settings", settings},
        {"text", text ? text : ""},
    };
    struct hn_allocator *alloc = &s->ctx->alloc;
    struct hn_st_entry *entry =
        hn_alloc_array(alloc, (size_t)l->n, sizeof *entry);
    size_t count = 0;
    real *block;
    hnas_status st;

    for (int64_t i = 0; i < l->n; i++)
        count += (size_t)hnas_tensor_get_count(l->item[i].tensor);
    block = hn_alloc_array(alloc, count, sizeof *block);
    st = entry && block ? copy_out(entry, block, l)
                        : hn_fail_nomem(s->ctx, "search file");
    if (st == HNAS_OK)
        st = hn_st_write(s->ctx, path, entry, l->n, pairs,
                         sizeof pairs / sizeof pairs[0]);
    hn_free(alloc, entry);
    hn_free(alloc, block);
    return st;
}

hnas_status hnas_search_save(const hnas_search *search, const char *path,
                             const char *text)
{
    struct hn_json_writer settings;
    struct list l = {NULL, NULL, 0, 0};
    hnas_status st;

    if (!search || !path)
        return HNAS_E_ARG;
    hn_json_writer_init(&settings, search->ctx);
    st = hn_settings_write(&settings, search);
    if (st == HNAS_OK)
        st = list_all(&l, search);
    if (st == HNAS_OK)
        st = write(search, path, &l, settings.data, text);
    hn_free(&search->ctx->alloc, l.item);
    hn_json_writer_finish(&settings);
    return st;
}

/* ---- loading ---- */

static hnas_status copy_in(struct hnas_search *s, const struct hn_st_file *file)
{
    struct list l = {NULL, NULL, 0, 0};
    hnas_status st = list_all(&l, s);

    for (int64_t i = 0; i < l.n && st == HNAS_OK; i++)
        st = hn_st_load(l.item[i].tensor, file, l.item[i].name);
    hn_free(&s->ctx->alloc, l.item);
    return st;
}

static hnas_status build(struct hnas_search **out, struct hnas_context *ctx,
                         const struct hn_settings *settings)
{
    hnas_supernet *net = NULL;
    hnas_hyper *hyper = NULL;
    hnas_status st = hnas_supernet_create(&net, ctx, &settings->net);

    if (st == HNAS_OK)
        st = hnas_hyper_create(&hyper, ctx, &settings->hyper);
    if (st == HNAS_OK)
        st = hnas_search_create(out, net, hyper, &settings->search);
    if (st < 0) {
        hnas_hyper_destroy(hyper);
        hnas_supernet_destroy(net);
        return st;
    }
    (*out)->owns = 1;
    (*out)->seed = settings->seed;
    (*out)->bilevel->step = settings->steps;
    hn_optim_set_steps((*out)->bilevel->sgd, settings->w_steps);
    hn_optim_set_steps((*out)->bilevel->adam, settings->u_steps);
    return HNAS_OK;
}

static hnas_status load(struct hnas_search **out, struct hnas_context *ctx,
                        const char *path, const struct hn_st_file *file)
{
    const char *format = hn_st_meta(file, "format");
    const char *text = hn_st_meta(file, "text");
    struct hn_settings settings;
    hnas_status st;

    if (!format || strcmp(format, "hnas-search-1"))
        return hn_fail(ctx, HNAS_E_MISMATCH,
                       "%.200s: not a search (format %.40s, want "
                       "hnas-search-1)",
                       path, format ? format : "missing");
    st = hn_settings_read(&settings, ctx, path, hn_st_meta(file, "settings"));
    if (st == HNAS_OK)
        st = build(out, ctx, &settings);
    hn_settings_finish(&settings);
    if (st == HNAS_OK)
        st = copy_in(*out, file);
    if (st == HNAS_OK) {
        (*out)->text = hn_strdup(&ctx->alloc, text ? text : "");
        if (!(*out)->text)
            st = hn_fail_nomem(ctx, "search file");
    }
    return st;
}

hnas_status hnas_search_load(hnas_search **out, hnas_context *ctx,
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
        hnas_search_destroy(*out);
        *out = NULL;
    }
    return st;
}

const char *hnas_search_get_text(const hnas_search *search)
{
    return search->text ? search->text : "";
}
