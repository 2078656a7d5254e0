/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/path.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/program.h"

enum { PATHS = 20, FINDS = 100000 };

struct lines {
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    uint64_t state; /* of the random numbers */
};

/* Uniform in [-1, 1): xorshift64*. */
static float next_number(struct lines *l)
{
    l->state ^= l->state >> 12;
    l->state ^= l->state << 25;
    l->state ^= l->state >> 27;
    return (float)((l->state * 2685821657736338717u) >> 40) / 8388608.0f - 1;
}

static hnas_status fill(struct lines *l)
{
    const hnas_params *params = hnas_hyper_get_params(l->hyper);
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < hnas_params_get_count(params) && st >= 0; i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);
        const int64_t n = hnas_tensor_get_count(t);
        float *value = malloc((size_t)n * sizeof *value);

        for (int64_t j = 0; j < n && value; j++)
            value[j] = next_number(l);
        st = value ? hnas_tensor_set(t, HNAS_FLOAT32, value, n) : HNAS_E_NOMEM;
        free(value);
    }
    return st;
}

static hnas_status create(struct lines *l, const struct bench *b,
                          hnas_preset *preset)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper_opts *h = &preset->hyper;
    hnas_supernet_opts o;
    hnas_status st;

    hnas_supernet_opts_init(&o, sizeof o);
    o.channels = b->channels;
    o.cells = (int32_t)b->cells;
    o.nodes = (int32_t)b->nodes;
    o.n_ops = preset->n_ops;
    o.ops = preset->ops;
    st = hnas_supernet_create(&l->net, l->ctx, &o);
    for (int k = 0; k < HNAS_N_KINDS && st >= 0; k++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(l->net, k, &n_cells, &n_edges, &n_ops);
        if (!n_cells)
            continue;
        h->names[h->n_tables] = names[k];
        h->rows[h->n_tables] = n_edges;
        h->cols[h->n_tables++] = n_ops;
    }
    if (st >= 0)
        st = hnas_hyper_create(&l->hyper, l->ctx, h);
    return st < 0 ? st : fill(l);
}

/* The shortest time of a path, its pieces, and of finding a lambda in it. */
static hnas_status measure(struct lines *l, const struct bench *b,
                           const hnas_path_opts *opts, double result[3])
{
    hnas_path *path = NULL;
    hnas_status st = HNAS_OK;
    double began_s;
    int64_t sum = 0;

    result[0] = 1e30;
    for (int64_t i = 0; i < PATHS * b->repeat && st >= 0; i++) {
        double us;

        hnas_path_destroy(path);
        began_s = now_s();
        st = hnas_path_create(&path, l->net, l->hyper, opts);
        us = 1e6 * (now_s() - began_s);
        result[0] = us < result[0] ? us : result[0];
    }
    if (st < 0)
        return st;
    result[1] = hnas_path_get_count(path);
    began_s = now_s();
    for (int i = 0; i < FINDS; i++)
        sum += hnas_path_find(path, 1e-4 + (i + 0.5) / FINDS * 0.0999);
    result[2] = sum < 0 ? 0 : 1e9 * (now_s() - began_s) / FINDS;
    hnas_path_destroy(path);
    return st;
}

static void print(const struct bench *b, const double result[3])
{
    struct json j;

    if (!b->json) {
        printf("%.1f us a path of %.0f pieces, %.0f ns to find a lambda\n",
               result[0], result[1], result[2]);
        return;
    }
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "us_per_path");
    json_real(&j, result[0]);
    json_key(&j, "pieces");
    json_int(&j, (int64_t)result[1]);
    json_key(&j, "ns_per_find");
    json_real(&j, result[2]);
    json_close(&j, '}');
    fputc('\n', stdout);
}

int bench_path(const struct bench *b)
{
    struct lines l = {.state = (uint64_t)b->seed * 2 + 88172645463325252u};
    hnas_preset preset;
    hnas_path_opts opts;
    double result[3];
    hnas_status st;
    int rc = program_open(&l.ctx, b->threads, b->seed);

    if (rc)
        return rc;
    hnas_path_opts_init(&opts, sizeof opts);
    st = hnas_preset_find(&preset, sizeof preset, l.ctx, b->preset);
    if (st >= 0)
        st = create(&l, b, &preset);
    opts.rule = b->rule >= 0 ? b->rule : preset.search.rule;
    opts.theta = 0.55; /* sigmoids of [-1, 1] */
    if (st >= 0)
        st = measure(&l, b, &opts, result);
    if (st < 0)
        rc = library_failure(l.ctx, st, 1);
    else
        print(b, result);
    hnas_hyper_destroy(l.hyper);
    hnas_supernet_destroy(l.net);
    hnas_context_destroy(l.ctx);
    return rc;
}
