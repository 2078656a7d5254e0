/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-export: pictures and exchange formats. */
#include <stdio.h>
#include <string.h>

#include "common/arch.h"
#include "common/options.h"
#include "common/program.h"
#include "export/export.h"

static const char *const rules[] = {"argmax", "top2", "top2_raw", "threshold",
                                    NULL};

enum { SEARCH, LAMBDA, RULE, THETA }; /* places in the table below */

#define AT(field) offsetof(struct export_job, field)

static const struct option options[] = {
    {"search", "FILE", "a search.safetensors to derive from", OPTION_TEXT,
     AT(search), 0, 0, NULL, NULL, 0},
    {"lambda", "L", "where to derive", OPTION_REAL, AT(lambda), -1e300, 1e300,
     NULL, NULL, 0},
    {"rule", "RULE", "argmax, top2, top2_raw or threshold (the search's own)",
     OPTION_CHOICE, AT(rule), 0, 0, rules, NULL, 0},
    {"theta", "T", "of the rule threshold (the search's own)", OPTION_REAL,
     AT(theta), 0, 1, NULL, NULL, 0},
    {"arch", "FILE", "an architecture of hnas-query, or a genotype",
     OPTION_TEXT, AT(arch), 0, 0, NULL, NULL, 0},
    {"onnx", "F", "write the network as ONNX", OPTION_TEXT, AT(onnx), 0, 0,
     NULL, NULL, 0},
    {"dot", "F", "write the cells for Graphviz", OPTION_TEXT, AT(dot), 0, 0,
     NULL, NULL, 0},
    {"svg", "F", "write the cells as a picture", OPTION_TEXT, AT(svg), 0, 0,
     NULL, NULL, 0},
    {"json", "F", "write the object that hnas-query prints", OPTION_TEXT,
     AT(json), 0, 0, NULL, NULL, 0},
    {"text", "F", "write the genotype, as DARTS publishes them", OPTION_TEXT,
     AT(text), 0, 0, NULL, NULL, 0},
    {"html", "F", "write the whole path of --search as a page to explore",
     OPTION_TEXT, AT(html), 0, 0, NULL, NULL, 0},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, 0},
    {"seed", "S", "taken for uniformity; an export draws nothing", OPTION_INT,
     AT(seed), 0, 9e18, NULL, NULL, 0},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

static const char about[] =
    "Writes an architecture, of a trained network, of a search at lambda or of "
    "a\nfile, in formats for other programs and as pictures.  Every file is\n"
    "replaced in one step.";

/* The network of the search's own shape, with its weights and statistics. */
static hnas_status inherit(hnas_model **out, hnas_context *ctx,
                           const hnas_arch *arch, hnas_supernet *net,
                           double lambda)
{
    const hnas_params *weights;
    hnas_model_opts o;
    hnas_status st;

    hnas_model_opts_init(&o, sizeof o);
    hnas_model_opts_fit(&o, net);
    st = hnas_model_create(out, ctx, arch, &o);
    if (st == HNAS_OK)
        st = hnas_supernet_get_weights_at(&weights, net, lambda);
    if (st == HNAS_OK)
        st = hnas_model_inherit(*out, weights);
    if (st == HNAS_OK)
        fprintf(stderr, "hnas-export: --onnx: batch-norm has the supernet's "
                        "statistics; hnas-train --inherit --epochs 0 makes a "
                        "network with its own\n");
    return st;
}

static int export_search(const struct export_job *e, hnas_context *ctx)
{
    hnas_search *search = NULL;
    hnas_model *model = NULL;
    hnas_arch *arch = NULL;
    hnas_search_opts o;
    hnas_path_opts path;
    hnas_status st = hnas_search_load(&search, ctx, e->search);
    int rc = 0;

    if (st < 0)
        return library_failure(ctx, st, 0);
    hnas_search_get_opts(search, &o, sizeof o);
    hnas_path_opts_init(&path, sizeof path);
    path.rule = e->given[RULE] ? e->rule : o.rule;
    path.theta = e->given[THETA] ? e->theta : o.theta;
    if (e->given[THETA] && path.rule != HNAS_RULE_THRESHOLD)
        rc = usage_error("--theta: needs --rule threshold");
    if (!rc && e->given[LAMBDA]) {
        st = arch_derive(&arch, search, e->lambda, path.rule, path.theta);
        arch_note_range(st, e->lambda);
        if (st >= 0 && e->onnx)
            st = inherit(&model, ctx, arch, hnas_search_get_net(search),
                         e->lambda);
        rc = st < 0 ? library_failure(ctx, st, st == HNAS_E_RANGE)
                    : export_write(e, ctx, arch, model);
    }
    if (!rc && is_interrupted())
        rc = EXIT_INTERRUPTED;
    if (!rc && e->html)
        rc = export_page(e, ctx, search, &path);
    hnas_model_destroy(model);
    hnas_arch_destroy(arch);
    hnas_search_destroy(search);
    return rc;
}

static int export_arch(const struct export_job *e, hnas_context *ctx)
{
    hnas_arch *arch;
    int rc = arch_open(&arch, ctx, e->arch);

    if (!rc)
        rc = export_write(e, ctx, arch, NULL);
    hnas_arch_destroy(arch);
    return rc;
}

static int export_net(const struct export_job *e, hnas_context *ctx)
{
    hnas_model *model = NULL;
    hnas_arch *arch = NULL;
    hnas_status st = hnas_model_load(&model, ctx, e->net);
    int rc;

    if (st == HNAS_OK)
        st = hnas_model_get_arch(&arch, model);
    rc = st < 0 ? library_failure(ctx, st, 0)
                : export_write(e, ctx, arch, model);
    hnas_arch_destroy(arch);
    hnas_model_destroy(model);
    return rc;
}

static int wants_arch(const struct export_job *e)
{
    return e->onnx || e->dot || e->svg || e->json || e->text;
}

static int check(const struct export_job *e)
{
    const int n = (e->net != NULL) + (e->search != NULL) + (e->arch != NULL);

    if (n != 1)
        return usage_error("%s: want one of NET.safetensors, --search FILE, "
                           "--arch FILE",
                           n ? "more than one thing to export"
                             : "what to export is missing");
    if (e->html && !e->search)
        return usage_error("--html: needs --search FILE");
    if (e->search && !e->given[LAMBDA] && (!e->html || wants_arch(e)))
        return usage_error("--search %s: needs --lambda L", e->search);
    if (!e->search && (e->given[LAMBDA] || e->given[RULE] || e->given[THETA]))
        return usage_error("--lambda, --rule, --theta: need --search FILE");
    if (e->given[THETA] && !(e->theta > 0 && e->theta < 1))
        return usage_error("--theta %g: want 0 < T < 1", e->theta);
    if (e->onnx && e->arch)
        return usage_error("--onnx: --arch %s has no weights, want "
                           "NET.safetensors or --search FILE",
                           e->arch);
    if (!e->html && !wants_arch(e))
        return usage_error("no file to write: want --onnx, --dot, --svg, "
                           "--json, --text or --html F");
    return 0;
}

static int run(struct command_line *line, struct export_job *e, int argc,
               char **argv)
{
    hnas_context *ctx = NULL;
    int rc = options_parse(line, e, argc, argv);

    if (rc == OPTIONS_HELP) {
        options_help(line);
        return EXIT_DONE;
    }
    if (rc == OPTIONS_VERSION)
        return program_version(e->threads);
    if (rc)
        return rc;
    e->given = line->given;
    e->net = line->n_words ? line->words[0] : NULL;
    rc = check(e);
    catch_interrupt();
    if (!rc)
        rc = program_open(&ctx, e->threads, e->seed);
    if (!rc && e->search)
        rc = export_search(e, ctx);
    else if (!rc)
        rc = e->arch ? export_arch(e, ctx) : export_net(e, ctx);
    hnas_context_destroy(ctx);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned char given[N_OPTIONS] = {0};
    const char *words[1];
    struct export_job e = {0};
    struct command_line line = {
        "hnas-export",
        "NET.safetensors|--search FILE [--lambda L]|--arch FILE [OPTION]...",
        about,
        options,
        N_OPTIONS,
        1,
        words,
        0,
        given};

    program_begin("hnas-export");
    return program_end(run(&line, &e, argc, argv));
}
