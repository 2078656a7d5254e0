/* SPDX-License-Identifier: BSD-3-Clause */
/* What the gates at lambda would cost, and how undecided they are. */
#include <math.h>
#include <stdlib.h>

#include "common/program.h"
#include "search/run.h"

static double cost_in(const hnas_cost *cost, double table, int32_t metric)
{
    const double value[HNAS_N_COSTS] = {
        (double)cost->params, (double)cost->macs, (double)cost->bytes, table};

    return value[metric];
}

double arch_cost(const hnas_arch *arch, int32_t metric)
{
    hnas_cost total;

    hnas_arch_get_cost(arch, &total, NULL);
    return cost_in(&total, hnas_arch_get_table_cost(arch), metric);
}

/* The temperature of the step to come. */
static double tau_now(const struct run *r)
{
    const struct option_tau *tau = &r->config->tau;
    hnas_search_opts o;
    double t;

    o.size = sizeof o;
    hnas_search_get_opts(r->search, &o, sizeof o);
    if (tau->schedule == HNAS_TAU_CONSTANT || o.bilevel.total_steps <= 0)
        return tau->first;
    t = fmin((double)hnas_search_get_steps(r->search) /
                 (double)o.bilevel.total_steps,
             1);
    return tau->schedule == HNAS_TAU_EXP
               ? tau->first * pow(tau->last / tau->first, t)
               : tau->first + (tau->last - tau->first) * t;
}

/* p of one row as the penalty sees it. */
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

/* Of a choice of one, or of n independent choices for sigmoid. */
static double row_entropy(int32_t relax, const double *p, int32_t n)
{
    double sum = 0;

    for (int32_t o = 0; o < n; o++) {
        sum += surprise(p[o]);
        if (relax == HNAS_RELAX_SIGMOID)
            sum += surprise(1 - p[o]);
    }
    return relax == HNAS_RELAX_RAW ? NAN : sum;
}

/* Add what the edges of a kind have. */
static hnas_status add_kind(struct run *r, int32_t kind, int32_t table,
                            struct report *sum)
{
    const struct config *c = r->config;
    const double tau = c->relax == HNAS_RELAX_SOFTMAX ? tau_now(r) : 1;
    int32_t n_cells, n_edges, n_ops;
    double *p, *cost;
    hnas_status st = HNAS_E_NOMEM;

    hnas_supernet_get_kind(r->net, kind, &n_cells, &n_edges, &n_ops);
    p = malloc((size_t)(n_edges * n_ops) * sizeof *p);
    cost = malloc((size_t)(n_edges * n_ops) * sizeof *cost);
    if (p && cost) {
        st = hnas_hyper_eval(p, n_edges * n_ops, r->hyper, table, sum->lambda);
        if (st >= 0)
            st = hnas_supernet_get_costs(r->net, kind, c->metric, cost,
                                         n_edges * n_ops);
        for (int32_t e = 0; e < n_edges && st >= 0; e++) {
            row_gates(c->relax, tau, p + e * n_ops, n_ops);
            sum->entropy += row_entropy(c->relax, p + e * n_ops, n_ops);
        }
        for (int32_t i = 0; i < n_edges * n_ops && st >= 0; i++)
            sum->expected_cost += p[i] * cost[i];
    }
    free(p);
    free(cost);
    return st;
}

int measure_gates(struct run *r, double lambda, struct report *out)
{
    hnas_cost fixed;
    int32_t table = 0, total = 0;
    hnas_status st = hnas_supernet_get_fixed_cost(r->net, &fixed);

    out->lambda = lambda;
    out->entropy = 0;
    out->expected_cost = cost_in(
        &fixed, hnas_supernet_get_fixed_table_cost(r->net), r->config->metric);
    for (int32_t kind = 0; kind < HNAS_N_KINDS && st >= 0; kind++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(r->net, kind, &n_cells, &n_edges, &n_ops);
        if (!n_cells)
            continue;
        st = add_kind(r, kind, table++, out);
        total += n_edges;
    }
    out->entropy /= total;
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}
