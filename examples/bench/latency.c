/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/latency.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/program.h"

enum { MOST_OPS = 64 };

/* The table is made in memory: no half one is left anywhere. */
static int write_out(const struct bench *b, hnas_context *ctx,
                     hnas_supernet *net)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    hnas_status st = HNAS_OK;
    int rc;

    if (!f)
        return failure("latency table: out of memory");
    rc = latency_write(f, ctx, net, b->batch, b->repeat);
    if (fclose(f) && !rc)
        rc = failure("latency table: out of memory");
    if (!rc && b->out)
        st = hnas_file_replace(ctx, b->out, text, size);
    else if (!rc)
        fputs(text, stdout);
    free(text);
    return st < 0 ? library_failure(ctx, st, 0) : rc;
}

static int measure(const struct bench *b, hnas_context *ctx, char *ops_text)
{
    const char *ops[MOST_OPS];
    hnas_supernet *net = NULL;
    hnas_supernet_opts o;
    hnas_preset preset;
    hnas_status st = hnas_preset_find(&preset, sizeof preset, ctx, b->preset);
    int rc = 0;

    hnas_supernet_opts_init(&o, sizeof o);
    memcpy(o.image, b->dims, sizeof o.image);
    o.classes = b->classes;
    o.channels = b->channels;
    o.cells = (int32_t)b->cells;
    o.nodes = (int32_t)b->nodes;
    o.n_ops = preset.n_ops;
    o.ops = preset.ops;
    if (ops_text && st == HNAS_OK) {
        rc = option_split("ops", ops_text, ops, MOST_OPS, &o.n_ops);
        o.ops = ops;
    }
    if (rc)
        return rc;
    if (st == HNAS_OK)
        st = hnas_supernet_create(&net, ctx, &o);
    if (st == HNAS_E_NAME && ops_text)
        return usage_error("--ops: %s", hnas_context_message(ctx));
    rc = st < 0 ? library_failure(ctx, st, 1) : write_out(b, ctx, net);
    hnas_supernet_destroy(net);
    return rc;
}

int bench_latency(const struct bench *b)
{
    hnas_context *ctx = NULL;
    char *ops = b->ops ? strdup(b->ops) : NULL;
    int rc = program_open(&ctx, b->threads, b->seed);

    if (!rc && b->ops && !ops)
        rc = failure("--ops: out of memory");
    if (!rc)
        rc = measure(b, ctx, ops);
    hnas_context_destroy(ctx);
    free(ops);
    return rc;
}
