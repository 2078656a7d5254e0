/* SPDX-License-Identifier: BSD-3-Clause */
/* Several ranks, here threads with a context each, give the bits of one. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/random.h"
#include "world.h"

enum { MOST_RANKS = 4, BATCH = 8, PIXELS = WORLD_SIZE * WORLD_SIZE };

/* A transport between threads: a slot for each pair. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    const void *slot[MOST_RANKS][MOST_RANKS]; /* [from][to] */
    int32_t n, is_broken;
} net = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

struct rank {
    struct world w;
    int32_t rank, n_ranks, order;
    const char *preset;
    int32_t relax, n_steps;
    hnas_status status;
    char message[512];
    double *state;
    int64_t n;
    hnas_comm_traffic traffic;
};

/* Put out and wait until the peer has taken it; take the peer's. */
static int32_t exchange(void *user, const void *out, size_t out_bytes, void *in,
                        size_t in_bytes, int32_t peer)
{
    const int32_t me = ((const struct rank *)user)->rank;
    struct timespec end;
    int32_t late = 0;

    timespec_get(&end, TIME_UTC);
    end.tv_sec += 20;
    pthread_mutex_lock(&net.lock);
    if (net.is_broken && me == 1) {
        pthread_mutex_unlock(&net.lock);
        return 1;
    }
    if (out_bytes)
        net.slot[me][peer] = out;
    pthread_cond_broadcast(&net.moved);
    while (in_bytes && !net.slot[peer][me] && !net.is_broken && !late)
        late = pthread_cond_timedwait(&net.moved, &net.lock, &end);
    if (in_bytes && net.slot[peer][me]) {
        memcpy(in, net.slot[peer][me], in_bytes);
        net.slot[peer][me] = NULL;
    }
    pthread_cond_broadcast(&net.moved);
    while (out_bytes && net.slot[me][peer] && !net.is_broken && !late)
        late = pthread_cond_timedwait(&net.moved, &net.lock, &end);
    late |= net.is_broken;
    pthread_mutex_unlock(&net.lock);
    return late != 0;
}

static int32_t broadcast(void *user, void *data, size_t bytes, int32_t root)
{
    const struct rank *r = user;
    int32_t rc = 0;

    for (int32_t i = 0; r->rank == root && i < r->n_ranks && !rc; i++)
        if (i != root)
            rc = exchange(user, data, bytes, NULL, 0, i);
    return r->rank == root ? rc : exchange(user, NULL, 0, data, bytes, root);
}

static int32_t barrier(void *user)
{
    (void)user;
    return 0;
}

static void stop_all(void *user, const char *why)
{
    (void)user;
    (void)why;
}

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
    hnas_comm comm = {.size = sizeof comm,
                      .rank = r->rank,
                      .n_ranks = r->n_ranks,
                      .user = r,
                      .exchange = exchange,
                      .broadcast = broadcast,
                      .barrier = barrier,
                      .abort = stop_all};

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

    memset(net.slot, 0, sizeof net.slot);
    for (int32_t i = 0; i < n_ranks; i++) {
        r[i] = *like;
        r[i].rank = i;
        r[i].n_ranks = n_ranks;
        world_open(&r[i].w, like->preset, 1);
        if (like->relax >= 0)
            r[i].w.opts.relax = like->relax;
        r[i].w.opts.gumbel_per_image = 1;
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

static void compare(const char *preset, int32_t relax)
{
    const struct rank like = {.preset = preset, .relax = relax, .n_steps = 3};
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
    compare("default", -1);
    compare("fair_darts", -1);
    compare("darts_cc", -1);
}
END_TEST

START_TEST(ranks_agree_on_gumbel_gates)
{
    compare("default", HNAS_RELAX_GUMBEL);
    compare("default", HNAS_RELAX_GUMBEL_HARD);
}
END_TEST

START_TEST(ranks_give_the_bits_of_one_in_second_order)
{
    compare("darts", -1);
}
END_TEST

START_TEST(a_rank_that_fails_is_named)
{
    const struct rank like = {.preset = "default", .relax = -1, .n_steps = 2};
    struct rank two[2];

    net.is_broken = 1;
    run(two, 2, &like);
    net.is_broken = 0;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(two[i].status, HNAS_E_COMM);
        ck_assert_ptr_nonnull(strstr(two[i].message, " of 2: an exchange"));
    }
    drop(two, 2);
}
END_TEST

START_TEST(a_table_is_checked)
{
    hnas_comm comm = {.size = sizeof comm,
                      .n_ranks = 2,
                      .exchange = exchange,
                      .broadcast = broadcast,
                      .barrier = barrier,
                      .abort = stop_all};
    struct world w;

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
    tcase_add_test(t, a_rank_that_fails_is_named);
    tcase_add_test(t, a_table_is_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
