/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-query: the architecture of a finished search at a lambda. */
#include <math.h>
#include <stdlib.h>

#include "common/draw.h"
#include "common/options.h"
#include "common/program.h"

struct query {
    double lambda, theta;
    int32_t rule, path, json;
    int64_t threads, seed;
    const char *budget, *file;
};

static const char *const rules[] = {"argmax", "top2", NULL};

#define AT(field) offsetof(struct query, field)

static const struct option options[] = {
    {"lambda", "L", "where to derive", OPTION_REAL, AT(lambda), -1e300, 1e300,
     NULL, NULL, NULL, 0},
    {"rule", "RULE", "argmax or top2 (the search's own)", OPTION_CHOICE,
     AT(rule), 0, 0, rules, "top2_raw|threshold", NULL, 0},
    {"theta", "T", "not in this version", OPTION_REAL, AT(theta), 0, 1, NULL,
     NULL, NULL, 0},
    {"path", NULL, "not in this version", OPTION_FLAG, AT(path), 0, 0, NULL,
     NULL, NULL, 0},
    {"budget", "METRIC=N", "not in this version", OPTION_TEXT, AT(budget), 0, 0,
     NULL, NULL, NULL, 0},
    {"json", NULL, "print one JSON object", OPTION_FLAG, AT(json), 0, 0, NULL,
     NULL, NULL, 0},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, NULL, 0},
    {"seed", "S", "taken for uniformity; a query draws nothing", OPTION_INT,
     AT(seed), 0, 9e18, NULL, NULL, NULL, 0},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

static int print_json(hnas_context *ctx, const hnas_arch *arch)
{
    size_t length = 0;
    char *text;
    hnas_status st = hnas_arch_write_json(arch, NULL, 0, &length);

    text = malloc(length + 1);
    if (!text)
        return failure("%zu bytes of JSON: out of memory", length);
    st = hnas_arch_write_json(arch, text, length + 1, &length);
    if (st >= 0)
        printf("%s\n", text);
    free(text);
    return st < 0 ? library_failure(ctx, st, 0) : 0;
}

static void print_warnings(const hnas_arch *arch)
{
    const hnas_arch_warning *w;
    const int32_t n = hnas_arch_get_warnings(arch, &w);

    for (int32_t i = 0; i < n; i++)
        printf("  note: %s cell: %s %d\n",
               w[i].kind == HNAS_NORMAL ? "normal" : "reduction",
               w[i].code == HNAS_ARCH_INPUT_UNUSED ? "nothing reads input"
                                                   : "nothing enters node",
               (int)w[i].node);
}

static void print_text(const hnas_arch *arch, hnas_status status)
{
    hnas_cost total, fixed;
    double lambda, lo, hi;

    hnas_arch_get_lambda(arch, &lambda, &lo, &hi);
    hnas_arch_get_cost(arch, &total, &fixed);
    printf("lambda %g, rule %s", lambda, rules[hnas_arch_get_rule(arch)]);
    if (status == HNAS_EXTRAPOLATED)
        printf(", outside the range of the search");
    else if (isfinite(lo))
        printf(", the same from %.6g to %.6g", lo, hi);
    printf("\n%lld parameters (%lld of them fixed), %lld MACs, %lld bytes of "
           "activations\n",
           (long long)total.params, (long long)fixed.params,
           (long long)total.macs, (long long)total.bytes);
    draw_arch(stdout, arch);
    print_warnings(arch);
}

static int query(const struct query *q, int rule_given)
{
    hnas_context *ctx = NULL;
    hnas_search *search = NULL;
    hnas_arch *arch = NULL;
    hnas_search_opts opts;
    hnas_status st;
    int rc = program_open(&ctx, q->threads, q->seed);

    if (rc)
        return rc;
    st = hnas_search_load(&search, ctx, q->file);
    if (st >= 0) {
        opts.size = sizeof opts;
        hnas_search_get_opts(search, &opts, sizeof opts);
        st = hnas_search_derive(&arch, search, q->lambda,
                                rule_given ? q->rule : opts.rule);
    }
    if (st < 0)
        rc = library_failure(ctx, st, 0);
    else if (q->json)
        rc = print_json(ctx, arch);
    else
        print_text(arch, st);
    if (fflush(stdout) && !rc)
        rc = failure("standard output: can't be written");
    hnas_arch_destroy(arch);
    hnas_search_destroy(search);
    hnas_context_destroy(ctx);
    return rc;
}

static int run(struct command_line *line, struct query *q, int argc,
               char **argv)
{
    const unsigned char *given = line->given;
    int rc = options_parse(line, q, argc, argv);

    if (rc == 3) {
        options_help(line);
        return EXIT_DONE;
    }
    if (rc == 4)
        return program_version(q->threads);
    if (rc)
        return rc;
    if (q->path || q->budget || given[2])
        return usage_error("--%s: not in this version", q->path     ? "path"
                                                        : q->budget ? "budget"
                                                                    : "theta");
    if (!line->n_words)
        return usage_error("FILE: missing, want a search.safetensors");
    if (!given[0])
        return usage_error("--lambda: missing, want the lambda to derive at");
    q->file = line->words[0];
    return query(q, given[1]);
}

int main(int argc, char **argv)
{
    unsigned char given[N_OPTIONS] = {0};
    const char *words[1];
    struct query q = {0};
    struct command_line line = {
        "hnas-query",
        "FILE --lambda L [OPTION]...",
        "Derives the architecture of a search at a lambda, without training.",
        options,
        N_OPTIONS,
        1,
        words,
        0,
        given};

    program_begin("hnas-query");
    return run(&line, &q, argc, argv);
}
