/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's poll: a step that it stops, wherever, changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

enum { IMAGES = 4, SIDE = 6 };

struct host {
    int64_t asked, stop_at; /* -1: never */
};

static int32_t poll(void *user)
{
    struct host *h = user;

    return h->asked++ == h->stop_at;
}

struct world {
    struct host host;
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch batch;
};

static void open_context(struct world *w, int32_t n_threads, int32_t poll_ms)
{
    hnas_context_opts o;

    memset(w, 0, sizeof *w);
    w->host.stop_at = -1;
    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = n_threads;
    o.poll = poll;
    o.poll_user = &w->host;
    o.poll_ms = poll_ms;
    ck_assert_int_eq(hnas_context_create(&w->ctx, &o), HNAS_OK);
}

static void open_search(struct world *w)
{
    static const char *const ops[] = {"none", "sep_conv_3x3", "max_pool_3x3"};
    static const char *const names[] = {"normal", "reduce"};
    const int64_t dims[] = {IMAGES, 1, SIDE, SIDE}, n = IMAGES;
    float pixels[IMAGES * SIDE * SIDE];
    hnas_supernet_opts so;
    hnas_hyper_opts ho;
    hnas_search_opts opts;

    hnas_supernet_opts_init(&so, sizeof so);
    so.image[1] = so.image[2] = SIDE;
    so.channels = 2;
    so.cells = 3;
    so.nodes = 1;
    so.n_ops = 3;
    so.ops = ops;
    ck_assert_int_eq(hnas_supernet_create(&w->net, w->ctx, &so), HNAS_OK);
    hnas_hyper_opts_init(&ho, sizeof ho);
    ho.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        ho.names[k] = names[k];
        ho.rows[k] = 2;
        ho.cols[k] = 3;
    }
    ck_assert_int_eq(hnas_hyper_create(&w->hyper, w->ctx, &ho), HNAS_OK);
    hnas_search_opts_init(&opts, sizeof opts);
    opts.bilevel.order = HNAS_ORDER_SECOND_FD;
    opts.bilevel.warmup = 0;
    opts.relax = HNAS_RELAX_SOFTMAX;
    ck_assert_int_eq(hnas_search_create(&w->search, w->net, w->hyper, &opts),
                     HNAS_OK);
    ck_assert_int_eq(
        hnas_tensor_create(&w->batch.images, w->ctx, HNAS_FLOAT32, 4, dims),
        HNAS_OK);
    ck_assert_int_eq(
        hnas_tensor_create(&w->batch.labels, w->ctx, HNAS_INT32, 1, &n),
        HNAS_OK);
    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        pixels[i] = (float)(i * 37 % 19) / 9 - 1;
    ck_assert_int_eq(hnas_tensor_set(w->batch.images, HNAS_FLOAT32, pixels,
                                     IMAGES * SIDE * SIDE),
                     HNAS_OK);
}

static void close_world(struct world *w)
{
    hnas_tensor_unref(w->batch.images);
    hnas_tensor_unref(w->batch.labels);
    hnas_search_destroy(w->search);
    hnas_hyper_destroy(w->hyper);
    hnas_supernet_destroy(w->net);
    hnas_context_destroy(w->ctx);
}

static void append(float **values, int64_t *n, const hnas_params *params)
{
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);
        const int64_t count = hnas_tensor_get_count(t);

        *values = realloc(*values, (size_t)(*n + count) * sizeof **values);
        ck_assert_ptr_nonnull(*values);
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, *values + *n, count),
                         HNAS_OK);
        *n += count;
    }
}

/* All weights, statistics and architecture parameters. */
static float *state(struct world *w, int64_t *n)
{
    float *values = NULL;

    *n = 0;
    append(&values, n, hnas_supernet_get_params(w->net));
    append(&values, n, hnas_hyper_get_params(w->hyper));
    return values;
}

static void expect_state(struct world *w, const float *want, int64_t n)
{
    int64_t now;
    float *values = state(w, &now);

    ck_assert_int_eq(now, n);
    ck_assert_mem_eq(values, want, (size_t)n * sizeof *want);
    free(values);
}

static hnas_status step(struct world *w)
{
    return hnas_search_step(w->search, &w->batch, &w->batch, NULL, 0, NULL);
}

/* Stop a step at its every question in turn; then it goes through, as one
 * that was never stopped does. */
static void stop_everywhere(int32_t n_threads)
{
    struct world w, unbroken;
    float *before, *after;
    int64_t n, m, stops = 0;
    hnas_status st;

    open_context(&unbroken, n_threads, 0);
    open_search(&unbroken);
    ck_assert_int_eq(step(&unbroken), HNAS_OK);
    after = state(&unbroken, &m);
    open_context(&w, n_threads, 0);
    open_search(&w);
    before = state(&w, &n);
    for (;; stops++) {
        w.host.asked = 0;
        w.host.stop_at = stops;
        st = step(&w);
        if (st == HNAS_OK)
            break;
        ck_assert_int_eq(st, HNAS_E_STOPPED);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "poll"));
        ck_assert_int_eq(hnas_search_get_steps(w.search), 0);
        if (stops % 16 == 0)
            expect_state(&w, before, n);
    }
    ck_assert_int_gt(stops, 100);
    ck_assert_int_eq(hnas_search_get_steps(w.search), 1);
    expect_state(&w, after, m);
    free(before);
    free(after);
    close_world(&w);
    close_world(&unbroken);
}

START_TEST(a_stopped_step_changes_nothing_and_goes_through_later)
{
    stop_everywhere(1);
}
END_TEST

START_TEST(a_step_on_two_threads_stops_as_well)
{
    stop_everywhere(2);
}
END_TEST

START_TEST(a_poll_that_waits_is_asked_seldom)
{
    struct world w;

    open_context(&w, 1, 60000);
    open_search(&w);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(step(&w), HNAS_OK);
    ck_assert_int_ge(w.host.asked, 1);
    ck_assert_int_le(w.host.asked, 2);
    close_world(&w);
}
END_TEST

START_TEST(a_negative_wait_is_refused)
{
    hnas_context_opts o;
    hnas_context *ctx;

    hnas_context_opts_init(&o, sizeof o);
    ck_assert_int_eq(o.poll_ms, 20);
    o.poll_ms = -1;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_E_RANGE);
    ck_assert_ptr_null(ctx);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("core");
    TCase *t = tcase_create("poll");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_stopped_step_changes_nothing_and_goes_through_later);
    tcase_add_test(t, a_step_on_two_threads_stops_as_well);
    tcase_add_test(t, a_poll_that_waits_is_asked_seldom);
    tcase_add_test(t, a_negative_wait_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
