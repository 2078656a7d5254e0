/* SPDX-License-Identifier: BSD-3-Clause */
/* How a stage is cut into tasks for the host's threads. */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"

enum { IMAGES = 64, SIDE = 4, NUMBERS = IMAGES * SIDE * SIDE };

/* The largest cut, its tasks in order on the calling thread. */
static void parallel(void *user, int64_t n_tasks, hnas_task_fn task,
                     void *task_user)
{
    int64_t *most = user;

    *most = n_tasks > *most ? n_tasks : *most;
    for (int64_t i = 0; i < n_tasks; i++)
        task(task_user, i, 0);
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
    hnas_context_opts o;
    hnas_context *ctx;
    hnas_tape *tape;
    hnas_tensor *x, *y, *loss;
    double values[NUMBERS];
    int64_t most = 0;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = n_threads;
    o.parallel = parallel;
    o.parallel_user = &most;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    x = grad_leaf_make(ctx, &l, &r, values);
    ck_assert_int_eq(hnas_max_pool_3x3(&y, tape, x, 1), HNAS_OK);
    ck_assert_int_eq(hnas_sum(&loss, tape, y), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(loss, HNAS_FLOAT64, &p->value, 1),
                     HNAS_OK);
    p->forward = most;
    most = 0;
    ck_assert_int_eq(hnas_tape_backward(tape, loss), HNAS_OK);
    p->backward = most;
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

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("tasks");

    tcase_add_test(t, more_threads_than_chunks_share_the_images);
    suite_add_tcase(s, t);
    return run_suite(s);
}
