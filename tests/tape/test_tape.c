/* SPDX-License-Identifier: BSD-3-Clause */
/* The record: when it computes, what it keeps, what it refuses. */
#include <math.h>
#include <string.h>

#include "graph.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"
#include "tape/tape.h"

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tape *tape;
static size_t bytes_at_start;

static struct net net;

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    net_make(&net, ctx);
    bytes_at_start = held_bytes(ctx);
}

static void teardown(void)
{
    net_drop(&net);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* A value that the case reads between recording and sweep, or NULL. */
enum reading { READ_NOTHING, READ_Z, READ_V, READ_U, READ_POOL, READ_Y };

static void read(struct graph *g, enum reading what)
{
    hnas_tensor *const of[] = {NULL, g->z, g->v, g->u, g->pool, g->y};
    double v[N_VALUES];

    if (of[what])
        ck_assert_int_eq(hnas_tensor_get(of[what], HNAS_FLOAT64, v, N_VALUES),
                         0);
}

static void run(struct outcome *o, int32_t mode, int deferred, int held,
                enum reading what)
{
    struct graph g;
    hnas_tensor *loss;

    net_clear_gradients(&net);
    ck_assert_int_eq(hnas_tape_reset(tape, mode), HNAS_OK);
    if (deferred)
        hnas_tape_defer(tape);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    if (deferred)
        ck_assert_int_eq(hnas_tape_run(tape), HNAS_OK);
    read(&g, what);
    loss = hnas_tensor_ref(g.loss);
    if (!held)
        graph_drop(&g);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &o->loss, 1), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    net_read_gradients(&net, o);
    hnas_tensor_unref(loss);
    graph_drop(&g);
}

START_TEST(deferred_and_immediate_give_the_same_bits)
{
    struct outcome a, b;

    run(&a, 0, 0, 0, READ_NOTHING);
    run(&b, 0, 1, 0, READ_NOTHING);
    ck_assert_mem_eq(&a, &b, sizeof a);
    run(&a, HNAS_TAPE_RUNNING_STATS, 0, 0, READ_NOTHING);
    ck_assert(a.loss != b.loss);
    run(&b, HNAS_TAPE_RUNNING_STATS, 1, 0, READ_NOTHING);
    ck_assert_mem_eq(&a, &b, sizeof a);
    run(&a, HNAS_TAPE_PLAIN, 0, 0, READ_NOTHING);
    run(&b, HNAS_TAPE_PLAIN, 1, 0, READ_NOTHING);
    ck_assert_mem_eq(&a, &b, sizeof a);
}
END_TEST

START_TEST(a_second_run_on_the_same_tape_gives_the_same_bits)
{
    struct outcome a, b;

    run(&a, 0, 0, 0, READ_NOTHING);
    for (int i = 0; i < 3; i++) {
        run(&b, 0, i & 1, 0, READ_NOTHING);
        ck_assert_mem_eq(&a, &b, sizeof a);
    }
}
END_TEST

START_TEST(holding_values_changes_no_gradient)
{
    struct outcome a, b;

    run(&a, 0, 1, 0, READ_NOTHING);
    run(&b, 0, 1, 1, READ_NOTHING);
    ck_assert_mem_eq(&a, &b, sizeof a);
}
END_TEST

START_TEST(reading_a_value_changes_no_gradient)
{
    struct outcome a, b;

    run(&a, 0, 1, 0, READ_NOTHING);
    for (int held = 0; held < 2; held++)
        for (int what = READ_Z; what <= READ_Y; what++) {
            run(&b, 0, 1, held, what);
            ck_assert_msg(!memcmp(&a, &b, sizeof a), "value %d, held %d", what,
                          held);
        }
}
END_TEST

START_TEST(a_value_held_through_the_sweep_stays_readable)
{
    double before[N_VALUES], after[N_VALUES];
    struct graph g;

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.u, HNAS_FLOAT64, before, N_VALUES), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.u, HNAS_FLOAT64, after, N_VALUES), 0);
    ck_assert_mem_eq(before, after, sizeof after);
    ck_assert_int_eq(hnas_tensor_get(g.v, HNAS_FLOAT64, after, N_VALUES), 0);
    graph_drop(&g);
}
END_TEST

START_TEST(without_a_tape_the_same_values_come)
{
    double taped, loose;
    struct graph g;

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &taped, 1), 0);
    graph_drop(&g);
    ck_assert_int_eq(graph_record(&g, NULL, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &loose, 1), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &loose, 1), 0);
    graph_drop(&g);
    /* batch-norm is applied at once where there is no tape */
    ck_assert_double_eq_tol(taped, loose, sizeof(real) == 8 ? 1e-12 : 1e-5);
}
END_TEST

START_TEST(gradients_add_up_until_they_are_cleared)
{
    struct outcome a, b;
    struct graph g;

    run(&a, 0, 0, 0, READ_NOTHING);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    net_read_gradients(&net, &b);
    for (int i = 0; i < N_GRADIENTS; i++)
        ck_assert_double_eq_tol(b.gradient[i], 2 * a.gradient[i],
                                1e-6 * (1 + fabs(a.gradient[i])));
    graph_drop(&g);
}
END_TEST

START_TEST(a_second_sweep_is_refused)
{
    hnas_tensor *more;
    struct graph g;

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_E_STATE);
    ck_assert_int_eq(hnas_relu(&more, tape, g.loss), HNAS_E_STATE);
    ck_assert_ptr_null(more);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "swept"));
    graph_drop(&g);
}
END_TEST

START_TEST(backward_refuses_what_is_no_loss_of_this_tape)
{
    hnas_tape *other;
    struct graph g;

    ck_assert_int_eq(hnas_tape_create(&other, ctx), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(other, g.loss), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tape_backward(tape, net.head), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tape_backward(tape, g.logits), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tape_backward(tape, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_backward(NULL, g.loss), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    graph_drop(&g);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_E_STATE);
    graph_drop(&g);
    hnas_tape_destroy(other);
}
END_TEST

START_TEST(a_weight_of_another_context_is_refused)
{
    hnas_context *other;
    hnas_tensor *x, *y;
    const int64_t two[1] = {2};
    const int64_t n = hnas_tape_get_count(tape);

    ck_assert_int_eq(hnas_context_create(&other, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_create(&x, other, HN_REAL, 1, two), HNAS_OK);
    hnas_tensor_set_wanted(x, 1);
    ck_assert_int_eq(hnas_affine(&y, tape, x, 1, 0), HNAS_E_ARG);
    ck_assert_ptr_null(y);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "another context"));
    ck_assert_int_eq(hnas_tape_get_count(tape), n);
    hnas_tensor_unref(x);
    hnas_context_destroy(other);
}
END_TEST

START_TEST(an_input_of_another_tape_is_refused)
{
    hnas_tape *other;
    hnas_tensor *a, *b;
    const double one = 1;
    int64_t n;

    ck_assert_int_eq(hnas_tape_create(&other, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_affine(&a, other, net.head, one, 0), HNAS_OK);
    n = hnas_tape_get_count(tape);
    ck_assert_int_eq(hnas_add(&b, tape, a, net.head), HNAS_E_STATE);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "another tape"));
    ck_assert_int_eq(hnas_tape_get_count(tape), n);
    ck_assert_int_eq(hnas_add(&b, other, a, net.head), HNAS_OK);
    hnas_tensor_unref(b);
    hnas_tensor_unref(a);
    hnas_tape_destroy(other);
}
END_TEST

START_TEST(reset_takes_values_but_no_handles)
{
    const int64_t dims[4] = {N, C, H, W};
    hnas_tensor *view, *out;
    struct graph g;
    hnas_array a;
    double v[K * N];

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(hnas_tape_get_count(tape), 0);
    ck_assert_int_eq(hnas_tensor_get_count(g.logits), K * N);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "gone"));
    ck_assert_int_eq(hnas_tensor_set(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_tensor_get_array(g.v, &a), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tensor_view(&view, g.logits, 0, 0, 1), HNAS_E_STATE);
    ck_assert_ptr_null(view);
    ck_assert_int_eq(hnas_relu(&out, tape, g.z), HNAS_E_STATE);
    ck_assert_int_eq(hnas_relu(&out, NULL, g.u), HNAS_E_STATE);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(hnas_tensor_get_count(g.v), shape_count(4, dims));
    graph_drop(&g);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    hnas_tape_destroy(tape);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    graph_drop(&g);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
}
END_TEST

START_TEST(a_recorded_value_is_read_only)
{
    struct graph g;
    double v[K * N] = {0};

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_tensor_set_wanted(g.logits, 1), HNAS_E_STATE);
    graph_drop(&g);
}
END_TEST

START_TEST(without_gradients_the_tape_needs_less_memory)
{
    size_t with, without, now;
    struct graph g;

    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), HNAS_OK);
    for (int i = 0; i < 2; i++) {
        hnas_tensor *x = hnas_tensor_ref(net.x), *y;

        for (int k = 0; k < 20; k++) {
            ck_assert_int_eq(hnas_avg_pool_3x3(&y, tape, x, 1), HNAS_OK);
            hnas_tensor_unref(x);
            x = y;
        }
        hnas_tensor_unref(x);
        hnas_tape_get_memory(tape, &now, i ? &with : &without);
        ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    }
    ck_assert_uint_lt(2 * without, with);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    graph_drop(&g);
}
END_TEST

START_TEST(without_gradients_held_values_stay)
{
    double want[K * N], got[K * N];
    struct graph g;

    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, want, K * N), 0);
    graph_drop(&g);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, got, K * N), 0);
    ck_assert_mem_eq(want, got, sizeof got);
    graph_drop(&g);
}
END_TEST

START_TEST(memory_in_use_and_its_peak_are_told)
{
    size_t now, peak, more;
    struct graph g;

    hnas_tape_get_memory(tape, &now, &peak);
    ck_assert_uint_eq(now, 0);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    hnas_tape_get_memory(tape, &now, NULL);
    ck_assert_uint_ge(now, 5 * N_VALUES * sizeof(real));
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    hnas_tape_get_memory(tape, NULL, &peak);
    ck_assert_uint_gt(peak, now);
    graph_drop(&g);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    hnas_tape_get_memory(tape, &now, &more);
    ck_assert_uint_eq(now, 0);
    ck_assert_uint_eq(more, peak);
}
END_TEST

START_TEST(a_tape_is_created_and_reset_with_known_arguments_only)
{
    hnas_tape *other = tape;

    ck_assert_int_eq(hnas_tape_create(NULL, ctx), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_create(&other, NULL), HNAS_E_ARG);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(hnas_tape_reset(NULL, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_reset(tape, 32), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_tape_run(NULL), HNAS_E_ARG);
    hnas_tape_destroy(NULL);
    hooks.left = 0;
    ck_assert_int_eq(hnas_tape_create(&other, ctx), HNAS_E_NOMEM);
    ck_assert_ptr_null(other);
    hooks.left = -1;
}
END_TEST

START_TEST(a_leaf_that_is_not_wanted_gets_no_gradient)
{
    struct outcome a, b;

    run(&a, 0, 0, 0, READ_NOTHING);
    hnas_tensor_set_wanted(net.x, 0);
    hnas_tensor_set_wanted(net.depthwise, 0);
    run(&b, 0, 0, 0, READ_NOTHING);
    for (int i = 0; i < N_VALUES; i++)
        ck_assert(b.gradient[i] == 0);
    ck_assert(a.gradient[0] != 0);
    ck_assert_mem_eq(a.gradient + N_VALUES, b.gradient + N_VALUES,
                     C * C * 9 * sizeof(double));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("tape");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, deferred_and_immediate_give_the_same_bits);
    tcase_add_test(t, a_second_run_on_the_same_tape_gives_the_same_bits);
    tcase_add_test(t, holding_values_changes_no_gradient);
    tcase_add_test(t, reading_a_value_changes_no_gradient);
    tcase_add_test(t, a_value_held_through_the_sweep_stays_readable);
    tcase_add_test(t, without_a_tape_the_same_values_come);
    tcase_add_test(t, gradients_add_up_until_they_are_cleared);
    tcase_add_test(t, a_second_sweep_is_refused);
    tcase_add_test(t, backward_refuses_what_is_no_loss_of_this_tape);
    tcase_add_test(t, a_weight_of_another_context_is_refused);
    tcase_add_test(t, an_input_of_another_tape_is_refused);
    tcase_add_test(t, reset_takes_values_but_no_handles);
    tcase_add_test(t, a_recorded_value_is_read_only);
    tcase_add_test(t, without_gradients_the_tape_needs_less_memory);
    tcase_add_test(t, without_gradients_held_values_stay);
    tcase_add_test(t, memory_in_use_and_its_peak_are_told);
    tcase_add_test(t, a_tape_is_created_and_reset_with_known_arguments_only);
    tcase_add_test(t, a_leaf_that_is_not_wanted_gets_no_gradient);
    suite_add_tcase(s, t);
    return run_suite(s);
}
