/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries of a search share what they find, and find what a query alone
 * finds. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "hnas/hnas.h"
#include "hyper/hyper.h"
#include "support/check_main.h"
#include "world.h"

enum { E = 5, O = 8, N = E * O };

static const int32_t rules[] = {HNAS_RULE_ARGMAX, HNAS_RULE_TOP2,
                                HNAS_RULE_TOP2_RAW, HNAS_RULE_THRESHOLD};

static struct world w;

static void open_world(int32_t kind)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper_opts h;

    world_open(&w, "default", 1);
    hnas_hyper_destroy(w.hyper);
    hnas_hyper_opts_init(&h, sizeof h);
    h.kind = kind;
    h.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        h.names[k] = names[k];
        h.rows[k] = E;
        h.cols[k] = O;
    }
    ck_assert_int_eq(hnas_hyper_create(&w.hyper, w.ctx, &h), HNAS_OK);
    w.opts.monotone = 0;
    w.opts.theta = 0.55;
    w.opts.bilevel.warmup = 0;
    world_search(&w);
}

static void fill(void)
{
    for (int64_t i = 0; i < w.search->bilevel->problem.n_u; i++)
        for (int64_t j = 0; j < hnas_tensor_get_count(w.search->u[i]); j++)
            hn_real(w.search->u[i])[j] =
                (real)(float)(2.0 * rand() / RAND_MAX - 1);
}

/* The same answer, asked of the search and asked without it. */
static void expect_same(double lambda, int32_t rule)
{
    hnas_arch *got, *want;
    const hnas_status st = hnas_search_derive(&got, w.search, lambda, rule);
    const hnas_status alone =
        rule == HNAS_RULE_THRESHOLD
            ? hnas_arch_derive_threshold(&want, w.net, w.hyper, lambda,
                                         w.opts.theta)
            : hnas_arch_derive(&want, w.net, w.hyper, lambda, rule);

    ck_assert_int_eq(st, alone);
    if (st < 0)
        return;
    ck_assert(hnas_arch_is_equal(got, want));
    ck_assert_int_eq(got->rule, want->rule);
    ck_assert(got->lambda == want->lambda);
    ck_assert(got->lo == want->lo || (isnan(got->lo) && isnan(want->lo)));
    ck_assert(got->hi == want->hi || (isnan(got->hi) && isnan(want->hi)));
    ck_assert_int_eq(got->is_extrapolated, want->is_extrapolated);
    ck_assert_int_eq(memcmp(&got->total, &want->total, sizeof got->total), 0);
    ck_assert_int_eq(
        memcmp(&got->table_cost, &want->table_cost, sizeof got->table_cost), 0);
    ck_assert_int_eq(got->n_warnings, want->n_warnings);
    hnas_arch_destroy(got);
    hnas_arch_destroy(want);
}

/* Over the range and beyond, and at the breakpoints themselves. */
static void expect_same_everywhere(int32_t rule)
{
    const hnas_path_opts opts = {sizeof opts, rule, w.opts.theta};
    const double odd[] = {0, -1, NAN, 1e-5, 1e-4 * (1 - 1e-13), 0.1, 7};
    hnas_path *path;

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        expect_same(odd[i], rule);
    for (int i = 0; i < 100; i++)
        expect_same(1e-4 * pow(1000, (double)rand() / RAND_MAX), rule);
    ck_assert_int_eq(hnas_path_create(&path, w.net, w.hyper, &opts), HNAS_OK);
    for (int32_t i = 0; i < hnas_path_get_count(path); i++) {
        hnas_path_piece p;

        hnas_path_get_piece(path, i, &p);
        expect_same(p.lo, rule);
        expect_same(nextafter(p.lo, 0), rule);
        expect_same(nextafter(p.lo, 1), rule);
    }
    hnas_path_destroy(path);
}

START_TEST(a_search_answers_as_a_query_alone)
{
    const int32_t kinds[] = {HNAS_HYPER_LINEAR, HNAS_HYPER_PIECEWISE,
                             HNAS_HYPER_CONSTANT, HNAS_HYPER_MLP};

    srand(9);
    for (int k = 0; k < 4; k++) {
        open_world(kinds[k]);
        for (int round = 0; round < 3; round++) {
            fill();
            for (int r = 0; r < 4; r++)
                expect_same_everywhere(rules[r]);
            for (int r = 3; r >= 0; r--)
                expect_same(3e-3, rules[r]);
        }
        world_close(&w);
    }
}
END_TEST

START_TEST(steps_writes_and_a_table_are_noticed)
{
    double cost[N];

    srand(2);
    open_world(HNAS_HYPER_LINEAR);
    w.opts.bilevel.u_rate = 1;
    hnas_search_destroy(w.search);
    world_search(&w);
    for (int i = 0; i < 5; i++) {
        expect_same(1e-3, HNAS_RULE_ARGMAX);
        ck_assert_int_eq(
            hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL), 0);
        expect_same(1e-3, HNAS_RULE_ARGMAX);
    }
    for (int i = 0; i < 50; i++) { /* one number of one tensor */
        real *u = hn_real(w.search->u[i % 4]);

        u[rand() % N] += (real)0.3;
        expect_same(1e-3, HNAS_RULE_ARGMAX);
    }
    for (int i = 0; i < N; i++)
        cost[i] = i;
    ck_assert_int_eq(hnas_supernet_set_cost_table(
                         w.net, (const double *const[2]){cost, cost}, N, 3),
                     0);
    expect_same(1e-3, HNAS_RULE_ARGMAX);
    world_close(&w);
}
END_TEST

START_TEST(a_warm_query_allocates_the_result_alone)
{
    hnas_arch *arch, *other;

    srand(4);
    open_world(HNAS_HYPER_LINEAR);
    fill();
    for (int r = 0; r < 4; r++) {
        ck_assert_int_eq(hnas_search_derive(&arch, w.search, 2e-3, rules[r]),
                         0);
        w.hooks.left = 1;
        ck_assert_int_eq(hnas_search_derive(&other, w.search, 2e-3, rules[r]),
                         0);
        ck_assert_int_eq(w.hooks.left, 0);
        w.hooks.left = -1;
        ck_assert_ptr_eq(hnas_arch_get_edges(arch, 0),
                         hnas_arch_get_edges(other, 0));
        hnas_arch_destroy(arch);
        hnas_arch_destroy(other);
    }
    world_close(&w);
}
END_TEST

START_TEST(an_architecture_outlives_its_search)
{
    hnas_arch *first, *second;

    srand(4);
    open_world(HNAS_HYPER_LINEAR);
    fill();
    ck_assert_int_eq(
        hnas_search_derive(&first, w.search, 2e-3, HNAS_RULE_ARGMAX), 0);
    ck_assert_int_eq(
        hnas_search_derive(&second, w.search, 2e-3, HNAS_RULE_ARGMAX), 0);
    fill();
    hnas_search_destroy(w.search);
    w.search = NULL;
    hnas_arch_destroy(first);
    ck_assert_int_eq(hnas_arch_get_edge_count(second, 1), E);
    ck_assert_str_ne(hnas_arch_get_edges(second, 1)[E - 1].op_name, "");
    hnas_arch_destroy(second);
    world_close(&w);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    srand(4);
    open_world(HNAS_HYPER_LINEAR);
    for (int r = 0; r < 4; r++) {
        hnas_status st = HNAS_E_NOMEM;
        int64_t n = 0;

        for (; st == HNAS_E_NOMEM; n++) {
            hnas_arch *arch;

            fill(); /* nothing is known */
            w.hooks.left = n;
            st = hnas_search_derive(&arch, w.search, 2e-3, rules[r]);
            w.hooks.left = -1;
            ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !arch));
            hnas_arch_destroy(arch);
            expect_same(2e-3, rules[r]);
        }
        ck_assert_int_eq(st, HNAS_OK);
        ck_assert_int_gt(n, 5);
    }
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("derived");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_search_answers_as_a_query_alone);
    tcase_add_test(t, steps_writes_and_a_table_are_noticed);
    tcase_add_test(t, a_warm_query_allocates_the_result_alone);
    tcase_add_test(t, an_architecture_outlives_its_search);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(s, t);
    return run_suite(s);
}
