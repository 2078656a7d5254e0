/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdlib.h>

#include "common/program.h"
#include "search/run.h"

enum { CALIBRATION_BATCHES = 20 };

/* Batch-norm statistics of this very network, or the search's own. */
static hnas_status calibrate(struct run *r, const hnas_arch *arch,
                             double lambda)
{
    const int64_t n =
        r->per_epoch < CALIBRATION_BATCHES ? r->per_epoch : CALIBRATION_BATCHES;
    hnas_tensor *images, *labels;
    hnas_status st = HNAS_OK;

    hnas_search_restore_norms(r->search);
    if (r->config->base.running_stats)
        return HNAS_OK;
    for (int64_t i = 0; i < n && st == HNAS_OK; i++) {
        st = hnas_batches_get(r->sample, 0, i, &images, &labels);
        if (st == HNAS_OK)
            st = hnas_search_calibrate(r->search, arch, lambda, images, i,
                                       i == 0);
    }
    return st;
}

static hnas_status count_batch(struct run *r, const hnas_arch *arch,
                               double lambda, int64_t index)
{
    hnas_tensor *images, *labels;
    int64_t n;
    hnas_status st = hnas_batches_get(r->check, 0, index, &images, &labels);

    if (st < 0)
        return st;
    n = hnas_tensor_get_count(labels);
    st = hnas_tensor_get(labels, HNAS_INT32, r->labels, n);
    if (st == HNAS_OK)
        st = hnas_search_predict(r->search, arch, lambda, images, index,
                                 r->logits, n * r->classes);
    if (st == HNAS_OK)
        confusion_add(&r->confusion, r->logits, r->labels, n);
    return st;
}

int evaluate(struct run *r, const hnas_arch *arch, double lambda,
             int64_t n_images, double *accuracy, double *precision)
{
    const int64_t all = hnas_batches_get_count(r->check);
    const int64_t wanted = (n_images + r->config->batch - 1) / r->config->batch;
    const int64_t n = n_images && wanted < all ? wanted : all;
    hnas_status st;

    if (!arch &&
        (lambda < r->config->range[0] || lambda > r->config->range[1])) {
        *accuracy = *precision = NAN; /* the gates end with the range */
        return 0;
    }
    st = calibrate(r, arch, lambda);
    confusion_clear(&r->confusion);
    for (int64_t i = 0; i < n && st == HNAS_OK; i++) {
        if (is_interrupted())
            break;
        st = count_batch(r, arch, lambda, i);
    }
    hnas_search_restore_norms(r->search);
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    *accuracy = confusion_accuracy(&r->confusion);
    *precision = confusion_precision(&r->confusion);
    return is_interrupted() ? EXIT_INTERRUPTED : 0;
}

int report_at(struct run *r, double lambda, struct report *out)
{
    hnas_cost total, fixed;
    hnas_arch *arch;
    hnas_status st;
    int rc;

    st = hnas_search_derive(&arch, r->search, lambda, r->config->rule);
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    hnas_arch_get_cost(arch, &total, &fixed);
    out->lambda = lambda;
    out->params = total.params;
    out->macs = total.macs;
    rc = evaluate(r, NULL, lambda, 0, &out->valid_accuracy,
                  &out->valid_precision);
    if (!rc)
        rc = evaluate(r, arch, lambda, 0, &out->inherited_accuracy,
                      &out->inherited_precision);
    hnas_arch_destroy(arch);
    return rc;
}

/* ---- stopping ---- */

/* Count the epochs after which every reported network is the last one; while
 * alpha is frozen none counts. */
int count_unchanged(struct run *r)
{
    const struct option_list *l = &r->config->report;
    hnas_search_opts o;
    int changed;

    hnas_search_get_opts(r->search, &o, sizeof o);
    changed = (double)hnas_search_get_steps(r->search) <=
              o.bilevel.warmup * (double)o.bilevel.total_steps;
    for (int32_t i = 0; i < l->n && r->config->patience > 0; i++) {
        hnas_arch *arch;
        hnas_status st =
            hnas_search_derive(&arch, r->search, l->value[i], HNAS_RULE_ARGMAX);

        if (st < 0)
            return library_failure(r->ctx, st, 0);
        changed |= !hnas_arch_is_equal(arch, r->last[i]);
        hnas_arch_destroy(r->last[i]);
        r->last[i] = arch;
    }
    r->n_unchanged = changed ? 0 : r->n_unchanged + 1;
    return 0;
}

/* ---- expected cost ---- */

double cost_in(const hnas_cost *cost, int32_t metric)
{
    const int64_t value[HNAS_N_COSTS] = {cost->params, cost->macs, cost->bytes};

    return (double)value[metric];
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

/* p of one row as the penalty sees it, times its costs. */
static double row_cost(int32_t relax, double tau, const double *alpha,
                       const double *cost, int32_t n)
{
    const int is_soft = relax != HNAS_RELAX_RAW && relax != HNAS_RELAX_SIGMOID;
    double sum = 0, weight = 0, top = -INFINITY;

    for (int32_t o = 0; o < n; o++)
        top = fmax(top, alpha[o]);
    for (int32_t o = 0; o < n; o++) {
        double p = fabs(alpha[o]);

        if (relax == HNAS_RELAX_SIGMOID)
            p = 1 / (1 + exp(-alpha[o]));
        if (is_soft)
            p = exp((alpha[o] - top) / tau);
        weight += p;
        sum += p * cost[o];
    }
    return is_soft ? sum / weight : sum;
}

static hnas_status table_cost(struct run *r, int32_t kind, int32_t table,
                              double lambda, double *sum)
{
    const struct config *c = r->config;
    const double tau = c->relax == HNAS_RELAX_SOFTMAX ? tau_now(r) : 1;
    int32_t n_cells, n_edges, n_ops;
    double *alpha, *cost;
    hnas_status st = HNAS_E_NOMEM;

    hnas_supernet_get_kind(r->net, kind, &n_cells, &n_edges, &n_ops);
    alpha = malloc((size_t)(n_edges * n_ops) * sizeof *alpha);
    cost = malloc((size_t)(n_edges * n_ops) * sizeof *cost);
    if (alpha && cost) {
        st = hnas_hyper_eval(alpha, n_edges * n_ops, r->hyper, table, lambda);
        if (st >= 0)
            st = hnas_supernet_get_costs(r->net, kind, c->metric, cost,
                                         n_edges * n_ops);
        for (int32_t e = 0; e < n_edges && st >= 0; e++)
            *sum += row_cost(c->relax, tau, alpha + e * n_ops, cost + e * n_ops,
                             n_ops);
    }
    free(alpha);
    free(cost);
    return st;
}

int expected_cost(struct run *r, double lambda, double *cost)
{
    hnas_cost fixed;
    int32_t table = 0;
    hnas_status st = hnas_supernet_get_fixed_cost(r->net, &fixed);

    *cost = cost_in(&fixed, r->config->metric);
    for (int32_t kind = 0; kind < HNAS_N_KINDS && st >= 0; kind++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(r->net, kind, &n_cells, &n_edges, &n_ops);
        if (n_cells)
            st = table_cost(r, kind, table++, lambda, cost);
    }
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}
