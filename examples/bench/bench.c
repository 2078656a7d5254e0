/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/lines.h"
#include "common/program.h"

enum { WARM_UP_STEPS = 2, QUERIES = 1000, ENDLESS_STEPS = 1000000000 };

struct parts {
    hnas_context *ctx;
    hnas_preset preset;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch batch;
};

void bench_take_range(hnas_preset *preset, const struct bench *b)
{
    if (isnan(b->range[0]))
        return;
    preset->hyper.lambda_lo = b->range[0];
    preset->hyper.lambda_hi = b->range[1];
    if (!(b->range[0] > 0) && preset->search.sample == HNAS_SAMPLE_LOG_UNIFORM)
        preset->search.sample = HNAS_SAMPLE_UNIFORM; /* a query draws nothing */
}

static hnas_status create_net(struct parts *p, const struct bench *b)
{
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    for (int i = 0; i < 3; i++)
        o.image[i] = b->dims[i];
    o.classes = b->classes;
    o.channels = b->channels;
    o.cells = (int32_t)b->cells;
    o.nodes = (int32_t)b->nodes;
    hnas_preset_fit_net(&p->preset, &o);
    return hnas_supernet_create(&p->net, p->ctx, &o);
}

/* Every step moves u, or none does: then a step is its w pass alone. */
static void choose_passes(struct parts *p, const struct bench *b)
{
    hnas_search_opts *s = &p->preset.search;

    s->bilevel.half = b->half;
    if (b->alpha_paths >= 0)
        s->alpha_paths = (int32_t)b->alpha_paths;
    if (b->order >= 0)
        s->bilevel.order = b->order;
    if (b->relax >= 0) {
        s->relax = b->relax;
        s->gumbel_per_image = b->relax == HNAS_RELAX_GUMBEL;
    }
    s->bilevel.warmup = b->what == BENCH_WPASS;
    s->bilevel.cooldown = 0;
    s->bilevel.total_steps = b->what == BENCH_WPASS ? ENDLESS_STEPS : 0;
}

static hnas_status create_search(struct parts *p)
{
    hnas_hyper_opts *h = &p->preset.hyper;
    hnas_status st;

    hnas_supernet_fit_hyper(p->net, h);
    st = hnas_hyper_create(&p->hyper, p->ctx, h);
    if (st < 0)
        return st;
    return hnas_search_create(&p->search, p->net, p->hyper, &p->preset.search);
}

/* A small generator of its own: xorshift64*. */
static uint32_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 2685821657736338717u) >> 32);
}

static hnas_status fill_batch(const hnas_batch *batch, const struct bench *b)
{
    const int64_t n_pixels = b->batch * b->dims[0] * b->dims[1] * b->dims[2];
    float *pixels = malloc((size_t)n_pixels * sizeof *pixels);
    int32_t *labels = malloc((size_t)b->batch * sizeof *labels);
    uint64_t state = (uint64_t)b->seed * 2 + 88172645463325252u;
    hnas_status st = pixels && labels ? HNAS_OK : HNAS_E_NOMEM;

    for (int64_t i = 0; i < n_pixels && st == HNAS_OK; i++)
        pixels[i] = (float)(next_random(&state) / 2147483648.0 - 1);
    for (int64_t i = 0; i < b->batch && st == HNAS_OK; i++)
        labels[i] = (int32_t)(next_random(&state) % (uint64_t)b->classes);
    if (st == HNAS_OK)
        st = hnas_tensor_set(batch->images, HNAS_FLOAT32, pixels, n_pixels);
    if (st == HNAS_OK)
        st = hnas_tensor_set(batch->labels, HNAS_INT32, labels, b->batch);
    free(pixels);
    free(labels);
    return st;
}

hnas_status bench_batch(hnas_batch *batch, hnas_context *ctx,
                        const struct bench *b)
{
    const int64_t images[] = {b->batch, b->dims[0], b->dims[1], b->dims[2]};
    hnas_status st =
        hnas_tensor_create(&batch->images, ctx, HNAS_FLOAT32, 4, images);

    if (st == HNAS_OK)
        st = hnas_tensor_create(&batch->labels, ctx, HNAS_INT32, 1, images);
    return st == HNAS_OK ? fill_batch(batch, b) : st;
}

/* ---- counting: a forward and backward pass is three times the forward ---- */

/* Of each edge `paths` operations, 0: all. */
static double macs_of(const hnas_supernet *net, int32_t paths)
{
    hnas_cost fixed = {0, 0, 0};
    double sum;

    hnas_supernet_get_fixed_cost(net, &fixed);
    sum = (double)fixed.macs;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        int32_t n_cells, n_edges, n_ops;
        double *cost;

        hnas_supernet_get_kind(net, k, &n_cells, &n_edges, &n_ops);
        cost = calloc((size_t)(n_edges * n_ops) + 1, sizeof *cost);
        if (n_cells && cost &&
            hnas_supernet_get_costs(net, k, HNAS_COST_MACS, cost,
                                    n_edges * n_ops) == HNAS_OK)
            for (int i = 0; i < n_edges * n_ops; i++)
                sum +=
                    cost[i] * (paths && paths < n_ops ? paths : n_ops) / n_ops;
        free(cost);
    }
    return sum;
}

/* One w pass, which a hard draw thins out; a u pass a draw of lambda; the
 * second order adds its virtual step and two differences to each. */
static double flops_of(const struct parts *p, const struct bench *b)
{
    const hnas_search_opts *s = &p->preset.search;
    const int passes = b->what == BENCH_WPASS                     ? 0
                       : s->bilevel.order == HNAS_ORDER_SECOND_FD ? 4
                                                                  : 1;
    const int is_hard = s->relax == HNAS_RELAX_GUMBEL_HARD;

    return 2 * 3 * (double)b->batch *
           (macs_of(p->net, is_hard) +
            passes * s->draws * macs_of(p->net, is_hard ? s->alpha_paths : 0));
}

static hnas_status time_steps(struct parts *p, const struct bench *b,
                              struct bench_result *r)
{
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < WARM_UP_STEPS + b->repeat && st == HNAS_OK; i++) {
        const double began_s = now_s();
        const int64_t before = hnas_context_get_moved(p->ctx);
        hnas_step_info info;

        st = hnas_search_step(p->search, &p->batch, &p->batch, NULL, 0, &info);
        if (st == HNAS_OK && is_interrupted())
            st = HNAS_E_STOPPED;
        if (i >= WARM_UP_STEPS)
            r->ms[r->n_ms++] = 1e3 * (now_s() - began_s);
        r->moved_bytes = hnas_context_get_moved(p->ctx) - before;
    }
    return st;
}

/* At share t of a range; by factors where it has no zero. */
static double place(const hnas_hyper_opts *h, double t)
{
    const double lo = h->lambda_lo, hi = h->lambda_hi;

    return lo > 0 ? lo * pow(hi / lo, t) : lo + t * (hi - lo);
}

/* Queries of random lines, spread over the range; the numbers kept are a
 * query's share. */
static hnas_status time_queries(struct parts *p, const struct bench *b,
                                struct bench_result *r)
{
    const hnas_hyper_opts *h = &p->preset.hyper;
    const int32_t rule = b->rule >= 0 ? b->rule : p->preset.search.rule;
    struct lines lines = {.hyper = p->hyper, .state = 88172645463325252u};
    hnas_status st = lines_fill(&lines);

    for (int64_t i = 0; i < 1 + b->repeat && st >= 0; i++) {
        const double began_s = now_s();

        for (int k = 0; k < QUERIES && st >= 0; k++) {
            hnas_arch *arch;

            st = hnas_search_derive(&arch, p->search,
                                    place(h, (k + 0.5) / QUERIES), rule);
            hnas_arch_destroy(arch);
        }
        if (st >= 0 && is_interrupted())
            st = HNAS_E_STOPPED;
        if (i > 0)
            r->ms[r->n_ms++] = 1e3 * (now_s() - began_s) / QUERIES;
    }
    return st;
}

static int measure(struct parts *p, const struct bench *b,
                   struct bench_result *r)
{
    hnas_status st =
        hnas_preset_find(&p->preset, sizeof p->preset, p->ctx, b->preset);

    if (st == HNAS_OK) {
        bench_take_range(&p->preset, b);
        choose_passes(p, b);
        st = create_net(p, b);
    }
    if (st == HNAS_OK)
        st = create_search(p);
    if (st < 0)
        return library_failure(p->ctx, st, 1);
    st = bench_batch(&p->batch, p->ctx, b);
    if (st == HNAS_OK)
        st = b->what == BENCH_QUERY ? time_queries(p, b, r)
                                    : time_steps(p, b, r);
    if (st < 0)
        return library_failure(p->ctx, st, 0);
    r->flops = flops_of(p, b);
    r->threads = hnas_context_get_threads(p->ctx);
    snprintf(r->kernels, sizeof r->kernels, "%s",
             hnas_context_get_kernels(p->ctx));
    return 0;
}

int bench_run(const struct bench *b, struct bench_result *r)
{
    struct parts p = {0};
    int rc = program_open(&p.ctx, b->threads, b->seed);

    r->ms = calloc((size_t)b->repeat, sizeof *r->ms);
    if (!rc && !r->ms)
        rc = failure("--repeat %lld: out of memory", (long long)b->repeat);
    if (!rc)
        rc = measure(&p, b, r);
    hnas_search_destroy(p.search);
    hnas_hyper_destroy(p.hyper);
    hnas_supernet_destroy(p.net);
    hnas_tensor_unref(p.batch.images);
    hnas_tensor_unref(p.batch.labels);
    hnas_context_destroy(p.ctx);
    return rc;
}
