/* SPDX-License-Identifier: BSD-3-Clause */
/* Discrete networks: what they are built of, what they give and count. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

enum { LOGITS = WORLD_IMAGES * WORLD_CLASSES };

static struct world w;

static void setup(void)
{
    world_open(&w, 2);
}

static void teardown(void)
{
    world_close(&w);
}

/* One-hot tables of what an architecture keeps. */
static void one_hot(hnas_tensor *gates[2], const hnas_arch *arch)
{
    for (int k = 0; k < 2; k++) {
        const int64_t dims[2] = {WORLD_EDGES, WORLD_OPS};
        const hnas_arch_edge *edge = hnas_arch_get_edges(arch, k);
        float v[WORLD_EDGES * WORLD_OPS] = {0};

        for (int i = 0; i < hnas_arch_get_edge_count(arch, k); i++) {
            /* 0-2, 1-2, 0-3, 1-3, 2-3 */
            const int row = edge[i].to == 2 ? edge[i].from : 2 + edge[i].from;

            v[row * WORLD_OPS + edge[i].op] = 1;
        }
        ck_assert_int_eq(hnas_tensor_create(&gates[k], w.ctx, HN_REAL, 2, dims),
                         0);
        ck_assert_int_eq(
            hnas_tensor_set(gates[k], HNAS_FLOAT32, v, WORLD_EDGES * WORLD_OPS),
            0);
    }
}

/* The supernet's logits under one-hot gates. */
static void supernet_logits(double *v, const hnas_arch *arch, int32_t mode)
{
    hnas_tensor *gates[2], *out;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_tape_create(&tape, w.ctx), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, mode), 0);
    one_hot(gates, arch);
    ck_assert_int_eq(hnas_supernet_apply(&out, tape, w.net, w.batch.images,
                                         gates,
                                         HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY),
                     0);
    ck_assert_int_eq(hnas_tensor_get(out, HNAS_FLOAT64, v, LOGITS), 0);
    hnas_tensor_unref(out);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_tape_destroy(tape);
}

static void expect_supernets(const hnas_arch *arch)
{
    hnas_model *m = world_model(&w, arch);
    double want[LOGITS], before[LOGITS];
    float got[LOGITS];

    supernet_logits(before, arch, 0);
    hnas_supernet_update_norms(w.net, 0.3);
    ck_assert_int_eq(hnas_model_inherit(m, hnas_supernet_get_params(w.net)), 0);
    supernet_logits(want, arch, HNAS_TAPE_RUNNING_STATS);
    ck_assert_int_eq(hnas_model_predict(m, w.batch.images, got, LOGITS), 0);
    for (int i = 0; i < LOGITS; i++)
        ck_assert_msg(got[i] == (float)want[i], "logit %d: %.9g, want %.9g", i,
                      got[i], want[i]);
    hnas_model_destroy(m);
}

START_TEST(inherited_weights_give_the_supernets_logits_bit_for_bit)
{
    for (int i = 0; i < 30; i++) {
        hnas_arch *arch =
            world_random_arch(&w, i % 2 ? HNAS_RULE_TOP2 : HNAS_RULE_ARGMAX);

        expect_supernets(arch);
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(costs_and_weights_are_those_of_the_architecture)
{
    for (int i = 0; i < 30; i++) {
        hnas_arch *arch =
            world_random_arch(&w, i % 2 ? HNAS_RULE_TOP2 : HNAS_RULE_ARGMAX);
        hnas_model *m = world_model(&w, arch);
        hnas_cost want[2], got[2];

        hnas_arch_get_cost(arch, &want[0], &want[1]);
        hnas_model_get_cost(m, &got[0], &got[1]);
        ck_assert_mem_eq(got, want, sizeof got);
        ck_assert_int_eq(hnas_params_get_elements(hnas_model_get_params(m),
                                                  HNAS_PARAM_WEIGHT),
                         want[0].params);
        hnas_model_destroy(m);
        hnas_arch_destroy(arch);
    }
}
END_TEST

START_TEST(affine_weights_are_counted_and_the_auxiliary_head_is_not)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_TOP2);
    const hnas_params *p;
    int64_t extra = 0;
    hnas_cost cost;
    hnas_model *m;

    w.opts.affine = w.opts.auxiliary = 1;
    m = world_model(&w, arch);
    p = hnas_model_get_params(m);
    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        if (!strncmp(hnas_params_get_name(p, i), "auxiliary.", 10) &&
            hnas_params_get_kind(p, i) == HNAS_PARAM_WEIGHT)
            extra += hnas_tensor_get_count(hnas_params_get_tensor(p, i));
    /* 24 x 128, 2 x 128, 128 x 768 x 4, 2 x 768, 769 x 3 */
    ck_assert_int_eq(extra, 3072 + 256 + 393216 + 1536 + 2307);
    hnas_model_get_cost(m, &cost, NULL);
    ck_assert_int_eq(hnas_params_get_elements(p, HNAS_PARAM_WEIGHT),
                     cost.params + extra);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}
END_TEST

/* Edges by target, then source; operation 0 is none, 3 skip_connect. */
START_TEST(what_nothing_reads_is_neither_built_nor_computed)
{
    static const int empty[2][WORLD_EDGES] = {{0}, {0}};
    /* node 2 is dead, so the edge from it carries nothing */
    static const int dead[2][WORLD_EDGES] = {{0, 0, 0, 3, 4}, {0, 0, 0, 3, 4}};
    hnas_arch *a = world_arch(&w, empty), *b = world_arch(&w, dead);
    hnas_model *m = world_model(&w, a), *n = world_model(&w, b);
    float logits[LOGITS];
    hnas_tensor *t;

    ck_assert_int_eq(hnas_model_predict(m, w.batch.images, logits, LOGITS), 0);
    /* two zeros, their concatenation, pool, linear */
    ck_assert_int_eq(hnas_tape_get_count(m->tape), 5);
    ck_assert_int_eq(hnas_params_find(&t, hnas_model_get_params(m),
                                      "cells.0.edges.0_2.none.x"),
                     HNAS_E_NAME);
    ck_assert_int_eq(hnas_params_find(&t, hnas_model_get_params(n),
                                      "cells.0.edges.2_3.sep_conv_3x3."
                                      "dw1.weight"),
                     HNAS_E_NAME);
    for (int i = 1; i < WORLD_IMAGES; i++)
        for (int k = 0; k < WORLD_CLASSES; k++)
            ck_assert(logits[i * WORLD_CLASSES + k] == logits[k]);
    expect_supernets(b);
    hnas_model_destroy(m);
    hnas_model_destroy(n);
    hnas_arch_destroy(a);
    hnas_arch_destroy(b);
}
END_TEST

START_TEST(calibration_is_the_mean_over_its_batches)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_TOP2);
    hnas_model *m = world_model(&w, arch);
    hnas_batch other = world_batch(&w, 2);
    double mean[3][9];
    hnas_tensor *t;

    ck_assert_int_eq(
        hnas_params_find(&t, hnas_model_get_params(m), "stem.bn.running_mean"),
        0);
    ck_assert_int_eq(hnas_model_calibrate(m, w.batch.images, 1), 0);
    hnas_tensor_get(t, HNAS_FLOAT64, mean[0], 9);
    ck_assert_int_eq(hnas_model_calibrate(m, other.images, 1), 0);
    hnas_tensor_get(t, HNAS_FLOAT64, mean[1], 9);
    ck_assert_int_eq(hnas_model_calibrate(m, w.batch.images, 0), 0);
    hnas_tensor_get(t, HNAS_FLOAT64, mean[2], 9);
    for (int i = 0; i < 9; i++)
        ck_assert_double_eq_tol(mean[2][i], (mean[0][i] + mean[1][i]) / 2,
                                1e-6);
    batch_drop(&other);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(predictions_are_counted_by_class)
{
    const int64_t n = (int64_t)WORLD_CLASSES * WORLD_CLASSES;
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_TOP2);
    hnas_model *m = world_model(&w, arch);
    int64_t confusion[9] = {0}, want[9] = {0};
    int32_t labels[WORLD_IMAGES];
    float v[LOGITS];

    ck_assert_int_eq(hnas_model_calibrate(m, w.batch.images, 1), 0);
    ck_assert_int_eq(hnas_model_predict(m, w.batch.images, v, LOGITS), 0);
    hnas_tensor_get(w.batch.labels, HNAS_INT32, labels, WORLD_IMAGES);
    for (int i = 0; i < WORLD_IMAGES; i++) {
        const float *row = v + i * WORLD_CLASSES;
        int best = row[1] > row[0] ? 1 : 0;

        best = row[2] > row[best] ? 2 : best;
        want[labels[i] * WORLD_CLASSES + best] += 2;
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(hnas_model_evaluate(m, &w.batch, confusion, n), 0);
    ck_assert_mem_eq(confusion, want, sizeof want);
    ck_assert_int_eq(hnas_model_evaluate(m, &w.batch, confusion, n - 1),
                     HNAS_E_SHAPE);
    labels[3] = WORLD_CLASSES;
    hnas_tensor_set(w.batch.labels, HNAS_INT32, labels, WORLD_IMAGES);
    ck_assert_int_eq(hnas_model_evaluate(m, &w.batch, confusion, n),
                     HNAS_E_RANGE);
    ck_assert_mem_eq(confusion, want, sizeof want);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(a_logit_that_is_no_number_is_never_the_largest)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_TOP2);
    hnas_model *m = world_model(&w, arch);
    const float bias[3] = {NAN, 1, 2};
    int64_t confusion[9] = {0};
    hnas_tensor *t;

    hnas_params_find(&t, hnas_model_get_params(m), "head.bias");
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, bias, 3), 0);
    ck_assert_int_eq(hnas_model_evaluate(m, &w.batch, confusion, 9), 0);
    for (int label = 0; label < 3; label++)
        ck_assert_int_eq(confusion[3 * label], 0);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(measures_of_a_confusion)
{
    const int64_t c[9] = {2, 0, 0, 1, 3, 0, 1, 1, 0};
    const int64_t none[4] = {0};
    double accuracy, precision;

    hnas_confusion_measure(c, 3, &accuracy, &precision);
    ck_assert_double_eq_tol(accuracy, 5.0 / 8, 1e-15);
    ck_assert_double_eq_tol(precision, (2.0 / 4 + 3.0 / 4 + 0) / 3, 1e-15);
    hnas_confusion_measure(none, 2, &accuracy, &precision);
    ck_assert(isnan(accuracy) && isnan(precision));
    hnas_confusion_measure(c, 3, NULL, NULL);
}
END_TEST

START_TEST(options_take_a_supernets_shape)
{
    const hnas_model_opts *want = &w.opts;
    hnas_supernet_opts s;
    hnas_model_opts o;

    hnas_model_opts_init(&o, sizeof o);
    o.affine = o.auxiliary = 1;
    hnas_model_opts_fit(&o, w.net);
    hnas_supernet_get_opts(w.net, &s, sizeof s);
    ck_assert_mem_eq(o.image, want->image, sizeof o.image);
    ck_assert_int_eq(o.classes, want->classes);
    ck_assert_int_eq(o.channels, want->channels);
    ck_assert_int_eq(o.cells, want->cells);
    ck_assert_int_eq(o.nodes, want->nodes);
    ck_assert_int_eq(o.stem_multiplier, s.stem_multiplier);
    ck_assert(o.affine && o.auxiliary);
}
END_TEST

START_TEST(another_shape_is_named)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_ARGMAX);
    hnas_model_opts o = w.opts;
    hnas_model *m;

    o.nodes = 1;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o), HNAS_E_MISMATCH);
    ck_assert_ptr_null(m);
    o = w.opts;
    o.channels = 0;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o), HNAS_E_RANGE);
    o = w.opts;
    o.size = 0;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_create(NULL, w.ctx, arch, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, NULL, NULL), HNAS_E_ARG);
    o = w.opts;
    o.auxiliary = 1;
    o.image[2] = 5;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o),
                     HNAS_E_UNSUPPORTED);
    o = w.opts;
    o.channels = 5; /* wider than the supernet */
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o), 0);
    ck_assert_int_eq(hnas_model_inherit(m, hnas_supernet_get_params(w.net)),
                     HNAS_E_SHAPE);
    hnas_model_destroy(m);
    o = w.opts;
    o.cells = 5; /* one more */
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &o), 0);
    ck_assert_int_eq(hnas_model_inherit(m, hnas_supernet_get_params(w.net)),
                     HNAS_E_SHAPE);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
}
END_TEST

START_TEST(an_architecture_without_normal_cell_is_refused_where_one_is_needed)
{
    const double alpha[4] = {0, 0, 1, 0};
    const double *const tables[2] = {NULL, alpha};
    hnas_supernet_opts s;
    hnas_supernet *net;
    hnas_arch *arch;
    hnas_model *m;
    static const char *const ops[2] = {"none", "skip_connect"};

    hnas_supernet_opts_init(&s, sizeof s);
    s.cells = 1;
    s.nodes = 1;
    s.channels = 2;
    s.n_ops = 2;
    s.ops = ops;
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &s), 0);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, tables, 0, 0), 0);
    w.opts.nodes = 1;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &w.opts),
                     HNAS_E_MISMATCH);
    w.opts.cells = 2;
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &w.opts), 0);
    hnas_model_destroy(m);
    hnas_arch_destroy(arch);
    hnas_supernet_destroy(net);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("model");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, inherited_weights_give_the_supernets_logits_bit_for_bit);
    tcase_add_test(t, options_take_a_supernets_shape);
    tcase_add_test(t, costs_and_weights_are_those_of_the_architecture);
    tcase_add_test(t, affine_weights_are_counted_and_the_auxiliary_head_is_not);
    tcase_add_test(t, what_nothing_reads_is_neither_built_nor_computed);
    tcase_add_test(t, calibration_is_the_mean_over_its_batches);
    tcase_add_test(t, predictions_are_counted_by_class);
    tcase_add_test(t, a_logit_that_is_no_number_is_never_the_largest);
    tcase_add_test(t, measures_of_a_confusion);
    tcase_add_test(t, another_shape_is_named);
    tcase_add_test(
        t, an_architecture_without_normal_cell_is_refused_where_one_is_needed);
    suite_add_tcase(s, t);
    return run_suite(s);
}
