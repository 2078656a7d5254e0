/* SPDX-License-Identifier: BSD-3-Clause */
/* Network sets: every member is the network that it would be alone. */
#include "model/set.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "arch/path.h"
#include "hnas/hnas.h"
#include "support/check_main.h"
#include "world.h"

enum { PIXELS = 2 * WORLD_SIZE * WORLD_SIZE, LOGITS = WORLD_IMAGES * 3 };
enum { MOST_MEMBERS = 64 };

static struct world w;
static hnas_hyper *hyper;
static hnas_path *path;
static hnas_batch second;
static float pixels[WORLD_IMAGES * PIXELS];
static hnas_array images;

static void setup(void)
{
    world_open(&w, 2);
    hyper = world_hyper(&w, 4);
    ck_assert_int_eq(hnas_path_create(&path, w.net, hyper, NULL), 0);
    ck_assert_int_ge(hnas_path_get_count(path), 6);
    ck_assert_int_le(hnas_path_get_count(path), MOST_MEMBERS);
    second = world_batch(&w, 2);
    images = world_images(&w, pixels);
}

static void teardown(void)
{
    batch_drop(&second);
    hnas_path_destroy(path);
    hnas_hyper_destroy(hyper);
    world_close(&w);
}

static hnas_set *calibrated(void)
{
    hnas_set *set;

    ck_assert_int_eq(hnas_set_create(&set, w.net, path), 0);
    ck_assert_int_eq(hnas_set_calibrate(set, w.batch.images, 1), 0);
    ck_assert_int_eq(hnas_set_calibrate(set, second.images, 0), 0);
    return set;
}

static void predict(float got[LOGITS], hnas_predictor *p)
{
    ck_assert_int_eq(hnas_predictor_run(p, &images, got, LOGITS), 0);
}

/* What a member's network predicts when it is all there is. */
static void predict_alone(float got[LOGITS], const hnas_set *set, int32_t i)
{
    hnas_predictor *p;
    hnas_model *m;

    ck_assert_int_eq(hnas_set_get_model(&m, set, i), 0);
    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    hnas_model_destroy(m);
    predict(got, p);
    hnas_predictor_destroy(p);
}

START_TEST(switching_gives_the_bits_of_a_predictor_of_its_own)
{
    hnas_set *set = calibrated();
    const int32_t n = hnas_set_get_count(set);
    hnas_predictor *p;
    float want[LOGITS], got[LOGITS];

    ck_assert_int_eq(n, hnas_path_get_count(path));
    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 2), 0);
    ck_assert_int_eq(hnas_predictor_get_current(p), 0);
    for (int32_t k = 0; k < 3 * n; k++) {
        const int32_t i = k * 5 % n;

        ck_assert_int_eq(hnas_predictor_switch(p, i), 0);
        ck_assert_int_eq(hnas_predictor_get_current(p), i);
        predict(got, p);
        predict_alone(want, set, i);
        ck_assert_mem_eq(got, want, sizeof got);
    }
    hnas_predictor_destroy(p);
    hnas_set_destroy(set);
}
END_TEST

/* The same made by hand: derived, inherited, calibrated. */
START_TEST(a_member_is_the_network_of_its_architecture)
{
    hnas_set *set = calibrated();

    for (int32_t i = 0; i < hnas_set_get_count(set); i++) {
        float want[LOGITS], got[LOGITS];
        hnas_set_member member;
        hnas_path_piece piece;
        hnas_predictor *p;
        hnas_arch *arch;
        hnas_cost cost;
        hnas_model *m;

        ck_assert_int_eq(hnas_path_get_arch(&arch, path, i), 0);
        m = world_model(&w, arch);
        hnas_arch_get_cost(arch, &cost, NULL);
        hnas_arch_destroy(arch);
        ck_assert_int_eq(hnas_model_inherit(m, hnas_supernet_get_params(w.net)),
                         0);
        ck_assert_int_eq(hnas_model_calibrate(m, w.batch.images, 1), 0);
        ck_assert_int_eq(hnas_model_calibrate(m, second.images, 0), 0);
        ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
        predict(want, p);
        predict_alone(got, set, i);
        ck_assert_mem_eq(got, want, sizeof got);
        hnas_set_get_member(set, i, &member);
        hnas_path_get_piece(path, i, &piece);
        ck_assert_int_eq(member.cost.params, cost.params);
        ck_assert_int_eq(member.cost.macs, cost.macs);
        ck_assert(member.lo == piece.lo && member.hi == piece.hi);
        ck_assert(isnan(member.latency_us));
        hnas_predictor_destroy(p);
        hnas_model_destroy(m);
    }
    hnas_set_destroy(set);
}
END_TEST

START_TEST(weights_are_stored_once_and_statistics_for_each)
{
    hnas_set *set = calibrated();
    const struct hn_frozen *f = set->frozen;
    int64_t n_shared = 0;

    for (int32_t i = 0; i < f->n; i++) {
        const struct hnas_params *p = &f->model[i]->params;

        for (int64_t k = 0; k < p->n; k++) {
            const struct hn_param *e = &p->entry[k];
            const struct hn_param *had = hn_params_find(&set->weights, e->name);

            if (e->kind == HNAS_PARAM_BUFFER) {
                ck_assert_ptr_null(had);
                ck_assert_ptr_nonnull(e->tensor->memory);
                continue;
            }
            ck_assert_ptr_nonnull(had);
            ck_assert_ptr_eq(e->tensor->data, had->tensor->data);
            n_shared += !e->tensor->memory;
        }
    }
    /* stem, head and preprocess steps alone are many */
    ck_assert_int_gt(n_shared, 10 * (f->n - 1));
    hnas_set_destroy(set);
}
END_TEST

START_TEST(switching_takes_no_memory)
{
    hnas_set *set = calibrated();
    const int32_t n = hnas_set_get_count(set);
    float want[MOST_MEMBERS][LOGITS], got[LOGITS];
    hnas_predictor *p;
    int64_t n_failed;

    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 2), 0);
    for (int32_t i = 0; i < n; i++)
        predict_alone(want[i], set, i);
    hnas_set_destroy(set); /* the predictor keeps what it needs */
    n_failed = w.hooks.n_failed;
    w.hooks.left = 0;
    for (int32_t k = 0; k < 4 * n; k++) {
        ck_assert_int_eq(hnas_predictor_switch(p, k * 7 % n), 0);
        predict(got, p);
        ck_assert_mem_eq(got, want[k * 7 % n], sizeof got);
    }
    w.hooks.left = -1;
    ck_assert_int_eq(w.hooks.n_failed, n_failed);
    hnas_predictor_destroy(p);
}
END_TEST

struct caller {
    hnas_predictor *p;
    int32_t n, step, n_wrong;
    float (*want)[LOGITS];
};

static void *call(void *user)
{
    struct caller *c = user;
    float got[LOGITS];

    for (int32_t k = 0; k < 5 * c->n; k++) {
        const int32_t i = k * c->step % c->n;

        if (hnas_predictor_switch(c->p, i) < 0 ||
            hnas_predictor_run(c->p, &images, got, LOGITS) < 0 ||
            memcmp(got, c->want[i], sizeof got) != 0)
            c->n_wrong++;
    }
    hnas_predictor_destroy(c->p);
    return NULL;
}

START_TEST(every_thread_switches_its_own_handle)
{
    hnas_set *set = calibrated();
    static float want[MOST_MEMBERS][LOGITS];
    struct caller c[3];
    pthread_t thread[3];
    hnas_predictor *p;

    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 1), 0);
    for (int32_t i = 0; i < hnas_set_get_count(set); i++)
        predict_alone(want[i], set, i);
    for (int i = 0; i < 3; i++) {
        c[i] =
            (struct caller){NULL, hnas_set_get_count(set), 2 * i + 1, 0, want};
        ck_assert_int_eq(hnas_predictor_share(&c[i].p, p, 1 + i % 2), 0);
    }
    hnas_set_destroy(set);
    hnas_predictor_destroy(p);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, call, &c[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(c[i].n_wrong, 0);
    }
}
END_TEST

START_TEST(members_are_found_by_lambda_and_by_budget)
{
    hnas_set *set = calibrated();
    const int32_t n = hnas_set_get_count(set);
    hnas_set_member m;

    for (int k = 0; k < 500; k++) {
        const double lambda = 1e-4 * pow(1e3, k / 499.0);

        ck_assert_int_eq(hnas_set_find(set, lambda),
                         hnas_path_find(path, lambda));
    }
    ck_assert_int_eq(hnas_set_find(set, 9e-5), -1);
    ck_assert_int_eq(hnas_set_find(set, 0.2), -1);
    ck_assert_int_eq(hnas_set_find(set, NAN), -1);
    for (int32_t metric = 0; metric < 3; metric++)
        for (int64_t limit = 0; limit < 40000; limit += 123) {
            int32_t got, want;

            ck_assert_int_eq(hnas_set_find_budget(&got, set, metric, limit),
                             hnas_path_find_budget(&want, path, metric, limit));
            ck_assert_int_eq(got, want);
        }
    hnas_set_get_member(set, n, &m);
    ck_assert(m.hi == 0 && m.cost.params == 0);
    hnas_set_destroy(set);
}
END_TEST

START_TEST(members_are_found_by_measured_latency)
{
    hnas_set *set = calibrated();
    const int32_t n = hnas_set_get_count(set);
    hnas_set_member m, found;
    double least = INFINITY, most = 0;
    int32_t index = -7;

    ck_assert_int_eq(hnas_set_find_latency(&index, set, 1e9), HNAS_E_STATE);
    ck_assert_int_eq(hnas_set_measure(set, 0), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_set_measure(set, 11), 0);
    for (int32_t i = 0; i < n; i++) {
        hnas_set_get_member(set, i, &m);
        ck_assert(m.latency_us > 0 && m.latency_us < 1e7);
        least = fmin(least, m.latency_us);
        most = fmax(most, m.latency_us);
    }
    ck_assert_int_eq(hnas_set_find_latency(&index, set, NAN), HNAS_E_RANGE);
    ck_assert_int_eq(index, -7);
    for (int32_t i = 0; i < n; i++) {
        hnas_set_get_member(set, i, &m);
        ck_assert_int_eq(hnas_set_find_latency(&index, set, m.latency_us), 0);
        hnas_set_get_member(set, index, &found);
        ck_assert(found.latency_us == m.latency_us && index <= i);
    }
    ck_assert_int_eq(hnas_set_find_latency(&index, set, INFINITY), 0);
    hnas_set_get_member(set, index, &m);
    ck_assert(m.latency_us == most);
    ck_assert_int_eq(hnas_set_find_latency(&index, set, 0), HNAS_INFEASIBLE);
    hnas_set_get_member(set, index, &m);
    ck_assert(m.latency_us == least);
    hnas_set_destroy(set);
}
END_TEST

/* A supernet of the world's shape whose head and kernels depend on lambda. */
static hnas_supernet *make_generated(int32_t kernels)
{
    hnas_supernet_opts o;
    hnas_supernet *net;

    hnas_supernet_opts_init(&o, sizeof o);
    memcpy(o.image, w.opts.image, sizeof o.image);
    o.classes = w.opts.classes;
    o.channels = w.opts.channels;
    o.cells = w.opts.cells;
    o.nodes = w.opts.nodes;
    o.head = HNAS_HEAD_GENERATED;
    o.kernels = kernels;
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &o), 0);
    return net;
}

/* What a network with the weights of the lower end of a piece predicts. */
static void predict_at(float got[LOGITS], hnas_supernet *net,
                       const hnas_path *of, int32_t i)
{
    const hnas_params *weights;
    hnas_path_piece piece;
    hnas_predictor *p;
    hnas_arch *arch;
    hnas_model *m;

    hnas_path_get_piece(of, i, &piece);
    ck_assert_int_eq(hnas_path_get_arch(&arch, of, i), 0);
    ck_assert_int_eq(hnas_model_create(&m, w.ctx, arch, &w.opts), 0);
    hnas_arch_destroy(arch);
    ck_assert_int_eq(hnas_supernet_get_weights_at(&weights, net, piece.lo), 0);
    ck_assert_int_eq(hnas_model_inherit(m, weights), 0);
    ck_assert_int_eq(hnas_predictor_create(&p, m, 1), 0);
    hnas_model_destroy(m);
    predict(got, p);
    hnas_predictor_destroy(p);
}

START_TEST(members_have_the_weights_that_are_generated_at_their_lambda)
{
    hnas_supernet *net = make_generated(_i);
    float first[LOGITS], want[LOGITS], got[LOGITS];
    hnas_predictor *p;
    hnas_path *of;
    hnas_set *set;
    int n_others = 0;

    ck_assert_int_eq(hnas_path_create(&of, net, hyper, NULL), 0);
    ck_assert_int_eq(hnas_set_create(&set, net, of), 0);
    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 1), 0);
    predict(first, p);
    for (int32_t i = 0; i < hnas_set_get_count(set); i++) {
        ck_assert_int_eq(hnas_predictor_switch(p, i), 0);
        predict(got, p);
        predict_at(want, net, of, i);
        ck_assert_mem_eq(got, want, sizeof got);
        n_others += memcmp(got, first, sizeof got) != 0;
    }
    ck_assert_int_gt(n_others, 0);
    hnas_predictor_destroy(p);
    hnas_set_destroy(set);
    hnas_path_destroy(of);
    hnas_supernet_destroy(net);
}
END_TEST

START_TEST(what_does_not_depend_on_lambda_is_stored_once)
{
    hnas_supernet *net = make_generated(HNAS_KERNELS_GENERATED);
    hnas_path *of;
    hnas_set *set;
    int n_own = 0;

    ck_assert_int_eq(hnas_path_create(&of, net, hyper, NULL), 0);
    ck_assert_int_eq(hnas_set_create(&set, net, of), 0);
    for (int64_t i = 0; i < set->weights.n; i++)
        if (!strncmp(set->weights.entry[i].name, "member.", 7)) {
            ck_assert_ptr_nonnull(strstr(set->weights.entry[i].name, ".head."));
            n_own++;
        }
    ck_assert_int_eq(n_own, 2 * (hnas_set_get_count(set) - 1));
    hnas_set_destroy(set);
    hnas_path_destroy(of);
    hnas_supernet_destroy(net);
}
END_TEST

static int32_t count_down(void *user)
{
    int *left = user;

    return --*left < 0;
}

START_TEST(the_contexts_poll_stops_what_takes_long)
{
    hnas_set *set = calibrated();
    hnas_set_member m;
    int left = 5;

    w.ctx->poll = count_down;
    w.ctx->poll_user = &left;
    w.ctx->poll_ms = 0;
    ck_assert_int_eq(hnas_set_calibrate(set, w.batch.images, 1),
                     HNAS_E_STOPPED);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "poll"));
    left = 5;
    ck_assert_int_eq(hnas_set_measure(set, 11), HNAS_E_STOPPED);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "poll"));
    hnas_set_get_member(set, 0, &m);
    ck_assert(isnan(m.latency_us));
    w.ctx->poll = NULL;
    ck_assert_int_eq(hnas_set_calibrate(set, w.batch.images, 1), HNAS_OK);
    hnas_set_destroy(set);
}
END_TEST

START_TEST(mistakes_are_named)
{
    hnas_set *set = calibrated(), *other;
    hnas_supernet_opts o;
    hnas_predictor *p;
    hnas_supernet *net;
    hnas_model *m;
    int32_t index;

    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 1), 0);
    ck_assert_int_eq(hnas_set_calibrate(set, w.batch.images, 1), HNAS_E_STATE);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "predictors"));
    ck_assert_int_eq(hnas_predictor_switch(p, -1), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_predictor_switch(p, hnas_set_get_count(set)),
                     HNAS_E_RANGE);
    ck_assert_ptr_nonnull(strstr(hnas_predictor_message(p), "network"));
    ck_assert_int_eq(hnas_predictor_switch(NULL, 0), HNAS_E_ARG);
    hnas_predictor_destroy(p);
    ck_assert_int_eq(hnas_set_calibrate(set, w.batch.labels, 1), HNAS_E_TYPE);
    ck_assert_int_eq(hnas_set_calibrate(set, NULL, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_set_create_predictor(&p, set, 0), HNAS_E_RANGE);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(hnas_set_get_model(&m, set, 99), HNAS_E_RANGE);
    ck_assert_ptr_null(m);
    w.ctx->host = "test";
    ck_assert_int_eq(hnas_set_get_model(&m, set, 0), HNAS_E_STATE);
    ck_assert_ptr_null(m);
    w.ctx->host = NULL;
    ck_assert_int_eq(hnas_set_find_budget(&index, set, 3, 1), HNAS_E_RANGE);
    hnas_supernet_opts_init(&o, sizeof o);
    ck_assert_int_eq(hnas_supernet_create(&net, w.ctx, &o), 0);
    ck_assert_int_eq(hnas_set_create(&other, net, path), HNAS_E_MISMATCH);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(hnas_set_create(&other, NULL, path), HNAS_E_ARG);
    hnas_supernet_destroy(net);
    hnas_set_destroy(set);
}
END_TEST

START_TEST(sets_survive_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    hnas_set *set = NULL;
    hnas_predictor *p;
    int64_t n_failed = 0;

    path->n = 2; /* two members have all that there is to fail */
    for (int64_t n = 0; st != HNAS_OK; n++) {
        const size_t held = held_bytes(w.ctx);

        w.hooks.left = n;
        st = hnas_set_create(&set, w.net, path);
        w.hooks.left = -1;
        n_failed += st < 0;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !set));
        ck_assert(st == HNAS_OK || held_bytes(w.ctx) == held);
    }
    ck_assert_int_gt(n_failed, 100);
    st = HNAS_E_NOMEM;
    for (int64_t n = 0; st != HNAS_OK; n++) {
        w.hooks.left = n;
        st = hnas_set_calibrate(set, w.batch.images, 1);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    st = HNAS_E_NOMEM;
    for (int64_t n = 0; st != HNAS_OK; n++) {
        const int64_t live = w.hooks.n_live;

        w.hooks.left = n;
        st = hnas_set_create_predictor(&p, set, 2);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !p));
        ck_assert(st == HNAS_OK || w.hooks.n_live == live);
    }
    hnas_predictor_destroy(p);
    st = HNAS_E_NOMEM;
    for (int64_t n = 0; st != HNAS_OK; n++) {
        const int64_t live = w.hooks.n_live;

        w.hooks.left = n;
        st = hnas_set_measure(set, 1);
        w.hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        ck_assert(st == HNAS_OK || isnan(set->member[0].latency_us));
        ck_assert_int_eq(w.hooks.n_live, live);
    }
    hnas_set_destroy(set);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("set");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, switching_gives_the_bits_of_a_predictor_of_its_own);
    tcase_add_test(t, a_member_is_the_network_of_its_architecture);
    tcase_add_test(t, weights_are_stored_once_and_statistics_for_each);
    tcase_add_test(t, switching_takes_no_memory);
    tcase_add_test(t, every_thread_switches_its_own_handle);
    tcase_add_test(t, members_are_found_by_lambda_and_by_budget);
    tcase_add_test(t, members_are_found_by_measured_latency);
    tcase_add_loop_test(
        t, members_have_the_weights_that_are_generated_at_their_lambda, 0, 3);
    tcase_add_test(t, what_does_not_depend_on_lambda_is_stored_once);
    tcase_add_test(t, the_contexts_poll_stops_what_takes_long);
    tcase_add_test(t, mistakes_are_named);
    tcase_add_test(t, sets_survive_every_failing_allocation);
    suite_add_tcase(s, t);
    return run_suite(s);
}
