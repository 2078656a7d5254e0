/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/program.h"
#include "search/run.h"

enum { CALIBRATION_BATCHES = 20, DRAWS = 4 };

/* One draw of the gates is one network, whose batch-norm statistics are no
 * other draw's: the images are shared out among a few draws.  Gates drawn for
 * each image, and gates that are not drawn, are one network. */
static int64_t count_networks(const struct run *r, const hnas_arch *arch)
{
    const int32_t relax = r->config->relax;

    return !arch && (relax == HNAS_RELAX_GUMBEL_HARD ||
                     (relax == HNAS_RELAX_GUMBEL &&
                      !r->config->base.search.gumbel_per_image))
               ? DRAWS
               : 1;
}

/* Batch-norm statistics of this very network, or the search's own.  A draw of
 * -1 is a new one for every batch. */
static hnas_status calibrate(struct run *r, const hnas_arch *arch,
                             double lambda, int64_t draw)
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
            st = hnas_search_calibrate(r->search, arch, lambda, images,
                                       draw < 0 ? i : draw, i == 0);
    }
    return st;
}

static hnas_status count_batch(struct run *r, const hnas_arch *arch,
                               double lambda, int64_t draw, int64_t index)
{
    hnas_tensor *images, *labels;
    int64_t n;
    hnas_status st = hnas_batches_get(r->check, 0, index, &images, &labels);

    if (st < 0)
        return st;
    n = hnas_tensor_get_count(labels);
    st = hnas_tensor_get(labels, HNAS_INT32, r->labels, n);
    if (st == HNAS_OK)
        st = hnas_search_predict(r->search, arch, lambda, images,
                                 draw < 0 ? index : draw, r->logits,
                                 n * r->classes);
    if (st == HNAS_OK)
        confusion_add(&r->confusion, r->logits, r->labels, n);
    return st;
}

/* Accuracy at lambda of the supernet (arch NULL) or of a derived network. */
static int evaluate(struct run *r, const hnas_arch *arch, double lambda,
                    int64_t n_images, double *accuracy, double *precision)
{
    const int64_t all = hnas_batches_get_count(r->check);
    const int64_t wanted = (n_images + r->config->batch - 1) / r->config->batch;
    const int64_t n = n_images && wanted < all ? wanted : all;
    const int64_t n_networks = count_networks(r, arch);
    hnas_status st = HNAS_OK;

    if (!arch &&
        (lambda < r->config->range[0] || lambda > r->config->range[1])) {
        *accuracy = *precision = NAN; /* the gates end with the range */
        return 0;
    }
    confusion_clear(&r->confusion);
    for (int64_t d = 0; d < n_networks && st == HNAS_OK; d++) {
        const int64_t draw = n_networks > 1 ? d : -1;

        st = calibrate(r, arch, lambda, draw);
        for (int64_t i = d; i < n && st == HNAS_OK; i += n_networks) {
            if (is_interrupted())
                break;
            st = count_batch(r, arch, lambda, draw, i);
        }
    }
    hnas_search_restore_norms(r->search);
    if (st < 0)
        return library_failure(r->ctx, st, 0);
    *accuracy = confusion_accuracy(&r->confusion);
    *precision = confusion_precision(&r->confusion);
    return is_interrupted() ? EXIT_INTERRUPTED : 0;
}

static int diagnose(struct run *r, double lambda, struct report *out)
{
    hnas_diagnosis d;
    const hnas_status st =
        hnas_search_diagnose(r->search, lambda, &d, sizeof d);

    if (st < 0)
        return library_failure(r->ctx, st, 0);
    out->expected_cost = d.expected_cost;
    out->true_cost = d.true_cost;
    out->entropy = d.entropy;
    return 0;
}

int measure_hessian(struct run *r, double lambda, double *largest)
{
    hnas_batch batch;
    hnas_status st =
        hnas_batches_get(r->check, 0, 0, &batch.images, &batch.labels);

    *largest = NAN;
    if (lambda < r->config->range[0] || lambda > r->config->range[1])
        return 0; /* the gates end with the range */
    if (st == HNAS_OK)
        st = hnas_search_hessian(largest, r->search, &batch, lambda,
                                 (int32_t)r->config->hessian);
    return st < 0 ? library_failure(r->ctx, st, 0) : 0;
}

int report_at(struct run *r, double lambda, int64_t n_images,
              struct report *out)
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
    rc = diagnose(r, lambda, out);
    if (!rc)
        rc = evaluate(r, NULL, lambda, n_images, &out->valid_accuracy,
                      &out->valid_precision);
    if (!rc)
        rc = evaluate(r, arch, lambda, n_images, &out->inherited_accuracy,
                      &out->inherited_precision);
    hnas_arch_destroy(arch);
    return rc;
}

/* ---- stopping ---- */

/* The operations that argmax keeps at each reported lambda, as numbers. */
static int write_networks(struct run *r, FILE *f)
{
    const struct option_list *l = &r->config->report;

    for (int32_t i = 0; i < l->n; i++) {
        hnas_arch *arch;
        hnas_status st =
            hnas_search_derive(&arch, r->search, l->value[i], HNAS_RULE_ARGMAX);

        if (st < 0)
            return library_failure(r->ctx, st, 0);
        for (int k = 0; k < HNAS_N_KINDS; k++)
            for (int32_t e = 0; e < hnas_arch_get_edge_count(arch, k); e++)
                fprintf(f, "%d ", (int)hnas_arch_get_edges(arch, k)[e].op);
        hnas_arch_destroy(arch);
    }
    return 0;
}

/* Whether alpha stays in the step before, or from now on. */
static int is_frozen(const hnas_bilevel_opts *o, double steps)
{
    const double total = (double)o->total_steps;

    return steps <= o->warmup * total ||
           (o->cooldown > 0 && steps > total - o->cooldown * total);
}

/* Count the epochs after which every reported network is the last one; while
 * alpha is frozen none counts. */
int count_unchanged(struct run *r)
{
    hnas_search_opts o;
    char *now = NULL;
    size_t size;
    FILE *f;
    int rc, changed;

    if (!r->config->patience)
        return 0;
    f = open_memstream(&now, &size);
    if (!f)
        return failure("--patience: out of memory");
    rc = write_networks(r, f);
    if (fclose(f) && !rc)
        rc = failure("--patience: out of memory");
    hnas_search_get_opts(r->search, &o, sizeof o);
    changed = is_frozen(&o.bilevel, (double)hnas_search_get_steps(r->search));
    changed |= !r->networks || rc || strcmp(r->networks, now);
    r->n_unchanged = changed ? 0 : r->n_unchanged + 1;
    free(r->networks);
    r->networks = now;
    return rc;
}
