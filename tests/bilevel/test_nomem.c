/* SPDX-License-Identifier: BSD-3-Clause */
/* A search whose allocations fail in turn: made, stepped, asked. */
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

static struct world w;

static void expect_same(const double *a, int64_t n, const char *what)
{
    int64_t m;
    double *b = world_state(&w, &m);

    ck_assert_int_eq(m, n);
    ck_assert_msg(!memcmp(a, b, (size_t)n * sizeof *a), "%s: state changed",
                  what);
    free(b);
}

START_TEST(create_survives_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    int64_t n;

    world_open(&w, "default", 2);
    w.opts.on_nan = HNAS_NAN_ROLLBACK; /* it keeps a copy of all state */
    world_search(&w); /* gives the weights room for gradients, which stays */
    hnas_search_destroy(w.search);
    for (n = 0; st != HNAS_OK; n++) {
        const int64_t live = w.hooks.n_live;
        const size_t held = held_bytes(w.ctx);

        w.hooks.left = n;
        st = hnas_search_create(&w.search, w.net, w.hyper, &w.opts);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !w.search));
        if (st < 0)
            ck_assert_uint_eq(held_bytes(w.ctx), held);
        ck_assert(st == HNAS_OK || w.hooks.n_live >= live);
    }
    ck_assert_int_gt(n, 20);
    world_close(&w);
}
END_TEST

START_TEST(a_supernet_survives_every_failing_allocation)
{
    hnas_supernet_opts o;
    int64_t n = 0, n_failed = 0;

    world_open(&w, "darts", 1);
    o.size = sizeof o;
    hnas_supernet_get_opts(w.net, &o, sizeof o);
    for (;; n += 1 + n / 16) {
        const size_t held = held_bytes(w.ctx);
        hnas_supernet *net;
        hnas_status st;

        w.hooks.left = n;
        st = hnas_supernet_create(&net, w.ctx, &o);
        w.hooks.left = -1;
        if (st == HNAS_OK) {
            hnas_supernet_destroy(net);
            break;
        }
        n_failed++;
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        ck_assert_ptr_null(net);
        ck_assert_uint_eq(held_bytes(w.ctx), held);
    }
    ck_assert_int_gt(n_failed, 50);
    world_close(&w);
}
END_TEST

/* The state after three steps that always had memory. */
static double *undisturbed(const char *preset, int64_t *n)
{
    double *state;

    world_open(&w, preset, 1);
    world_search(&w);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL),
            HNAS_OK);
    state = world_state(&w, n);
    world_close(&w);
    return state;
}

/* One step, failing at allocation 0, 1, 2, ... until it succeeds. */
static void stubborn_step(void)
{
    int64_t n;
    double *before = world_state(&w, &n);
    hnas_status st = HNAS_E_NOMEM;

    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_search_step(w.search, &w.train, &w.valid, NULL, 0, NULL);
        w.hooks.left = -1;
        if (st == HNAS_OK)
            break;
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        expect_same(before, n, "step");
    }
    free(before);
}

static void check_steps(const char *preset)
{
    int64_t n, m, failed;
    double *want = undisturbed(preset, &n), *got;

    world_open(&w, preset, 1);
    world_search(&w);
    for (int i = 0; i < 3; i++)
        stubborn_step();
    failed = w.hooks.n_failed;
    got = world_state(&w, &m);
    ck_assert_int_eq(m, n);
    ck_assert_msg(!memcmp(want, got, (size_t)n * sizeof *got),
                  "%s: other bits after retries", preset);
    ck_assert_int_gt(failed, 20);
    world_close(&w);
    free(want);
    free(got);
}

START_TEST(a_step_survives_every_failing_allocation_first_order)
{
    check_steps("default");
}
END_TEST

START_TEST(a_step_survives_every_failing_allocation_second_order)
{
    check_steps("darts");
}
END_TEST

START_TEST(a_step_survives_every_failing_allocation_of_draws_an_image)
{
    check_steps("darts_cc");
}
END_TEST

START_TEST(a_context_survives_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    struct countdown hooks;
    hnas_context_opts o;
    hnas_context *ctx;

    countdown_opts(&o, &hooks);
    o.n_threads = 3;
    for (int64_t n = 0; st != HNAS_OK; n++) {
        hooks.left = n;
        st = hnas_context_create(&ctx, &o);
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !ctx));
        if (st < 0)
            ck_assert_int_eq(hooks.n_live, 0);
    }
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}
END_TEST

START_TEST(predict_and_calibrate_survive_every_failing_allocation)
{
    float want[WORLD_IMAGES * WORLD_CLASSES], got[WORLD_IMAGES * WORLD_CLASSES];
    const int64_t count = WORLD_IMAGES * WORLD_CLASSES;
    hnas_status st = HNAS_E_NOMEM;
    int64_t n;
    double *before;

    world_open(&w, "default", 1);
    world_search(&w);
    before = world_state(&w, &n);
    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_search_predict(w.search, NULL, 1e-2, w.valid.images, 0, got,
                                 count);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        expect_same(before, n, "predict");
    }
    ck_assert_int_eq(hnas_search_predict(w.search, NULL, 1e-2, w.valid.images,
                                         0, want, count),
                     HNAS_OK);
    ck_assert_mem_eq(want, got, sizeof got);
    st = HNAS_E_NOMEM;
    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_search_calibrate(w.search, NULL, 1e-2, w.valid.images, 0, 1);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        if (st < 0)
            expect_same(before, n, "calibrate");
    }
    hnas_search_restore_norms(w.search);
    expect_same(before, n, "restored statistics");
    free(before);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("nomem");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_context_survives_every_failing_allocation);
    tcase_add_test(t, create_survives_every_failing_allocation);
    tcase_add_test(t, a_supernet_survives_every_failing_allocation);
    tcase_add_test(t, a_step_survives_every_failing_allocation_first_order);
    tcase_add_test(t, a_step_survives_every_failing_allocation_second_order);
    tcase_add_test(t,
                   a_step_survives_every_failing_allocation_of_draws_an_image);
    tcase_add_test(t, predict_and_calibrate_survive_every_failing_allocation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
