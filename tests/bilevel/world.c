/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <check.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/gradcheck.h"

static void make_net(struct world *w, const hnas_preset *p)
{
    hnas_hyper_opts h = p->hyper;
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = WORLD_SIZE;
    o.classes = WORLD_CLASSES;
    o.channels = 3;
    o.cells = 3;
    o.nodes = 2;
    hnas_preset_fit_net(p, &o);
    ck_assert_int_eq(hnas_supernet_create(&w->net, w->ctx, &o), HNAS_OK);
    hnas_supernet_fit_hyper(w->net, &h);
    ck_assert_int_eq(hnas_hyper_create(&w->hyper, w->ctx, &h), HNAS_OK);
}

void world_open(struct world *w, const char *preset, int32_t n_threads)
{
    hnas_context_opts o;
    hnas_preset p;

    memset(w, 0, sizeof *w);
    countdown_opts(&o, &w->hooks);
    o.n_threads = n_threads;
    o.seed = 3;
    ck_assert_int_eq(hnas_context_create(&w->ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, w->ctx, preset), 0);
    make_net(w, &p);
    w->opts = p.search;
    w->opts.bilevel.total_steps = 6;
    w->train = world_batch(w, 1);
    w->valid = world_batch(w, 2);
}

void world_search(struct world *w)
{
    ck_assert_msg(hnas_search_create(&w->search, w->net, w->hyper, &w->opts) ==
                      HNAS_OK,
                  "%s", hnas_context_message(w->ctx));
}

void world_close(struct world *w)
{
    batch_drop(&w->train);
    batch_drop(&w->valid);
    hnas_search_destroy(w->search);
    hnas_hyper_destroy(w->hyper);
    hnas_supernet_destroy(w->net);
    hnas_context_destroy(w->ctx);
    ck_assert_int_eq(w->hooks.n_live, 0);
}

hnas_batch world_batch(struct world *w, uint64_t seed)
{
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN,
        .rank = 4,
        .dims = {WORLD_IMAGES, 1, WORLD_SIZE, WORLD_SIZE},
        .lo = -1,
        .hi = 1,
        .constant = 1};
    double v[WORLD_IMAGES * WORLD_SIZE * WORLD_SIZE];
    struct random r = {seed};
    const int64_t n = WORLD_IMAGES;
    int32_t labels[WORLD_IMAGES];
    hnas_batch b;

    b.images = grad_leaf_make(w->ctx, &l, &r, v);
    for (int i = 0; i < WORLD_IMAGES; i++)
        labels[i] = (int32_t)random_int(&r, WORLD_CLASSES);
    ck_assert_int_eq(hnas_tensor_create(&b.labels, w->ctx, HNAS_INT32, 1, &n),
                     0);
    ck_assert_int_eq(hnas_tensor_set(b.labels, HNAS_INT32, labels, n), 0);
    return b;
}

void batch_drop(hnas_batch *b)
{
    hnas_tensor_unref(b->images);
    hnas_tensor_unref(b->labels);
}

/* Append a tensor's values at *at, or count them where state is NULL. */
static void put(double *state, int64_t *at, hnas_tensor *t, int gradient)
{
    const int64_t n = hnas_tensor_get_count(t);

    if (state && gradient)
        ck_assert_int_eq(
            hnas_tensor_get_gradient(t, HNAS_FLOAT64, state + *at, n), 0);
    else if (state)
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, state + *at, n), 0);
    *at += n;
}

static void put_params(double *state, int64_t *at, const hnas_params *p,
                       int gradient)
{
    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        if (!gradient || hnas_params_get_kind(p, i) == HNAS_PARAM_WEIGHT)
            put(state, at, hnas_params_get_tensor(p, i), gradient);
}

static void put_optim(double *state, int64_t *at, const hnas_optim *o)
{
    for (int32_t s = 0; s < hn_optim_get_state_count(o); s++)
        for (int64_t i = 0; i < o->n; i++)
            put(state, at, hn_optim_get_state(o, s, i), 0);
    if (state)
        state[*at] = (double)hnas_optim_get_steps(o);
    ++*at;
}

static int64_t put_all(double *state, const struct world *w)
{
    int64_t n = 0;

    put_params(state, &n, hnas_supernet_get_params(w->net), 0);
    put_params(state, &n, hnas_hyper_get_params(w->hyper), 0);
    if (!w->search)
        return n;
    put_optim(state, &n, w->search->bilevel->sgd);
    put_optim(state, &n, w->search->bilevel->adam);
    if (state)
        state[n] = (double)hnas_search_get_steps(w->search);
    return n + 1;
}

double *world_state(const struct world *w, int64_t *n)
{
    double *state = malloc((size_t)put_all(NULL, w) * sizeof *state);

    ck_assert_ptr_nonnull(state);
    *n = put_all(state, w);
    return state;
}

double *world_gradients(const struct world *w, int64_t *n)
{
    const hnas_params *p = hnas_supernet_get_params(w->net);
    double *g;

    *n = 0;
    put_params(NULL, n, p, 1);
    g = malloc((size_t)*n * sizeof *g);
    ck_assert_ptr_nonnull(g);
    *n = 0;
    put_params(g, n, p, 1);
    return g;
}
