/* SPDX-License-Identifier: BSD-3-Clause */
#include "search/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/program.h"

/* By HNAS_COST_; another word is the file of a table. */
static const char *const metrics[] = {"params", "macs", "bytes", "latency"};

static void set_metric(struct config *c)
{
    for (c->metric = 0; c->metric < HNAS_COST_TABLE; c->metric++)
        if (!strcmp(c->cost, metrics[c->metric]))
            break;
}

static void join_ops(struct config *c)
{
    size_t n = 0;

    c->ops_text[0] = '\0';
    for (int i = 0; i < c->base.n_ops && n < sizeof c->ops_text; i++)
        n += (size_t)snprintf(c->ops_text + n, sizeof c->ops_text - n, "%s%s",
                              i ? "," : "", c->base.ops[i]);
    c->ops = c->ops_text;
}

/* The preset's values in every option's field. */
static void take_preset(struct config *c)
{
    const hnas_search_opts *s = &c->base.search;
    const hnas_hyper_opts *h = &c->base.hyper;

    join_ops(c);
    c->batch = c->base.batch;
    c->valid_fraction = c->base.valid_fraction;
    c->hypernet = h->kind;
    c->knots = h->knots;
    c->scale = h->scale;
    c->range[0] = h->lambda_lo;
    c->range[1] = h->lambda_hi;
    c->relax = s->relax;
    c->tau =
        (struct option_tau){s->tau, s->tau_last, s->tau_fall, s->tau_schedule};
    c->head = c->base.head;
    c->order = s->bilevel.order;
    c->cost = metrics[s->metric];
    c->cost_weight = s->cost_weight;
    c->raw_cost = s->raw_cost;
    c->monotone = s->monotone;
    c->sample = s->sample;
    c->lambda = s->lambda;
    c->draws = s->draws;
    c->l1 = s->l1;
    c->zero_one = s->zero_one;
    c->l2 = s->l2;
    c->beta_decay = s->beta_decay;
    c->warmup = s->bilevel.warmup;
    c->cooldown = s->bilevel.cooldown;
    c->w_lr[0] = s->bilevel.w_rate;
    c->w_lr[1] = s->bilevel.w_rate_last;
    c->alpha_lr[0] = s->bilevel.u_rate;
    c->alpha_lr[1] = s->bilevel.u_span;
    c->alpha_paths = s->alpha_paths;
    c->rule = s->rule;
    c->on_nan = s->on_nan;
    c->gumbel_per_image = s->gumbel_per_image;
    c->l1_lambda = 1;
    c->w_momentum = s->bilevel.w.momentum;
    c->w_nesterov = s->bilevel.w.nesterov;
    c->w_decay = s->bilevel.w.weight_decay;
    c->w_clip = s->bilevel.w.clip;
    c->virtual_clip = s->bilevel.virtual_clip;
    c->norm_momentum = s->norm_momentum;
    c->alpha_betas[0] = s->bilevel.u.beta1;
    c->alpha_betas[1] = s->bilevel.u.beta2;
    c->alpha_decay = s->bilevel.u.weight_decay;
    c->init_std = h->init_std;
    c->theta = s->theta;
}

static void set_defaults(struct config *c)
{
    static const double report[] = {1e-4, 1e-3, 1e-2, 1e-1};

    memset(c, 0, sizeof *c);
    c->preset = "default";
    c->data = "mnist-sample";
    c->cells = 3;
    c->nodes = 4;
    c->channels = 16;
    c->eval_every = 1;
    c->embedding = 16;
    c->keep = 2;
    c->report.n = 4;
    memcpy(c->report.value, report, sizeof report);
}

/* What is no option of its own stays in `base`. */
static int find_preset(struct config *c)
{
    hnas_context *ctx;
    hnas_status st;
    int rc = program_open(&ctx, 1, 0);

    if (rc)
        return rc;
    st = hnas_preset_find(&c->base, sizeof c->base, ctx, c->preset);
    if (st < 0)
        rc = usage_error("--%s", hnas_context_message(ctx));
    else
        hnas_preset_fit(&c->base, (int32_t)c->cells);
    hnas_context_destroy(ctx);
    return rc;
}

/* Cut the list of operations into names. */
static int split_ops(struct config *c)
{
    char *text = strdup(c->ops); /* lives as long as the program */

    return text ? option_split("ops", text, c->op_names, MAX_OPS, &c->n_ops)
                : failure("--ops: out of memory");
}

static int is_given(const unsigned char *given, const char *name)
{
    for (int i = 0; i < n_search_options; i++)
        if (given[i] && !strcmp(search_options[i].name, name))
            return 1;
    return 0;
}

/* Where nothing else is asked for: at the ends of the range and between. */
static void set_report(struct config *c)
{
    const double lo = c->range[0], hi = c->range[1];
    struct option_list *l = &c->report;

    if (l->value[0] >= lo && l->value[l->n - 1] <= hi)
        return;
    for (int i = 0; i < l->n; i++) {
        const double t = (double)i / (l->n - 1);

        l->value[i] = lo > 0 ? lo * pow(hi / lo, t) : lo + t * (hi - lo);
    }
    l->value[l->n - 1] = hi;
}

/* Options without effect; those of a resumed search are compared with it. */
static int check_idle(const struct config *c, const unsigned char *given)
{
    if (c->resume)
        return 0;
    if (is_given(given, "lambda") && c->sample != HNAS_SAMPLE_FIXED)
        return usage_error("--lambda %g: want --sample fixed", c->lambda);
    if (is_given(given, "theta") && c->rule != HNAS_RULE_THRESHOLD)
        return usage_error("--theta %g: want --rule threshold", c->theta);
    if (c->keep_marks && !c->marks.n)
        return usage_error("--keep-marks: want --marks A,B,C");
    return 0;
}

/* Options whose values this version can't honour, or that contradict. */
static int check(const struct config *c, const unsigned char *given)
{
    if (is_given(given, "knots") && c->hypernet != HNAS_HYPER_PIECEWISE &&
        c->head != HNAS_HEAD_GENERATED)
        return usage_error("--knots: want --hypernet piecewise or --head "
                           "generated");
    if (is_given(given, "embedding") && !c->kernels)
        return usage_error("--embedding: want --kernels generated or "
                           "generated_lambda");
    if (c->knots == 1)
        return usage_error("--knots 1: want 2..64, or 0, one a decade");
    if (c->alpha_paths == 1 ||
        (c->alpha_paths && is_given(given, "alpha-paths") &&
         c->relax != HNAS_RELAX_GUMBEL_HARD))
        return usage_error("--alpha-paths %lld: want 0, or 2 and more with "
                           "--relax gumbel_hard",
                           (long long)c->alpha_paths);
    if (c->draws % 2 && c->sample == HNAS_SAMPLE_ANTITHETIC)
        return usage_error("--draws %lld: want an even number with --sample "
                           "antithetic",
                           (long long)c->draws);
    if (c->draws < 2 && c->sample == HNAS_SAMPLE_SANDWICH)
        return usage_error("--draws %lld: want at least 2 with --sample "
                           "sandwich",
                           (long long)c->draws);
    if (c->monotone && c->hypernet == HNAS_HYPER_MLP)
        return usage_error("--monotone on: want off with --hypernet mlp");
    if (c->warmup + c->cooldown > 1)
        return usage_error("--warmup %g --cooldown %g: want at most 1 together",
                           c->warmup, c->cooldown);
    if (!(c->range[0] < c->range[1]))
        return usage_error("--lambda-range %g:%g: want LO < HI", c->range[0],
                           c->range[1]);
    for (int32_t i = 0; i < c->marks.n; i++)
        if (c->marks.value[i] != floor(c->marks.value[i]))
            return usage_error("--marks %g: want whole epochs",
                               c->marks.value[i]);
    if (c->resume && !c->out)
        return usage_error("--resume: needs --out DIR, where the search is");
    return 0;
}

/* What would be refused only after hours of training. */
static int check_lambdas(const struct config *c)
{
    const double lo = c->range[0], hi = c->range[1];
    const int ends_with_range = c->head == HNAS_HEAD_GENERATED ||
                                c->kernels == HNAS_KERNELS_GENERATED_LAMBDA;

    if (c->scale == HNAS_SCALE_LOG && !(lo > 0))
        return usage_error("--lambda-range %g:%g: want LO > 0 with --scale log",
                           lo, hi);
    if (c->sample == HNAS_SAMPLE_LOG_UNIFORM && !(lo > 0))
        return usage_error("--lambda-range %g:%g: want LO > 0 with --sample "
                           "log_uniform",
                           lo, hi);
    if (!c->knots && !(lo > 0) &&
        (c->hypernet == HNAS_HYPER_PIECEWISE || c->head == HNAS_HEAD_GENERATED))
        return usage_error("--knots 0, one a decade: want LO > 0 of "
                           "--lambda-range, not %g",
                           lo);
    if (lo < 0 && c->sample != HNAS_SAMPLE_FIXED &&
        (c->cost_weight > 0 || (c->l1 > 0 && c->l1_lambda)))
        return usage_error("--lambda-range %g:%g: want LO >= 0 with "
                           "--cost-weight or --l1, which lambda weighs",
                           lo, hi);
    if (c->sample == HNAS_SAMPLE_FIXED && !(c->lambda >= lo && c->lambda <= hi))
        return usage_error("--lambda %g: want %g..%g, the range", c->lambda, lo,
                           hi);
    for (int32_t i = 0; i < c->report.n; i++) {
        const double lambda = c->report.value[i];

        if (c->scale == HNAS_SCALE_LOG && !(lambda > 0))
            return usage_error("--report-lambda %g: want > 0 in log scale",
                               lambda);
        if (ends_with_range && !(lambda >= lo && lambda <= hi))
            return usage_error("--report-lambda %g: want %g..%g, where weights "
                               "are generated",
                               lambda, lo, hi);
    }
    return 0;
}

/* Names that the file of a search keeps. */
static int check_texts(const struct config *c)
{
    int rc = 0;

    for (int i = 0; i < n_search_options && !rc; i++) {
        const struct option *o = &search_options[i];
        const char *text;

        if (o->is_free || o->kind != OPTION_TEXT)
            continue;
        memcpy(&text, (const char *)c + o->offset, sizeof text);
        rc = option_check_text(o->name, text);
    }
    return rc;
}

/* How long the schedules are: what the first run was asked for. */
static void set_schedule(struct config *c, const unsigned char *given)
{
    c->schedule_epochs = c->epochs;
    c->schedule_steps = 0;
    if (is_given(given, "steps") && !is_given(given, "epochs")) {
        c->schedule_epochs = 0;
        c->schedule_steps = c->steps;
    }
}

int config_read(struct config *c, struct command_line *line, int argc,
                char **argv)
{
    int rc;

    set_defaults(c);
    rc = options_parse(line, c, argc, argv);
    if (rc == 0)
        rc = find_preset(c);
    if (rc)
        return rc;
    take_preset(c);
    c->epochs = 0;
    c->steps = 0;
    options_parse(line, c, argc, argv); /* the options over the preset */
    if (!c->epochs && !c->steps)
        c->epochs = c->base.epochs;
    set_schedule(c, line->given);
    set_metric(c);
    if (c->hypernet == HNAS_HYPER_MLP && !is_given(line->given, "monotone"))
        c->monotone = 0; /* it has no cone */
    if (!is_given(line->given, "cooldown") && c->cooldown > 1 - c->warmup)
        c->cooldown = 1 - c->warmup; /* the warm-up that was asked for */
    rc = check(c, line->given);
    if (!rc)
        rc = check_idle(c, line->given);
    if (!rc)
        rc = check_texts(c);
    if (!rc && !is_given(line->given, "report-lambda"))
        set_report(c);
    if (!rc && !c->resume) /* the range is then the saved one */
        rc = check_lambdas(c);
    return rc ? rc : split_ops(c);
}

/* ---- resuming ---- */

/* Files of before lack these; each is then as it is without the option. */
static int is_newer(const char *name)
{
    static const char *const names[] = {
        "knots",        "beta-decay",    "l2",
        "eval-every",   "marks",         "keep-marks",
        "patience",     "hessian",       "alpha-paths",
        "half",         "head",          "kernels",
        "embedding",    "on-nan",        "cooldown",
        "l1-lambda",    "w-momentum",    "w-nesterov",
        "w-decay",      "w-clip",        "theta",
        "virtual-clip", "norm-momentum", "alpha-betas",
        "alpha-decay",  "init-std",      "gumbel-per-image"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

static int take_saved(struct config *c, const struct option *o, int was_given,
                      const char *text)
{
    char saved[PATH_SIZE], now[PATH_SIZE];

    if (json_member(text, o->name, saved, sizeof saved) < 0) {
        if (is_newer(o->name))
            return 0;
        return failure("%s/search.safetensors: setting %s: missing, want a "
                       "file of hnas-search",
                       c->out, o->name);
    }
    if (was_given && !strcmp(o->name, "data"))
        return 0; /* a set may be elsewhere: its images are compared */
    option_write(o, c, now, sizeof now);
    if (was_given && strcmp(saved, now))
        return failure("--%s: is %s, the saved search has %s; only epochs, "
                       "steps, threads, keep and out may differ",
                       o->name, now, saved);
    return option_restore(o, c, saved);
}

static int64_t saved_int(const char *text, const char *key)
{
    char value[32];

    return json_member(text, key, value, sizeof value) < 0
               ? 0
               : strtoll(value, NULL, 10);
}

int config_resume(struct config *c, const unsigned char *given,
                  const char *text)
{
    int rc = 0;

    for (int i = 0; i < n_search_options && !rc; i++)
        if (!search_options[i].is_free)
            rc = take_saved(c, &search_options[i], given[i], text);
    if (!rc)
        rc = find_preset(c); /* the saved one, whichever was read before */
    if (rc)
        return rc;
    set_metric(c);
    c->schedule_epochs = saved_int(text, "schedule_epochs");
    c->schedule_steps = saved_int(text, "schedule_steps");
    if (!is_given(given, "epochs") && !is_given(given, "steps")) {
        c->epochs = c->schedule_epochs;
        c->steps = c->schedule_steps;
    }
    c->saved = strdup(text);
    return split_ops(c);
}

/* ---- for the library and the files ---- */

void config_search_opts(const struct config *c, int64_t per_epoch,
                        hnas_search_opts *opts)
{
    *opts = c->base.search;
    opts->relax = c->relax;
    opts->tau = c->tau.first;
    opts->tau_last = c->tau.last;
    opts->tau_schedule = c->tau.schedule;
    opts->tau_fall = c->tau.fall;
    opts->bilevel.order = c->order;
    opts->metric = c->metric;
    opts->cost_weight = c->cost_weight;
    opts->raw_cost = c->raw_cost;
    opts->monotone = c->monotone;
    opts->sample = c->sample;
    opts->lambda = c->lambda;
    opts->draws = (int32_t)c->draws;
    opts->l1 = c->l1;
    opts->l1_lambda = c->l1_lambda;
    opts->zero_one = c->zero_one;
    opts->l2 = c->l2;
    opts->beta_decay = c->beta_decay;
    opts->alpha_paths = (int32_t)c->alpha_paths;
    opts->rule = c->rule;
    opts->on_nan = c->on_nan;
    opts->gumbel_per_image = c->gumbel_per_image;
    opts->norm_momentum = c->norm_momentum;
    opts->theta = c->theta;
    opts->bilevel.w.momentum = c->w_momentum;
    opts->bilevel.w.nesterov = c->w_nesterov;
    opts->bilevel.w.weight_decay = c->w_decay;
    opts->bilevel.w.clip = c->w_clip;
    opts->bilevel.virtual_clip = c->virtual_clip;
    opts->bilevel.u.beta1 = c->alpha_betas[0];
    opts->bilevel.u.beta2 = c->alpha_betas[1];
    opts->bilevel.u.weight_decay = c->alpha_decay;
    opts->bilevel.warmup = c->warmup;
    opts->bilevel.cooldown = c->cooldown;
    opts->bilevel.half = c->half;
    opts->bilevel.w_rate = c->w_lr[0];
    opts->bilevel.w_rate_last = c->w_lr[1];
    opts->bilevel.u_rate = c->alpha_lr[0];
    opts->bilevel.u_span = c->alpha_lr[1];
    opts->bilevel.rate_steps = per_epoch;
    opts->bilevel.total_steps =
        c->schedule_epochs ? c->schedule_epochs * per_epoch : c->schedule_steps;
}

void config_write(const struct config *c, struct json *j)
{
    for (int i = 0; i < n_search_options; i++) {
        char value[PATH_SIZE];

        if (search_options[i].is_free)
            continue;
        option_write(&search_options[i], c, value, sizeof value);
        json_key(j, search_options[i].name);
        json_raw(j, value);
    }
    json_key(j, "schedule_epochs");
    json_int(j, c->schedule_epochs);
    json_key(j, "schedule_steps");
    json_int(j, c->schedule_steps);
}
