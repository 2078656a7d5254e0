/* SPDX-License-Identifier: BSD-3-Clause */
/* The gates at lambda: what they would cost, how undecided they are, and what
 * the network derived from them costs. */
#include "hnas/diagnose.h"

#include <math.h>
#include <string.h>

#include "arch/arch.h"
#include "base/fpmode.h"
#include "bilevel/search.h"
#include "hyper/hyper.h"
#include "net/supernet.h"

/* Turn a row of alpha into p as the penalty sees it. */
static void row_gates(int32_t relax, double tau, double *p, int32_t n)
{
    const int is_soft = relax != HNAS_RELAX_RAW && relax != HNAS_RELAX_SIGMOID;
    double sum = 0, top = -INFINITY;

    for (int32_t o = 0; o < n; o++)
        top = fmax(top, p[o]);
    for (int32_t o = 0; o < n; o++) {
        if (is_soft)
            p[o] = exp((p[o] - top) / tau);
        else
            p[o] = relax == HNAS_RELAX_RAW ? fabs(p[o]) : 1 / (1 + exp(-p[o]));
        sum += p[o];
    }
    for (int32_t o = 0; o < n && is_soft; o++)
        p[o] /= sum;
}

static double surprise(double p)
{
    return p > 0 ? -p * log(p) : 0;
}

static double row_entropy(int32_t relax, const double *p, int32_t n)
{
    double sum = 0;

    for (int32_t o = 0; o < n; o++) {
        sum += surprise(p[o]);
        if (relax == HNAS_RELAX_SIGMOID)
            sum += surprise(1 - p[o]);
    }
    return relax == HNAS_RELAX_RAW ? (double)NAN : sum;
}

/* Add the edges of a kind; p: room for [E * O]. */
static hnas_status add_kind(const struct hnas_search *s, int kind, double *p,
                            double lambda, hnas_diagnosis *sum)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    const struct hn_space_kind *k = &space->kind[kind];
    const double *cost = k->cost[s->opts.metric];
    const double tau =
        s->opts.relax == HNAS_RELAX_SOFTMAX ? hn_search_tau(s) : 1;
    const int32_t n = space->n_ops;
    const hnas_status st = hnas_hyper_eval(p, (int64_t)k->n_edges * n, s->hyper,
                                           s->kind[kind].table, lambda);

    for (int32_t e = 0; e < k->n_edges && st >= 0; e++, p += n, cost += n) {
        row_gates(s->opts.relax, tau, p, n);
        sum->entropy += row_entropy(s->opts.relax, p, n);
        for (int32_t o = 0; o < n; o++)
            sum->expected_cost += p[o] * cost[o];
    }
    return st;
}

static hnas_status set_true_cost(const struct hnas_search *s, double lambda,
                                 hnas_diagnosis *d)
{
    hnas_arch *arch;
    hnas_status st = hnas_search_derive(&arch, s, lambda, s->opts.rule);

    if (st >= 0)
        d->true_cost =
            hn_cost_in(&arch->total, arch->table_cost, s->opts.metric);
    hnas_arch_destroy(arch);
    return st;
}

static hnas_status diagnose(const struct hnas_search *s, double lambda,
                            double *p, hnas_diagnosis *d)
{
    const struct hn_space *space = hn_supernet_space(s->net);
    int32_t n_edges = 0;
    hnas_status st = set_true_cost(s, lambda, d);

    d->entropy = 0;
    d->expected_cost =
        hn_cost_in(&space->fixed, space->fixed_table, s->opts.metric);
    for (int k = 0; k < HNAS_N_KINDS && st >= 0; k++) {
        if (s->kind[k].table < 0)
            continue;
        st = add_kind(s, k, p, lambda, d);
        n_edges += space->kind[k].n_edges;
    }
    d->entropy /= n_edges;
    return st;
}

hnas_status hnas_search_diagnose(const hnas_search *search, double lambda,
                                 hnas_diagnosis *out, size_t size)
{
    const struct hn_space *space;
    hnas_diagnosis d;
    uint64_t mode;
    double *p;
    hnas_status st;

    if (!search || !out)
        return hn_fail_null(search ? search->ctx : NULL,
                            "search diagnose: out");
    space = hn_supernet_space(search->net);
    memset(&d, 0, sizeof d);
    d.size = size < sizeof d ? size : sizeof d;
    p = hn_alloc_dims(&search->ctx->alloc, 2,
                      (int64_t[]){space->kind[0].n_edges, space->n_ops},
                      sizeof *p);
    if (!p)
        return hn_fail_nomem(search->ctx, "diagnosis");
    mode = hn_fp_enter();
    st = diagnose(search, lambda, p, &d);
    hn_fp_leave(mode);
    hn_free(&search->ctx->alloc, p);
    if (st >= 0)
        memcpy(out, &d, d.size);
    return st;
}
