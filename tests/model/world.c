/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <check.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/gradcheck.h"

void world_open(struct world *w, int32_t n_threads)
{
    hnas_context_opts o;
    hnas_supernet_opts s;

    memset(w, 0, sizeof *w);
    countdown_opts(&o, &w->hooks);
    o.n_threads = n_threads;
    o.seed = 5;
    w->random.state = 11;
    ck_assert_int_eq(hnas_context_create(&w->ctx, &o), HNAS_OK);
    hnas_model_opts_init(&w->opts, sizeof w->opts);
    w->opts.image[0] = 2;
    w->opts.image[1] = w->opts.image[2] = WORLD_SIZE;
    w->opts.classes = WORLD_CLASSES;
    w->opts.channels = 3;
    w->opts.cells = 4;
    w->opts.nodes = WORLD_NODES;
    hnas_supernet_opts_init(&s, sizeof s);
    memcpy(s.image, w->opts.image, sizeof s.image);
    s.classes = WORLD_CLASSES;
    s.channels = w->opts.channels;
    s.cells = w->opts.cells;
    s.nodes = WORLD_NODES;
    ck_assert_int_eq(hnas_supernet_create(&w->net, w->ctx, &s), HNAS_OK);
    w->batch = world_batch(w, 1);
}

void world_close(struct world *w)
{
    batch_drop(&w->batch);
    hnas_supernet_destroy(w->net);
    hnas_context_destroy(w->ctx);
    ck_assert_int_eq(w->hooks.n_live, 0);
}

hnas_batch world_batch(struct world *w, uint64_t seed)
{
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN,
        .rank = 4,
        .dims = {WORLD_IMAGES, 2, WORLD_SIZE, WORLD_SIZE},
        .lo = -1,
        .hi = 1,
        .constant = 1};
    double v[WORLD_IMAGES * 2 * WORLD_SIZE * WORLD_SIZE];
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

hnas_array world_images(const struct world *w, float *pixels)
{
    hnas_array a;

    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.data = pixels;
    a.dtype = HNAS_FLOAT32;
    a.rank = 4;
    a.dims[0] = WORLD_IMAGES;
    a.dims[1] = 2;
    a.dims[2] = a.dims[3] = WORLD_SIZE;
    ck_assert_int_eq(
        hnas_tensor_get(w->batch.images, HNAS_FLOAT32, pixels,
                        2 * WORLD_IMAGES * WORLD_SIZE * WORLD_SIZE),
        0);
    return a;
}

void batch_drop(hnas_batch *b)
{
    hnas_tensor_unref(b->images);
    hnas_tensor_unref(b->labels);
}

static hnas_arch *from_alpha(struct world *w,
                             double alpha[2][WORLD_EDGES * WORLD_OPS],
                             int32_t rule)
{
    const double *const tables[2] = {alpha[0], alpha[1]};
    hnas_arch *arch;

    ck_assert_msg(hnas_arch_from_alpha(&arch, w->net, tables, rule,
                                       HNAS_COST_PARAMS) == HNAS_OK,
                  "%s", hnas_context_message(w->ctx));
    return arch;
}

hnas_arch *world_arch(struct world *w, const int op[2][WORLD_EDGES])
{
    double alpha[2][WORLD_EDGES * WORLD_OPS] = {{0}, {0}};

    for (int k = 0; k < 2; k++)
        for (int e = 0; e < WORLD_EDGES; e++)
            alpha[k][e * WORLD_OPS + op[k][e]] = 1;
    return from_alpha(w, alpha, HNAS_RULE_ARGMAX);
}

hnas_arch *world_random_arch(struct world *w, int32_t rule)
{
    double alpha[2][WORLD_EDGES * WORLD_OPS];

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < WORLD_EDGES * WORLD_OPS; i++)
            alpha[k][i] = random_unit(&w->random) + (i % WORLD_OPS == 0) * 0.3;
    return from_alpha(w, alpha, rule);
}

hnas_model *world_model(struct world *w, const hnas_arch *arch)
{
    hnas_model *m;

    ck_assert_msg(hnas_model_create(&m, w->ctx, arch, &w->opts) == HNAS_OK,
                  "%s", hnas_context_message(w->ctx));
    return m;
}

static void put(double *state, int64_t *at, hnas_tensor *t)
{
    const int64_t n = hnas_tensor_get_count(t);

    if (state)
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, state + *at, n), 0);
    *at += n;
}

static int64_t put_all(double *state, const hnas_model *m)
{
    const hnas_params *p = hnas_model_get_params(m);
    int64_t n = 0;

    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        put(state, &n, hnas_params_get_tensor(p, i));
    for (int64_t i = 0; m->training && i < m->training->sgd->n; i++)
        put(state, &n, hn_optim_get_state(m->training->sgd, 0, i));
    if (state)
        state[n] = (double)hnas_model_get_steps(m);
    return n + 1;
}

double *model_state(const hnas_model *m, int64_t *n)
{
    double *state = malloc((size_t)put_all(NULL, m) * sizeof *state);

    ck_assert_ptr_nonnull(state);
    *n = put_all(state, m);
    return state;
}

hnas_hyper *world_hyper(struct world *w, uint64_t seed)
{
    static const char *const names[2] = {"normal", "reduce"};
    struct random r = {seed};
    const hnas_params *params;
    hnas_hyper_opts o;
    hnas_hyper *hyper;

    hnas_hyper_opts_init(&o, sizeof o);
    o.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        o.names[k] = names[k];
        o.rows[k] = WORLD_EDGES;
        o.cols[k] = WORLD_OPS;
    }
    ck_assert_int_eq(hnas_hyper_create(&hyper, w->ctx, &o), 0);
    params = hnas_hyper_get_params(hyper);
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        double v[WORLD_EDGES * WORLD_OPS];

        for (int j = 0; j < WORLD_EDGES * WORLD_OPS; j++)
            v[j] = 2 * random_unit(&r) - 1;
        ck_assert_int_eq(hnas_tensor_set(hnas_params_get_tensor(params, i),
                                         HNAS_FLOAT64, v,
                                         WORLD_EDGES * WORLD_OPS),
                         0);
    }
    return hyper;
}
