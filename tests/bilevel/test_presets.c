/* SPDX-License-Identifier: BSD-3-Clause */
/* Every setting of the six presets, column by column as they were
 * published. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

static hnas_context *ctx;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

enum { NONE = -1 };

/* One column; what a preset does not use is NONE. */
struct column {
    const char *name;
    int32_t hypernet, scale;
    int32_t relax, per_image, tau_schedule;
    double tau, tau_last, tau_fall;
    int32_t n_ops, order;
    double cost_weight;
    int32_t raw_cost;
    double l1, l1_lambda, zero_one;
    double range[2];
    int32_t sample, draws, monotone;
    double warmup;
    double w_rate, w_rate_last, w_momentum, w_decay, w_clip;
    double u_rate, beta1, beta2, u_decay;
    int32_t start;
    double std;
    int32_t head, epochs, batch;
    double valid_fraction;
    int32_t rule, running_stats;
};

#define DARTS_W .025, .001, .9, 3e-4, 5
#define DARTS_U 3e-4, .5, .999, 1e-3

static const struct column columns[] = {
    {"seed",
     HNAS_HYPER_LINEAR,
     HNAS_SCALE_RAW,
     HNAS_RELAX_RAW,
     0,
     HNAS_TAU_CONSTANT,
     1,
     1,
     0,
     8,
     HNAS_ORDER_SECOND_FD,
     0,
     0,
     0,
     0,
     0,
     {1e-4, 1e-1},
     HNAS_SAMPLE_LOG_UNIFORM,
     1,
     0,
     0,
     DARTS_W,
     DARTS_U,
     HNAS_START_NORMAL,
     1e-3,
     HNAS_HEAD_PLAIN,
     100,
     64,
     .5,
     HNAS_RULE_ARGMAX,
     1},
    {"darts",
     HNAS_HYPER_CONSTANT,
     NONE,
     HNAS_RELAX_SOFTMAX,
     0,
     HNAS_TAU_CONSTANT,
     1,
     1,
     0,
     8,
     HNAS_ORDER_SECOND_FD,
     0,
     0,
     0,
     0,
     0,
     {NONE, NONE},
     NONE,
     1,
     0,
     0,
     DARTS_W,
     DARTS_U,
     HNAS_START_NORMAL,
     1e-3,
     HNAS_HEAD_PLAIN,
     50,
     64,
     .5,
     HNAS_RULE_TOP2,
     1},
    {"darts_l1",
     HNAS_HYPER_CONSTANT,
     NONE,
     HNAS_RELAX_SOFTMAX,
     0,
     HNAS_TAU_CONSTANT,
     1,
     1,
     0,
     8,
     HNAS_ORDER_SECOND_FD,
     0,
     0,
     1,
     1,
     0,
     {NONE, NONE},
     NONE,
     1,
     0,
     0,
     DARTS_W,
     DARTS_U,
     HNAS_START_NORMAL,
     1e-3,
     HNAS_HEAD_PLAIN,
     50,
     64,
     .5,
     HNAS_RULE_TOP2,
     0},
    {"fair_darts",
     HNAS_HYPER_CONSTANT,
     NONE,
     HNAS_RELAX_SIGMOID,
     0,
     HNAS_TAU_CONSTANT,
     1,
     1,
     0,
     7,
     HNAS_ORDER_FIRST,
     0,
     0,
     0,
     0,
     10,
     {NONE, NONE},
     NONE,
     1,
     0,
     0,
     .005,
     .001,
     .9,
     3e-4,
     5,
     3e-3,
     .9,
     .999,
     1e-3,
     HNAS_START_NORMAL,
     0,
     HNAS_HEAD_PLAIN,
     50,
     128,
     .5,
     HNAS_RULE_THRESHOLD,
     1},
    {"darts_cc",
     HNAS_HYPER_PIECEWISE,
     HNAS_SCALE_LOG,
     HNAS_RELAX_GUMBEL,
     1,
     HNAS_TAU_EPOCH,
     1,
     .2,
     .016,
     8,
     HNAS_ORDER_SECOND_FD,
     1,
     1,
     0,
     0,
     0,
     {1e-8, 1e-4},
     HNAS_SAMPLE_UNIFORM,
     1,
     0,
     0,
     DARTS_W,
     1e-3,
     .5,
     .999,
     1e-3,
     HNAS_START_UNIFORM,
     NONE,
     HNAS_HEAD_GENERATED,
     50,
     64,
     .5,
     HNAS_RULE_ARGMAX,
     0},
    {"default",
     HNAS_HYPER_LINEAR,
     HNAS_SCALE_LOG,
     HNAS_RELAX_GUMBEL_HARD,
     0,
     HNAS_TAU_LINEAR,
     1,
     .2,
     0,
     8,
     HNAS_ORDER_FIRST,
     6,
     0,
     0,
     0,
     0,
     {1e-4, 1e-1},
     HNAS_SAMPLE_ANTITHETIC,
     2,
     1,
     .05,
     DARTS_W,
     2e-2,
     .5,
     .999,
     0,
     HNAS_START_NORMAL,
     1e-3,
     HNAS_HEAD_PLAIN,
     50,
     64,
     .5,
     HNAS_RULE_ARGMAX,
     0},
};

static hnas_preset find(const char *name)
{
    hnas_preset p;

    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, ctx, name), HNAS_OK);
    return p;
}

static void check_alpha(const struct column *c, const hnas_preset *p)
{
    const hnas_search_opts *s = &p->search;

    ck_assert_int_eq(p->hyper.kind, c->hypernet);
    if (c->scale != NONE) {
        ck_assert_int_eq(p->hyper.scale, c->scale);
        ck_assert(p->hyper.lambda_lo == c->range[0]);
        ck_assert(p->hyper.lambda_hi == c->range[1]);
        ck_assert_int_eq(s->sample, c->sample);
    }
    ck_assert_int_eq(p->hyper.start, c->start);
    ck_assert(c->start == HNAS_START_UNIFORM || p->hyper.init_std == c->std);
    ck_assert_int_eq(s->draws, c->draws);
    ck_assert_int_eq(s->alpha_paths, strcmp(c->name, "default") ? 0 : 2);
    ck_assert_int_eq(s->relax, c->relax);
    ck_assert_int_eq(s->gumbel_per_image, c->per_image);
    ck_assert_int_eq(s->tau_schedule, c->tau_schedule);
    ck_assert(s->tau == c->tau && s->tau_last == c->tau_last);
    ck_assert(s->tau_fall == c->tau_fall);
    ck_assert(s->cost_weight == c->cost_weight);
    ck_assert_int_eq(s->raw_cost, c->raw_cost);
    ck_assert_int_eq(s->metric, HNAS_COST_PARAMS);
    ck_assert(s->l1 == c->l1 && s->l1_lambda == c->l1_lambda);
    ck_assert(s->zero_one == c->zero_one);
    ck_assert(s->beta_decay == 0 && s->l2 == 0);
    ck_assert_int_eq(s->monotone, c->monotone);
    ck_assert_int_eq(s->rule, c->rule);
    ck_assert(c->rule != HNAS_RULE_THRESHOLD || s->theta == 0.85);
}

static void check_optimizers(const struct column *c, const hnas_bilevel_opts *b)
{
    ck_assert_int_eq(b->order, c->order);
    ck_assert_int_eq(b->virtual_clip, 0);
    ck_assert(b->warmup == c->warmup);
    ck_assert(b->cooldown == (strcmp(c->name, "default") ? 0 : 0.5));
    ck_assert(b->w_rate == c->w_rate && b->w_rate_last == c->w_rate_last);
    ck_assert(b->w.momentum == c->w_momentum && !b->w.nesterov);
    ck_assert(b->w.weight_decay == c->w_decay && b->w.clip == c->w_clip);
    ck_assert(b->u_rate == c->u_rate);
    ck_assert(b->u_span == (strcmp(c->name, "default") ? 0 : 105.3));
    ck_assert(b->u.beta1 == c->beta1 && b->u.beta2 == c->beta2);
    ck_assert(b->u.weight_decay == c->u_decay);
}

START_TEST(presets_are_what_was_published)
{
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const struct column *c = &columns[i];
        const hnas_preset p = find(c->name);

        ck_assert_str_eq(p.name, c->name);
        check_alpha(c, &p);
        check_optimizers(c, &p.search.bilevel);
        ck_assert_int_eq(p.n_ops, c->n_ops);
        ck_assert_int_eq(strcmp(p.ops[0], "none") == 0, c->n_ops == 8);
        ck_assert_int_eq(p.head, c->head);
        ck_assert_int_eq(p.epochs, c->epochs);
        ck_assert_int_eq(p.batch, c->batch);
        ck_assert(p.valid_fraction == c->valid_fraction);
        ck_assert_int_eq(p.running_stats, c->running_stats);
    }
}
END_TEST

START_TEST(darts_cc_depends_on_the_number_of_cells)
{
    hnas_preset p = find("darts_cc"), q = find("darts");

    hnas_preset_fit(&p, 8);
    ck_assert(p.hyper.lambda_lo == 1e-10 && p.hyper.lambda_hi == 1e-6);
    ck_assert_int_eq(p.search.rule, HNAS_RULE_TOP2);
    hnas_preset_fit(&p, 3);
    ck_assert(p.hyper.lambda_lo == 1e-8 && p.hyper.lambda_hi == 1e-4);
    ck_assert_int_eq(p.search.rule, HNAS_RULE_ARGMAX);
    hnas_preset_fit(&q, 8);
    ck_assert(q.hyper.lambda_lo == 1e-4 && q.search.rule == HNAS_RULE_TOP2);
}
END_TEST

/* Five knots; alpha inside 1 / sqrt(8 n), n the edges into the same node. */
START_TEST(darts_cc_starts_as_published)
{
    hnas_preset p = find("darts_cc");
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_tensor *t;
    double v[5 * 14 * 8], largest[6] = {0};

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    hnas_preset_fit_net(&p, &o);
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), 0);
    ck_assert_int_eq(hnas_params_get_elements(hnas_supernet_get_params(net),
                                              HNAS_PARAM_WEIGHT),
                     683266);
    hnas_supernet_fit_hyper(net, &p.hyper);
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &p.hyper), 0);
    ck_assert_int_eq(hnas_params_find(&t, hnas_hyper_get_params(hyper),
                                      "hyper.reduce.knots"),
                     0);
    ck_assert_int_eq(hnas_tensor_get_count(t), 5 * 14 * 8);
    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, 5 * 14 * 8), 0);
    for (int i = 0; i < 5 * 14 * 8; i++) {
        const int e = i / 8 % 14, n = e < 2 ? 2 : e < 5 ? 3 : e < 9 ? 4 : 5;

        largest[n] = fmax(largest[n], fabs(v[i]));
    }
    for (int n = 2; n <= 5; n++) {
        const double bound = 1 / sqrt(8.0 * n);

        ck_assert(largest[n] <= bound * 1.0000001 && largest[n] > 0.9 * bound);
    }
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}
END_TEST

START_TEST(an_unknown_preset_is_refused_with_the_known_ones)
{
    hnas_preset p = find("darts");

    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, ctx, "darts2"),
                     HNAS_E_NAME);
    ck_assert_str_eq(p.name, "darts");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        ck_assert_ptr_nonnull(
            strstr(hnas_context_message(ctx), columns[i].name));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("presets");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, presets_are_what_was_published);
    tcase_add_test(t, darts_cc_depends_on_the_number_of_cells);
    tcase_add_test(t, darts_cc_starts_as_published);
    tcase_add_test(t, an_unknown_preset_is_refused_with_the_known_ones);
    suite_add_tcase(s, t);
    return run_suite(s);
}
