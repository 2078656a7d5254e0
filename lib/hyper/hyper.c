/* SPDX-License-Identifier: BSD-3-Clause */
#include "hyper/hyper.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fpmode.h"
#include "base/rng.h"

void hnas_hyper_opts_init(hnas_hyper_opts *opts, size_t size)
{
    hnas_hyper_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.kind = HNAS_HYPER_LINEAR;
    o.scale = HNAS_SCALE_LOG;
    o.lambda_lo = 1e-4;
    o.lambda_hi = 1e-1;
    o.init_std = 1e-3;
    o.knots = 5;
    o.hidden = 16;
    o.embedding = 16;
    o.tile = 1;
    memcpy(opts, &o, o.size);
}

static hnas_status check_tables(struct hnas_context *ctx,
                                const hnas_hyper_opts *o)
{
    if (o->n_tables < 1 || o->n_tables > HNAS_MAX_TABLES)
        return hn_fail(ctx, HNAS_E_RANGE, "n_tables: %d, want 1..%d",
                       (int)o->n_tables, HNAS_MAX_TABLES);
    for (int32_t i = 0; i < o->n_tables; i++) {
        if (!o->names[i] || !*o->names[i])
            return hn_fail(ctx, HNAS_E_NAME, "names[%d]: no name", (int)i);
        if (o->rows[i] < (o->weights ? 0 : 1) || o->cols[i] < 1 ||
            o->rows[i] > INT32_MAX || o->cols[i] > INT32_MAX)
            return hn_fail(ctx, HNAS_E_SHAPE,
                           "table %.100s: %lld x %lld, want 1..2^31-1 each",
                           o->names[i], (long long)o->rows[i],
                           (long long)o->cols[i]);
        /* a vector, rows = 0, is one row to start from */
        for (int64_t r = 0;
             o->predecessors[i] && r < (o->rows[i] ? o->rows[i] : 1); r++)
            if (o->predecessors[i][r] < 1)
                return hn_fail(ctx, HNAS_E_RANGE,
                               "table %.100s: %lld predecessors of row %lld, "
                               "want >= 1",
                               o->names[i], (long long)o->predecessors[i][r],
                               (long long)r);
    }
    return HNAS_OK;
}

/* A knot a decade. */
static hnas_status count_knots(struct hnas_context *ctx, hnas_hyper_opts *o)
{
    double decades;

    if (o->knots || o->kind != HNAS_HYPER_PIECEWISE)
        return HNAS_OK;
    if (!(o->lambda_lo > 0))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "knots: 0, one a decade, wants lambda_lo > 0, not %g",
                       o->lambda_lo);
    decades = log10(o->lambda_hi / o->lambda_lo);
    o->knots = decades < 1    ? 2
               : decades > 63 ? 64
                              : (int32_t)lround(decades) + 1;
    return HNAS_OK;
}

/* Knots of a narrow range far from 0 would coincide. */
static hnas_status check_knots(struct hnas_context *ctx,
                               const hnas_hyper_opts *o)
{
    const double most = fmax(fabs(o->lambda_lo), fabs(o->lambda_hi));

    if (o->scale == HNAS_SCALE_RAW &&
        !((o->lambda_hi - o->lambda_lo) / o->knots > 8 * DBL_EPSILON * most))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "knots: %d between lambda = %g and %g can't be told "
                       "apart",
                       (int)o->knots, o->lambda_lo, o->lambda_hi);
    return HNAS_OK;
}

static hnas_status check_opts(struct hnas_context *ctx,
                              const hnas_hyper_opts *o)
{
    hnas_status st;

    if (!hn_generator_find(o->kind))
        return hn_fail(ctx, HNAS_E_RANGE, "kind: %d, want HNAS_HYPER_",
                       (int)o->kind);
    if (!(o->init_std >= 0 && o->init_std <= HN_REAL_MAX / 16))
        return hn_fail(ctx, HNAS_E_RANGE, "init_std: %g, want 0..%g",
                       o->init_std, (double)HN_REAL_MAX / 16);
    if (o->kind == HNAS_HYPER_PIECEWISE && (o->knots < 2 || o->knots > 64))
        return hn_fail(ctx, HNAS_E_RANGE, "knots: %d, want 2..64",
                       (int)o->knots);
    if (o->kind == HNAS_HYPER_MLP && (o->hidden < 1 || o->hidden > 1024))
        return hn_fail(ctx, HNAS_E_RANGE, "hidden: %d, want 1..1024",
                       (int)o->hidden);
    if (o->kind == HNAS_HYPER_EMBEDDING &&
        (o->embedding < 1 || o->embedding > HN_MOST_EMBEDDING || o->tile < 1))
        return hn_fail(ctx, HNAS_E_RANGE,
                       "embedding: %d, want 1..%d; tile: %d, want >= 1",
                       (int)o->embedding, HN_MOST_EMBEDDING, (int)o->tile);
    if (o->start != HNAS_START_NORMAL && o->start != HNAS_START_UNIFORM)
        return hn_fail(ctx, HNAS_E_RANGE, "start: %d, want HNAS_START_",
                       (int)o->start);
    st = hn_scale_check(ctx, o->scale, o->lambda_lo, o->lambda_hi);
    if (st == HNAS_OK && o->kind == HNAS_HYPER_PIECEWISE)
        st = check_knots(ctx, o);
    if (st == HNAS_OK)
        st = check_tables(ctx, o);
    return st == HNAS_OK
               ? hn_check_reserved(ctx, "hnas_hyper_opts", o->reserved)
               : st;
}

hnas_status hn_hyper_add_param(struct hnas_tensor **out,
                               struct hnas_hyper *hyper,
                               const struct hn_hyper_table *table,
                               const char *name, int32_t rank,
                               const int64_t *dims)
{
    struct hnas_tensor *t = NULL;
    char *full = NULL;
    size_t bytes = strlen(table->name) + strlen(name) + 2;
    hnas_status st = hn_tensor_new(&t, hyper->ctx, HN_STRIDED, rank, dims);

    if (st < 0)
        goto done;
    t->wanted = 1;
    full = hn_alloc(&hyper->ctx->alloc, bytes);
    if (!full) {
        st = hn_fail_nomem(hyper->ctx, "name of a parameter");
        goto done;
    }
    snprintf(full, bytes, "%s.%s", table->name, name);
    st = hn_params_add(
        &hyper->params, hyper->opts.weights ? "" : "hyper.", full,
        hyper->opts.weights ? HNAS_PARAM_WEIGHT : HNAS_PARAM_ARCH, t);
    if (st == HNAS_OK)
        *out = t; /* the handle's reference is the list's */
done:
    hn_free(&hyper->ctx->alloc, full);
    hnas_tensor_unref(t);
    return st;
}

hnas_status hn_hyper_add_matrix(struct hnas_tensor **out,
                                struct hnas_hyper *hyper,
                                const struct hn_hyper_table *table,
                                const char *name)
{
    return hn_hyper_add_param(out, hyper, table, name, table->shape.rank,
                              table->shape.dims);
}

void hn_hyper_start(struct hnas_tensor *param, const struct hnas_hyper *hyper,
                    double std, int32_t index, int64_t first)
{
    const struct hn_rng rng = {hyper->ctx->seed, (uint64_t)index, HN_DRAW_HYPER,
                               0};

    for (int64_t i = 0; i < hnas_tensor_get_count(param); i++)
        hn_real(param)[i] =
            (real)(std * hn_random_normal(&rng, (uint64_t)(first + i)));
}

void hn_hyper_start_table(struct hnas_tensor *param,
                          const struct hnas_hyper *hyper,
                          const struct hn_hyper_table *table, int32_t index)
{
    const struct hn_rng rng = {hyper->ctx->seed, (uint64_t)index, HN_DRAW_HYPER,
                               0};

    if (hyper->opts.start == HNAS_START_NORMAL) {
        hn_hyper_start(param, hyper, hyper->opts.init_std, index, 0);
        return;
    }
    for (int64_t i = 0; i < hnas_tensor_get_count(param); i++) {
        const int64_t row = i / table->cols % table->rows;
        const int64_t n = table->predecessors ? table->predecessors[row] : 1;
        const double bound = 1 / sqrt((double)table->cols * (double)n);

        hn_real(param)[i] =
            (real)(bound * (2 * hn_random_uniform(&rng, (uint64_t)i) - 1));
    }
}

hnas_status hn_hyper_constant(struct hnas_tensor **out,
                              const struct hn_hyper_table *table, int64_t n)
{
    struct hnas_context *ctx = (table->knots ? table->knots : table->b2)->ctx;
    int i = 0;
    hnas_status st;

    while (i < HN_HYPER_CONSTANTS && table->constant[i] &&
           atomic_load(&table->constant[i]->refs) > 1)
        i++;
    if (i < HN_HYPER_CONSTANTS && table->constant[i]) {
        *out = hnas_tensor_ref(table->constant[i]);
        memset(hn_real(*out), 0, (size_t)n * sizeof(real));
        return HNAS_OK;
    }
    st = hn_tensor_new(out, ctx, HN_STRIDED, 1, &n);
    if (st == HNAS_OK && i < HN_HYPER_CONSTANTS)
        table->constant[i] = hnas_tensor_ref(*out);
    return st;
}

static void set_shape(struct hn_hyper_table *table, int64_t rows, int64_t cols)
{
    const hnas_shape matrix = {2, {rows, cols}}, vector = {1, {cols}};

    table->rows = rows ? rows : 1;
    table->cols = cols;
    table->shape = rows ? matrix : vector;
}

static hnas_status add_table(struct hnas_hyper *hyper, int32_t index)
{
    struct hn_hyper_table *table = &hyper->table[index];

    set_shape(table, hyper->opts.rows[index], hyper->opts.cols[index]);
    table->predecessors = hyper->opts.predecessors[index];
    table->n_knots = hyper->opts.knots;
    table->n_hidden = hyper->opts.hidden;
    table->n_embedding = hyper->opts.embedding;
    table->n_tile = hyper->opts.tile;
    table->embed_s = hyper->opts.embed_s;
    table->s_lo = hn_scale_s(&hyper->scale, hyper->scale.lo);
    table->s_hi = hn_scale_s(&hyper->scale, hyper->scale.hi);
    table->name = hn_strdup(&hyper->ctx->alloc, hyper->opts.names[index]);
    if (!table->name)
        return hn_fail_nomem(hyper->ctx, "name of a table");
    hyper->opts.names[index] = table->name;
    table->order = hn_alloc_array(&hyper->ctx->alloc, 2 * (size_t)table->cols,
                                  sizeof *table->order);
    table->work = hn_alloc_array(&hyper->ctx->alloc, 4 * (size_t)table->cols,
                                 sizeof *table->work);
    table->constant = hn_alloc_array(&hyper->ctx->alloc, HN_HYPER_CONSTANTS,
                                     sizeof *table->constant);
    if (!table->order || !table->work || !table->constant)
        return hn_fail_nomem(hyper->ctx, "hypernetwork");
    return hyper->generator->create(hyper, table, index);
}

static hnas_status create_hyper(hnas_hyper **out, hnas_context *ctx,
                                const hnas_hyper_opts *opts)
{
    hnas_hyper_opts o;
    struct hnas_hyper *hyper = NULL;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !opts)
        return hn_fail_null(ctx, "hypernetwork: out or opts");
    hnas_hyper_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(ctx, st, "opts: size not set");
    st = count_knots(ctx, &o);
    if (st == HNAS_OK)
        st = check_opts(ctx, &o);
    if (st < 0)
        return st;
    hyper = hn_zalloc(&ctx->alloc, sizeof *hyper);
    if (!hyper)
        return hn_fail_nomem(ctx, "hypernetwork");
    hyper->ctx = ctx;
    hyper->opts = o;
    hyper->generator = hn_generator_find(o.kind);
    hn_scale_init(&hyper->scale, o.scale, o.lambda_lo, o.lambda_hi);
    hn_params_init(&hyper->params, ctx);
    for (int32_t i = 0; i < o.n_tables; i++) {
        st = add_table(hyper, i);
        if (st < 0)
            goto done;
        hyper->table[i].predecessors = hyper->opts.predecessors[i] = NULL;
    }
    *out = hyper;
    hyper = NULL;
done:
    hnas_hyper_destroy(hyper);
    return st;
}

hnas_status hnas_hyper_create(hnas_hyper **out, hnas_context *ctx,
                              const hnas_hyper_opts *opts)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = create_hyper(out, ctx, opts);

    hn_fp_leave(mode);
    return st;
}

void hnas_hyper_destroy(hnas_hyper *hyper)
{
    if (!hyper)
        return;
    hn_params_finish(&hyper->params);
    for (int32_t i = 0; i < HNAS_MAX_TABLES; i++) {
        for (int k = 0; k < HN_HYPER_CONSTANTS && hyper->table[i].constant; k++)
            hnas_tensor_unref(hyper->table[i].constant[k]);
        hn_free(&hyper->ctx->alloc, hyper->table[i].constant);
        hn_free(&hyper->ctx->alloc, hyper->table[i].name);
        hn_free(&hyper->ctx->alloc, hyper->table[i].order);
        hn_free(&hyper->ctx->alloc, hyper->table[i].work);
    }
    hn_free(&hyper->ctx->alloc, hyper);
}

void hnas_hyper_get_opts(const hnas_hyper *hyper, hnas_hyper_opts *opts,
                         size_t size)
{
    hnas_hyper_opts o = hyper->opts;

    o.size = size < sizeof o ? size : sizeof o;
    memcpy(opts, &o, o.size);
}

const hnas_params *hnas_hyper_get_params(const hnas_hyper *hyper)
{
    return &hyper->params;
}

hnas_status hn_hyper_check_table(const struct hnas_hyper *hyper, int32_t table)
{
    if (table < 0 || table >= hyper->opts.n_tables)
        return hn_fail(hyper->ctx, HNAS_E_RANGE, "table: %d, want 0..%d",
                       (int)table, (int)hyper->opts.n_tables - 1);
    return HNAS_OK;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, hnas_hyper *hyper,
                         int32_t table, double lambda)
{
    double s;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !hyper)
        return hn_fail_null(hyper ? hyper->ctx : NULL, "hypernetwork: out");
    st = hn_hyper_check_table(hyper, table);
    if (st < 0)
        return st;
    st = hn_hyper_place(&s, hyper, lambda);
    if (st < 0)
        return st;
    if (st == HNAS_EXTRAPOLATED)
        return hn_fail(hyper->ctx, HNAS_E_RANGE,
                       "lambda: %g, want %g..%g while recording", lambda,
                       hyper->opts.lambda_lo, hyper->opts.lambda_hi);
    return hyper->generator->apply(out, tape, &hyper->table[table], s);
}

hnas_status hnas_hyper_apply(hnas_tensor **out, hnas_tape *tape,
                             hnas_hyper *hyper, int32_t table, double lambda)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = apply(out, tape, hyper, table, lambda);

    hn_fp_leave(mode);
    return st;
}

static hnas_status eval(double *alpha, int64_t count, const hnas_hyper *hyper,
                        int32_t table, double lambda)
{
    const struct hn_hyper_table *t;
    double s;
    hnas_status st;

    if (!alpha || !hyper)
        return hn_fail_null(hyper ? hyper->ctx : NULL, "hypernetwork: alpha");
    st = hn_hyper_check_table(hyper, table);
    if (st < 0)
        return st;
    t = &hyper->table[table];
    if (count != t->rows * t->cols)
        return hn_fail(hyper->ctx, HNAS_E_SHAPE, "count: %lld, want %lld",
                       (long long)count, (long long)(t->rows * t->cols));
    st = hn_hyper_place(&s, hyper, lambda);
    if (st >= 0)
        hyper->generator->eval(alpha, t, s);
    return st;
}

hnas_status hnas_hyper_eval(double *alpha, int64_t count,
                            const hnas_hyper *hyper, int32_t table,
                            double lambda)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = eval(alpha, count, hyper, table, lambda);

    hn_fp_leave(mode);
    return st;
}
