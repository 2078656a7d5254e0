/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's code that calls back into the API while a step runs: each call is
 * refused by name, nothing waits, and the step ends in the bits of an
 * undisturbed one. */
#include <string.h>

#include "hostop.h"
#include "support/check_main.h"

static struct life life;
static int n_calls; /* that were refused */

static void expect(hnas_status st, const char *words)
{
    ck_assert_msg(st == HNAS_E_STATE, "%s: %s", words, hnas_status_name(st));
    ck_assert_msg(strstr(hnas_context_message(life.ctx), "called from") &&
                      strstr(hnas_context_message(life.ctx), words),
                  "%s: %s", words, hnas_context_message(life.ctx));
    n_calls++;
}

static void expect_message(const char *words)
{
    expect(HNAS_E_STATE, words);
}

/* What no code of the host may do within a step. */
static void call_search(void)
{
    hnas_search *s = life.search;
    hnas_tensor *images = life.batch.images;
    float logits[FAULT_IMAGES * FAULT_CLASSES];
    double value;

    expect(life_step(&life), "search");
    expect(hnas_search_gradient(s, &life.batch, &life.batch, 1e-2), "search");
    expect(
        hnas_search_loss(&value, s, &life.batch, 1e-2, NULL, HNAS_LOSS_TRAIN),
        "search");
    expect(hnas_search_predict(s, NULL, 1e-2, images, 0, logits,
                               FAULT_IMAGES * FAULT_CLASSES),
           "search");
    expect(hnas_search_calibrate(s, NULL, 1e-2, images, 0, 1), "search");
    expect(hnas_search_hessian(&value, s, &life.batch, 1e-2, 2), "search");
    expect(hnas_search_save(s, fault_path("search"), NULL), "hnas_search_save");
    expect(hnas_model_step(life.model, &life.batch, NULL), "hnas_model_step");
    expect(hnas_model_predict(life.model, images, logits,
                              FAULT_IMAGES * FAULT_CLASSES),
           "model");
    expect(hnas_model_train(life.model, NULL), "hnas_model_train");
    expect(hnas_model_swap_average(life.model), "hnas_model_swap_average");
    expect(hnas_model_inherit(life.model,
                              hnas_supernet_get_params(hnas_search_get_net(s))),
           "hnas_model_inherit");
    hnas_search_destroy(s);
    expect_message("hnas_search_destroy");
    hnas_context_destroy(life.ctx);
    expect_message("hnas_context_destroy");
    ck_assert_int_eq(hnas_search_get_steps(s), 1); /* looking is allowed */
}

/* Nor may a func that computes, on any tape of the context. */
static void call_tape(void)
{
    hnas_tensor *y;
    hnas_tape *tape;

    expect(hnas_affine(&y, NULL, life.batch.images, 2, 0), "affine");
    ck_assert_ptr_null(y);
    ck_assert_int_eq(hnas_tape_create(&tape, life.ctx), HNAS_OK);
    expect(hnas_affine(&y, tape, life.batch.images, 2, 0), "affine");
    expect(hnas_tape_reset(tape, 0), "hnas_tape_reset");
    hnas_tape_destroy(tape);
    expect_message("hnas_tape_destroy");
    host_op_hooks.user = tape; /* destroyed later */
}

/* Once a step, so that the step does not take long. */
static int is_first;

static hnas_status on_forward(void *user, const hnas_array *out)
{
    (void)user;
    (void)out;
    if (!is_first)
        return HNAS_OK;
    is_first = 0;
    call_search();
    call_tape();
    return HNAS_OK;
}

static hnas_status on_apply(void *user, hnas_tape *tape, hnas_tensor *x)
{
    hnas_tensor *y;
    hnas_tape *own;

    (void)user;
    if (!is_first)
        return HNAS_OK;
    is_first = 0;
    call_search();
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_E_STATE);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), "host_pool still records"));
    ck_assert_int_eq(hnas_tape_backward(tape, x), HNAS_E_STATE);
    hnas_tape_destroy(tape);
    n_calls += 3;
    /* a tape of its own is its own business */
    ck_assert_int_eq(hnas_tape_create(&own, life.ctx), HNAS_OK);
    ck_assert_int_eq(hnas_affine(&y, own, life.batch.images, 2, 0), HNAS_OK);
    hnas_tensor_unref(y);
    hnas_tape_destroy(own);
    return HNAS_OK;
}

static int32_t on_progress(void *user, int64_t step, int32_t pass)
{
    (void)user;
    (void)step;
    (void)pass;
    call_search();
    return 0;
}

static void open_life(void)
{
    host_op_open(&life, NULL);
    ck_assert_int_eq(
        hnas_search_derive(&life.arch, life.search, 1e-3, HNAS_RULE_ARGMAX),
        HNAS_OK);
    ck_assert_int_eq(life_model(&life), HNAS_OK);
    ck_assert_int_eq(hnas_model_train(life.model, NULL), HNAS_OK);
    ck_assert_int_eq(life_step(&life), HNAS_OK);
}

/* The sum of a search after two steps that nobody disturbs. */
static uint64_t undisturbed(void)
{
    uint64_t sum;

    open_life();
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    sum = life_sum(&life);
    life_close(&life);
    return sum;
}

START_TEST(calls_from_a_func_are_refused_and_change_nothing)
{
    const uint64_t want = undisturbed();

    open_life();
    host_op_hooks.forward = on_forward;
    is_first = 1;
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_int_eq(n_calls, 14 + 4);
    ck_assert(life_sum(&life) == want);
    hnas_tape_destroy(host_op_hooks.user);
}
END_TEST

static hnas_status on_backward(void *user, const hnas_array *din)
{
    return on_forward(user, din);
}

START_TEST(calls_from_a_backward_are_refused_and_change_nothing)
{
    const uint64_t want = undisturbed();

    open_life();
    host_op_hooks.backward = on_backward;
    is_first = 1;
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_int_eq(n_calls, 14 + 4);
    ck_assert(life_sum(&life) == want);
    hnas_tape_destroy(host_op_hooks.user);
}
END_TEST

START_TEST(calls_from_an_apply_are_refused_and_change_nothing)
{
    const uint64_t want = undisturbed();

    open_life();
    host_op_hooks.apply = on_apply;
    is_first = 1;
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_int_eq(n_calls, 14 + 3);
    ck_assert(life_sum(&life) == want);
}
END_TEST

START_TEST(calls_from_progress_are_refused_and_change_nothing)
{
    const uint64_t want = undisturbed();

    open_life();
    hnas_search_set_progress(life.search, on_progress, NULL);
    ck_assert_int_eq(life_step(&life), HNAS_OK);
    ck_assert_int_ge(n_calls, 2 * 11);
    ck_assert(life_sum(&life) == want);
}
END_TEST

/* A host that passes the refusal on fails its step, as with any error. */
static hnas_status pass_on(void *user, const hnas_array *out)
{
    (void)user;
    (void)out;
    return life_step(&life);
}

START_TEST(a_refusal_that_is_passed_on_fails_the_step_alone)
{
    uint64_t before;

    open_life();
    before = life_sum(&life);
    host_op_hooks.forward = pass_on;
    ck_assert_int_eq(life_step(&life), HNAS_E_OP);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), "HNAS_E_STATE"));
    ck_assert(life_sum(&life) == before);
    host_op_hooks.forward = NULL;
    ck_assert_int_eq(life_step(&life), HNAS_OK);
}
END_TEST

/* A set computes on a context of its own; the messages are its owner's. */
static hnas_status on_set(void *user, const hnas_array *out)
{
    hnas_predictor *predictor;
    hnas_model *model;

    (void)user;
    (void)out;
    if (!is_first)
        return HNAS_OK;
    is_first = 0;
    hnas_set_destroy(life.set);
    ck_assert_ptr_nonnull(
        strstr(hnas_context_message(life.ctx), "hnas_set_destroy"));
    ck_assert_int_eq(hnas_set_get_model(&model, life.set, 0), HNAS_E_STATE);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(hnas_set_calibrate(life.set, life.batch.images, 1),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_set_measure(life.set, 1), HNAS_E_STATE);
    ck_assert_int_eq(hnas_set_create_predictor(&predictor, life.set, 1),
                     HNAS_E_STATE);
    ck_assert_ptr_null(predictor);
    n_calls += 5;
    return HNAS_OK;
}

/* Networks of nothing but the host's operation. */
static void choose_host_op(void)
{
    enum { MOST = 64 };
    const hnas_params *params = hnas_hyper_get_params(life.hyper);
    float alpha[MOST];

    for (int64_t k = 0; k < hnas_params_get_count(params); k++) {
        hnas_tensor *t = hnas_params_get_tensor(params, k);
        const int64_t n = hnas_tensor_get_count(t);

        ck_assert_int_le(n, MOST);
        for (int64_t i = 0; i < n; i++) /* slopes stay 0 */
            alpha[i] =
                strstr(hnas_params_get_name(params, k), "b2") && i % 3 == 1;
        ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, alpha, n), HNAS_OK);
    }
}

START_TEST(calls_on_a_set_that_computes_are_refused)
{
    hnas_model *model;

    open_life();
    choose_host_op();
    ck_assert_int_eq(hnas_path_create(&life.path, life.net, life.hyper, NULL),
                     HNAS_OK);
    ck_assert_int_eq(hnas_set_create(&life.set, life.net, life.path), HNAS_OK);
    host_op_hooks.forward = on_set;
    is_first = 1;
    ck_assert_int_eq(hnas_set_calibrate(life.set, life.batch.images, 1),
                     HNAS_OK);
    is_first = 1;
    ck_assert_int_eq(hnas_set_measure(life.set, 2), HNAS_OK);
    ck_assert_int_eq(n_calls, 2 * 5);
    host_op_hooks.forward = NULL;
    ck_assert_int_eq(hnas_set_get_model(&model, life.set, 0), HNAS_OK);
    hnas_model_destroy(model);
}
END_TEST

static void setup(void)
{
    n_calls = 0;
}

static void teardown(void)
{
    memset(&host_op_hooks, 0, sizeof host_op_hooks);
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("reentry");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, calls_from_a_func_are_refused_and_change_nothing);
    tcase_add_test(t, calls_from_a_backward_are_refused_and_change_nothing);
    tcase_add_test(t, calls_from_an_apply_are_refused_and_change_nothing);
    tcase_add_test(t, calls_from_progress_are_refused_and_change_nothing);
    tcase_add_test(t, a_refusal_that_is_passed_on_fails_the_step_alone);
    tcase_add_test(t, calls_on_a_set_that_computes_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
