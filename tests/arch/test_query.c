/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls, on a supernet. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "arch/arch.h"
#include "hnas/path.h"
#include "support/check_main.h"

static hnas_context *ctx;
static hnas_supernet *net;
static hnas_hyper *hyper;

/* A net of three small cells, and a hypernetwork for it. */
static void open_net(void)
{
    static const char *const names[2] = {"normal", "reduce"};
    hnas_supernet_opts o;
    hnas_hyper_opts h;

    hnas_supernet_opts_init(&o, sizeof o);
    o.channels = 4;
    o.cells = 3;
    o.nodes = 2;
    o.image[1] = o.image[2] = 8;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    hnas_hyper_opts_init(&h, sizeof h);
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(net, k, &n_cells, &n_edges, &n_ops);
        if (!n_cells)
            continue;
        h.names[h.n_tables] = names[k];
        h.rows[h.n_tables] = n_edges;
        h.cols[h.n_tables++] = n_ops;
    }
    h.init_std = 1;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), HNAS_OK);
    for (int32_t t = 0; t < h.n_tables; t++)
        hn_fill_uniform(hyper->table[t].b1, 1, (uint64_t)t);
}

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    open_net();
}

static void teardown(void)
{
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
}

/* What the kept edges cost where every node has an input. */
static double cost_of(const hnas_arch *arch, int32_t metric)
{
    const struct hn_space *s = hn_supernet_space(net);
    double sum = 0;

    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_space_kind *kind = &s->kind[k];
        const hnas_arch_edge *e = hnas_arch_get_edges(arch, k);

        for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, k); i++)
            for (int32_t row = 0; row < kind->n_edges; row++)
                if (kind->from[row] == e[i].from && kind->to[row] == e[i].to)
                    sum += kind->cost[metric][row * s->n_ops + e[i].op];
    }
    return sum;
}

START_TEST(derive_costs_what_the_network_says)
{
    for (int i = 0; i <= 20; i++) {
        const double lambda = fmin(1e-4 * pow(1000, i / 20.0), 1e-1);
        hnas_arch *arch;
        hnas_cost total, fixed, want;

        ck_assert_int_eq(
            hnas_arch_derive(&arch, net, hyper, lambda, HNAS_RULE_TOP2),
            HNAS_OK);
        hnas_supernet_get_fixed_cost(net, &want);
        hnas_arch_get_cost(arch, &total, &fixed);
        ck_assert_int_eq(fixed.params, want.params);
        ck_assert_int_eq(fixed.macs, want.macs);
        ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_NORMAL), 4);
        ck_assert_int_eq(hnas_arch_get_edge_count(arch, HNAS_REDUCE), 4);
        ck_assert(total.params - fixed.params ==
                  cost_of(arch, HNAS_COST_PARAMS));
        ck_assert(total.macs - fixed.macs == cost_of(arch, HNAS_COST_MACS));
        ck_assert(total.bytes - fixed.bytes == cost_of(arch, HNAS_COST_BYTES));
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(derive_equals_from_alpha_between_breakpoints)
{
    for (int i = 1; i < 20; i++) {
        const double lambda = 1e-4 * pow(1000, i / 20.0);
        double table[2][64];
        const double *const alpha[2] = {table[0], table[1]};
        hnas_arch *a, *b;

        for (int32_t t = 0; t < 2; t++) {
            const struct hn_hyper_table *h = &hyper->table[t];

            ck_assert_int_eq(
                hnas_hyper_eval(table[t], h->rows * h->cols, hyper, t, lambda),
                HNAS_OK);
        }
        ck_assert_int_eq(
            hnas_arch_derive(&a, net, hyper, lambda, HNAS_RULE_ARGMAX),
            HNAS_OK);
        ck_assert_int_eq(hnas_arch_from_alpha(&b, net, alpha, HNAS_RULE_ARGMAX,
                                              HNAS_COST_PARAMS),
                         HNAS_OK);
        ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
        hnas_arch_destroy(a);
        hnas_arch_destroy(b);
    }
}
END_TEST

static int32_t count_edges(const hnas_arch *arch)
{
    return hnas_arch_get_edge_count(arch, HNAS_NORMAL) +
           hnas_arch_get_edge_count(arch, HNAS_REDUCE);
}

START_TEST(a_threshold_on_alpha_is_that_on_lines)
{
    double table[2][64];
    const double *const alpha[2] = {table[0], table[1]};
    int32_t before = 1 << 20, first = -1;
    hnas_arch *a, *b;

    for (int32_t t = 0; t < 2; t++) {
        const struct hn_hyper_table *h = &hyper->table[t];

        ck_assert_int_eq(
            hnas_hyper_eval(table[t], h->rows * h->cols, hyper, t, 0.01),
            HNAS_OK);
    }
    for (double theta = 0.05; theta < 1; theta += 0.05) {
        ck_assert_int_eq(
            hnas_arch_derive_threshold(&a, net, hyper, 0.01, theta), HNAS_OK);
        ck_assert_int_eq(hnas_arch_from_alpha_threshold(&b, net, alpha, theta,
                                                        HNAS_COST_PARAMS),
                         HNAS_OK);
        ck_assert_int_eq(hnas_arch_is_equal(a, b), 1);
        ck_assert_int_eq(hnas_arch_get_rule(b), HNAS_RULE_THRESHOLD);
        ck_assert_int_le(count_edges(b), before);
        before = count_edges(b);
        first = first < 0 ? before : first;
        hnas_arch_destroy(a);
        hnas_arch_destroy(b);
    }
    ck_assert_int_lt(before, first);
    for (int i = 0; i < 3; i++) {
        const double bad[3] = {0, 1, NAN};

        ck_assert_int_eq(hnas_arch_from_alpha_threshold(&b, net, alpha, bad[i],
                                                        HNAS_COST_PARAMS),
                         HNAS_E_RANGE);
        ck_assert_ptr_null(b);
    }
    ck_assert_int_eq(hnas_arch_from_alpha_threshold(&b, net, NULL, 0.5, 0),
                     HNAS_E_ARG);
}
END_TEST

START_TEST(the_zero_operation_costs_nothing)
{
    const struct hn_space *s = hn_supernet_space(net);

    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        for (int32_t i = 0; i < s->kind[k].n_edges * s->n_ops; i++)
            if (s->op_flags[i % s->n_ops] & HNAS_OP_ZERO) {
                ck_assert(s->kind[k].cost[HNAS_COST_PARAMS][i] == 0);
                ck_assert(s->kind[k].cost[HNAS_COST_MACS][i] == 0);
            }
}
END_TEST

START_TEST(null_arguments_are_refused)
{
    const double *const alpha[2] = {NULL, NULL};
    hnas_arch *arch = (hnas_arch *)&arch;

    ck_assert_int_eq(hnas_arch_derive(NULL, net, hyper, 0.01, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_arch_derive(&arch, NULL, hyper, 0.01, 0), HNAS_E_ARG);
    ck_assert_ptr_null(arch);
    ck_assert_int_eq(hnas_arch_derive(&arch, net, NULL, 0.01, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, alpha, 0, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, NULL, 0, 0), HNAS_E_ARG);
}
END_TEST

START_TEST(a_path_refuses_what_it_can_not_walk)
{
    hnas_path *path = (hnas_path *)&net;
    hnas_path_opts o;
    hnas_path_piece piece = {.s_lo = 7};
    hnas_tensor *b1;
    double was, poison = NAN;

    hnas_path_opts_init(&o, sizeof o);
    o.size = 0;
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, &o), HNAS_E_ARG);
    ck_assert_ptr_null(path);
    ck_assert_int_eq(hnas_path_create(NULL, net, hyper, NULL), HNAS_E_ARG);
    hnas_path_opts_init(&o, sizeof o);
    o.rule = 99;
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, &o), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, NULL), HNAS_OK);
    hnas_path_get_piece(path, hnas_path_get_count(path), &piece);
    ck_assert(piece.s_lo == 0 && piece.hi == 0);
    hnas_path_destroy(path);

    b1 = hyper->table[0].b1; /* NaN in a line */
    was = (double)hn_real(b1)[3];
    hn_real(b1)[3] = (real)poison;
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, NULL), HNAS_E_NAN);
    ck_assert_ptr_null(path);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "line[3]"));
    hn_real(b1)[3] = (real)was;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arch query");
    TCase *c = tcase_create("query");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, derive_costs_what_the_network_says);
    tcase_add_test(c, derive_equals_from_alpha_between_breakpoints);
    tcase_add_test(c, a_threshold_on_alpha_is_that_on_lines);
    tcase_add_test(c, the_zero_operation_costs_nothing);
    tcase_add_test(c, null_arguments_are_refused);
    tcase_add_test(c, a_path_refuses_what_it_can_not_walk);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
