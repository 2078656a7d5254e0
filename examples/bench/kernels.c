/* SPDX-License-Identifier: BSD-3-Clause */
/* What each kernel reaches of the machine. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "common/json.h"
#include "common/program.h"

static void print_json(struct json *j, const hnas_kernel_rate *rate)
{
    json_open(j, '{');
    json_key(j, "name");
    json_string(j, rate->name);
    json_key(j, "shape");
    json_string(j, rate->shape);
    json_key(j, "gflops");
    json_real(j, rate->gflops);
    json_key(j, "gbs");
    json_real(j, rate->gbs);
    json_key(j, "roofline");
    json_real(j, rate->roofline);
    json_close(j, '}');
}

static void print_line(const hnas_kernel_rate *rate)
{
    printf("%-24s %-12s %8.1f GFLOP/s %8.1f GB/s %5.0f %%\n", rate->name,
           rate->shape, rate->gflops, rate->gbs, 100 * rate->roofline);
}

static int measure(hnas_context *ctx, const struct bench *b, struct json *j)
{
    for (int32_t i = 0; i < hnas_kernels_get_count(ctx); i++) {
        hnas_kernel_rate rate;
        const hnas_status st =
            is_interrupted() ? HNAS_E_STOPPED
                             : hnas_kernels_measure(&rate, sizeof rate, ctx, i);

        if (st < 0)
            return library_failure(ctx, st, 0);
        if (b->json)
            print_json(j, &rate);
        else
            print_line(&rate);
    }
    return 0;
}

/* The object is made in memory: no half one is printed. */
static int measure_json(hnas_context *ctx, const struct bench *b)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct json j;
    int rc;

    if (!f)
        return failure("kernels: out of memory");
    json_begin(&j, f);
    json_open(&j, '{');
    json_key(&j, "level");
    json_string(&j, hnas_context_get_kernels(ctx));
    json_key(&j, "kernels");
    json_open(&j, '[');
    rc = measure(ctx, b, &j);
    json_close(&j, ']');
    json_close(&j, '}');
    if (fclose(f) && !rc)
        rc = failure("kernels: out of memory");
    if (!rc)
        printf("%s\n", text);
    free(text);
    return rc;
}

int bench_kernels(const struct bench *b)
{
    hnas_context *ctx = NULL;
    int rc = program_open(&ctx, 1, b->seed);

    if (!rc)
        rc = b->json ? measure_json(ctx, b) : measure(ctx, b, NULL);
    hnas_context_destroy(ctx);
    return rc;
}
