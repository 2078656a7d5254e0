/* SPDX-License-Identifier: BSD-3-Clause */
/* The six presets, as the method lists them. */
#include <float.h>
#include <stddef.h>
#include <string.h>

#include "arch/arch.h"
#include "bilevel/search.h"
#include "net/network.h"

static const char *const darts_ops[] = {
    "none",         "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
};

void hnas_preset_fit(hnas_preset *preset, int32_t cells)
{
    const int deep = cells >= 8;

    if (strcmp(preset->name, "darts_cc"))
        return;
    preset->hyper.lambda_lo = deep ? 1e-10 : 1e-8;
    preset->hyper.lambda_hi = deep ? 1e-6 : 1e-4;
    preset->search.rule = deep ? HNAS_RULE_TOP2 : HNAS_RULE_ARGMAX;
}

void hnas_preset_fit_net(const hnas_preset *preset, hnas_supernet_opts *opts)
{
    opts->n_ops = preset->n_ops;
    opts->ops = preset->ops;
    opts->head = preset->head;
    opts->knots = preset->hyper.knots;
    opts->scale = preset->hyper.scale;
    opts->lambda_lo = preset->hyper.lambda_lo;
    opts->lambda_hi = preset->hyper.lambda_hi;
}

/* DARTS' own settings, which the others start from. */
static void set_darts(hnas_preset *p)
{
    hnas_search_opts *s = &p->search;

    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    s->size = sizeof *s;
    hnas_bilevel_opts_init(&s->bilevel, sizeof s->bilevel);
    s->bilevel.order = HNAS_ORDER_SECOND_FD;
    s->relax = HNAS_RELAX_SOFTMAX;
    s->tau = s->tau_last = 1;
    s->tau_steps = 1;
    s->draws = 1;
    s->sample = HNAS_SAMPLE_FIXED;
    s->lambda = 1e-2;
    s->norm_momentum = 0.1;
    s->rule = HNAS_RULE_TOP2;
    s->theta = HN_THETA;
    hnas_hyper_opts_init(&p->hyper, sizeof p->hyper);
    p->hyper.kind = HNAS_HYPER_CONSTANT;
    p->n_ops = 8;
    p->ops = darts_ops;
    p->epochs = 50;
    p->batch = 64;
    p->valid_fraction = 0.5;
    p->running_stats = 1;
}

static void set_seed(hnas_preset *p)
{
    p->search.relax = HNAS_RELAX_RAW;
    p->search.sample = HNAS_SAMPLE_LOG_UNIFORM;
    p->search.rule = HNAS_RULE_ARGMAX;
    p->hyper.kind = HNAS_HYPER_LINEAR;
    p->hyper.scale = HNAS_SCALE_RAW;
    p->epochs = 100;
}

static void set_darts_l1(hnas_preset *p)
{
    p->search.l1 = 1;
    p->search.l1_lambda = 1;
    p->running_stats = 0;
}

static void set_fair_darts(hnas_preset *p)
{
    hnas_bilevel_opts *b = &p->search.bilevel;

    b->order = HNAS_ORDER_FIRST;
    b->w_rate = 0.005;
    b->u_rate = 3e-3;
    b->u.beta1 = 0.9;
    p->search.relax = HNAS_RELAX_SIGMOID;
    p->search.zero_one = 10;
    p->search.rule = HNAS_RULE_THRESHOLD;
    p->hyper.init_std = 0;
    p->ops = darts_ops + 1; /* no "none" */
    p->n_ops = 7;
    p->batch = 128;
}

static void set_darts_cc(hnas_preset *p)
{
    p->search.relax = HNAS_RELAX_GUMBEL;
    p->search.gumbel_per_image = 1;
    p->search.tau_last = 0.2; /* after 50 epochs */
    p->search.tau_fall = 0.016;
    p->search.tau_schedule = HNAS_TAU_EPOCH;
    p->search.cost_weight = 1;
    p->search.raw_cost = 1;
    p->search.sample = HNAS_SAMPLE_UNIFORM;
    p->search.bilevel.u_rate = 1e-3;
    p->hyper.kind = HNAS_HYPER_PIECEWISE;
    p->hyper.knots = 0; /* one a decade */
    p->hyper.start = HNAS_START_UNIFORM;
    p->running_stats = 0;
    p->head = HNAS_HEAD_GENERATED;
    hnas_preset_fit(p, 3);
}

static void set_default(hnas_preset *p)
{
    hnas_bilevel_opts *b = &p->search.bilevel;

    b->order = HNAS_ORDER_FIRST;
    b->u_rate = 2e-2;
    b->u_span = 105.3;
    b->u.weight_decay = 0;
    b->warmup = 0.05;
    b->cooldown = 0.5;
    p->search.relax = HNAS_RELAX_GUMBEL_HARD;
    p->search.tau_last = 0.2;
    p->search.tau_schedule = HNAS_TAU_LINEAR;
    p->search.alpha_paths = 2;
    p->search.cost_weight = 6;
    p->search.sample = HNAS_SAMPLE_ANTITHETIC;
    p->search.draws = 2;
    p->search.monotone = 1;
    p->search.rule = HNAS_RULE_ARGMAX;
    p->hyper.kind = HNAS_HYPER_LINEAR;
    p->running_stats = 0;
}

static const struct {
    const char *name;
    void (*set)(hnas_preset *); /* from DARTS; NULL: that itself */
} presets[] = {
    {"default", set_default},
    {"seed", set_seed},
    {"darts", NULL},
    {"darts_l1", set_darts_l1},
    {"fair_darts", set_fair_darts},
    {"darts_cc", set_darts_cc},
};

static hnas_status fill(hnas_preset *p, const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name))
            continue;
        set_darts(p);
        p->name = presets[i].name;
        if (presets[i].set)
            presets[i].set(p);
        return HNAS_OK;
    }
    return HNAS_E_NAME;
}

hnas_status hnas_preset_find(hnas_preset *preset, size_t size,
                             hnas_context *ctx, const char *name)
{
    hnas_preset p;

    if (!preset || !ctx || !name)
        return hn_fail_null(ctx, "preset find: preset or name");
    if (fill(&p, name) < 0)
        return hn_fail(ctx, HNAS_E_NAME,
                       "preset %.80s: unknown; known are default, seed, "
                       "darts, darts_l1, fair_darts, darts_cc",
                       name);
    p.size = size < sizeof p ? size : sizeof p;
    memcpy(preset, &p, p.size);
    return HNAS_OK;
}

void hnas_search_opts_init(hnas_search_opts *opts, size_t size)
{
    hnas_preset p;

    (void)fill(&p, "default");
    p.search.size = size < sizeof p.search ? size : sizeof p.search;
    memcpy(opts, &p.search, p.search.size);
}

/* ---- checks ---- */

#define AT(field) #field, offsetof(hnas_search_opts, field)

static const struct hn_bound bounds[] = {
    {AT(relax), HN_BOUND_INT32, HNAS_RELAX_RAW, HNAS_RELAX_GUMBEL_HARD},
    {AT(sample), HN_BOUND_INT32, HNAS_SAMPLE_FIXED, HNAS_SAMPLE_LOG_UNIFORM},
    {AT(metric), HN_BOUND_INT32, 0, HNAS_N_COSTS - 1},
    {AT(tau_schedule), HN_BOUND_INT32, HNAS_TAU_CONSTANT, HNAS_TAU_EPOCH},
    {AT(tau_steps), HN_BOUND_INT32, 0, INT32_MAX},
    {AT(draws), HN_BOUND_INT32, 1, HN_MOST_DRAWS},
    {AT(on_nan), HN_BOUND_INT32, HNAS_NAN_STOP, HNAS_NAN_ROLLBACK},
    {AT(tau), HN_BOUND_REAL, 1e-4, 1e4},
    {AT(tau_last), HN_BOUND_REAL, 1e-4, 1e4},
    {AT(tau_fall), HN_BOUND_REAL, 0, 1e30},
    {AT(lambda), HN_BOUND_REAL, -DBL_MAX, DBL_MAX},
    {AT(norm_momentum), HN_BOUND_REAL, 0, 1},
    {AT(cost_weight), HN_BOUND_REAL, 0, 1e30},
    {AT(l1), HN_BOUND_REAL, 0, 1e30},
    {AT(l2), HN_BOUND_REAL, 0, 1e30},
    {AT(zero_one), HN_BOUND_REAL, 0, 1e30},
    {AT(beta_decay), HN_BOUND_REAL, 0, 1e30},
};

hnas_status hn_search_check_opts(struct hnas_context *ctx,
                                 const hnas_search_opts *o)
{
    const hnas_status st = hn_check_bounds(ctx, "search", o, bounds,
                                           sizeof bounds / sizeof *bounds);

    if (st < 0)
        return st;
    if ((o->sample == HNAS_SAMPLE_ANTITHETIC && o->draws % 2) ||
        (o->sample == HNAS_SAMPLE_SANDWICH && o->draws < 2))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "search: draws %d, want an even number for antithetic, "
                       ">= 2 for sandwich",
                       (int)o->draws);
    if (o->alpha_paths && (o->alpha_paths < 2 || o->alpha_paths > HN_MOST_OPS))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "search: alpha_paths %d, want 0 or 2..%d",
                       (int)o->alpha_paths, HN_MOST_OPS);
    if (!hn_arch_rule_check(ctx, o->rule, 0.5))
        return HNAS_E_RANGE;
    if (!(o->theta > 0 && o->theta < 1))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "search: theta %g, want more than 0 and less than 1",
                       o->theta);
    return hn_check_reserved(ctx, "hnas_search_opts", o->reserved);
}
