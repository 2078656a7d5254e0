/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/path.h"

#include <stdio.h>

#include "bench/lines.h"
#include "common/json.h"
#include "common/program.h"

enum { PATHS = 20, FINDS = 100000 };

/* The shortest time of a path, its pieces, and of finding a lambda in it. */
static hnas_status measure(struct lines *l, const struct bench *b,
                           const hnas_path_opts *opts, double result[3])
{
    hnas_path *path = NULL;
    hnas_hyper_opts h;
    hnas_status st = HNAS_OK;
    double began_s, step;
    int64_t sum = 0;

    result[0] = 1e30;
    for (int64_t i = 0; i < PATHS * b->repeat && st >= 0; i++) {
        double us;

        hnas_path_destroy(path);
        began_s = now_s();
        st = is_interrupted() ? HNAS_E_STOPPED
                              : hnas_path_create(&path, l->net, l->hyper, opts);
        us = 1e6 * (now_s() - began_s);
        result[0] = us < result[0] ? us : result[0];
    }
    if (st < 0)
        return st;
    result[1] = hnas_path_get_count(path);
    hnas_hyper_get_opts(l->hyper, &h, sizeof h);
    step = (h.lambda_hi - h.lambda_lo) / FINDS;
    began_s = now_s();
    for (int i = 0; i < FINDS; i++)
        sum += hnas_path_find(path, h.lambda_lo + (i + 0.5) * step);
    result[2] = sum < 0 ? 0 : 1e9 * (now_s() - began_s) / FINDS;
    hnas_path_destroy(path);
    return st;
}

static void print(const struct bench *b, const double result[3])
{
    struct json j;

    if (!b->json) {
        printf("%.1f us a path of %.0f pieces, %.0f ns to find a lambda\n",
               result[0], result[1], result[2]);
        return;
    }
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "us_per_path");
    json_real(&j, result[0]);
    json_key(&j, "pieces");
    json_int(&j, (int64_t)result[1]);
    json_key(&j, "ns_per_find");
    json_real(&j, result[2]);
    json_close(&j, '}');
    fputc('\n', stdout);
}

int bench_path(const struct bench *b)
{
    struct lines l = {0};
    hnas_path_opts opts;
    double result[3];
    hnas_status st;
    int rc = program_open(&l.ctx, b->threads, b->seed);

    if (rc)
        return rc;
    st = lines_create(&l, b, &opts);
    if (st >= 0)
        st = measure(&l, b, &opts, result);
    if (st < 0)
        rc = library_failure(l.ctx, st, 1);
    else
        print(b, result);
    lines_destroy(&l);
    return rc;
}
