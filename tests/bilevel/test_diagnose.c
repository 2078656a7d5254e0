/* SPDX-License-Identifier: BSD-3-Clause */
/* Gates against the network derived from them. */
#include "hnas/diagnose.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

enum { E = 5, MOST = E * 8 };

static const double lambda = 3e-3;
static struct world w;

/* alpha = 1, 2, ... of each row, shifted by the edge: known entropies. */
static void fill(int32_t n_ops)
{
    for (int k = 0; k < 2; k++)
        for (int e = 0; e < E; e++)
            for (int o = 0; o < n_ops; o++) {
                const hnas_params *p = hnas_hyper_get_params(w.hyper);
                const int64_t per_kind = hnas_params_get_count(p) / 2;

                /* the last tensor of a kind is b2 */
                hn_real(hnas_params_get_tensor(p, (k + 1) * per_kind -
                                                      1))[e * n_ops + o] =
                    (real)(0.25 * o * (e + 1) - k);
            }
}

/* p of operation o on edge e by the definition. */
static double gate(int32_t relax, double tau, int k, int e, int o, int n_ops)
{
    double sum = 0;

    if (relax == HNAS_RELAX_RAW)
        return fabs(0.25 * o * (e + 1) - k);
    if (relax == HNAS_RELAX_SIGMOID)
        return 1 / (1 + exp(k - 0.25 * o * (e + 1)));
    for (int i = 0; i < n_ops; i++)
        sum += exp(0.25 * (i - o) * (e + 1) / tau);
    return 1 / sum;
}

static void expect(const char *preset, int32_t metric)
{
    double entropy = 0, cost, table[MOST];
    hnas_cost fixed, total;
    hnas_diagnosis d;
    hnas_arch *arch;
    int32_t n_ops;

    world_open(&w, preset, 1);
    w.opts.metric = metric;
    w.opts.tau = 2;
    w.opts.tau_last = 1;
    w.opts.tau_schedule = HNAS_TAU_CONSTANT;
    world_search(&w);
    hnas_supernet_get_kind(w.net, 0, NULL, NULL, &n_ops);
    fill(n_ops);
    ck_assert_int_ge(hnas_search_diagnose(w.search, lambda, &d, sizeof d),
                     HNAS_OK);
    hnas_supernet_get_fixed_cost(w.net, &fixed);
    cost = metric ? (double)fixed.macs : (double)fixed.params;
    for (int k = 0; k < 2; k++) {
        hnas_supernet_get_costs(w.net, k, metric, table, E * n_ops);
        for (int i = 0; i < E * n_ops; i++) {
            const int relax = w.opts.relax;
            const double p = gate(relax, relax == HNAS_RELAX_SOFTMAX ? 2 : 1, k,
                                  i / n_ops, i % n_ops, n_ops);

            cost += p * table[i];
            entropy -= p > 0 ? p * log(p) : 0;
            if (relax == HNAS_RELAX_SIGMOID)
                entropy -= (1 - p) * log(1 - p);
        }
    }
    ck_assert_double_eq_tol(d.expected_cost, cost, 1e-5 * cost);
    if (w.opts.relax == HNAS_RELAX_RAW)
        ck_assert(isnan(d.entropy));
    else
        ck_assert_double_eq_tol(d.entropy, entropy / (2 * E), 1e-5);
    ck_assert_int_ge(hnas_search_derive(&arch, w.search, lambda, w.opts.rule),
                     HNAS_OK);
    hnas_arch_get_cost(arch, &total, NULL);
    ck_assert(d.true_cost ==
              (metric ? (double)total.macs : (double)total.params));
    hnas_arch_destroy(arch);
    world_close(&w);
}

START_TEST(cost_and_entropy_follow_from_the_gates)
{
    expect("default", HNAS_COST_PARAMS);
    expect("default", HNAS_COST_MACS);
    expect("darts", HNAS_COST_MACS);
    expect("fair_darts", HNAS_COST_PARAMS);
    expect("seed", HNAS_COST_PARAMS);
}
END_TEST

START_TEST(wrong_arguments_and_lambda_are_told)
{
    hnas_diagnosis d;

    world_open(&w, "default", 1);
    world_search(&w);
    memset(&d, 7, sizeof d);
    ck_assert_int_eq(hnas_search_diagnose(NULL, lambda, &d, sizeof d),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_diagnose(w.search, lambda, NULL, sizeof d),
                     HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_diagnose(w.search, -1, &d, sizeof d),
                     HNAS_E_RANGE);
    w.hooks.left = 0;
    ck_assert_int_eq(hnas_search_diagnose(w.search, lambda, &d, sizeof d),
                     HNAS_E_NOMEM);
    w.hooks.left = -1;
    ck_assert_int_eq((int)((unsigned char *)&d)[0], 7);
    ck_assert_int_eq(hnas_search_diagnose(w.search, 5, &d, sizeof d),
                     HNAS_EXTRAPOLATED);
    ck_assert_int_eq((int64_t)d.size, (int64_t)sizeof d);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("diagnose");

    tcase_add_test(t, cost_and_entropy_follow_from_the_gates);
    tcase_add_test(t, wrong_arguments_and_lambda_are_told);
    suite_add_tcase(s, t);
    return run_suite(s);
}
