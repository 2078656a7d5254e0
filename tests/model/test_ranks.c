/* SPDX-License-Identifier: BSD-3-Clause */
/* Several ranks, here threads with a context each, train a network to the bits
 * of one. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/transport.h"
#include "world.h"

enum { MOST_RANKS = TRANSPORT_RANKS, BATCH = 8, STEPS = 4 };
enum { PIXELS = 2 * WORLD_SIZE * WORLD_SIZE };

struct rank {
    struct world w;
    struct transport net;
    hnas_comm comm;
    hnas_model *model;
    hnas_status status;
    hnas_train_info info;
    double *state;
    int64_t n;
};

/* Everything that may depend on which images a rank has. */
static void open_rank(struct rank *r, int32_t rank, int32_t n_ranks,
                      int32_t order)
{
    hnas_train_opts o;
    hnas_arch *arch;

    memset(r, 0, sizeof *r);
    world_open(&r->w, 1);
    r->w.opts.affine = r->w.opts.auxiliary = 1;
    arch = world_random_arch(&r->w, HNAS_RULE_TOP2);
    r->model = world_model(&r->w, arch);
    hnas_arch_destroy(arch);
    hnas_train_opts_init(&o, sizeof o);
    o.total_steps = STEPS;
    o.drop_path = 0.4;
    o.label_smoothing = 0.1;
    o.average = 0.9;
    ck_assert_int_eq(hnas_model_train(r->model, &o), 0);
    transport_fill(&r->comm, &r->net, rank, n_ranks);
    r->comm.order = order;
    if (n_ranks > 1)
        ck_assert_int_eq(hnas_context_set_comm(r->w.ctx, &r->comm), 0);
}

/* This rank's images of a batch that is the same for any number of ranks. */
static hnas_batch share(struct rank *r, uint64_t seed)
{
    const int64_t n = BATCH / r->net.n_ranks, first = r->net.rank * n;
    const int64_t dims[4] = {n, 2, WORLD_SIZE, WORLD_SIZE};
    float pixel[BATCH * PIXELS];
    int32_t label[BATCH];
    struct random draw = {seed};
    hnas_batch b;

    for (int i = 0; i < BATCH * PIXELS; i++)
        pixel[i] = (float)random_in(&draw, -1, 1);
    for (int i = 0; i < BATCH; i++)
        label[i] = (int32_t)random_int(&draw, WORLD_CLASSES);
    r->status |= hnas_tensor_create(&b.images, r->w.ctx, HNAS_FLOAT32, 4, dims);
    r->status |= hnas_tensor_create(&b.labels, r->w.ctx, HNAS_INT32, 1, dims);
    r->status |= hnas_tensor_set(b.images, HNAS_FLOAT32, pixel + first * PIXELS,
                                 n * PIXELS);
    r->status |= hnas_tensor_set(b.labels, HNAS_INT32, label + first, n);
    return b;
}

static void *be_rank(void *user)
{
    struct rank *r = user;

    for (int i = 0; i < STEPS && r->status == HNAS_OK; i++) {
        hnas_batch batch = share(r, 10 + (uint64_t)i);

        if (r->status == HNAS_OK)
            r->status = hnas_model_step(r->model, &batch, &r->info);
        batch_drop(&batch);
    }
    return NULL;
}

/* Run all ranks; contexts are made and closed on this thread. */
static void run(struct rank *r, int32_t n_ranks, int32_t order)
{
    pthread_t thread[MOST_RANKS];

    for (int32_t i = 0; i < n_ranks; i++)
        open_rank(&r[i], i, n_ranks, order);
    for (int32_t i = 0; i < n_ranks; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, be_rank, &r[i]), 0);
    for (int32_t i = 0; i < n_ranks; i++)
        pthread_join(thread[i], NULL);
    for (int32_t i = 0; i < n_ranks; i++)
        r[i].state = model_state(r[i].model, &r[i].n);
}

static void drop(struct rank *r, int32_t n_ranks)
{
    for (int32_t i = 0; i < n_ranks; i++) {
        free(r[i].state);
        hnas_model_destroy(r[i].model);
        world_close(&r[i].w);
    }
}

START_TEST(ranks_train_to_the_bits_of_one)
{
    struct rank one[1], many[MOST_RANKS];

    transport_reset();
    run(one, 1, HNAS_COMM_FIXED);
    ck_assert_msg(one->status == HNAS_OK, "%s",
                  hnas_context_message(one->w.ctx));
    ck_assert_int_eq(one->info.step, STEPS);
    for (int32_t n = 2; n <= MOST_RANKS; n *= 2) {
        transport_reset();
        run(many, n, HNAS_COMM_FIXED);
        for (int32_t i = 0; i < n; i++) {
            ck_assert_msg(many[i].status == HNAS_OK, "%s",
                          hnas_context_message(many[i].w.ctx));
            ck_assert_double_eq(many[i].info.loss, one->info.loss);
            ck_assert_double_eq(many[i].info.norm, one->info.norm);
            ck_assert_msg(!memcmp(one->state, many[i].state,
                                  (size_t)one->n * sizeof *one->state),
                          "rank %d of %d: other bits", (int)i, (int)n);
        }
        drop(many, n);
    }
    drop(one, 1);
}
END_TEST

/* The auxiliary head's weights alone fill a bucket. */
START_TEST(sums_of_any_order_overlap_and_ranks_agree)
{
    struct rank one[1], many[MOST_RANKS];

    transport_reset();
    run(one, 1, HNAS_COMM_ANY);
    for (int32_t n = 2; n <= MOST_RANKS; n *= 2) {
        transport_reset();
        run(many, n, HNAS_COMM_ANY);
        for (int32_t i = 0; i < n; i++) {
            hnas_comm_traffic t = {.size = sizeof t};

            ck_assert_msg(many[i].status == HNAS_OK, "%s",
                          hnas_context_message(many[i].w.ctx));
            ck_assert_mem_eq(many[0].state, many[i].state,
                             (size_t)one->n * sizeof *one->state);
            for (int64_t k = 0; k < one->n; k++)
                ck_assert_double_eq_tol(many[i].state[k], one->state[k], 1e-3);
            ck_assert_int_ge(many[i].net.most_open, 2);
            ck_assert_int_eq(many[i].net.n_open, 0);
            hnas_context_get_traffic(many[i].w.ctx, &t);
            ck_assert_int_eq(t.n_sums, many[i].net.n_sums);
            ck_assert_double_gt(t.overlap_seconds, 0);
        }
        drop(many, n);
    }
    drop(one, 1);
}
END_TEST

START_TEST(a_rank_that_fails_leaves_the_network_as_it_was)
{
    struct rank two[2];
    double *before;
    int64_t n;

    open_rank(&two[0], 0, 2, HNAS_COMM_FIXED);
    before = model_state(two[0].model, &n);
    drop(two, 1);
    transport_reset();
    transport_break(1);
    run(two, 2, HNAS_COMM_FIXED);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(two[i].status, HNAS_E_COMM);
        ck_assert_ptr_nonnull(
            strstr(hnas_context_message(two[i].w.ctx), " of 2: an exchange"));
        ck_assert_mem_eq(two[i].state, before, (size_t)n * sizeof *before);
    }
    free(before);
    drop(two, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("ranks");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, ranks_train_to_the_bits_of_one);
    tcase_add_test(t, sums_of_any_order_overlap_and_ranks_agree);
    tcase_add_test(t, a_rank_that_fails_leaves_the_network_as_it_was);
    suite_add_tcase(s, t);
    return run_suite(s);
}
