/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "bench/lines.h"
#include "bench/path.h"
#include "common/json.h"
#include "common/program.h"

enum { SWITCHES = 200000, RUNS = 3 };

struct switching {
    struct lines lines;
    hnas_path *path;
    hnas_set *set;
    hnas_predictor *predictor;
    double *lambda; /* one a member, in an order that jumps */
    int32_t n;
};

static hnas_status create(struct switching *s, const struct bench *b)
{
    hnas_path_opts opts;
    hnas_status st = lines_create(&s->lines, b, &opts);

    if (st >= 0)
        st = hnas_path_create(&s->path, s->lines.net, s->lines.hyper, &opts);
    if (st >= 0)
        st = hnas_set_create(&s->set, s->lines.net, s->path);
    if (st >= 0)
        st = hnas_set_create_predictor(&s->predictor, s->set, 1);
    if (st < 0)
        return st;
    s->n = hnas_set_get_count(s->set);
    s->lambda = calloc((size_t)s->n, sizeof *s->lambda);
    if (!s->lambda)
        return HNAS_E_NOMEM;
    for (int32_t i = 0; i < s->n; i++) {
        hnas_set_member m;

        hnas_set_get_member(s->set, (int32_t)((int64_t)i * 7919 % s->n), &m);
        s->lambda[i] = m.lo;
    }
    return st;
}

/* Nanoseconds of finding the member of a lambda and becoming it. */
static hnas_status measure(struct switching *s, double *ns)
{
    hnas_status st = HNAS_OK;

    for (int run = 0; run < RUNS && st >= 0; run++) {
        const double began_s = now_s();
        double taken;

        if (is_interrupted())
            return HNAS_E_STOPPED;
        for (int i = 0, k = 0; i < SWITCHES && st >= 0; i++) {
            st = hnas_predictor_switch(s->predictor,
                                       hnas_set_find(s->set, s->lambda[k]));
            k = k + 1 < s->n ? k + 1 : 0;
        }
        taken = 1e9 * (now_s() - began_s) / SWITCHES;
        *ns = run == 0 || taken < *ns ? taken : *ns;
    }
    return st;
}

static void print(const struct bench *b, const struct switching *s, double ns)
{
    struct json j;

    if (!b->json) {
        printf("%.1f ns a switch between %d networks\n", ns, (int)s->n);
        return;
    }
    json_begin(&j, stdout);
    json_open(&j, '{');
    json_key(&j, "ns_per_switch");
    json_real(&j, ns);
    json_key(&j, "members");
    json_int(&j, s->n);
    json_key(&j, "peak_bytes");
    json_int(&j, peak_bytes());
    json_close(&j, '}');
    fputc('\n', stdout);
}

int bench_switch(const struct bench *b)
{
    struct switching s = {0};
    double ns = 0;
    hnas_status st;
    int rc = program_open(&s.lines.ctx, b->threads, b->seed);

    if (rc)
        return rc;
    st = create(&s, b);
    if (st >= 0)
        st = measure(&s, &ns);
    if (st < 0)
        rc = library_failure(s.lines.ctx, st, 1);
    else
        print(b, &s, ns);
    hnas_predictor_destroy(s.predictor);
    hnas_set_destroy(s.set);
    hnas_path_destroy(s.path);
    lines_destroy(&s.lines);
    free(s.lambda);
    return rc;
}
