/* SPDX-License-Identifier: BSD-3-Clause */
/* Several ranks, here threads with a context each, give the bits of one. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/random.h"
#include "support/transport.h"
#include "world.h"

enum {
    MOST_RANKS = TRANSPORT_RANKS,
    BATCH = 8,
    PIXELS = WORLD_SIZE * WORLD_SIZE
};

static int32_t is_broken; /* the transport of the next run */

struct rank {
    struct world w;
    struct transport net;
    int32_t rank, n_ranks, order;
    const char *preset;
    int32_t relax, exact, n_steps;
    hnas_status status;
    char message[512];
    double *state;
    int64_t n;
    hnas_comm_traffic traffic;
};

/* This rank's images of a batch that is the same for any number of ranks. */
static hnas_batch share(struct rank *r, uint64_t seed)
{
    const int64_t n = BATCH / r->n_ranks;
    const int64_t dims[4] = {n, 1, WORLD_SIZE, WORLD_SIZE};
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
    r->status |= hnas_tensor_set(b.images, HNAS_FLOAT32,
                                 pixel + r->rank * n * PIXELS, n * PIXELS);
    r->status |= hnas_tensor_set(b.labels, HNAS_INT32, label + r->rank * n, n);
    return b;
}

static void run_steps(struct rank *r)
{
    for (int i = 0; i < r->n_steps && r->status == HNAS_OK; i++) {
        hnas_batch train = share(r, 10 + 2 * (uint64_t)i);
        hnas_batch valid = share(r, 11 + 2 * (uint64_t)i);

        if (r->status == HNAS_OK)
            r->status =
                hnas_search_step(r->w.search, &train, &valid, NULL, 0, NULL);
        batch_drop(&train);
        batch_drop(&valid);
    }
}

static void *be_rank(void *user)
{
    struct rank *r = user;
    hnas_comm comm;

    transport_fill(&comm, &r->net, r->rank, r->n_ranks);
    comm.order = r->order;
    if (r->n_ranks > 1)
        r->status = hnas_context_set_comm(r->w.ctx, &comm);
    run_steps(r);
    memcpy(r->message, hnas_context_message(r->w.ctx), sizeof r->message);
    return NULL;
}

/* Run all ranks; contexts are made and closed on this thread. */
static void run(struct rank *r, int32_t n_ranks, const struct rank *like)
{
    pthread_t thread[MOST_RANKS];

    transport_reset();
    transport_break(is_broken);
    for (int32_t i = 0; i < n_ranks; i++) {
        r[i] = *like;
        r[i].rank = i;
        r[i].n_ranks = n_ranks;
        world_open(&r[i].w, like->preset, 1);
        if (like->relax >= 0)
            r[i].w.opts.relax = like->relax;
        r[i].w.opts.gumbel_per_image = 1;
        if (like->exact)
            r[i].w.opts.bilevel.order = HNAS_ORDER_SECOND_EXACT;
        world_search(&r[i].w);
    }
    for (int32_t i = 0; i < n_ranks; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, be_rank, &r[i]), 0);
    for (int32_t i = 0; i < n_ranks; i++)
        pthread_join(thread[i], NULL);
    for (int32_t i = 0; i < n_ranks; i++) {
        r[i].traffic.size = sizeof r[i].traffic;
        hnas_context_get_traffic(r[i].w.ctx, &r[i].traffic);
        r[i].state = world_state(&r[i].w, &r[i].n);
        world_close(&r[i].w);
    }
}

static void drop(struct rank *r, int32_t n_ranks)
{
    for (int32_t i = 0; i < n_ranks; i++)
        free(r[i].state);
}

static void compare(const char *preset, int32_t relax, int32_t exact)
{
    const struct rank like = {
        .preset = preset, .relax = relax, .exact = exact, .n_steps = 3};
    struct rank one[1], many[MOST_RANKS];

    run(one, 1, &like);
    ck_assert_msg(one->status == HNAS_OK, "%s: %s", preset, one->message);
    for (int32_t n = 2; n <= MOST_RANKS; n *= 2) {
        run(many, n, &like);
        for (int32_t i = 0; i < n; i++) {
            ck_assert_msg(many[i].status == HNAS_OK, "%s: %s", preset,
                          many[i].message);
            ck_assert_msg(!memcmp(one->state, many[i].state,
                                  (size_t)one->n * sizeof *one->state),
                          "%s, relaxation %d: rank %d of %d", preset,
                          (int)relax, (int)i, (int)n);
            ck_assert_int_gt(many[i].traffic.n_messages, 0);
            ck_assert_int_gt(many[i].traffic.n_bytes, 0);
        }
        drop(many, n);
    }
    drop(one, 1);
}

START_TEST(ranks_give_the_bits_of_one)
{
    compare("default", -1, 0);
    compare("fair_darts", -1, 0);
    compare("darts_cc", -1, 0);
}
END_TEST

START_TEST(ranks_agree_on_gumbel_gates)
{
    compare("default", HNAS_RELAX_GUMBEL, 0);
    compare("default", HNAS_RELAX_GUMBEL_HARD, 0);
}
END_TEST

START_TEST(ranks_give_the_bits_of_one_in_second_order)
{
    compare("darts", -1, 0);
}
END_TEST

START_TEST(ranks_give_the_bits_of_one_in_the_exact_second_order)
{
    compare("darts", -1, 1);
    compare("fair_darts", -1, 1);
    compare("default", -1, 1);
    compare("default", HNAS_RELAX_GUMBEL, 1);
}
END_TEST

START_TEST(a_rank_that_fails_is_named)
{
    const struct rank like = {.preset = "default", .relax = -1, .n_steps = 2};
    struct rank two[2];

    is_broken = 1;
    run(two, 2, &like);
    is_broken = 0;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(two[i].status, HNAS_E_COMM);
        ck_assert_ptr_nonnull(strstr(two[i].message, " of 2: an exchange"));
    }
    drop(two, 2);
}
END_TEST

START_TEST(a_table_is_checked)
{
    struct transport net;
    hnas_comm comm;
    struct world w;

    transport_fill(&comm, &net, 0, 2);
    comm.sum_start = NULL;
    comm.sum_wait = NULL;
    world_open(&w, "default", 1);
    ck_assert_int_eq(hnas_context_set_comm(NULL, &comm), HNAS_E_ARG);
    ck_assert_int_eq(hnas_context_set_comm(w.ctx, &comm), HNAS_OK);
    comm.rank = 2;
    ck_assert_int_eq(hnas_context_set_comm(w.ctx, &comm), HNAS_E_RANGE);
    ck_assert_str_eq(hnas_context_message(w.ctx),
                     "comm: rank 2 of 2, want 0..n_ranks-1 of 1..65536");
    comm.rank = 1;
    comm.order = HNAS_COMM_ANY;
    ck_assert_int_eq(hnas_context_set_comm(w.ctx, &comm), HNAS_E_ARG);
    comm.order = 2;
    ck_assert_int_eq(hnas_context_set_comm(w.ctx, &comm), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_context_set_comm(w.ctx, NULL), HNAS_OK);
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("ranks");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, ranks_give_the_bits_of_one);
    tcase_add_test(t, ranks_agree_on_gumbel_gates);
    tcase_add_test(t, ranks_give_the_bits_of_one_in_second_order);
    tcase_add_test(t, ranks_give_the_bits_of_one_in_the_exact_second_order);
    tcase_add_test(t, a_rank_that_fails_is_named);
    tcase_add_test(t, a_table_is_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
