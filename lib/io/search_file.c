/* SPDX-License-Identifier: BSD-3-Clause */
/* A search's state in one safetensors file: every named tensor of net and
 * hypernetwork in the border's layout, the optimizers' states beside them
 * ("optim.w.momentum.<name>", "optim.u.m.<name>", ...), settings and counters
 * as JSON in the metadata.  Where a search would roll back to another state
 * than this, all of that one too, as "kept.<name>".  A pure function of the
 * search. */
#include <string.h>

#include "bilevel/search.h"
#include "hyper/hyper.h"
#include "io/cost_table.h"
#include "io/search_file.h"
#include "io/state.h"
#include "net/supernet.h"

static const char format[] = "hnas-search-1";

/* ---- the list of tensors, the same for both directions ---- */

/* Running statistics are the search's own, also while it is calibrated. */
static hnas_status add_net(struct hn_tensors *l, const struct hnas_search *s)
{
    const hnas_params *net = hnas_supernet_get_params(s->net);
    hnas_status st = HNAS_OK;
    int64_t b = 0;

    for (int64_t i = 0; i < net->n && st == HNAS_OK; i++) {
        const int buffer = net->entry[i].kind == HNAS_PARAM_BUFFER;
        const real *own = buffer && s->calibrating ? s->own.copy[b] : NULL;

        b += buffer;
        st = hn_tensors_add(l, "", net->entry[i].name, net->entry[i].tensor,
                            own);
    }
    return st;
}

static hnas_status list_all(struct hn_tensors *l, const struct hnas_search *s)
{
    const hnas_params *net = hnas_supernet_get_params(s->net);
    const hnas_params *hyper = hnas_hyper_get_params(s->hyper);
    hnas_status st = hn_tensors_init(l, s->ctx, 4 * net->n + 6 * hyper->n);

    if (st == HNAS_OK)
        st = add_net(l, s);
    for (int64_t i = 0; i < hyper->n && st == HNAS_OK; i++)
        st = hn_tensors_add(l, "", hyper->entry[i].name, hyper->entry[i].tensor,
                            NULL);
    if (st == HNAS_OK)
        st = hn_tensors_add_states(l, "w", s->bilevel->sgd, net,
                                   HNAS_PARAM_WEIGHT);
    if (st == HNAS_OK)
        st = hn_tensors_add_states(l, "u", s->bilevel->adam, hyper,
                                   HNAS_PARAM_ARCH);
    return st;
}

/* The same of the kept state, behind the others. */
static hnas_status add_kept(struct hn_tensors *l, const struct hnas_search *s)
{
    const int64_t n = l->n;
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < n && st == HNAS_OK; i++)
        st = hn_tensors_add(l, "kept.", l->item[i].name, l->item[i].tensor,
                            hn_nan_kept(&s->nan, l->item[i].tensor));
    return st;
}

/* ---- saving ---- */

hnas_status hnas_search_save(const hnas_search *search, const char *path,
                             const char *text)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    struct hn_json_writer w;

    if (!search || !path)
        return hn_fail_null(search ? search->ctx : NULL, "search save: path");
    if (hn_bilevel_is_busy(search->bilevel, "hnas_search_save"))
        return HNAS_E_STATE;
    hn_json_writer_init(&w, search->ctx);
    if (hn_settings_write(&w, search) == HNAS_OK)
        w.text.status = list_all(&l, search);
    if (w.text.status == HNAS_OK && hn_nan_is_stored(search))
        w.text.status = add_kept(&l, search);
    return hn_state_write(&l, &w, path, format, text);
}

/* ---- loading ---- */

/* What a search would roll back to, by way of the tensors themselves. */
static hnas_status copy_kept_in(struct hnas_search *s, struct hn_tensors *l,
                                const struct hn_st_file *file)
{
    const int64_t n = l->n;
    struct hn_tensors kept = *l;
    hnas_status st = add_kept(l, s);

    kept.item = l->item + n;
    kept.n = l->n - n;
    l->n = n;
    if (st == HNAS_OK)
        st = hn_tensors_load(&kept, file);
    if (st == HNAS_OK)
        hn_nan_keep(s);
    return st;
}

static hnas_status copy_in(struct hnas_search *s, const struct hn_st_file *file,
                           const struct hn_nan *nan)
{
    struct hn_tensors l = {NULL, NULL, 0, 0};
    hnas_status st = list_all(&l, s);

    if (st == HNAS_OK && nan->has_kept)
        st = copy_kept_in(s, &l, file);
    if (st == HNAS_OK)
        st = hn_tensors_load(&l, file);
    hn_tensors_finish(&l);
    hn_nan_restore(&s->nan, nan);
    return st;
}

static hnas_status build(struct hnas_search **out, struct hnas_context *ctx,
                         const struct hn_settings *settings)
{
    hnas_supernet *net = NULL;
    hnas_hyper *hyper = NULL;
    hnas_status st = hnas_supernet_create(&net, ctx, &settings->net);

    if (st == HNAS_OK)
        st = hn_cost_table_read(
            net, hn_json_get(settings->json->root, "cost_table"));
    if (st == HNAS_OK)
        st = hnas_hyper_create(&hyper, ctx, &settings->hyper);
    if (st == HNAS_OK)
        st = hnas_search_create(out, net, hyper, &settings->search);
    if (st != HNAS_OK) {
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
    struct hn_settings settings;
    hnas_status st =
        hn_settings_read(&settings, ctx, path, hn_st_meta(file, "settings"));

    if (st == HNAS_OK)
        st = build(out, ctx, &settings);
    hn_settings_finish(&settings);
    if (st == HNAS_OK)
        st = copy_in(*out, file, &settings.nan);
    return st < 0 ? st : hn_state_text(&(*out)->text, ctx, file);
}

hnas_status hnas_search_load(hnas_search **out, hnas_context *ctx,
                             const char *path)
{
    struct hn_st_file *file;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !path)
        return hn_fail_null(ctx, "search load: out or path");
    st = hn_state_open(&file, ctx, path, format, "a search");
    if (st < 0)
        return st;
    hn_state_bound(ctx, file);
    st = hn_state_unbound(ctx, file, load(out, ctx, path, file));
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
