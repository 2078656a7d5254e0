/* SPDX-License-Identifier: BSD-3-Clause */
/* How a sweep is cut into stages, and a stage into tasks for the host's
 * threads. */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"

enum { IMAGES = 64, SIDE = 4, NUMBERS = IMAGES * SIDE * SIDE };

struct cuts {
    int64_t n, most; /* how many, and the tasks of the largest */
};

/* Tasks run in order on the calling thread. */
static void parallel(void *user, int64_t n_tasks, hnas_task_fn task,
                     void *task_user)
{
    struct cuts *cuts = user;

    cuts->n++;
    cuts->most = n_tasks > cuts->most ? n_tasks : cuts->most;
    for (int64_t i = 0; i < n_tasks; i++)
        task(task_user, i, 0);
}

static hnas_context *open_counting(struct cuts *cuts, int32_t n_threads)
{
    hnas_context_opts o;
    hnas_context *ctx;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = n_threads;
    o.parallel = parallel;
    o.parallel_user = cuts;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    return ctx;
}

struct pass {
    double value, dx[NUMBERS];
    int64_t forward, backward; /* tasks of the largest stage */
};

/* sum |3x3 maximum of x| of 64 images, and its gradient to x. */
static void take(struct pass *p, int32_t n_threads)
{
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = 4,
                                .dims = {IMAGES, 1, SIDE, SIDE},
                                .lo = -1,
                                .hi = 1};
    struct random r = {7};
    struct cuts cuts = {0, 0};
    hnas_context *ctx = open_counting(&cuts, n_threads);
    hnas_tape *tape;
    hnas_tensor *x, *y, *loss;
    double values[NUMBERS];

    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    x = grad_leaf_make(ctx, &l, &r, values);
    ck_assert_int_eq(hnas_max_pool_3x3(&y, tape, x, 1), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, y), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &p->value, 1),
                     HNAS_OK);
    p->forward = cuts.most;
    cuts.most = 0;
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    p->backward = cuts.most;
    ck_assert_int_eq(hnas_tensor_get_gradient(x, HNAS_FLOAT64, p->dx, NUMBERS),
                     HNAS_OK);
    hnas_tensor_unref(loss);
    hnas_tensor_unref(y);
    hnas_tensor_unref(x);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

START_TEST(more_threads_than_chunks_share_the_images)
{
    static const int32_t threads[] = {1, 8, 16, 40, 200};
    static const int64_t tasks[] = {8, 8, 16, 32, 64};
    struct pass first, p;

    for (int i = 0; i < 5; i++) {
        take(i ? &p : &first, threads[i]);
        if (!i)
            p = first;
        ck_assert_int_eq(p.forward, tasks[i]);
        ck_assert_int_eq(p.backward, tasks[i]);
        ck_assert(p.value == first.value);
        ck_assert_mem_eq(p.dx, first.dx, sizeof p.dx);
    }
}
END_TEST

/* Cuts of a sweep over a cell whose edges all leave its input. */
static int64_t sweep_fan(int32_t n_edges)
{
    enum { MOST = 5, CHANNELS = 4 };
    static const char *const ops[2] = {"sep_conv_3x3", "dil_conv_5x5"};
    const struct grad_leaf image = {.kind = LEAF_PLAIN,
                                    .rank = 4,
                                    .dims = {IMAGES, CHANNELS, SIDE, SIDE},
                                    .lo = -1,
                                    .hi = 1};
    const struct grad_leaf gate = {
        .kind = LEAF_PLAIN, .rank = 2, .dims = {n_edges, 2}, .lo = 1, .hi = 2};
    hnas_edge edge[MOST];
    int32_t output[MOST];
    hnas_cell_desc desc = {sizeof desc, 1,    n_edges, CHANNELS,
                           n_edges,     edge, n_edges, output};
    struct random r = {7};
    struct cuts cuts = {0, 0};
    hnas_context *ctx = open_counting(&cuts, 1);
    double values[CHANNELS * NUMBERS];
    hnas_tensor *x, *gates, *y, *loss;
    hnas_cell *cell;
    hnas_tape *tape;

    for (int32_t e = 0; e < n_edges; e++) {
        edge[e] = (hnas_edge){0, e + 1, 1, 2, ops};
        output[e] = e + 1;
    }
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), HNAS_OK);
    x = grad_leaf_make(ctx, &image, &r, values);
    gates = grad_leaf_make(ctx, &gate, &r, values);
    ck_assert_int_eq(hnas_cell_apply(&y, tape, cell, &x, gates, 0), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, y), HNAS_OK);
    cuts.n = 0;
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    hnas_tensor_unref(loss);
    hnas_tensor_unref(y);
    hnas_tensor_unref(gates);
    hnas_tensor_unref(x);
    hnas_cell_destroy(cell);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
    return cuts.n;
}

START_TEST(edges_that_leave_a_node_are_swept_together)
{
    const int64_t two = sweep_fan(2);

    ck_assert_int_gt(two, 0);
    for (int32_t n = 3; n <= 5; n++)
        ck_assert_int_eq(sweep_fan(n), two);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("tasks");

    tcase_add_test(t, more_threads_than_chunks_share_the_images);
    tcase_add_test(t, edges_that_leave_a_node_are_swept_together);
    suite_add_tcase(s, t);
    return run_suite(s);
}
