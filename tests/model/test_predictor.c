/* SPDX-License-Identifier: BSD-3-Clause */
/* Frozen networks: the model's own logits, from any number of threads that
 * share them, without memory. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "world.h"

enum { PIXELS = 2 * WORLD_SIZE * WORLD_SIZE, LOGITS = WORLD_IMAGES * 3 };

static struct world w;
static float pixels[WORLD_IMAGES * PIXELS];

static void setup(void)
{
    world_open(&w, 1);
    ck_assert_int_eq(hnas_tensor_get(w.batch.images, HNAS_FLOAT32, pixels,
                                     WORLD_IMAGES * PIXELS),
                     0);
}

static void teardown(void)
{
    world_close(&w);
}

static hnas_array array_of(float *data, int64_t n)
{
    hnas_array a;

    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.data = data;
    a.dtype = HNAS_FLOAT32;
    a.rank = 4;
    a.dims[0] = n;
    a.dims[1] = 2;
    a.dims[2] = a.dims[3] = WORLD_SIZE;
    return a;
}

/* A network that was trained a little, so that statistics are not plain. */
static hnas_model *trained(int everything)
{
    hnas_arch *arch = world_random_arch(&w, HNAS_RULE_ARGMAX);
    hnas_model *m;

    w.opts.affine = w.opts.auxiliary = everything;
    m = world_model(&w, arch);
    hnas_arch_destroy(arch);
    ck_assert_int_eq(hnas_model_train(m, NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hnas_model_step(m, &w.batch, NULL), 0);
    return m;
}

START_TEST(logits_are_the_models_for_any_threads)
{
    const hnas_array a = array_of(pixels, WORLD_IMAGES);

    for (int i = 0; i < 12; i++) {
        hnas_model *m = trained(i % 2);
        float want[LOGITS], got[LOGITS], one[LOGITS];

        hnas_model_predict(m, w.batch.images, want, LOGITS);
        for (int32_t threads = 1; threads <= 4; threads *= 2) {
            hnas_predictor *p;

            ck_assert_int_eq(hnas_predictor_create(&p, m, threads), 0);
            for (int k = 0; k < 2; k++) {
                memset(got, 0, sizeof got);
                ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), 0);
            }
            for (int k = 0; k < LOGITS; k++)
                ck_assert_double_eq_tol(got[k], want[k],
                                        1e-5 * (1 + fabs(want[k])));
            if (threads == 1)
                memcpy(one, got, sizeof one);
            ck_assert_mem_eq(one, got, sizeof got);
            hnas_predictor_destroy(p);
        }
        hnas_model_destroy(m);
    }
}
END_TEST

/* A network of one operation on every edge, trained a little. */
static hnas_model *model_of(const char *op, const int64_t image[3],
                            int32_t affine, const hnas_batch *batch)
{
    hnas_supernet_opts s;
    hnas_supernet *net;
    double alpha[2][WORLD_EDGES] = {{0}, {0}};
    const double *const tables[2] = {alpha[0], alpha[1]};
    hnas_arch *arch;
    hnas_model *m;

    hnas_supernet_opts_init(&s, sizeof s);
    memcpy(s.image, image, sizeof s.image);
    s.classes = WORLD_CLASSES;
    s.channels = w.opts.channels;
    s.cells = w.opts.cells;
    s.nodes = WORLD_NODES;
    s.ops = &op;
    s.n_ops = 1;
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &s), 0);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, tables, HNAS_RULE_ARGMAX,
                                          HNAS_COST_PARAMS),
                     0);
    memcpy(w.opts.image, image, sizeof w.opts.image);
    w.opts.affine = affine;
    m = world_model(&w, arch);
    hnas_arch_destroy(arch);
    hnas_supernet_destroy(net);
    ck_assert_int_eq(hnas_model_train(m, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(hnas_model_step(m, batch, NULL), 0);
    return m;
}

static void compare_with_model(hnas_model *m, hnas_tensor *images,
                               const int64_t image[3], const char *op)
{
    const int64_t n = WORLD_IMAGES * image[0] * image[1] * image[2];
    float *data = malloc((size_t)n * sizeof *data);
    hnas_array a = array_of(data, WORLD_IMAGES);
    float want[LOGITS], got[LOGITS];
    hnas_predictor *p;

    memcpy(a.dims + 1, image, 3 * sizeof *image);
    ck_assert_int_eq(hnas_tensor_get(images, HNAS_FLOAT32, data, n), 0);
    ck_assert_int_eq(hnas_model_predict(m, images, want, LOGITS), 0);
    ck_assert_int_eq(hnas_predictor_create(&p, m, 2), 0);
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), 0);
    for (int k = 0; k < LOGITS; k++)
        ck_assert_msg(fabs(got[k] - want[k]) <= 1e-5 * (1 + fabs(want[k])),
                      "%s: logit %d is %g, want %g", op, k, got[k], want[k]);
    hnas_predictor_destroy(p);
    free(data);
}

static hnas_batch batch_of(const int64_t image[3])
{
    const struct grad_leaf l = {
        .kind = LEAF_PLAIN,
        .rank = 4,
        .dims = {WORLD_IMAGES, image[0], image[1], image[2]},
        .lo = -1,
        .hi = 1,
        .constant = 1};
    double v[WORLD_IMAGES * 2 * 12 * 12];
    hnas_batch b = w.batch;

    b.images = grad_leaf_make(w.ctx, &l, &w.random, v);
    return b;
}

/* Cells 1 and 2 halve the image, so that every operation has both strides. */
/* ---- an operation of a host: y = 2 x at every stride-th pixel ---- */

#ifdef HN_REAL_DOUBLE
typedef double element;
#else
typedef float element;
#endif

static element *pixel(const hnas_array *a, int64_t n, int64_t c, int64_t h,
                      int64_t v)
{
    return (element *)a->data + n * a->strides[0] + c * a->strides[1] +
           h * a->strides[2] + v * a->strides[3];
}

static hnas_status twice_visit(void *user, const hnas_array *x,
                               const hnas_array *y, const hnas_array *dx)
{
    const int64_t stride = *(int64_t *)user;

    for (int64_t n = 0; n < y->dims[0]; n++)
        for (int64_t c = 0; c < y->dims[1]; c++)
            for (int64_t h = 0; h < y->dims[2]; h++)
                for (int64_t v = 0; v < y->dims[3]; v++) {
                    const int64_t i = h * stride, k = v * stride;

                    if (dx)
                        *pixel(dx, n, c, i, k) += 2 * *pixel(y, n, c, h, v);
                    else
                        *pixel(y, n, c, h, v) = 2 * *pixel(x, n, c, i, k);
                }
    return HNAS_OK;
}

static pthread_t home;
static atomic_int n_strangers;  /* calls that came on another thread */
static hnas_predictor *meddled; /* with, from inside; NULL: nothing is */

/* A func that asks for, turns and releases what it is a part of. */
static void meddle(hnas_predictor *p)
{
    hnas_array a = array_of(pixels, 1);
    float logits[3] = {7, 7, 7};

    ck_assert_int_eq(hnas_predictor_run(p, &a, logits, 3), HNAS_E_STATE);
    ck_assert(logits[0] == 7 && logits[2] == 7);
    ck_assert_ptr_nonnull(
        strstr(hnas_predictor_message(p), "hnas_predictor_run: called from"));
    ck_assert_int_eq(hnas_predictor_switch(p, 0), HNAS_E_STATE);
    hnas_predictor_destroy(p);
}

static hnas_status twice_forward(void *user, const hnas_array *in, int32_t n_in,
                                 const hnas_array *out)
{
    (void)n_in;
    n_strangers += !pthread_equal(pthread_self(), home);
    if (meddled)
        meddle(meddled);
    return twice_visit(user, in, out, NULL);
}

static hnas_status twice_backward(void *user, const hnas_array *in,
                                  int32_t n_in, const hnas_array *out,
                                  const hnas_array *dout, const hnas_array *din)
{
    (void)n_in;
    (void)out;
    return twice_visit(user, in, dout, din);
}

static const hnas_func_table twice_func = {sizeof twice_func, "twice",
                                           twice_forward, twice_backward, NULL};

static hnas_status twice_create(void **state, hnas_op_builder *builder,
                                const hnas_op_desc *desc)
{
    const hnas_status st =
        hnas_op_builder_alloc(state, builder, sizeof(int64_t));

    if (st == HNAS_OK)
        *(int64_t *)*state = desc->stride;
    return st;
}

/* Where a predictor is made, x has a shape but no value yet. */
static hnas_status twice_apply(hnas_tensor **out, hnas_tape *tape, void *state,
                               hnas_tensor *x)
{
    const int64_t stride = *(int64_t *)state;
    hnas_shape shape = {.rank = 4};
    hnas_array a = {.size = sizeof a};
    hnas_status st = hnas_tensor_get_array(x, &a);
    element first;

    if (st == HNAS_OK && !a.data) {
        st = hnas_tensor_get(x, a.dtype, &first, hnas_tensor_get_count(x));
        ck_assert_int_eq(st, HNAS_E_STATE);
        st = HNAS_OK;
    }
    for (int i = 0; i < 4; i++)
        shape.dims[i] = i < 2 ? a.dims[i] : (a.dims[i] + stride - 1) / stride;
    return st < 0
               ? st
               : hnas_func_apply(out, tape, &twice_func, &x, 1, &shape, state);
}

static void twice_cost(const void *state, int64_t height, int64_t width,
                       hnas_cost *cost)
{
    (void)state;
    cost->bytes = 4 * height * width;
}

static const hnas_op_table twice = {.size = sizeof twice,
                                    .name = "host_twice",
                                    .version = 1,
                                    .create = twice_create,
                                    .apply = twice_apply,
                                    .cost = twice_cost};

START_TEST(every_operation_gives_the_models_logits_at_odd_sizes)
{
    static const int64_t sizes[3][3] = {{2, 9, 9}, {1, 7, 12}, {2, 5, 3}};

    ck_assert_int_eq(hnas_op_register(w.ctx, &twice), 0);
    for (int64_t i = 0; i < hnas_op_get_count(w.ctx); i++)
        for (int k = 0; k < 6; k++) {
            const char *op = hnas_op_get(w.ctx, i)->name;
            hnas_batch b = batch_of(sizes[k / 2]);
            hnas_model *m = model_of(op, sizes[k / 2], k % 2, &b);

            compare_with_model(m, b.images, sizes[k / 2], op);
            hnas_model_destroy(m);
            hnas_tensor_unref(b.images);
        }
}
END_TEST

static hnas_model *model_of_the_host(void)
{
    static const int64_t size[3] = {2, WORLD_SIZE, WORLD_SIZE};

    ck_assert_int_eq(hnas_op_register(w.ctx, &twice), 0);
    return model_of("host_twice", size, 0, &w.batch);
}

START_TEST(a_func_of_the_host_is_called_on_the_calling_thread)
{
    hnas_array a = array_of(pixels, WORLD_IMAGES);
    float want[LOGITS], got[LOGITS];
    hnas_model *m = model_of_the_host();
    hnas_predictor *p;

    home = pthread_self();
    for (int32_t threads = 1; threads <= 4; threads += 3) {
        n_strangers = 0;
        ck_assert_int_eq(hnas_predictor_create(&p, m, threads), 0);
        for (int i = 0; i < 20; i++)
            ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), 0);
        ck_assert_int_eq(n_strangers, 0);
        if (threads == 1)
            memcpy(want, got, sizeof want);
        ck_assert_mem_eq(want, got, sizeof got);
        hnas_predictor_destroy(p);
    }
    hnas_model_destroy(m);
}
END_TEST

START_TEST(a_func_of_the_host_cant_ask_the_predictor_it_is_part_of)
{
    hnas_array a = array_of(pixels, WORLD_IMAGES);
    float want[LOGITS], got[LOGITS];
    hnas_model *m = model_of_the_host();
    hnas_predictor *p;

    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    ck_assert_int_eq(hnas_predictor_run(p, &a, want, LOGITS), 0);
    meddled = p;
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), 0);
    meddled = NULL;
    ck_assert_mem_eq(want, got, sizeof got);
    hnas_predictor_destroy(p);
    hnas_model_destroy(m);
}
END_TEST

START_TEST(a_prediction_takes_no_memory_and_needs_no_model)
{
    hnas_array a = array_of(pixels, WORLD_IMAGES);
    float want[LOGITS], got[LOGITS];
    hnas_model *m = trained(1);
    hnas_predictor *p;
    int64_t n_failed;

    ck_assert_int_eq(hnas_predictor_create(&p, m, 2), 0);
    ck_assert_int_eq(hnas_predictor_run(p, &a, want, LOGITS), 0);
    hnas_model_destroy(m);
    n_failed = w.hooks.n_failed;
    w.hooks.left = 0;
    for (int64_t n = 1; n <= WORLD_IMAGES; n++) {
        a.dims[0] = n;
        ck_assert_int_eq(hnas_predictor_run(p, &a, got, 3 * n), 0);
        ck_assert_mem_eq(want, got, (size_t)(3 * n) * sizeof *got);
    }
    w.hooks.left = -1;
    ck_assert_int_eq(w.hooks.n_failed, n_failed);
    hnas_predictor_destroy(p);
}
END_TEST

START_TEST(images_are_read_by_their_strides)
{
    static float last[WORLD_IMAGES * PIXELS];
    hnas_array a = array_of(pixels, WORLD_IMAGES);
    float want[LOGITS], got[LOGITS];
    hnas_model *m = trained(0);
    hnas_predictor *p;

    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    ck_assert_int_eq(hnas_predictor_run(p, &a, want, LOGITS), 0);
    for (int n = 0; n < WORLD_IMAGES; n++)
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < PIXELS / 2; i++)
                last[n * PIXELS + 2 * i + c] =
                    pixels[n * PIXELS + c * (PIXELS / 2) + i];
    a.data = last;
    a.strides[0] = PIXELS;
    a.strides[1] = 1;
    a.strides[2] = 2 * WORLD_SIZE;
    a.strides[3] = 2;
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), 0);
    ck_assert_mem_eq(want, got, sizeof got);
    hnas_predictor_destroy(p);
    hnas_model_destroy(m);
}
END_TEST

struct caller {
    hnas_predictor *p;
    float got[LOGITS];
    hnas_status st;
};

static void *call(void *user)
{
    const hnas_array a = array_of(pixels, WORLD_IMAGES);
    struct caller *c = user;

    for (int i = 0; i < 20; i++)
        c->st |= hnas_predictor_run(c->p, &a, c->got, LOGITS);
    return NULL;
}

START_TEST(predictors_of_one_model_run_side_by_side)
{
    hnas_model *m = trained(1);
    struct caller c[3] = {{NULL, {0}, 0}};
    pthread_t thread[3];

    ck_assert_int_eq(hnas_predictor_create(&c[0].p, m, 1), 0);
    ck_assert_int_eq(hnas_predictor_share(&c[1].p, c[0].p, 2), 0);
    ck_assert_int_eq(hnas_predictor_create(&c[2].p, m, 1), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, call, &c[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(c[i].st, 0);
        ck_assert_mem_eq(c[i].got, c[0].got, sizeof c[0].got);
        hnas_predictor_destroy(c[i].p);
    }
    hnas_model_destroy(m);
}
END_TEST

struct visitor {
    hnas_predictor *p;
    hnas_array images;
    float got[LOGITS];
    hnas_status st;
};

/* Share, ask, let go: all on a thread of its own. */
static void *visit(void *user)
{
    struct visitor *v = user;
    hnas_predictor *p;

    v->st = hnas_predictor_share(&p, v->p, 1);
    hnas_predictor_destroy(v->p);
    for (int i = 0; i < 5 && v->st == HNAS_OK; i++)
        v->st = hnas_predictor_run(p, &v->images, v->got, LOGITS);
    hnas_predictor_destroy(p);
    return NULL;
}

START_TEST(the_last_predictor_may_go_on_any_thread_after_model_and_context)
{
    hnas_model *m = trained(1);
    struct visitor v[3];
    hnas_predictor *p;
    pthread_t thread[3];
    float want[LOGITS];

    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    for (int i = 0; i < 3; i++) {
        v[i].images = array_of(pixels, WORLD_IMAGES);
        ck_assert_int_eq(hnas_predictor_share(&v[i].p, p, 1), 0);
    }
    ck_assert_int_eq(hnas_predictor_run(p, &v[0].images, want, LOGITS), 0);
    hnas_predictor_destroy(p);
    hnas_model_destroy(m);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, visit, &v[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(v[i].st, 0);
        ck_assert_mem_eq(v[i].got, want, sizeof want);
    }
}
END_TEST

START_TEST(a_shared_predictor_has_no_weights_of_its_own)
{
    hnas_model *m = trained(0);
    hnas_predictor *first, *second;
    int64_t live[3];

    live[0] = w.hooks.n_live;
    ck_assert_int_eq(hnas_predictor_create(&first, m, 1), 0);
    live[1] = w.hooks.n_live;
    ck_assert_int_eq(hnas_predictor_share(&second, first, 1), 0);
    live[2] = w.hooks.n_live;
    /* a network is hundreds of blocks, a plan is but a few beside its handles
     */
    ck_assert_int_lt(3 * (live[2] - live[1]), 2 * (live[1] - live[0]));
    hnas_predictor_destroy(first);
    hnas_predictor_destroy(second);
    ck_assert_int_eq(w.hooks.n_live, live[0]);
    ck_assert_int_eq(hnas_predictor_share(&second, NULL, 1), HNAS_E_ARG);
    ck_assert_ptr_null(second);
    hnas_model_destroy(m);
}
END_TEST

START_TEST(bad_images_are_named)
{
    hnas_array a = array_of(pixels, WORLD_IMAGES);
    hnas_model *m = trained(0);
    hnas_predictor *p, *other;
    float got[LOGITS];

    ck_assert_int_eq(hnas_predictor_create(&p, m, 0), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_predictor_create(&p, NULL, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    ck_assert_str_eq(hnas_predictor_message(p), "");
    ck_assert_int_eq(hnas_predictor_share(&other, p, 257), HNAS_E_RANGE);
    ck_assert_ptr_null(other);
    ck_assert_ptr_nonnull(strstr(hnas_predictor_message(p), "257"));
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS - 1), HNAS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(hnas_predictor_message(p), "logits"));
    a.dtype = HNAS_FLOAT64;
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), HNAS_E_TYPE);
    a = array_of(pixels, WORLD_IMAGES);
    a.dims[2] = 4;
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), HNAS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(hnas_predictor_message(p), ", 4, "));
    a = array_of(pixels, WORLD_IMAGES);
    a.rank = 3;
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), HNAS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(hnas_predictor_message(p), "3 axes"));
    a = array_of(NULL, WORLD_IMAGES);
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, LOGITS), HNAS_E_ARG);
    ck_assert_int_eq(hnas_predictor_run(p, NULL, got, LOGITS), HNAS_E_ARG);
    ck_assert_int_eq(hnas_predictor_run(NULL, &a, got, LOGITS), HNAS_E_ARG);
    hnas_predictor_destroy(p);
    hnas_model_destroy(m);
}
END_TEST

START_TEST(create_survives_every_failing_allocation)
{
    hnas_model *m = trained(0);
    hnas_status st = HNAS_E_NOMEM;
    hnas_predictor *p, *other;

    for (int64_t n = 0; st != HNAS_OK; n++) {
        const int64_t live = w.hooks.n_live;

        w.hooks.left = n;
        st = hnas_predictor_create(&p, m, 2);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !p));
        ck_assert(st == HNAS_OK || w.hooks.n_live == live);
    }
    st = HNAS_E_NOMEM;
    for (int64_t n = 0; st != HNAS_OK; n++) {
        const int64_t live = w.hooks.n_live;

        w.hooks.left = n;
        st = hnas_predictor_share(&other, p, 2);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !other));
        ck_assert(st == HNAS_OK || w.hooks.n_live == live);
    }
    hnas_predictor_destroy(other);
    hnas_predictor_destroy(p);
    hnas_model_destroy(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("predictor");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, logits_are_the_models_for_any_threads);
    tcase_add_test(t, every_operation_gives_the_models_logits_at_odd_sizes);
    tcase_add_test(t, a_func_of_the_host_is_called_on_the_calling_thread);
    tcase_add_test(t, a_func_of_the_host_cant_ask_the_predictor_it_is_part_of);
    tcase_add_test(t, a_prediction_takes_no_memory_and_needs_no_model);
    tcase_add_test(t, images_are_read_by_their_strides);
    tcase_add_test(t, predictors_of_one_model_run_side_by_side);
    tcase_add_test(
        t, the_last_predictor_may_go_on_any_thread_after_model_and_context);
    tcase_add_test(t, a_shared_predictor_has_no_weights_of_its_own);
    tcase_add_test(t, bad_images_are_named);
    tcase_add_test(t, create_survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
