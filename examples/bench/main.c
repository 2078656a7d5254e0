/* SPDX-License-Identifier: BSD-3-Clause */
/* hnas-bench: what steps, predictions and queries cost on this machine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/path.h"
#include "common/json.h"
#include "common/program.h"

static const char *const rules[] = {"argmax", "top2", "top2_raw", "threshold",
                                    NULL};
static const char *const orders[] = {"first", "second_fd", "second_exact",
                                     NULL};
static const char *const relaxations[] = {"raw",    "softmax",     "sigmoid",
                                          "gumbel", "gumbel_hard", NULL};

#define AT(field) offsetof(struct bench, field)

static const struct option options[] = {
    {"preset", "NAME", "of the search (default)", OPTION_TEXT, AT(preset), 0, 0,
     NULL, NULL, 0},
    {"cells", "N", "cells (3)", OPTION_INT, AT(cells), 1, 100, NULL, NULL, 0},
    {"nodes", "N", "intermediate nodes a cell (4)", OPTION_INT, AT(nodes), 1,
     16, NULL, NULL, 0},
    {"channels", "N", "of the first cell (16)", OPTION_INT, AT(channels), 1,
     4096, NULL, NULL, 0},
    {"batch", "N", "images a batch (64)", OPTION_INT, AT(batch), 1, 65536, NULL,
     NULL, 0},
    {"image", "CxHxW", "size of an image (1x28x28)", OPTION_TEXT, AT(image), 0,
     0, NULL, NULL, 0},
    {"classes", "N", "(10)", OPTION_INT, AT(classes), 1, 100000, NULL, NULL, 0},
    {"half", NULL, "keep what batch-norm reads in half precision", OPTION_FLAG,
     AT(half), 0, 0, NULL, NULL, 0},
    {"order", "O", "first, second_fd or second_exact (the preset's)",
     OPTION_CHOICE, AT(order), 0, 0, orders, NULL, 0},
    {"relax", "R",
     "raw, softmax, sigmoid, gumbel or gumbel_hard (the preset's)",
     OPTION_CHOICE, AT(relax), 0, 0, relaxations, NULL, 0},
    {"alpha-paths", "M",
     "operations of an edge that the alpha pass evaluates (the preset's; 0: "
     "all)",
     OPTION_INT, AT(alpha_paths), 0, 64, NULL, NULL, 0},
    {"lambda-range", "LO:HI", "of the hypernetwork (the preset's)", OPTION_PAIR,
     AT(range), -1e30, 1e30, NULL, NULL, 0},
    {"rule", "RULE", "of path and switch (the preset's)", OPTION_CHOICE,
     AT(rule), 0, 0, rules, NULL, 0},
    {"repeat", "R", "counted repetitions (7)", OPTION_INT, AT(repeat), 1, 1e6,
     NULL, NULL, 0},
    {"arch", "FILE", "as hnas-query prints it: of forward and train-step",
     OPTION_TEXT, AT(arch), 0, 0, NULL, NULL, 0},
    {"ops", "A,B,C", "of a latency table (the preset's)", OPTION_TEXT, AT(ops),
     0, 0, NULL, NULL, 0},
    {"out", "FILE", "of a latency table (standard output)", OPTION_TEXT,
     AT(out), 0, 0, NULL, NULL, 0},
    {"threads", "N", "workers (all cores)", OPTION_INT, AT(threads), 0, 256,
     NULL, NULL, 0},
    {"seed", "S", "of the random data (0)", OPTION_INT, AT(seed), 0, 9e18, NULL,
     NULL, 0},
    {"json", NULL, "print one JSON object", OPTION_FLAG, AT(json), 0, 0, NULL,
     NULL, 0},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

static int read_image(struct bench *b)
{
    const char *p = b->image;

    for (int i = 0; i < 3; i++) {
        char *end;

        b->dims[i] = strtoll(p, &end, 10);
        if (end == p || b->dims[i] < 1 || b->dims[i] > 65536 ||
            *end != (i < 2 ? 'x' : '\0'))
            return usage_error("--image %s: want CxHxW, as 1x28x28", b->image);
        p = end + 1;
    }
    return 0;
}

static int check_range(const struct bench *b)
{
    return b->range[0] >= b->range[1]
               ? usage_error("--lambda-range %g:%g: want LO < HI", b->range[0],
                             b->range[1])
               : 0;
}

static void print_step(const struct bench *b, struct bench_result *r)
{
    const double middle = median(r->ms, r->n_ms);
    const double gflops = r->flops / (middle * 1e6);
    struct json j;

    if (!b->json) {
        printf("%.2f ms a step (at best %.2f), %.1f GFLOP/s, %.1f MB at most\n",
               middle, r->ms[0], gflops, (double)peak_bytes() / 1e6);
        return;
    }
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "median_ms");
    json_real(&j, middle);
    json_key(&j, "min_ms");
    json_real(&j, r->ms[0]);
    json_key(&j, "peak_bytes");
    json_int(&j, peak_bytes());
    json_key(&j, "threads");
    json_int(&j, r->threads);
    json_key(&j, "kernels");
    json_string(&j, r->kernels);
    json_key(&j, "gflops");
    json_real(&j, gflops);
    if (r->moved_bytes) {
        json_key(&j, "flops");
        json_real(&j, r->flops);
        json_key(&j, "moved_bytes");
        json_int(&j, r->moved_bytes);
    }
    json_close(&j, '}');
    fputc('\n', stdout);
}

static void print_query(const struct bench *b, struct bench_result *r)
{
    const double ns = 1e6 * median(r->ms, r->n_ms);
    struct json j;

    if (!b->json) {
        printf("%.0f ns a query\n", ns);
        return;
    }
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "ns_per_query");
    json_real(&j, ns);
    json_close(&j, '}');
    fputc('\n', stdout);
}

static int measure(const struct bench *b)
{
    struct bench_result r = {0};
    const int is_query = b->what == BENCH_QUERY;
    int rc;

    if (b->what == BENCH_KERNELS)
        return bench_kernels(b);
    if (b->what == BENCH_LATENCY)
        return bench_latency(b);
    if (b->what == BENCH_MEMORY)
        return bench_memory(b);
    if (b->what == BENCH_PATH)
        return bench_path(b);
    if (b->what == BENCH_SWITCH)
        return bench_switch(b);
    rc = b->arch ? bench_network(b, b->what == BENCH_TRAINING, &r)
                 : bench_run(b, &r);
    if (!rc && is_query)
        print_query(b, &r);
    else if (!rc)
        print_step(b, &r);
    free(r.ms);
    return rc;
}

/* What can be measured; has_arch: of a discrete network. */
static const struct {
    const char *word;
    int what, has_arch;
} measurements[] = {
    {"step", BENCH_STEP, 0},           {"wpass", BENCH_WPASS, 0},
    {"query", BENCH_QUERY, 0},         {"forward", BENCH_FORWARD, 1},
    {"train-step", BENCH_TRAINING, 1}, {"kernels", BENCH_KERNELS, 0},
    {"path", BENCH_PATH, 0},           {"switch", BENCH_SWITCH, 0},
    {"latency", BENCH_LATENCY, 0},     {"memory", BENCH_MEMORY, 0},
};

static int check_word(const struct command_line *line, struct bench *b)
{
    const char *word = line->n_words ? line->words[0] : "";

    for (size_t i = 0; i < sizeof measurements / sizeof measurements[0]; i++)
        if (!strcmp(word, measurements[i].word)) {
            b->what = measurements[i].what;
            if (!b->arch && measurements[i].has_arch)
                return usage_error("%s: needs --arch FILE", word);
            if (b->arch && !measurements[i].has_arch)
                return usage_error("--arch %s: only of forward and train-step",
                                   b->arch);
            return 0;
        }
    return usage_error(
        "%s%.80s%s: want step, wpass, query, path, switch, latency, forward, "
        "train-step, kernels or memory",
        *word ? "can't measure " : "what to measure", word,
        *word ? "" : " is missing");
}

static int run(struct command_line *line, struct bench *b, int argc,
               char **argv)
{
    int rc = options_parse(line, b, argc, argv);

    if (rc == OPTIONS_HELP) {
        options_help(line);
        return EXIT_DONE;
    }
    if (rc == OPTIONS_VERSION)
        return program_version(b->threads);
    if (!rc)
        rc = check_word(line, b);
    if (!rc)
        rc = read_image(b);
    if (!rc)
        rc = check_range(b);
    if (rc)
        return rc;
    catch_interrupt();
    rc = measure(b);
    return rc == EXIT_INTERRUPTED ? tell_interrupted(b->json) : rc;
}

int main(int argc, char **argv)
{
    unsigned char given[N_OPTIONS] = {0};
    const char *words[1];
    struct bench b = {.preset = "default",
                      .cells = 3,
                      .nodes = 4,
                      .channels = 16,
                      .batch = 64,
                      .image = "1x28x28",
                      .classes = 10,
                      .order = -1,
                      .relax = -1,
                      .rule = -1,
                      .alpha_paths = -1,
                      .range = {NAN, NAN},
                      .repeat = 7};
    struct command_line line = {
        "hnas-bench",
        "step|wpass|query|path|switch|latency|forward|train-step|kernels|"
        "memory [OPTION]...",
        "Measures, on random data, a step of a search, its w pass alone or a "
        "query of it; a path of random lines, and a switch between its "
        "networks; a prediction or a step of training of a discrete "
        "network; what each kernel reaches, and the memory; the latency of "
        "each edge and "
        "operation, as a table for hnas-search --cost.",
        options,
        N_OPTIONS,
        1,
        words,
        0,
        given};

    program_begin("hnas-bench");
    return program_end(run(&line, &b, argc, argv));
}
