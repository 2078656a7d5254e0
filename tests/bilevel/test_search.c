/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of a search: what is refused, and by which name. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/diagnose.h"
#include "support/check_main.h"
#include "world.h"

static struct world w;

/* One field with a value that is refused; others as the preset says. */
struct refusal {
    const char *word; /* in the message */
    size_t offset;
    int32_t is_real;
    double value;
};

#define INT(word, field, value)                                                \
    {                                                                          \
        word, offsetof(hnas_search_opts, field), 0, value                      \
    }
#define REAL(word, field, value)                                               \
    {                                                                          \
        word, offsetof(hnas_search_opts, field), 1, value                      \
    }

static const struct refusal refusals[] = {
    INT("relax", relax, -1),
    INT("relax", relax, HNAS_RELAX_GUMBEL_HARD + 1),
    INT("sample", sample, -1),
    INT("sample", sample, HNAS_SAMPLE_LOG_UNIFORM + 1),
    INT("metric", metric, -1),
    INT("metric", metric, HNAS_N_COSTS),
    INT("tau_schedule", tau_schedule, -1),
    INT("tau_schedule", tau_schedule, HNAS_TAU_EPOCH + 1),
    INT("draws", draws, 0),
    INT("draws", draws, 3), /* the preset is antithetic */
    INT("draws", draws, 66),
    REAL("tau", tau, 1e-5),
    REAL("tau", tau, 1e5),
    REAL("tau", tau, NAN),
    REAL("tau", tau_last, 0),
    REAL("tau", tau_last, INFINITY),
    INT("rule", rule, -1),
    INT("rule", rule, 99),
    REAL("theta", theta, 0),
    REAL("theta", theta, 1),
    REAL("theta", theta, NAN),
    REAL("lambda", lambda, NAN),
    REAL("lambda", lambda, INFINITY),
    INT("tau_steps", tau_steps, -1),
    INT("on_nan", on_nan, -1),
    INT("on_nan", on_nan, HNAS_NAN_ROLLBACK + 1),
    REAL("beta_decay", beta_decay, -1),
    REAL("l2", l2, NAN),
    REAL("tau_fall", tau_fall, INFINITY),
    REAL("cost_weight", cost_weight, -1),
    REAL("l1", l1, NAN),
    REAL("zero_one", zero_one, -1),
    REAL("norm_momentum", norm_momentum, 1.5),
    REAL("norm_momentum", norm_momentum, -0.5),
    INT("order", bilevel.order, -1),
    INT("order", bilevel.order, HNAS_ORDER_SECOND_EXACT + 1),
    REAL("w_rate", bilevel.w_rate, -1),
    REAL("w_rate_last", bilevel.w_rate_last, NAN),
    REAL("u_rate", bilevel.u_rate, INFINITY),
    REAL("warmup", bilevel.warmup, 2),
    REAL("warmup", bilevel.warmup, -1),
    REAL("cooldown", bilevel.cooldown, 1.5),
    REAL("cooldown", bilevel.cooldown, NAN),
    REAL("u_span", bilevel.u_span, INFINITY),
    REAL("momentum", bilevel.w.momentum, 1),
    REAL("weight_decay", bilevel.w.weight_decay, INFINITY),
    REAL("weight_decay", bilevel.w.weight_decay, -1),
    REAL("clip", bilevel.w.clip, INFINITY),
    REAL("clip", bilevel.w.clip, NAN),
    REAL("beta1", bilevel.u.beta1, 1),
    REAL("beta2", bilevel.u.beta2, -1),
    REAL("epsilon", bilevel.u.epsilon, 0),
    REAL("epsilon", bilevel.u.epsilon, INFINITY),
    REAL("weight_decay", bilevel.u.weight_decay, NAN),
    REAL("weight_decay", bilevel.u.weight_decay, INFINITY),
};

static void expect_refused(const hnas_search_opts *o, hnas_status want,
                           const char *word)
{
    hnas_search *search = (hnas_search *)&w;

    ck_assert_msg(hnas_search_create(&search, w.net, w.hyper, o) == want, "%s",
                  word);
    ck_assert_ptr_null(search);
    ck_assert_msg(strstr(hnas_context_message(w.ctx), word) != NULL, "%s: %s",
                  word, hnas_context_message(w.ctx));
}

START_TEST(settings_out_of_range_are_refused_by_name)
{
    world_open(&w, "default", 1);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        const int32_t value = (int32_t)(r->is_real ? 0 : r->value);
        hnas_search_opts o = w.opts;

        if (r->is_real)
            memcpy((char *)&o + r->offset, &r->value, sizeof r->value);
        else
            memcpy((char *)&o + r->offset, &value, sizeof value);
        expect_refused(&o, HNAS_E_RANGE, r->word);
    }
    world_close(&w);
}
END_TEST

START_TEST(a_supernets_range_is_checked_though_weights_are_stored)
{
    hnas_supernet_opts o;
    hnas_supernet *net;

    world_open(&w, "default", 1);
    hnas_supernet_get_opts(w.net, &o, sizeof o);
    o.lambda_lo = NAN;
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &o), HNAS_E_RANGE);
    ck_assert_ptr_null(net);
    hnas_supernet_get_opts(w.net, &o, sizeof o);
    o.scale = 7;
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &o), HNAS_E_RANGE);
    world_close(&w);
}
END_TEST

enum { DRAWS = 4, LOGITS = WORLD_IMAGES * WORLD_CLASSES };

static int64_t n_buffers(void)
{
    return hnas_params_get_elements(hnas_supernet_get_params(w.net),
                                    HNAS_PARAM_BUFFER);
}

/* Calibrate by draws [from, to): all running statistics, as a new array. */
static double *calibrated(int64_t from, int64_t to)
{
    const hnas_params *p = hnas_supernet_get_params(w.net);
    double *v = calloc((size_t)n_buffers(), sizeof *v), *at = v;

    for (int64_t d = from; d < to; d++)
        ck_assert_int_eq(hnas_search_calibrate(w.search, NULL, 1e-2,
                                               w.valid.images, d, d == from),
                         0);
    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        hnas_tensor *t = hnas_params_get_tensor(p, i);

        if (hnas_params_get_kind(p, i) != HNAS_PARAM_BUFFER)
            continue;
        hnas_tensor_get(t, HNAS_FLOAT64, at, hnas_tensor_get_count(t));
        at += hnas_tensor_get_count(t);
    }
    return v;
}

/* Hard gates compute some operations in some draws only. */
START_TEST(statistics_are_the_mean_over_the_draws_that_computed_them)
{
    double *all, *one[DRAWS];
    int n_partial = 0;

    world_open(&w, "default", 1);
    world_search(&w);
    for (int d = 0; d < DRAWS; d++)
        one[d] = calibrated(d, d + 1);
    all = calibrated(0, DRAWS);
    for (int64_t i = 0; i < n_buffers(); i++) {
        double sum = 0;
        int n = 0;

        for (int d = 0; d < DRAWS; d++)
            if (one[d][i] != 0 && one[d][i] != 1) {
                sum += one[d][i];
                n++;
            }
        if (n)
            ck_assert_double_eq_tol(all[i], sum / n, 1e-5);
        n_partial += n > 0 && n < DRAWS;
    }
    ck_assert_int_gt(n_partial, 0);
    for (int d = 0; d < DRAWS; d++)
        free(one[d]);
    free(all);
    world_close(&w);
}
END_TEST

static void predict(float v[LOGITS])
{
    ck_assert_int_eq(
        hnas_search_predict(w.search, NULL, 1e-2, w.valid.images, 0, v, LOGITS),
        0);
}

START_TEST(a_calibration_outlives_what_moves_nothing)
{
    float before[LOGITS], after[LOGITS];
    double value;

    world_open(&w, "default", 1);
    world_search(&w);
    free(calibrated(0, 1));
    predict(before);
    ck_assert_int_eq(hnas_search_loss(&value, w.search, &w.valid, 1e-2, NULL,
                                      HNAS_LOSS_VALID),
                     0);
    ck_assert_int_eq(hnas_search_gradient(w.search, &w.train, &w.valid, 1e-2),
                     0);
    ck_assert_int_eq(hnas_search_hessian(&value, w.search, &w.valid, 1e-2, 2),
                     0);
    predict(after);
    ck_assert_mem_eq(after, before, sizeof after);
    world_close(&w);
}
END_TEST

/* An edge that is not there was left out without a word. */
START_TEST(an_architecture_of_another_net_is_refused)
{
    hnas_supernet_opts o;
    hnas_supernet *other;
    hnas_hyper_opts h;
    hnas_hyper *hyper;
    hnas_arch *arch;
    float v[LOGITS];

    world_open(&w, "default", 1);
    world_search(&w);
    hnas_supernet_get_opts(w.net, &o, sizeof o);
    o.nodes++;
    ck_assert_int_eq(hnas_supernet_create(&other, w.ctx, &o), 0);
    hnas_hyper_opts_init(&h, sizeof h);
    hnas_supernet_fit_hyper(other, &h);
    ck_assert_int_eq(hnas_hyper_create(&hyper, w.ctx, &h), 0);
    ck_assert_int_eq(hnas_arch_derive(&arch, other, hyper, 1e-2, 0), 0);
    ck_assert_int_eq(
        hnas_search_predict(w.search, arch, 1e-2, w.valid.images, 0, v, LOGITS),
        HNAS_E_MISMATCH);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "edge"));
    hnas_arch_destroy(arch);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(other);
    world_close(&w);
}
END_TEST

START_TEST(steps_of_a_schedule_are_not_negative)
{
    hnas_search_opts o;

    world_open(&w, "default", 1);
    o = w.opts;
    o.bilevel.total_steps = -1;
    expect_refused(&o, HNAS_E_RANGE, "total_steps");
    o = w.opts;
    o.bilevel.rate_steps = 0;
    expect_refused(&o, HNAS_E_RANGE, "rate_steps");
    o = w.opts;
    o.sample = HNAS_SAMPLE_SANDWICH;
    o.draws = 1;
    expect_refused(&o, HNAS_E_RANGE, "sandwich");
    world_close(&w);
}
END_TEST

START_TEST(a_metric_without_its_table_is_refused)
{
    hnas_search_opts o;

    world_open(&w, "default", 1);
    o = w.opts;
    o.metric = HNAS_COST_TABLE;
    expect_refused(&o, HNAS_E_STATE, "cost table");
    world_close(&w);
}
END_TEST

/* A hypernetwork of tables that are not the net's. */
static void expect_mismatch(const char *const name[2], const int64_t rows[2],
                            int64_t cols, int32_t n, const char *word)
{
    hnas_hyper *own = w.hyper;
    hnas_hyper_opts h;

    hnas_hyper_opts_init(&h, sizeof h);
    h.n_tables = n;
    for (int32_t i = 0; i < n; i++) {
        h.names[i] = name[i];
        h.rows[i] = rows[i];
        h.cols[i] = cols;
    }
    ck_assert_int_eq(hnas_hyper_create(&w.hyper, w.ctx, &h), 0);
    expect_refused(&w.opts, HNAS_E_MISMATCH, word);
    hnas_hyper_destroy(w.hyper);
    w.hyper = own;
}

START_TEST(tables_that_are_not_the_nets_are_refused)
{
    static const char *const names[2] = {"normal", "reduce"};
    static const char *const other[2] = {"normal", "other"};
    int32_t n_cells, n_edges, n_ops, n_kinds = 0;
    int64_t rows[2], wrong[2];

    world_open(&w, "default", 1);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_supernet_get_kind(w.net, k, &n_cells, &n_edges, &n_ops);
        n_kinds += n_cells > 0;
        rows[k] = wrong[k] = n_edges;
    }
    ck_assert_int_eq(n_kinds, HNAS_N_KINDS);
    wrong[1]++;
    expect_mismatch(other, rows, n_ops, 2, "reduce");
    expect_mismatch(names, wrong, n_ops, 2, "reduce");
    expect_mismatch(names, rows, n_ops + 1, 2, "normal");
    expect_mismatch(names, rows, n_ops, 1, "reduce");
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("search");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, settings_out_of_range_are_refused_by_name);
    tcase_add_test(t,
                   statistics_are_the_mean_over_the_draws_that_computed_them);
    tcase_add_test(t, a_calibration_outlives_what_moves_nothing);
    tcase_add_test(t, an_architecture_of_another_net_is_refused);
    tcase_add_test(t, a_supernets_range_is_checked_though_weights_are_stored);
    tcase_add_test(t, steps_of_a_schedule_are_not_negative);
    tcase_add_test(t, a_metric_without_its_table_is_refused);
    tcase_add_test(t, tables_that_are_not_the_nets_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
