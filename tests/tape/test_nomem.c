/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of memory on the tape: the arena is left any room at all, then the
 * host refuses.  What failed can be tried again, and comes out the same. */
#include <string.h>

#include "graph.h"
#include "support/check_main.h"
#include "support/memory.h"
#include "tape/tape.h"

/* An arena's first block; a step of room that finds every taking. */
enum { BLOCK = 256 << 10, ROOM = 64 };

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tape *tape;
static struct net net;
static struct outcome want;

static void outcome_of(struct outcome *o)
{
    struct graph g;

    net_clear_gradients(&net);
    ck_assert_int_eq(hnas_tape_reset(tape, 0), HNAS_OK);
    ck_assert_int_eq(graph_record(&g, tape, &net), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(g.loss, HNAS_FLOAT64, &o->loss, 1), 0);
    ck_assert_int_eq(hnas_tape_backward(tape, g.loss), HNAS_OK);
    net_read_gradients(&net, o);
    graph_drop(&g);
}

static void setup(void)
{
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    net_make(&net, ctx);
    outcome_of(&want);
}

static void teardown(void)
{
    net_drop(&net);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* A new tape with so many bytes of room, and no more from the host. */
static void starve(size_t room, int deferred)
{
    hnas_tape_destroy(tape);
    hooks.left = -1;
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_ptr_nonnull(hn_arena_take(&tape->arena, BLOCK - room));
    if (deferred)
        hnas_tape_defer(tape);
    net_clear_gradients(&net);
    hooks.left = 0;
}

/* The tape's lists grow once; they are not of the arena. */
static void allow_lists(void)
{
    tape->node = hn_alloc_array(&ctx->alloc, 256, sizeof(struct hn_node *));
    tape->capacity = 256;
    tape->read = hn_alloc_array(&ctx->alloc, 256, sizeof(struct hn_read));
    tape->read_capacity = 256;
}

/* Record and sweep in some room; what fails is tried again at once where
 * `again` says so, else it ends the run. */
static hnas_status run_in(size_t room, int deferred, int again,
                          struct outcome *o)
{
    struct graph g;
    hnas_status st = HNAS_OK;

    starve(room, deferred);
    hooks.left = -1;
    allow_lists();
    hooks.left = 0;
    memset(&g, 0, sizeof g);
    for (int i = 0; i < N_STEPS && st == HNAS_OK; i++) {
        st = graph_step(&g, i, tape, &net);
        if (st == HNAS_E_NOMEM && again) {
            hooks.left = -1;
            st = graph_step(&g, i, tape, &net);
        }
    }
    if (st == HNAS_OK)
        st = hnas_tape_run(tape);
    if (st == HNAS_OK)
        st = hnas_tensor_get(g.loss, HNAS_FLOAT64, &o->loss, 1);
    if (st == HNAS_OK)
        st = hnas_tape_backward(tape, g.loss);
    if (st == HNAS_OK)
        net_read_gradients(&net, o);
    hooks.left = -1;
    graph_drop(&g);
    return st;
}

static void sweep_rooms(int deferred)
{
    struct outcome got;
    hnas_status st = HNAS_E_NOMEM;
    int64_t n_failed = 0;

    for (size_t room = 0; st != HNAS_OK; room += ROOM) {
        ck_assert_uint_lt(room, BLOCK);
        st = run_in(room, deferred, 0, &got);
        if (st == HNAS_OK)
            break;
        n_failed++;
        ck_assert_msg(st == HNAS_E_NOMEM, "room %zu: %s", room,
                      hnas_status_name(st));
        if (room % (16 * ROOM))
            continue;
        outcome_of(&got);
        ck_assert_mem_eq(&got, &want, sizeof want);
    }
    ck_assert_int_gt(n_failed, 200);
    ck_assert_mem_eq(&got, &want, sizeof want);
}

START_TEST(any_taking_that_fails_is_no_memory_and_reset_mends_it)
{
    sweep_rooms(0);
}
END_TEST

START_TEST(the_same_of_deferred_funcs)
{
    sweep_rooms(1);
}
END_TEST

START_TEST(a_func_that_found_no_memory_can_be_tried_again)
{
    const size_t all = 5 * N_VALUES * sizeof(real) + 40000;

    for (size_t room = 0; room < all; room += ROOM) {
        struct outcome got;
        const hnas_status st = run_in(room, 0, 1, &got);

        if (st == HNAS_E_NOMEM) /* the sweep itself, not tried again */
            continue;
        ck_assert_int_eq(st, HNAS_OK);
        ck_assert_msg(!memcmp(&got, &want, sizeof want), "room %zu", room);
    }
}
END_TEST

START_TEST(funcs_without_a_tape_survive_every_failing_allocation)
{
    double loss;

    for (int i = 0; i < N_STEPS; i++) {
        hnas_status st = HNAS_E_NOMEM;

        for (int64_t n = 0; st != HNAS_OK; n++) {
            struct graph g;

            memset(&g, 0, sizeof g);
            for (int k = 0; k < i; k++)
                ck_assert_int_eq(graph_step(&g, k, NULL, &net), HNAS_OK);
            hooks.left = n;
            st = graph_step(&g, i, NULL, &net);
            hooks.left = -1;
            ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
            if (st < 0)
                ck_assert_int_eq(graph_step(&g, i, NULL, &net), HNAS_OK);
            if (g.loss)
                ck_assert_int_eq(
                    hnas_tensor_get(g.loss, HNAS_FLOAT64, &loss, 1), 0);
            graph_drop(&g);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tape");
    TCase *t = tcase_create("nomem");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, any_taking_that_fails_is_no_memory_and_reset_mends_it);
    tcase_add_test(t, the_same_of_deferred_funcs);
    tcase_add_test(t, a_func_that_found_no_memory_can_be_tried_again);
    tcase_add_test(t, funcs_without_a_tape_survive_every_failing_allocation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
