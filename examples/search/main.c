/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-search: one search, reported at several lambda. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/draw.h"
#include "common/json.h"
#include "common/program.h"
#include "common/progress.h"
#include "common/ranks.h"
#include "search/run.h"

static const char about[] =
    "Searches a supernet with a hypernetwork that makes its architecture "
    "parameters\nfrom lambda, then reports accuracy and size at several "
    "lambda.  Options start\nfrom a preset.  A search may be interrupted and "
    "resumed, to the same result.";

/* A percentage, or a dash where it was not measured. */
static void print_share(FILE *f, double share)
{
    if (isfinite(share))
        fprintf(f, " %8.2f%%", 100 * share);
    else
        fprintf(f, " %9s", "-");
}

static void print_table(FILE *f, const struct report *reports, int32_t n)
{
    fprintf(f, "%10s  %18s  %19s\n", "", "supernet", "inherited weights");
    fprintf(f, "%10s  %8s %9s  %9s %9s  %10s  %12s\n", "lambda", "accuracy",
            "precision", "accuracy", "precision", "parameters", "MACs");
    for (int32_t i = 0; i < n; i++) {
        const struct report *p = &reports[i];

        fprintf(f, "%10.4g ", p->lambda);
        print_share(f, p->valid_accuracy);
        print_share(f, p->valid_precision);
        fputc(' ', f);
        print_share(f, p->inherited_accuracy);
        print_share(f, p->inherited_precision);
        fprintf(f, "  %10lld  %12lld\n", (long long)p->params,
                (long long)p->macs);
    }
}

static void put_report(struct json *j, const struct report *p)
{
    json_open(j, '{');
    json_key(j, "lambda");
    json_real(j, p->lambda);
    json_key(j, "valid_accuracy");
    json_real(j, p->valid_accuracy);
    json_key(j, "valid_precision");
    json_real(j, p->valid_precision);
    json_key(j, "inherited_accuracy");
    json_real(j, p->inherited_accuracy);
    json_key(j, "inherited_precision");
    json_real(j, p->inherited_precision);
    json_key(j, "params");
    json_int(j, p->params);
    json_key(j, "macs");
    json_int(j, p->macs);
    json_close(j, '}');
}

/* What w counts, and both sides of what is generated. */
static void put_weights(struct json *j, const hnas_supernet *net)
{
    int64_t parameters, weights;

    hnas_supernet_get_generated(net, &parameters, &weights);
    json_key(j, "weights");
    json_int(j, hnas_params_get_elements(hnas_supernet_get_params(net),
                                         HNAS_PARAM_WEIGHT));
    json_key(j, "generator_weights");
    json_int(j, parameters);
    json_key(j, "generated_weights");
    json_int(j, weights);
}

static void put_run(struct json *j, const struct run *r)
{
    static const char *const rules[] = {"argmax", "top2", "top2_raw",
                                        "threshold"};
    const int64_t steps = hnas_search_get_steps(r->search);
    int64_t skipped, rolled_back;

    hnas_search_get_nan_steps(&skipped, &rolled_back, r->search);
    json_key(j, "preset");
    json_string(j, r->config->preset);
    json_key(j, "steps");
    json_int(j, steps);
    json_key(j, "epochs");
    json_int(j, steps / r->per_epoch);
    json_key(j, "skipped");
    json_int(j, skipped);
    json_key(j, "rolled_back");
    json_int(j, rolled_back);
    json_key(j, "seconds");
    json_real(j, now_s() - r->began_s);
    json_key(j, "step_ms_median");
    json_real(j, median(r->step_ms, r->n_step_ms));
    json_key(j, "peak_bytes");
    json_int(j, peak_bytes());
    json_key(j, "threads");
    json_int(j, hnas_context_get_threads(r->ctx));
    json_key(j, "kernels");
    json_string(j, hnas_context_get_kernels(r->ctx));
    ranks_put(j, r->ctx);
    json_key(j, "rule");
    json_string(j, rules[r->config->rule]);
    put_weights(j, r->net);
}

static void print_json(const struct run *r, const struct report *reports,
                       int32_t n, int interrupted)
{
    struct json j;

    json_begin(&j, stdout);
    json_open(&j, '{');
    put_run(&j, r);
    json_key(&j, "lambda");
    json_open(&j, '[');
    for (int32_t i = 0; i < n; i++)
        put_report(&j, &reports[i]);
    json_close(&j, ']');
    if (r->fell_back[0]) {
        json_key(&j, "fell_back");
        json_string(&j, r->fell_back);
    }
    if (interrupted) {
        json_key(&j, "interrupted");
        json_bool(&j, 1);
    }
    json_close(&j, '}');
    fputc('\n', stdout);
}

/* The table at the end; an interrupted one keeps its finished rows. */
static int report_all(struct run *r, struct report *reports, int32_t *n)
{
    const struct option_list *l = &r->config->report;
    struct progress progress;
    int rc = 0;

    progress_begin(&progress, 0, l->n, 0);
    for (*n = 0; *n < l->n && !rc; *n += !rc) {
        progress_note(&progress, "measuring at lambda", l->value[*n]);
        rc = report_at(r, l->value[*n], 0, &reports[*n]);
    }
    progress_end(&progress);
    return rc;
}

static void note_nan_steps(const struct run *r)
{
    int64_t skipped, rolled_back;

    hnas_search_get_nan_steps(&skipped, &rolled_back, r->search);
    if (skipped + rolled_back && ranks_rank() == 0)
        fprintf(stderr, "hnas-search: %lld steps skipped, %lld rolled back\n",
                (long long)skipped, (long long)rolled_back);
}

static int search(struct config *c, const unsigned char *given)
{
    static struct report reports[OPTION_LIST_MAX];
    struct run r;
    int32_t n = 0;
    int rc = ranks_begin(), is_open;

    if (rc)
        return rc;
    catch_interrupt();
    rc = run_open(&r, c, given);
    is_open = !rc;
    if (!rc) {
        rc = run_steps(&r);
        note_nan_steps(&r);
    }
    if (!rc)
        rc = report_all(&r, reports, &n);
    if (rc == EXIT_INTERRUPTED && !is_open) {
        tell_interrupted(c->json);
    } else if (!rc || rc == EXIT_INTERRUPTED) {
        if (!rc)
            print_table(c->json ? stderr : stdout, reports, n);
        if (c->json)
            print_json(&r, reports, n, rc == EXIT_INTERRUPTED);
    }
    run_close(&r);
    ranks_end(rc);
    return rc;
}

int main(int argc, char **argv)
{
    static struct config config;
    unsigned char *given = calloc((size_t)n_search_options, 1);
    struct command_line line = {"hnas-search",
                                "[OPTION]...",
                                about,
                                search_options,
                                n_search_options,
                                0,
                                NULL,
                                0,
                                given};
    int rc;

    program_begin("hnas-search");
    if (!given)
        return failure("out of memory");
    rc = config_read(&config, &line, argc, argv);
    if (rc == OPTIONS_HELP) {
        options_help(&line);
        rc = EXIT_DONE;
    } else if (rc == OPTIONS_VERSION) {
        rc = program_version(config.threads);
    } else if (rc == 0) {
        rc = search(&config, given);
    }
    free(given);
    return program_end(rc);
}
