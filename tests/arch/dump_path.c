/* SPDX-License-Identifier: BSD-3-Clause */
/* Read a hypernetwork from standard input, write its path: for check_path.py,
 * which computes it with exact arithmetic.  Numbers are C99 hexadecimal. */
#include <stdio.h>
#include <stdlib.h>

#include "arch/path.h"
#include "space.h"

static double number(void)
{
    char text[64];

    if (scanf("%63s", text) != 1)
        exit(2);
    return strtod(text, NULL);
}

static hnas_hyper *read_hyper(struct hnas_context *ctx,
                              const struct test_space *net)
{
    static const char *const names[2] = {"normal", "reduce"};
    hnas_hyper_opts o;
    hnas_hyper *hyper;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = (int32_t)number();
    o.scale = (int32_t)number();
    o.lambda_lo = number();
    o.lambda_hi = number();
    o.knots = (int32_t)number();
    o.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        o.names[k] = names[k];
        o.rows[k] = net->space.kind[k].n_edges;
        o.cols[k] = net->space.n_ops;
    }
    if (hnas_hyper_create(&hyper, ctx, &o) < 0)
        exit(3);
    for (int64_t p = 0; p < hyper->params.n; p++) {
        hnas_tensor *t = hyper->params.entry[p].tensor;

        for (int64_t i = 0; i < hnas_tensor_get_count(t); i++)
            hn_real(t)[i] = (real)number();
    }
    return hyper;
}

static void print_ops(const hnas_path *p, int32_t index)
{
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        for (int32_t e = 0; e < p->n_edges[k]; e++)
            printf("%d ", (int)hn_path_ops(p, index, k)[e]);
    printf("\n");
}

/* The operations of the first piece, then where each other one begins, and its
 * operations. */
static void print(const hnas_path *p)
{
    print_ops(p, 0);
    for (int32_t i = 1; i < p->n; i++) {
        printf("%a %a ", p->piece[i].s_lo, p->piece[i].lo);
        print_ops(p, i);
    }
}

int main(void)
{
    struct hnas_context *ctx;
    struct test_space net;
    hnas_hyper *hyper;
    hnas_path *path;
    const struct hn_arch_rule *rule;
    double theta;
    int32_t n_nodes, n_ops;

    if (hn_context_open(&ctx, NULL) < 0)
        return 1;
    rule = hn_arch_rule_find((int32_t)number());
    theta = number();
    n_nodes = (int32_t)number();
    n_ops = (int32_t)number();
    test_space_init(&net, ctx, n_nodes, n_ops, 1);
    for (int k = 0; k < 2; k++)
        for (int32_t i = 0; i < net.space.kind[k].n_edges * n_ops; i++)
            net.cost[k][HNAS_COST_PARAMS][i] = number();
    hyper = read_hyper(ctx, &net);
    if (hn_path_create(&path, &net.space, hyper, rule, theta) < 0)
        return 1;
    print(path);
    hnas_path_destroy(path);
    hnas_hyper_destroy(hyper);
    hn_context_close(ctx);
    return 0;
}
