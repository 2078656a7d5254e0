/* SPDX-License-Identifier: BSD-3-Clause */
/* The record: when it computes, what it keeps, what it refuses. */
#include <math.h>
#include <string.h>

#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"
#include "tape/tape.h"

enum { N = 5, C = 3, H = 6, W = 7, K = 4 };

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tape *tape;
static size_t bytes_at_start;

/* A small network of every manner of gradient: two branches of batch-norm,
 * one read by a rectifier, both mixed; a pool; a head. */
static struct {
    hnas_tensor *x, *labels, *stem, *depthwise, *pointwise, *gates, *head;
    hnas_norm *norm[2];
} net;

/* What is recorded of it; all held or none. */
struct graph {
    hnas_tensor *z, *v, *s, *u, *pool, *y, *logits, *loss;
};

static hnas_tensor *leaf(int32_t rank, int64_t a, int64_t b, int64_t c,
                         int64_t d, int wanted)
{
    static struct random r = {5};
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = rank,
                                .dims = {a, b, c, d},
                                .lo = -1,
                                .hi = 1,
                                .constant = !wanted};
    double v[N * C * H * W];

    return grad_leaf_make(ctx, &l, &r, v);
}

static void make_net(void)
{
    const int32_t labels[N] = {0, 3, 1, 2, 0};
    const int64_t n = N;

    net.x = leaf(4, N, C, H, W, 1);
    net.stem = leaf(4, C, C, 3, 3, 1);
    net.depthwise = leaf(4, C, 1, 3, 3, 1);
    net.pointwise = leaf(4, C, C, 1, 1, 1);
    net.gates = leaf(2, 1, 3, 1, 1, 1);
    net.head = leaf(2, K, C, 1, 1, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(hnas_norm_create(&net.norm[i], ctx, C, 1), 0);
    ck_assert_int_eq(hnas_tensor_create(&net.labels, ctx, HNAS_INT32, 1, &n),
                     0);
    ck_assert_int_eq(hnas_tensor_set(net.labels, HNAS_INT32, labels, N), 0);
}

static void drop_net(void)
{
    hnas_tensor_unref(net.x);
    hnas_tensor_unref(net.stem);
    hnas_tensor_unref(net.depthwise);
    hnas_tensor_unref(net.pointwise);
    hnas_tensor_unref(net.gates);
    hnas_tensor_unref(net.head);
    hnas_tensor_unref(net.labels);
    hnas_norm_destroy(net.norm[0]);
    hnas_norm_destroy(net.norm[1]);
}

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    make_net();
    bytes_at_start = held_bytes(ctx);
}

static void teardown(void)
{
    drop_net();
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

static void drop(struct graph *g)
{
    hnas_tensor_unref(g->z);
    hnas_tensor_unref(g->v);
    hnas_tensor_unref(g->s);
    hnas_tensor_unref(g->u);
    hnas_tensor_unref(g->pool);
    hnas_tensor_unref(g->y);
    hnas_tensor_unref(g->logits);
    hnas_tensor_unref(g->loss);
    memset(g, 0, sizeof *g);
}

static hnas_status record_head(struct graph *g, hnas_tape *t)
{
    hnas_tensor *flat = NULL;
    hnas_status st = hnas_global_avg_pool(&flat, t, g->y);

    if (st == HNAS_OK)
        st = hnas_linear(&g->logits, t, flat, net.head, NULL);
    if (st == HNAS_OK)
        st = hnas_cross_entropy(&g->loss, t, g->logits, net.labels);
    hnas_tensor_unref(flat);
    return st;
}

static hnas_status record(struct graph *g, hnas_tape *t)
{
    static const int64_t index[3] = {0, 1, 2};
    hnas_conv_opts o;
    hnas_status st;

    memset(g, 0, sizeof *g);
    hnas_conv_opts_init(&o, sizeof o);
    o.pad[0] = o.pad[1] = 1;
    st = hnas_conv2d(&g->z, t, net.x, net.stem, &o);
    if (st == HNAS_OK)
        st = hnas_batch_norm(&g->v, t, g->z, net.norm[0]);
    if (st == HNAS_OK)
        st = hnas_separable_conv2d(&g->s, t, g->v, net.depthwise, net.pointwise,
                                   &o);
    if (st == HNAS_OK)
        st = hnas_batch_norm(&g->u, t, g->s, net.norm[1]);
    if (st == HNAS_OK)
        st = hnas_max_pool_3x3(&g->pool, t, g->s, 1);
    if (st == HNAS_OK) {
        hnas_tensor *in[3] = {g->u, g->pool, g->u};

        st = hnas_mix(&g->y, t, in, 3, net.gates, index);
    }
    return st == HNAS_OK ? record_head(g, t) : st;
}

enum { N_GRADIENTS = N * C * H * W + C * C * 9 + C * 9 + C * C + 3 + K * C };

/* The loss and all gradients of one run. */
struct outcome {
    double loss, gradient[N_GRADIENTS];
};

static void clear_gradients(void)
{
    hnas_tensor *const all[] = {net.x,         net.stem,  net.depthwise,
                                net.pointwise, net.gates, net.head};

    for (int i = 0; i < 6; i++)
        hnas_tensor_clear_gradient(all[i]);
}

static void read_gradients(struct outcome *o)
{
    hnas_tensor *const all[] = {net.x,         net.stem,  net.depthwise,
                                net.pointwise, net.gates, net.head};
    double *at = o->gradient;

    for (int i = 0; i < 6; i++) {
        const int64_t n = hnas_tensor_get_count(all[i]);

        ck_assert_int_eq(hnas_tensor_get_gradient(all[i], HNAS_FLOAT64, at, n),
                         0);
        at += n;
    }
}

/* A value that the case reads between recording and sweep, or NULL. */
enum reading { READ_NOTHING, READ_Z, READ_V, READ_U, READ_POOL, READ_Y };

static void read(struct graph *g, enum reading what)
{
    hnas_tensor *const of[] = {NULL, g->z, g->v, g->u, g->pool, g->y};
    double v[N * C * H * W];

    if (of[what])
        ck_assert_int_eq(
            hnas_tensor_get(of[what], HNAS_FLOAT64, v, N * C * H * W), 0);
}

static void run(struct outcome *o, int32_t mode, int deferred, int held,
                enum reading what)
{
    struct graph g;
    hnas_tensor *loss;

    clear_gradients();
    ck_assert_int_eq(hnas_tape_reset(tape, mode), HNAS_OK);
    if (deferred)
        hnas_tape_defer(tape);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    if (deferred)
        ck_assert_int_eq(hnas_tape_run(tape), HNAS_OK);
    read(&g, what);
    loss = hnas_tensor_ref(g.loss);
    if (!held)
        drop(&g);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &o->loss, 1), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    read_gradients(o);
    hnas_tensor_unref(loss);
    drop(&g);
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
    double before[N * C * H * W], after[N * C * H * W];
    struct graph g;

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.u, HNAS_FLOAT64, before, N * C * H * W),
                     0);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.u, HNAS_FLOAT64, after, N * C * H * W),
                     0);
    ck_assert_mem_eq(before, after, sizeof after);
    ck_assert_int_eq(hnas_tensor_get(g.v, HNAS_FLOAT64, after, N * C * H * W),
                     0);
    drop(&g);
}
END_TEST

START_TEST(without_a_tape_the_same_values_come)
{
    double taped, loose;
    struct graph g;

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &taped, 1), 0);
    drop(&g);
    ck_assert_int_eq(record(&g, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &loose, 1), 0);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &loose, 1), 0);
    drop(&g);
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
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    read_gradients(&b);
    for (int i = 0; i < N_GRADIENTS; i++)
        ck_assert_double_eq_tol(b.gradient[i], 2 * a.gradient[i],
                                1e-6 * (1 + fabs(a.gradient[i])));
    drop(&g);
}
END_TEST

START_TEST(a_second_sweep_is_refused)
{
    hnas_tensor *more;
    struct graph g;

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_E_STATE);
    ck_assert_int_eq(hnas_relu(&more, tape, g.loss), HNAS_E_STATE);
    ck_assert_ptr_null(more);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "swept"));
    drop(&g);
}
END_TEST

START_TEST(backward_refuses_what_is_no_loss_of_this_tape)
{
    hnas_tape *other;
    struct graph g;

    ck_assert_int_eq(hnas_tape_create(&other, ctx), HNAS_OK);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(other, g.loss), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tape_backward(tape, net.head), HNAS_E_STATE);
    ck_assert_int_eq(hnas_tape_backward(tape, g.logits), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_tape_backward(tape, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_backward(NULL, g.loss), HNAS_E_ARG);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    drop(&g);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), HNAS_OK);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_E_STATE);
    drop(&g);
    hnas_tape_destroy(other);
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

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
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
    drop(&g);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    hnas_tape_destroy(tape);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    drop(&g);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
}
END_TEST

START_TEST(a_recorded_value_is_read_only)
{
    struct graph g;
    double v[K * N] = {0};

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_set(g.logits, HNAS_FLOAT64, v, K * N),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_tensor_set_wanted(g.logits, 1), HNAS_E_STATE);
    drop(&g);
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
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    drop(&g);
}
END_TEST

START_TEST(without_gradients_held_values_stay)
{
    double want[K * N], got[K * N];
    struct graph g;

    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, want, K * N), 0);
    drop(&g);
    ck_assert_int_eq(hnas_tape_reset(tape, HNAS_TAPE_NO_GRADIENT), HNAS_OK);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.logits, HNAS_FLOAT64, got, K * N), 0);
    ck_assert_mem_eq(want, got, sizeof got);
    drop(&g);
}
END_TEST

START_TEST(memory_in_use_and_its_peak_are_told)
{
    size_t now, peak, more;
    struct graph g;

    hnas_tape_get_memory(tape, &now, &peak);
    ck_assert_uint_eq(now, 0);
    ck_assert_int_eq(record(&g, tape), HNAS_OK);
    hnas_tape_get_memory(tape, &now, NULL);
    ck_assert_uint_ge(now, 5 * N * C * H * W * sizeof(real));
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    hnas_tape_get_memory(tape, NULL, &peak);
    ck_assert_uint_gt(peak, now);
    drop(&g);
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
    ck_assert_int_eq(hnas_tape_reset(tape, 8), HNAS_E_RANGE);
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
    for (int i = 0; i < N * C * H * W; i++)
        ck_assert(b.gradient[i] == 0);
    ck_assert(a.gradient[0] != 0);
    ck_assert_mem_eq(a.gradient + N * C * H * W, b.gradient + N * C * H * W,
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
