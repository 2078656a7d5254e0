/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's own problem that paper and pencil solve:
 *
 *     L_valid = a w - 2 a + 1,   L_train = (w - a)^2
 *
 * With a rate of 1/2 the virtual weight is w' = a, so at (a, w) = (2, -2):
 * first order a-gradient w - 2 = -4; second order w' - 2 = 0 and the second
 * term - 1/2 (-2) a = 2.  And every way in which a step may fail. */
#include <math.h>
#include <string.h>

#include "bilevel/bilevel.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"

#ifdef HN_REAL_DOUBLE
static const double bound = 1e-8; /* as Adam's epsilon */
#else
static const double bound = 1e-3;
#endif

/* What the callback does at its call number `at`. */
enum fault { NO_FAULT, FAIL, GIVE_NAN, GIVE_NOTHING, ANSWER_PLUS, CANCEL };

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tensor *a, *w, *nan_leaf;
static hnas_bilevel *bilevel;

static struct {
    enum fault fault;
    int64_t at, calls;
    double w_valid; /* w at the last validation pass */
    int n_after_u, n_after_w;
    hnas_status after_u_answer;
} seen;

static double value_of(hnas_tensor *t)
{
    double v;

    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, &v, 1), HNAS_OK);
    return v;
}

static void set(hnas_tensor *t, double v)
{
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT64, &v, 1), HNAS_OK);
}

static hnas_tensor *number(double v)
{
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, TEST_REAL, 0, NULL), 0);
    set(t, v);
    return t;
}

static hnas_status valid_loss(hnas_tensor **out, hnas_tape *tape)
{
    hnas_tensor *product = NULL, *line = NULL;
    hnas_status st = hnas_mul(&product, tape, a, w);

    if (st == HNAS_OK)
        st = hnas_affine(&line, tape, a, -2, 1);
    if (st == HNAS_OK)
        st = hnas_add(out, tape, product, line);
    hnas_tensor_unref(product);
    hnas_tensor_unref(line);
    return st;
}

static hnas_status train_loss(hnas_tensor **out, hnas_tape *tape)
{
    hnas_tensor *minus = NULL, *gap = NULL;
    hnas_status st = hnas_affine(&minus, tape, a, -1, 0);

    if (st == HNAS_OK)
        st = hnas_add(&gap, tape, w, minus);
    if (st == HNAS_OK)
        st = hnas_mul(out, tape, gap, gap);
    hnas_tensor_unref(minus);
    hnas_tensor_unref(gap);
    return st;
}

static hnas_status loss(void *user, hnas_tape *tape,
                        const hnas_loss_request *request, hnas_tensor **out)
{
    ck_assert_ptr_eq(user, &seen);
    if (request->loss == HNAS_LOSS_VALID)
        seen.w_valid = value_of(w);
    if (seen.calls++ == seen.at) {
        if (seen.fault == FAIL)
            return HNAS_E_OP;
        if (seen.fault == GIVE_NAN)
            return hnas_mul(out, tape, w, nan_leaf);
        if (seen.fault == GIVE_NOTHING)
            return HNAS_OK;
        if (seen.fault == ANSWER_PLUS)
            return HNAS_EXTRAPOLATED;
        if (seen.fault == CANCEL)
            hnas_bilevel_cancel(bilevel);
    }
    return request->loss == HNAS_LOSS_TRAIN ? train_loss(out, tape)
                                            : valid_loss(out, tape);
}

static hnas_status after_u(void *user)
{
    (void)user;
    seen.n_after_u++;
    return seen.after_u_answer;
}

static void after_w(void *user)
{
    (void)user;
    seen.n_after_w++;
}

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    a = number(2);
    w = number(-2);
    nan_leaf = number((double)NAN);
    memset(&seen, 0, sizeof seen);
}

static void teardown(void)
{
    hnas_bilevel_destroy(bilevel);
    bilevel = NULL;
    hnas_tensor_unref(a);
    hnas_tensor_unref(w);
    hnas_tensor_unref(nan_leaf);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

static hnas_status make_bounded(int32_t order, double u_span,
                                int64_t total_steps)
{
    const hnas_problem p = {sizeof p, loss, after_u, after_w, &seen,
                            &w,       1,    &a,      1};
    hnas_bilevel_opts o;

    hnas_bilevel_opts_init(&o, sizeof o);
    o.order = order;
    o.w_rate = 0.5;
    o.w.momentum = o.w.weight_decay = o.w.clip = 0;
    o.u.weight_decay = 0;
    o.u_rate = 0.25;
    o.u_span = u_span;
    o.total_steps = total_steps;
    return hnas_bilevel_create(&bilevel, ctx, &p, &o);
}

/* First order with u frozen at both ends. */
static void freezing(double warmup, double cooldown, int64_t total_steps)
{
    const hnas_problem p = {sizeof p, loss, after_u, after_w, &seen,
                            &w,       1,    &a,      1};
    hnas_bilevel_opts o;

    hnas_bilevel_opts_init(&o, sizeof o);
    o.warmup = warmup;
    o.cooldown = cooldown;
    o.total_steps = total_steps;
    ck_assert_int_eq(hnas_bilevel_create(&bilevel, ctx, &p, &o), HNAS_OK);
}

static hnas_status try_make(int32_t order)
{
    return make_bounded(order, 0, 0);
}

static double gradient(void)
{
    double g;

    ck_assert_int_eq(hnas_bilevel_gradient(bilevel, 0.01), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_gradient(a, HNAS_FLOAT64, &g, 1), 0);
    return g;
}

START_TEST(first_order_is_minus_4)
{
    ck_assert_int_eq(try_make(HNAS_ORDER_FIRST), HNAS_OK);
    ck_assert_double_eq_tol(gradient(), -4, bound);
    ck_assert(seen.w_valid == -2);
}
END_TEST

START_TEST(second_order_is_2_at_a_virtual_weight_of_2)
{
    ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_FD), HNAS_OK);
    ck_assert_double_eq_tol(gradient(), 2, bound);
    ck_assert(seen.w_valid == 2);
    ck_assert(value_of(w) == -2 && value_of(a) == 2);
}
END_TEST

START_TEST(exact_second_order_is_2_and_leaves_w_alone)
{
    ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_EXACT), HNAS_OK);
    ck_assert(gradient() == 2);
    ck_assert(seen.w_valid == 2);
    ck_assert(value_of(w) == -2 && value_of(a) == 2);
}
END_TEST

START_TEST(without_its_second_term_it_is_0)
{
    ck_assert_int_eq(try_make(HNAS_ORDER_FIRST), HNAS_OK);
    set(w, 2); /* the virtual weight */
    ck_assert_double_eq_tol(gradient(), 0, bound);
}
END_TEST

START_TEST(a_step_moves_a_then_w)
{
    const double lambda[2] = {0.01, 0.02};
    hnas_step_info info;

    ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_FD), HNAS_OK);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, lambda, 2, &info), HNAS_OK);
    ck_assert_double_eq_tol(value_of(a), 1.75, bound); /* Adam: rate * sign */
    ck_assert_double_eq_tol(value_of(w), value_of(a), bound);
    ck_assert_int_eq(info.step, 1);
    ck_assert_double_eq_tol(info.train_loss, 3.75 * 3.75, bound);
    ck_assert_double_eq_tol(info.valid_loss, 1, bound);
    ck_assert_double_eq_tol(info.u_norm, 2, bound);
    ck_assert_double_eq_tol(info.w_norm, 7.5, bound);
    ck_assert(info.w_rate == 0.5 && info.lambda == 0.01);
    ck_assert_int_eq(seen.calls, 9);
    ck_assert_int_eq(seen.n_after_u, 1);
    ck_assert_int_eq(seen.n_after_w, 1);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, lambda, 2, &info), HNAS_OK);
    ck_assert_int_eq(info.step, 2);
    ck_assert(info.lambda == 0.02); /* draws take turns in the w pass */
}
END_TEST

/* Adam's first step is the rate times the gradient's sign. */
START_TEST(the_rate_of_u_times_all_steps_is_at_most_its_span)
{
    const struct {
        double span, moved;
        int64_t total_steps;
    } cases[4] = {{1, .125, 8}, {1, .25, 2}, {0, .25, 8}, {1, .25, 0}};
    const double lambda = 0.01;

    for (int i = 0; i < 4; i++) {
        hnas_bilevel_destroy(bilevel);
        ck_assert_int_eq(make_bounded(HNAS_ORDER_SECOND_EXACT, cases[i].span,
                                      cases[i].total_steps),
                         HNAS_OK);
        set(w, -2);
        set(a, 2);
        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), HNAS_OK);
        ck_assert_double_eq_tol(2 - value_of(a), cases[i].moved, bound);
    }
}
END_TEST

START_TEST(in_warmup_and_cooldown_u_stays_and_w_moves)
{
    const double lambda = 0.01;
    const int moves[6] = {0, 1, 1, 0, 0, 0}; /* the last step is beyond */
    hnas_step_info info;

    freezing(0.2, 0.4, 5);
    for (int i = 0; i < 6; i++) {
        const double before[2] = {value_of(a), value_of(w)};

        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, &info),
                         HNAS_OK);
        ck_assert_int_eq(value_of(a) != before[0], moves[i]);
        ck_assert_int_eq(!isnan(info.valid_loss), moves[i]);
        ck_assert(value_of(w) != before[1]);
    }
}
END_TEST

/* Products that are whole but for their rounding. */
START_TEST(whole_shares_of_the_steps_freeze_so_many)
{
    static const struct {
        double warmup, cooldown;
        int frozen;
    } cases[] = {{0.07, 0, 7},  {0.14, 0, 14}, {0.55, 0, 55}, {0.071, 0, 8},
                 {0, 0.57, 57}, {0, 0.58, 58}, {0, 0.579, 57}};
    const double lambda = 0.01;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int frozen = 0;

        freezing(cases[i].warmup, cases[i].cooldown, 100);
        for (int step = 0; step < 100; step++) {
            const double before = value_of(a);

            ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), 0);
            frozen += value_of(a) == before;
        }
        ck_assert_int_eq(frozen, cases[i].frozen);
        hnas_bilevel_destroy(bilevel);
        bilevel = NULL;
    }
}
END_TEST

/* All that a step may change. */
struct state {
    double a, w, m, v, momentum;
    int64_t step, adam_steps, sgd_steps;
};

static void keep(struct state *s)
{
    memset(s, 0, sizeof *s);
    s->a = value_of(a);
    s->w = value_of(w);
    s->m = value_of(hn_optim_get_state(bilevel->adam, 0, 0));
    s->v = value_of(hn_optim_get_state(bilevel->adam, 1, 0));
    s->momentum = value_of(hn_optim_get_state(bilevel->sgd, 0, 0));
    s->step = bilevel->step;
    s->adam_steps = hnas_optim_get_steps(bilevel->adam);
    s->sgd_steps = hnas_optim_get_steps(bilevel->sgd);
}

/* A step fails at each pass in turn, then succeeds as if nothing had been. */
static void check_fault(int32_t order, enum fault fault, hnas_status want)
{
    const double lambda[3] = {0.01, 0.02, 0.03};
    static const int64_t calls[3] = {4, 13, 10}; /* 3 lambda: 1, 4, 3 each */
    const int64_t n_calls = calls[order];
    struct state before, after;

    ck_assert_int_eq(try_make(order), HNAS_OK);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, lambda, 3, NULL), HNAS_OK);
    keep(&before);
    seen.fault = fault;
    /* a cancel is heard before the pass that follows */
    for (int64_t k = 0; k < n_calls - (fault == CANCEL); k++) {
        hnas_step_info info = {.step = -7};

        seen.calls = 0;
        seen.at = k;
        ck_assert_int_eq(hnas_bilevel_step(bilevel, lambda, 3, &info), want);
        ck_assert_int_eq(info.step, -7);
        keep(&after);
        ck_assert_msg(!memcmp(&before, &after, sizeof after),
                      "fault %d at pass %d: state changed", fault, (int)k);
    }
    seen.fault = NO_FAULT;
    ck_assert_int_eq(hnas_bilevel_step(bilevel, lambda, 3, NULL), HNAS_OK);
    keep(&after);
    ck_assert_int_eq(after.step, 2);
    hnas_bilevel_destroy(bilevel);
    bilevel = NULL;
    set(a, 2);
    set(w, -2);
}

START_TEST(a_failed_pass_leaves_everything_as_it_was)
{
    for (int32_t order = HNAS_ORDER_FIRST; order <= HNAS_ORDER_SECOND_EXACT;
         order++) {
        check_fault(order, FAIL, HNAS_E_OP);
        check_fault(order, GIVE_NAN, HNAS_E_NAN);
        check_fault(order, GIVE_NOTHING, HNAS_E_OP);
        check_fault(order, ANSWER_PLUS, HNAS_E_OP);
    }
}
END_TEST

START_TEST(a_cancelled_step_leaves_everything_as_it_was)
{
    check_fault(HNAS_ORDER_FIRST, CANCEL, HNAS_STOPPED);
    check_fault(HNAS_ORDER_SECOND_FD, CANCEL, HNAS_STOPPED);
    check_fault(HNAS_ORDER_SECOND_EXACT, CANCEL, HNAS_STOPPED);
}
END_TEST

START_TEST(a_step_after_a_failed_one_gives_the_same_bits)
{
    const double lambda = 0.01;
    struct state want, got;

    ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_FD), HNAS_OK);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), HNAS_OK);
    keep(&want);
    hnas_bilevel_destroy(bilevel);
    for (int64_t k = 0; k < 5; k++) {
        set(a, 2);
        set(w, -2);
        ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_FD), HNAS_OK);
        seen.calls = 0;
        seen.at = k;
        seen.fault = FAIL;
        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL),
                         HNAS_E_OP);
        seen.fault = NO_FAULT;
        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), 0);
        keep(&got);
        ck_assert_mem_eq(&want, &got, sizeof got);
        hnas_bilevel_destroy(bilevel);
    }
    bilevel = NULL;
}
END_TEST

START_TEST(an_after_u_that_fails_leaves_everything_as_it_was)
{
    static const hnas_status answer[2] = {HNAS_E_RANGE, HNAS_EXTRAPOLATED};
    static const hnas_status want[2] = {HNAS_E_RANGE, HNAS_E_OP};
    const double lambda = 0.01;
    struct state before, after;

    ck_assert_int_eq(try_make(HNAS_ORDER_FIRST), HNAS_OK);
    keep(&before);
    for (int i = 0; i < 2; i++) {
        seen.after_u_answer = answer[i];
        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), want[i]);
        ck_assert_int_eq(seen.n_after_u, i + 1);
        keep(&after);
        ck_assert_mem_eq(&before, &after, sizeof after);
    }
}
END_TEST

START_TEST(a_weight_that_would_overflow_leaves_everything_as_it_was)
{
    const hnas_problem p = {sizeof p, loss, after_u, after_w, &seen,
                            &w,       1,    &a,      1};
    const double lambda = 0.01;
    hnas_bilevel_opts o;
    struct state before, after;

    hnas_bilevel_opts_init(&o, sizeof o);
    o.w_rate = (double)HN_REAL_MAX / 4; /* of a gradient of about 8 */
    o.w.clip = 0;
    ck_assert_int_eq(hnas_bilevel_create(&bilevel, ctx, &p, &o), HNAS_OK);
    keep(&before);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), HNAS_E_NAN);
    keep(&after);
    ck_assert_mem_eq(&before, &after, sizeof after);
    ck_assert_int_eq(seen.n_after_w, 0);
}
END_TEST

static int32_t stop_at;

static int32_t progress(void *user, int64_t step, int32_t pass)
{
    ck_assert_ptr_eq(user, &stop_at);
    ck_assert_int_eq(step, 0);
    return pass == stop_at;
}

START_TEST(progress_stops_a_step_at_any_pass)
{
    const double lambda = 0.01;
    struct state before, after;

    ck_assert_int_eq(try_make(HNAS_ORDER_SECOND_FD), HNAS_OK);
    keep(&before);
    hnas_bilevel_set_progress(bilevel, progress, &stop_at);
    for (stop_at = 0; stop_at < 5; stop_at++) {
        seen.calls = 0;
        ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL),
                         HNAS_STOPPED);
        ck_assert_int_eq(seen.calls, stop_at);
        keep(&after);
        ck_assert_mem_eq(&before, &after, sizeof after);
    }
    ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 1, NULL), HNAS_OK);
}
END_TEST

static void check_allocations(int32_t order)
{
    const double lambda = 0.01;
    struct state before, after;
    hnas_status st = HNAS_E_NOMEM;
    int64_t n;

    for (n = 0; st != HNAS_OK; n++) {
        hooks.left = n;
        st = try_make(order);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !bilevel));
    }
    ck_assert_int_gt(n, 8);
    keep(&before);
    st = HNAS_E_NOMEM;
    for (n = 0; st != HNAS_OK; n++) {
        hooks.left = n;
        st = hnas_bilevel_step(bilevel, &lambda, 1, NULL);
        hooks.left = -1;
        keep(&after);
        if (st == HNAS_OK)
            break;
        ck_assert_int_eq(st, HNAS_E_NOMEM);
        ck_assert_mem_eq(&before, &after, sizeof after);
    }
    ck_assert_int_gt(n, 4);
    ck_assert_double_eq_tol(after.a, 1.75, bound);
}

START_TEST(every_failing_allocation_leaves_everything_as_it_was)
{
    check_allocations(HNAS_ORDER_SECOND_FD);
}
END_TEST

START_TEST(likewise_in_exact_second_order)
{
    check_allocations(HNAS_ORDER_SECOND_EXACT);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    const hnas_problem good = {sizeof good, loss, NULL, NULL, &seen,
                               &w,          1,    &a,   1};
    const double lambda = 0.01;
    hnas_tensor *nothing = NULL;
    hnas_problem bad[8];
    hnas_bilevel_opts o[7];

    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].size = 0;
    bad[1].loss = NULL;
    bad[2].w = NULL;
    bad[3].n_u = 0;
    bad[4].n_w = -1;
    bad[5].u = &w; /* as well as w */
    bad[6].w = &nothing;
    bad[7].u = &nothing;
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(hnas_bilevel_create(&bilevel, ctx, &bad[i], NULL),
                         HNAS_E_ARG);
        ck_assert_ptr_null(bilevel);
    }
    for (int i = 0; i < 7; i++)
        hnas_bilevel_opts_init(&o[i], sizeof o[i]);
    o[0].order = 3;
    o[1].w_rate = (double)NAN;
    o[2].u_rate = -1;
    o[3].total_steps = -1;
    o[4].rate_steps = 0;
    o[5].warmup = (double)NAN;
    o[6].u_span = -1;
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(hnas_bilevel_create(&bilevel, ctx, &good, &o[i]),
                         HNAS_E_RANGE);
    ck_assert_int_eq(try_make(HNAS_ORDER_FIRST), HNAS_OK);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, &lambda, 0, NULL),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_bilevel_step(bilevel, NULL, 1, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_bilevel_step(NULL, &lambda, 1, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_bilevel_gradient(NULL, 0), HNAS_E_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("closed_form");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, first_order_is_minus_4);
    tcase_add_test(t, second_order_is_2_at_a_virtual_weight_of_2);
    tcase_add_test(t, exact_second_order_is_2_and_leaves_w_alone);
    tcase_add_test(t, without_its_second_term_it_is_0);
    tcase_add_test(t, a_step_moves_a_then_w);
    tcase_add_test(t, the_rate_of_u_times_all_steps_is_at_most_its_span);
    tcase_add_test(t, in_warmup_and_cooldown_u_stays_and_w_moves);
    tcase_add_test(t, whole_shares_of_the_steps_freeze_so_many);
    tcase_add_test(t, a_failed_pass_leaves_everything_as_it_was);
    tcase_add_test(t, a_cancelled_step_leaves_everything_as_it_was);
    tcase_add_test(t, a_step_after_a_failed_one_gives_the_same_bits);
    tcase_add_test(t, an_after_u_that_fails_leaves_everything_as_it_was);
    tcase_add_test(t, a_weight_that_would_overflow_leaves_everything_as_it_was);
    tcase_add_test(t, progress_stops_a_step_at_any_pass);
    tcase_add_test(t, every_failing_allocation_leaves_everything_as_it_was);
    tcase_add_test(t, likewise_in_exact_second_order);
    tcase_add_test(t, bad_arguments_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
