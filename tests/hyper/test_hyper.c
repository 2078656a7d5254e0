/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "hyper/hyper.h"
#include "support/check_main.h"

static struct hnas_context *ctx;

/* An allocator that fails at the n-th request; -1: never. */
static int64_t countdown = -1;

static void *counted_alloc(void *user, size_t size_bytes, size_t alignment)
{
    (void)user;
    if (!countdown)
        return NULL;
    if (countdown > 0)
        countdown--;
    return aligned_alloc(alignment, size_bytes);
}

static void counted_free(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(memory);
}

static void setup(void)
{
    hnas_context_opts o;

    countdown = -1;
    hnas_context_opts_init(&o, sizeof o);
    o.alloc = counted_alloc;
    o.free = counted_free;
    o.seed = 42;
    ck_assert_int_eq(hn_context_open(&ctx, &o), HNAS_OK);
}

static void teardown(void)
{
    hn_context_close(ctx);
}

/* Two tables, 2 x 3 and 3 x 4. */
static hnas_hyper_opts two_tables(int32_t kind)
{
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = kind;
    o.init_std = 0.5;
    o.n_tables = 2;
    o.names[0] = "normal";
    o.rows[0] = 2;
    o.cols[0] = 3;
    o.names[1] = "reduce";
    o.rows[1] = 3;
    o.cols[1] = 4;
    return o;
}

static hnas_hyper *make(int32_t kind)
{
    const hnas_hyper_opts o = two_tables(kind);
    hnas_hyper *h;

    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
    return h;
}

static hnas_tensor *param(const hnas_hyper *h, const char *name)
{
    hnas_tensor *t;

    ck_assert_int_eq(hnas_params_find(&t, hnas_hyper_get_params(h), name),
                     HNAS_OK);
    return t;
}

START_TEST(linear_tables_have_named_wanted_slopes_and_offsets)
{
    const char *const names[] = {"hyper.normal.b1", "hyper.normal.b2",
                                 "hyper.reduce.b1", "hyper.reduce.b2"};
    hnas_hyper *h = make(HNAS_HYPER_LINEAR);
    const hnas_params *p = hnas_hyper_get_params(h);

    ck_assert_int_eq(hnas_params_get_count(p), 4);
    for (int64_t i = 0; i < 4; i++) {
        const hnas_tensor *t = hnas_params_get_tensor(p, i);

        ck_assert_str_eq(hnas_params_get_name(p, i), names[i]);
        ck_assert_int_eq(hnas_params_get_kind(p, i), HNAS_PARAM_ARCH);
        ck_assert_int_eq(t->wanted, 1);
        ck_assert_int_eq(t->rank, 2);
        ck_assert_int_eq(t->dim[0], i < 2 ? 2 : 3);
        ck_assert_int_eq(t->dim[1], i < 2 ? 3 : 4);
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(constant_tables_have_offsets_only)
{
    hnas_hyper *h = make(HNAS_HYPER_CONSTANT);
    const hnas_params *p = hnas_hyper_get_params(h);

    ck_assert_int_eq(hnas_params_get_count(p), 2);
    ck_assert_str_eq(hnas_params_get_name(p, 0), "hyper.normal.b2");
    ck_assert_str_eq(hnas_params_get_name(p, 1), "hyper.reduce.b2");
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(slopes_start_at_zero_and_offsets_as_the_seed_says)
{
    hnas_hyper *h = make(HNAS_HYPER_LINEAR);
    const real *b1 = hn_real(param(h, "hyper.reduce.b1"));
    const real *b2 = hn_real(param(h, "hyper.reduce.b2"));
    const struct hn_rng rng = {42, 1, HN_DRAW_HYPER, 0};

    for (uint64_t i = 0; i < 12; i++) {
        ck_assert(b1[i] == 0);
        ck_assert(b2[i] == (real)(0.5 * hn_random_normal(&rng, i)));
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(opts_come_back_with_names_of_its_own)
{
    char name[] = "normal";
    hnas_hyper_opts o = two_tables(HNAS_HYPER_LINEAR), got;
    hnas_hyper *h;

    o.names[0] = name;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
    memset(name, 'x', 3);
    hnas_hyper_opts_init(&got, sizeof got);
    hnas_hyper_get_opts(h, &got, sizeof got);
    ck_assert_str_eq(got.names[0], "normal");
    ck_assert_int_eq(got.n_tables, 2);
    ck_assert_int_eq(got.rows[1], 3);
    ck_assert(got.init_std == 0.5);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(eval_is_a_line_in_s)
{
    const double b1[6] = {1, -2, 0.5, 0, 3, 4};
    const double b2[6] = {0.25, 1, -1, 2, 0, 8};
    hnas_hyper *h = make(HNAS_HYPER_LINEAR);
    double alpha[6];

    hnas_tensor_set(param(h, "hyper.normal.b1"), HNAS_FLOAT64, b1, 6);
    hnas_tensor_set(param(h, "hyper.normal.b2"), HNAS_FLOAT64, b2, 6);
    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, 1e-4), HNAS_OK);
    for (int i = 0; i < 6; i++)
        ck_assert(alpha[i] == b2[i] - b1[i]);
    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, 1e-1), HNAS_OK);
    for (int i = 0; i < 6; i++)
        ck_assert(alpha[i] == b2[i] + b1[i]);
    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, 1), HNAS_EXTRAPOLATED);
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq_tol(alpha[i], b2[i] + b1[i] * 5 / 3, 1e-13);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(constant_ignores_lambda)
{
    hnas_hyper *h = make(HNAS_HYPER_CONSTANT);
    const double lambdas[] = {1e-4, 0.1, 5e-324, 1, 1e300};
    double first[6], alpha[6];

    ck_assert_int_eq(hnas_hyper_eval(first, 6, h, 0, 1e-3), HNAS_OK);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, lambdas[i]), HNAS_OK);
        ck_assert_mem_eq(alpha, first, sizeof alpha);
    }
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(no_kind_takes_a_lambda_without_a_place)
{
    const double bad[] = {0, -0.0, -5, NAN, INFINITY, -INFINITY};

    for (int kind = HNAS_HYPER_LINEAR; kind <= HNAS_HYPER_MLP; kind++) {
        hnas_hyper *h = make(kind);

        for (int i = 0; i < 6; i++) {
            hnas_tensor *out;
            double alpha[6] = {1, 2, 3, 4, 5, 6};

            ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 0, bad[i]),
                             HNAS_E_RANGE);
            ck_assert_double_eq(alpha[0], 1);
            ck_assert_int_eq(hnas_hyper_apply(&out, NULL, h, 0, bad[i]),
                             HNAS_E_RANGE);
            ck_assert_ptr_null(out);
        }
        hnas_hyper_destroy(h);
    }
}
END_TEST

START_TEST(eval_refuses_a_wrong_table_or_count)
{
    hnas_hyper *h = make(HNAS_HYPER_LINEAR);
    double alpha[12];

    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 2, 1e-3), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, -1, 1e-3), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_hyper_eval(alpha, 6, h, 1, 1e-3), HNAS_E_SHAPE);
    ck_assert_str_ne(hnas_context_message(ctx), "");
    ck_assert_int_eq(hnas_hyper_eval(NULL, 6, h, 0, 1e-3), HNAS_E_ARG);
    hnas_hyper_destroy(h);
}
END_TEST

START_TEST(segments_are_the_lines_that_eval_draws)
{
    for (int kind = HNAS_HYPER_LINEAR; kind < HNAS_HYPER_MLP; kind++) {
        hnas_hyper *h = make(kind);
        const struct hn_hyper_table *t = &h->table[1];
        double slope[12], offset[12], alpha[12], end = -INFINITY;
        struct hn_hyper_segment seg = {0, 0, {0, 0, 0}, slope, offset};
        const int32_t n = h->generator->n_segments(t);

        if (t->b1)
            hn_fill_uniform(t->b1, 1, 3);
        ck_assert_int_eq(n, kind == HNAS_HYPER_PIECEWISE ? 4 : 1);
        for (int32_t k = 0; k < n; k++) {
            h->generator->segment(&seg, t, k);
            ck_assert(seg.s_lo == end && seg.s_hi > end);
            end = seg.s_hi;
            for (int i = 0; i < 3; i++) {
                const double x = 0.25 * i + 0.25;
                const double s =
                    seg.frame.origin + x * (seg.frame.width + seg.frame.rest);

                h->generator->eval(alpha, t, s);
                for (int j = 0; j < 12; j++)
                    ck_assert_double_eq_tol(alpha[j], x * slope[j] + offset[j],
                                            1e-15);
            }
        }
        ck_assert(isinf(end));
        hnas_hyper_destroy(h);
    }
}
END_TEST

START_TEST(knots_stand_evenly_from_end_to_end)
{
    hnas_hyper *h = make(HNAS_HYPER_PIECEWISE);
    const struct hn_hyper_table *t = &h->table[1];
    double alpha[12];

    for (int32_t k = 0; k < 5; k++) {
        ck_assert(hn_hyper_knot(t, k) == -1 + 0.5 * k);
        h->generator->eval(alpha, t, hn_hyper_knot(t, k));
        for (int i = 0; i < 12; i++)
            ck_assert_double_eq_tol(
                alpha[i], (double)hn_real(t->knots)[k * 12 + i], 1e-15);
    }
    hnas_hyper_destroy(h);
}
END_TEST

/* Bytes held when nothing is made; a context may keep handles of released
 * tensors, so some are made and released first. */
static size_t idle_bytes(void)
{
    hnas_hyper_destroy(make(HNAS_HYPER_LINEAR));
    return ctx->alloc.now_bytes;
}

START_TEST(create_refuses_contradictory_settings)
{
    hnas_hyper_opts o[12];
    const hnas_status want[12] = {HNAS_E_RANGE, HNAS_E_RANGE, HNAS_E_RANGE,
                                  HNAS_E_RANGE, HNAS_E_NAME,  HNAS_E_NAME,
                                  HNAS_E_NAME,  HNAS_E_SHAPE, HNAS_E_ARG,
                                  HNAS_E_RANGE, HNAS_E_RANGE, HNAS_E_RANGE};
    const int64_t none = 0;
    const size_t before = idle_bytes();

    for (int i = 0; i < 12; i++)
        o[i] = two_tables(HNAS_HYPER_LINEAR);
    o[0].kind = 99;
    o[1].init_std = NAN;
    o[2].n_tables = 0;
    o[3].n_tables = HNAS_MAX_TABLES + 1;
    o[4].names[1] = NULL;
    o[5].names[1] = "";
    o[6].names[1] = "normal"; /* doubled */
    o[7].rows[0] = 0;
    o[8].size = 0;
    o[9].init_std = DBL_MAX;
    o[10].weights = 1; /* a vector starts from a row of its own */
    o[10].rows[0] = 0;
    o[10].start = HNAS_START_UNIFORM;
    o[10].predecessors[0] = &none;
    o[11].kind = HNAS_HYPER_PIECEWISE;
    o[11].scale = HNAS_SCALE_RAW;
    o[11].lambda_lo = 1;
    o[11].lambda_hi = 1 + 4 * DBL_EPSILON;
    o[11].knots = 64;
    for (int i = 0; i < 12; i++) {
        hnas_hyper *h = (hnas_hyper *)&h;

        ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o[i]), want[i]);
        ck_assert_ptr_null(h);
        ck_assert_uint_eq(ctx->alloc.now_bytes, before);
    }
}
END_TEST

/* A kind's own number, just outside its range. */
static void expect_refused(int32_t kind, int32_t knots, int32_t hidden,
                           int32_t embedding, int32_t tile, const char *word)
{
    hnas_hyper_opts o = two_tables(kind);
    hnas_hyper *h = (hnas_hyper *)&o;

    o.knots = knots;
    o.hidden = hidden;
    o.embedding = embedding;
    o.tile = tile;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_E_RANGE);
    ck_assert_ptr_null(h);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), word));
}

START_TEST(numbers_of_a_kind_are_refused_by_name)
{
    expect_refused(HNAS_HYPER_PIECEWISE, 1, 16, 16, 1, "knots: 1");
    expect_refused(HNAS_HYPER_PIECEWISE, 65, 16, 16, 1, "knots: 65");
    expect_refused(HNAS_HYPER_MLP, 5, 0, 16, 1, "hidden: 0");
    expect_refused(HNAS_HYPER_MLP, 5, 1025, 16, 1, "hidden: 1025");
    expect_refused(HNAS_HYPER_EMBEDDING, 5, 16, 0, 1, "embedding: 0");
    expect_refused(HNAS_HYPER_EMBEDDING, 5, 16, 257, 1, "embedding: 257");
    expect_refused(HNAS_HYPER_EMBEDDING, 5, 16, 16, 0, "tile: 0");
}
END_TEST

START_TEST(knots_a_decade_want_a_positive_range)
{
    hnas_hyper_opts o = two_tables(HNAS_HYPER_PIECEWISE);
    hnas_hyper *h;

    o.knots = 0;
    o.scale = HNAS_SCALE_RAW;
    o.lambda_lo = -1;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_E_RANGE);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(ctx), "lambda_lo > 0, not -1"));
}
END_TEST

START_TEST(knots_are_one_a_decade_where_none_are_asked_for)
{
    static const struct {
        double lo, hi;
        int32_t knots;
    } range[] = {{1e-8, 1e-4, 5}, {1e-10, 1e-6, 5}, {1e-4, 1e-1, 4},
                 {1e-3, 2e-3, 2}, {1e-80, 1, 64},   {2e-5, 9e-2, 5}};

    for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
        hnas_hyper_opts o = two_tables(HNAS_HYPER_PIECEWISE), got;
        hnas_hyper *h;

        o.knots = 0;
        o.lambda_lo = range[i].lo;
        o.lambda_hi = range[i].hi;
        ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
        hnas_hyper_get_opts(h, &got, sizeof got);
        ck_assert_int_eq(got.knots, range[i].knots);
        ck_assert_int_eq(param(h, "hyper.normal.knots")->dim[0],
                         range[i].knots);
        hnas_hyper_destroy(h);
    }
}
END_TEST

START_TEST(a_uniform_start_narrows_with_the_predecessors)
{
    const int64_t predecessors[3] = {1, 4, 100}, none[3] = {1, 0, 1};
    hnas_hyper_opts o = two_tables(HNAS_HYPER_PIECEWISE);
    hnas_hyper *h;
    const real *knot;

    o.start = HNAS_START_UNIFORM;
    o.knots = 50;
    o.predecessors[1] = predecessors;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
    knot = hn_real(param(h, "hyper.reduce.knots"));
    for (int row = 0; row < 3; row++) {
        const double bound = 1 / sqrt(4.0 * (double)predecessors[row]);
        double largest = 0, sum = 0;

        for (int k = 0; k < 50; k++)
            for (int c = 0; c < 4; c++) {
                const double v = (double)knot[(k * 3 + row) * 4 + c];

                largest = fmax(largest, fabs(v));
                sum += v;
            }
        ck_assert(largest <= bound * (1 + 1e-6) && largest > 0.9 * bound);
        ck_assert(fabs(sum / 200) < 0.2 * bound);
    }
    hnas_hyper_destroy(h);
    o.predecessors[1] = none;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_E_RANGE);
    o.predecessors[1] = NULL;
    o.start = 9;
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_E_RANGE);
}
END_TEST

START_TEST(tables_of_weights_may_be_vectors_and_are_named_so)
{
    static const int32_t kinds[] = {HNAS_HYPER_LINEAR, HNAS_HYPER_CONSTANT,
                                    HNAS_HYPER_PIECEWISE, HNAS_HYPER_MLP};

    for (int i = 0; i < 4; i++) {
        hnas_hyper_opts o = two_tables(kinds[i]);
        const hnas_params *p;
        double want[4];
        hnas_tensor *y;
        hnas_hyper *h;

        o.weights = 1;
        o.rows[1] = 0;
        ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
        p = hnas_hyper_get_params(h);
        ck_assert_int_eq(hnas_params_get_kind(p, 0), HNAS_PARAM_WEIGHT);
        ck_assert_int_eq(strncmp(hnas_params_get_name(p, 0), "normal.", 7), 0);
        ck_assert_int_eq(hnas_hyper_apply(&y, NULL, h, 1, 2e-3), HNAS_OK);
        ck_assert_int_eq(y->rank, 1);
        ck_assert_int_eq(y->dim[0], 4);
        ck_assert_int_eq(hnas_hyper_eval(want, 4, h, 1, 2e-3), HNAS_OK);
        for (int c = 0; c < 4; c++)
            ck_assert_double_eq_tol((double)hn_real(y)[c], want[c], 1e-6);
        hnas_tensor_unref(y);
        hnas_hyper_destroy(h);
    }
}
END_TEST

START_TEST(create_survives_every_failing_allocation)
{
    const hnas_hyper_opts o = two_tables(HNAS_HYPER_LINEAR);
    const size_t before = idle_bytes();
    int64_t n = 0;

    for (;; n++) {
        hnas_hyper *h;
        hnas_status st;

        countdown = n;
        st = hnas_hyper_create(&h, ctx, &o);
        countdown = -1;
        if (st == HNAS_OK) {
            hnas_hyper_destroy(h);
            break;
        }
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        ck_assert_ptr_null(h);
        ck_assert_uint_eq(ctx->alloc.now_bytes, before);
    }
    ck_assert_int_gt(n, 4);
}
END_TEST

START_TEST(destroy_accepts_null)
{
    hnas_hyper_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hyper");
    TCase *c = tcase_create("hyper");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, linear_tables_have_named_wanted_slopes_and_offsets);
    tcase_add_test(c, constant_tables_have_offsets_only);
    tcase_add_test(c, slopes_start_at_zero_and_offsets_as_the_seed_says);
    tcase_add_test(c, opts_come_back_with_names_of_its_own);
    tcase_add_test(c, eval_is_a_line_in_s);
    tcase_add_test(c, constant_ignores_lambda);
    tcase_add_test(c, no_kind_takes_a_lambda_without_a_place);
    tcase_add_test(c, eval_refuses_a_wrong_table_or_count);
    tcase_add_test(c, segments_are_the_lines_that_eval_draws);
    tcase_add_test(c, knots_stand_evenly_from_end_to_end);
    tcase_add_test(c, create_refuses_contradictory_settings);
    tcase_add_test(c, numbers_of_a_kind_are_refused_by_name);
    tcase_add_test(c, knots_a_decade_want_a_positive_range);
    tcase_add_test(c, knots_are_one_a_decade_where_none_are_asked_for);
    tcase_add_test(c, a_uniform_start_narrows_with_the_predecessors);
    tcase_add_test(c, tables_of_weights_may_be_vectors_and_are_named_so);
    tcase_add_test(c, create_survives_every_failing_allocation);
    tcase_add_test(c, destroy_accepts_null);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
