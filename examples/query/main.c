/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-query: the architectures of a finished search. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/arch.h"
#include "common/draw.h"
#include "common/options.h"
#include "common/program.h"

struct query {
    double lambda, theta;
    int32_t rule, path, json;
    int64_t threads, seed;
    const char *budget, *file;
    int32_t metric; /* of the budget, and its limit */
    double limit;
    unsigned char *given;
};

static const char *const rules[] = {"argmax", "top2", "top2_raw", "threshold",
                                    NULL};
static const char *const metrics[] = {"params", "macs", "bytes", "latency_us"};

enum { LAMBDA, RULE, THETA }; /* places in the table below */

#define AT(field) offsetof(struct query, field)

static const struct option options[] = {
    {"lambda", "L", "where to derive", OPTION_REAL, AT(lambda), -1e300, 1e300,
     NULL, NULL, 0},
    {"rule", "RULE", "argmax, top2, top2_raw or threshold (the search's own)",
     OPTION_CHOICE, AT(rule), 0, 0, rules, NULL, 0},
    {"theta", "T", "of the rule threshold (the search's own)", OPTION_REAL,
     AT(theta), 0, 1, NULL, NULL, 0},
    {"path", NULL, "every architecture of the range, with its interval",
     OPTION_FLAG, AT(path), 0, 0, NULL, NULL, 0},
    {"budget", "METRIC=N",
     "the largest within params=N, macs=N, bytes=N or latency_us=T",
     OPTION_TEXT, AT(budget), 0, 0, NULL, NULL, 0},
    {"json", NULL, "print one JSON object", OPTION_FLAG, AT(json), 0, 0, NULL,
     NULL, 0},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, 0},
    {"seed", "S", "taken for uniformity; a query draws nothing", OPTION_INT,
     AT(seed), 0, 9e18, NULL, NULL, 0},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

/* Print the text of an architecture, or else of a path. */
static int print_json(hnas_context *ctx, const hnas_arch *arch,
                      const hnas_path *path)
{
    size_t length = 0;
    char *text;
    hnas_status st = arch ? hnas_arch_write_json(arch, NULL, 0, &length)
                          : hnas_path_write_json(path, NULL, 0, &length);

    if (st < 0)
        return library_failure(ctx, st, 0);
    text = malloc(length + 1);
    if (!text)
        return failure("%zu bytes of JSON: out of memory", length);
    st = arch ? hnas_arch_write_json(arch, text, length + 1, &length)
              : hnas_path_write_json(path, text, length + 1, &length);
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
               : w[i].code == HNAS_ARCH_NODE_DEAD  ? "only zeros enter node"
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
    if (isfinite(hnas_arch_get_table_cost(arch)))
        printf("%.6g us by the table of the search\n",
               hnas_arch_get_table_cost(arch));
    draw_arch(stdout, arch);
    print_warnings(arch);
}

/* One line a piece. */
static void print_pieces(const hnas_path *path)
{
    char change[256];
    size_t length;

    if (hnas_path_is_sampled(path))
        printf("sampled: this kind has no exact breakpoints\n");
    for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
        hnas_path_piece p;

        hnas_path_get_piece(path, i, &p);
        hnas_path_write_change(path, i, change, sizeof change, &length);
        printf("from %-12.6g %10lld parameters %12lld MACs", p.lo,
               (long long)p.cost.params, (long long)p.cost.macs);
        if (isfinite(hnas_path_get_table_cost(path, i)))
            printf(" %10.6g us", hnas_path_get_table_cost(path, i));
        printf("  %s%s\n", change, length >= sizeof change ? "..." : "");
    }
}

/* The piece within the budget; of none the object says how much is needed. */
static int answer_budget(const struct query *q, hnas_context *ctx,
                         const hnas_path *path)
{
    hnas_path_piece p;
    hnas_arch *arch;
    int32_t index;
    double smallest;
    int rc = 0;
    hnas_status st =
        q->metric == HNAS_COST_TABLE
            ? hnas_path_find_table_budget(&index, path, q->limit)
            : hnas_path_find_budget(&index, path, q->metric, (int64_t)q->limit);

    if (st == HNAS_E_STATE)
        return failure("--budget %s: the search has no cost table, want one of "
                       "hnas-search --cost latency or FILE",
                       q->budget);
    if (st < 0)
        return library_failure(ctx, st, 0);
    if (st == HNAS_INFEASIBLE) {
        hnas_path_get_piece(path, index, &p);
        smallest = q->metric == HNAS_COST_PARAMS ? (double)p.cost.params
                   : q->metric == HNAS_COST_MACS ? (double)p.cost.macs
                   : q->metric == HNAS_COST_BYTES
                       ? (double)p.cost.bytes
                       : hnas_path_get_table_cost(path, index);
        if (q->json)
            printf("{\"status\":\"infeasible\",\"smallest\":%.17g}\n",
                   smallest);
        return failure("--budget %s: infeasible, the smallest network has %.9g",
                       q->budget, smallest);
    }
    st = hnas_path_get_arch(&arch, path, index);
    if (st < 0)
        return library_failure(ctx, st, 0);
    if (q->json)
        rc = print_json(ctx, arch, NULL);
    else
        print_text(arch, st);
    hnas_arch_destroy(arch);
    return rc;
}

static int answer_path(const struct query *q, hnas_context *ctx,
                       hnas_search *search, const hnas_path_opts *opts)
{
    hnas_path *path;
    hnas_status st = hnas_path_create(&path, hnas_search_get_net(search),
                                      hnas_search_get_hyper(search), opts);
    int rc = 0;

    if (st < 0)
        return library_failure(ctx, st, st == HNAS_E_RANGE);
    if (is_interrupted())
        rc = EXIT_INTERRUPTED;
    else if (q->budget)
        rc = answer_budget(q, ctx, path);
    else if (q->json)
        rc = print_json(ctx, NULL, path);
    else
        print_pieces(path);
    hnas_path_destroy(path);
    return rc;
}

static int answer_lambda(const struct query *q, hnas_context *ctx,
                         hnas_search *search, const hnas_path_opts *opts)
{
    hnas_arch *arch;
    int rc = 0;
    hnas_status st =
        arch_derive(&arch, search, q->lambda, opts->rule, opts->theta);

    if (st < 0)
        return library_failure(ctx, st, st == HNAS_E_RANGE);
    if (q->json)
        rc = print_json(ctx, arch, NULL);
    else
        print_text(arch, st);
    hnas_arch_destroy(arch);
    return rc;
}

static int query(const struct query *q)
{
    hnas_context *ctx = NULL;
    hnas_search *search = NULL;
    hnas_search_opts opts;
    hnas_path_opts path;
    hnas_status st;
    int rc = program_open(&ctx, q->threads, q->seed);

    if (rc)
        return rc;
    hnas_path_opts_init(&path, sizeof path);
    st = hnas_search_load(&search, ctx, q->file);
    if (st < 0) {
        rc = library_failure(ctx, st, 0);
    } else {
        hnas_search_get_opts(search, &opts, sizeof opts);
        path.rule = q->given[RULE] ? q->rule : opts.rule;
        path.theta = q->given[THETA] ? q->theta : opts.theta;
        if (q->given[THETA] && path.rule != HNAS_RULE_THRESHOLD)
            rc = usage_error("--theta: needs --rule threshold");
        else if (is_interrupted())
            rc = EXIT_INTERRUPTED;
        else if (q->path || q->budget)
            rc = answer_path(q, ctx, search, &path);
        else
            rc = answer_lambda(q, ctx, search, &path);
    }
    hnas_search_destroy(search);
    hnas_context_destroy(ctx);
    return rc == EXIT_INTERRUPTED ? tell_interrupted(q->json) : rc;
}

static int read_budget(struct query *q)
{
    const char *number = strchr(q->budget, '=');
    char *end;

    for (q->metric = 0; number && q->metric < HNAS_N_COSTS; q->metric++) {
        const size_t n = strlen(metrics[q->metric]);

        if (n != (size_t)(number - q->budget) ||
            strncmp(q->budget, metrics[q->metric], n))
            continue;
        q->limit = strtod(number + 1, &end);
        if (end != number + 1 && !*end && q->limit >= 0 && q->limit < 1e15 &&
            (q->metric == HNAS_COST_TABLE || q->limit == floor(q->limit)))
            return 0;
    }
    return usage_error("--budget %.80s: want params=N, macs=N, bytes=N or "
                       "latency_us=T",
                       q->budget);
}

/* Exactly one of --lambda, --path and --budget. */
static int check_question(struct query *q)
{
    const int n = q->given[LAMBDA] + (q->path != 0) + (q->budget != NULL);

    if (!n)
        return usage_error(
            "what to tell is missing: want --lambda L, --path or "
            "--budget METRIC=N");
    if (n > 1)
        return usage_error("--lambda, --path, --budget: want only one of them");
    if (q->given[THETA] && !(q->theta > 0 && q->theta < 1))
        return usage_error("--theta %g: want 0 < T < 1", q->theta);
    return q->budget ? read_budget(q) : 0;
}

static int run(struct command_line *line, struct query *q, int argc,
               char **argv)
{
    int rc = options_parse(line, q, argc, argv);

    if (rc == OPTIONS_HELP) {
        options_help(line);
        return EXIT_DONE;
    }
    if (rc == OPTIONS_VERSION)
        return program_version(q->threads);
    if (rc)
        return rc;
    if (!line->n_words)
        return usage_error("FILE: missing, want a search.safetensors");
    q->file = line->words[0];
    q->given = line->given;
    rc = check_question(q);
    if (rc)
        return rc;
    catch_interrupt();
    return query(q);
}

int main(int argc, char **argv)
{
    unsigned char given[N_OPTIONS] = {0};
    const char *words[1];
    struct query q = {0};
    struct command_line line = {
        "hnas-query",
        "FILE --lambda L|--path|--budget METRIC=N [OPTION]...",
        "Derives architectures of a finished search, without training.",
        options,
        N_OPTIONS,
        1,
        words,
        0,
        given};

    program_begin("hnas-query");
    return program_end(run(&line, &q, argc, argv));
}
