/* SPDX-License-Identifier: BSD-3-Clause */
/* A network whose allocations fail in turn: made, trained, asked. */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

static struct world w;
static hnas_arch *arch;

static void setup(void)
{
    static const int op[2][WORLD_EDGES] = {{4, 1, 2, 3, 6}, {0, 3, 2, 5, 4}};

    world_open(&w, 1);
    w.opts.affine = w.opts.auxiliary = 1;
    w.opts.cells = 3;
    arch = world_arch(&w, op);
}

static void teardown(void)
{
    hnas_arch_destroy(arch);
    world_close(&w);
}

static void expect_same(const double *before, int64_t n, const hnas_model *m,
                        const char *what)
{
    int64_t k;
    double *after = model_state(m, &k);

    ck_assert_int_eq(k, n);
    ck_assert_msg(!memcmp(before, after, (size_t)n * sizeof *after),
                  "%s: state changed", what);
    free(after);
}

START_TEST(create_survives_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    int64_t n = 0, n_failed = 0;

    for (; st != HNAS_OK; n++) {
        const size_t held = held_bytes(w.ctx);
        hnas_model *m;

        w.hooks.left = n;
        st = hnas_model_create(&m, w.ctx, arch, &w.opts);
        w.hooks.left = -1;
        if (st == HNAS_OK) {
            hnas_model_destroy(m);
            break;
        }
        n_failed++;
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        ck_assert_ptr_null(m);
        ck_assert_uint_eq(held_bytes(w.ctx), held);
    }
    ck_assert_int_gt(n_failed, 50);
}
END_TEST

/* Begin and do three steps, each failing until it succeeds. */
START_TEST(training_survives_every_failing_allocation)
{
    hnas_model *m = world_model(&w, arch), *easy = world_model(&w, arch);
    hnas_status st = HNAS_E_NOMEM;
    double *before, *want;
    hnas_train_opts o;
    int64_t n;

    hnas_train_opts_init(&o, sizeof o);
    o.drop_path = 0.3;
    o.average = 0.9;
    ck_assert_int_eq(hnas_model_train(easy, &o), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hnas_model_step(easy, &w.batch, NULL), 0);
    want = model_state(easy, &n);
    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_model_train(m, &o);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !m->training));
    }
    for (int i = 0; i < 3; i++) {
        before = model_state(m, &n);
        st = HNAS_E_NOMEM;
        for (int64_t k = 0; st != HNAS_OK; k++) {
            w.hooks.left = k;
            st = hnas_model_step(m, &w.batch, NULL);
            w.hooks.left = -1;
            ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
            if (st < 0)
                expect_same(before, n, m, "step");
        }
        free(before);
    }
    expect_same(want, n, m, "after retries");
    free(want);
    hnas_model_destroy(m);
    hnas_model_destroy(easy);
}
END_TEST

START_TEST(asking_survives_every_failing_allocation)
{
    hnas_model *m = world_model(&w, arch);
    float got[WORLD_IMAGES * WORLD_CLASSES];
    hnas_status st = HNAS_E_NOMEM;
    double *before;
    int64_t n;

    before = model_state(m, &n);
    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_model_predict(m, w.batch.images, got,
                                WORLD_IMAGES * WORLD_CLASSES);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        expect_same(before, n, m, "predict");
    }
    st = HNAS_E_NOMEM;
    for (int64_t k = 0; st != HNAS_OK; k++) {
        w.hooks.left = k;
        st = hnas_model_calibrate(m, w.batch.images, 1);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        if (st < 0)
            expect_same(before, n, m, "calibrate");
    }
    free(before);
    hnas_model_destroy(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("nomem");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, create_survives_every_failing_allocation);
    tcase_add_test(t, training_survives_every_failing_allocation);
    tcase_add_test(t, asking_survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
