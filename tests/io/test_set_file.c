/* SPDX-License-Identifier: BSD-3-Clause */
/* A network set saved and loaded predicts the same bits with every member. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"
#include "io/safetensors.h"

enum { SIDE = 8, CLASSES = 3, EDGES = 5, OPS = 8, IMAGES = 2 };

/* Pixels of every image, and tables of alpha, from a small generator. */
static double number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (1 << 23) - 1;
}

static hnas_hyper *make_hyper(void)
{
    static const char *const names[2] = {"normal", "reduce"};
    const hnas_params *params;
    uint32_t state = 3;
    hnas_hyper_opts o;
    hnas_hyper *h;

    hnas_hyper_opts_init(&o, sizeof o);
    o.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        o.names[k] = names[k];
        o.rows[k] = EDGES;
        o.cols[k] = OPS;
    }
    ck_assert_int_eq(hnas_hyper_create(&h, ctx, &o), HNAS_OK);
    params = hnas_hyper_get_params(h);
    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        double v[EDGES * OPS];

        for (int j = 0; j < EDGES * OPS; j++)
            v[j] = number(&state);
        ck_assert_int_eq(hnas_tensor_set(hnas_params_get_tensor(params, i),
                                         HNAS_FLOAT64, v, EDGES * OPS),
                         HNAS_OK);
    }
    return h;
}

static void calibrate(hnas_set *set)
{
    const int64_t dims[4] = {IMAGES, 1, SIDE, SIDE};
    float pixels[IMAGES * SIDE * SIDE];
    uint32_t state = 9;
    hnas_tensor *t;

    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        pixels[i] = (float)number(&state);
    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 4, dims),
                     HNAS_OK);
    ck_assert_int_eq(
        hnas_tensor_set(t, HNAS_FLOAT32, pixels, IMAGES * SIDE * SIDE),
        HNAS_OK);
    ck_assert_int_eq(hnas_set_calibrate(set, t, 1), HNAS_OK);
    hnas_tensor_unref(t);
}

static hnas_set *make_set_of(int32_t head, int32_t kernels)
{
    hnas_supernet_opts s;
    hnas_path_opts p;
    hnas_supernet *net;
    hnas_hyper *hyper = make_hyper();
    hnas_path *path;
    hnas_set *set;

    hnas_supernet_opts_init(&s, sizeof s);
    s.image[1] = s.image[2] = SIDE;
    s.classes = CLASSES;
    s.channels = 2;
    s.cells = 3;
    s.nodes = 2;
    s.head = head;
    s.kernels = kernels;
    hnas_path_opts_init(&p, sizeof p);
    p.rule = HNAS_RULE_TOP2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &s), HNAS_OK);
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, &p), HNAS_OK);
    ck_assert_int_eq(hnas_set_create(&set, net, path), HNAS_OK);
    ck_assert_int_ge(hnas_set_get_count(set), 3);
    hnas_path_destroy(path);
    hnas_supernet_destroy(net);
    hnas_hyper_destroy(hyper);
    calibrate(set);
    return set;
}

static hnas_set *make_set(void)
{
    return make_set_of(HNAS_HEAD_PLAIN, HNAS_KERNELS_STORED);
}

static void predict(float got[CLASSES], hnas_predictor *p, int32_t member)
{
    float pixels[SIDE * SIDE];
    uint32_t state = 5;
    hnas_array a;

    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (float)number(&state);
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.data = pixels;
    a.dtype = HNAS_FLOAT32;
    a.rank = 4;
    a.dims[0] = a.dims[1] = 1;
    a.dims[2] = a.dims[3] = SIDE;
    ck_assert_int_eq(hnas_predictor_switch(p, member), HNAS_OK);
    ck_assert_int_eq(hnas_predictor_run(p, &a, got, CLASSES), HNAS_OK);
}

static void expect_equal_sets(hnas_set *a, hnas_set *b)
{
    hnas_predictor *p, *q;

    ck_assert_int_eq(hnas_set_get_count(a), hnas_set_get_count(b));
    ck_assert_int_eq(hnas_set_create_predictor(&p, a, 1), HNAS_OK);
    ck_assert_int_eq(hnas_set_create_predictor(&q, b, 1), HNAS_OK);
    for (int32_t i = 0; i < hnas_set_get_count(a); i++) {
        float want[CLASSES], got[CLASSES];
        hnas_set_member m, n;

        predict(want, p, i);
        predict(got, q, i);
        ck_assert_mem_eq(want, got, sizeof got);
        hnas_set_get_member(a, i, &m);
        hnas_set_get_member(b, i, &n);
        ck_assert(m.lo == n.lo && m.hi == n.hi);
        ck_assert(m.latency_us == n.latency_us ||
                  (isnan(m.latency_us) && isnan(n.latency_us)));
        ck_assert_mem_eq(&m.cost, &n.cost, sizeof m.cost);
    }
    hnas_predictor_destroy(p);
    hnas_predictor_destroy(q);
}

static void check_round_trip(int is_measured)
{
    const char *a = fixture_path("a"), *b = fixture_path("b");
    hnas_set *set = make_set(), *again;

    if (is_measured)
        ck_assert_int_eq(hnas_set_measure(set, 3), HNAS_OK);
    ck_assert_str_eq(hnas_set_get_text(set), "");
    ck_assert_int_eq(hnas_set_save(set, a, "mine"), HNAS_OK);
    ck_assert_int_eq(hnas_set_load(&again, ctx, a), HNAS_OK);
    ck_assert_str_eq(hnas_set_get_text(again), "mine");
    expect_equal_sets(set, again);
    ck_assert_int_eq(hnas_set_save(again, b, "mine"), HNAS_OK);
    expect_equal_files(a, b);
    hnas_set_destroy(again);
    hnas_set_destroy(set);
}

START_TEST(a_loaded_set_has_its_members_own_weights)
{
    const char *path = fixture_path("own");
    hnas_set *again, *set;

    fixture_register_ops();
    set = make_set_of(HNAS_HEAD_GENERATED, HNAS_KERNELS_GENERATED_LAMBDA);
    hnas_set_destroy(set);
    fixture_settle(); /* generating takes scratch */
    set = make_set_of(HNAS_HEAD_GENERATED, HNAS_KERNELS_GENERATED_LAMBDA);
    ck_assert_int_eq(hnas_set_save(set, path, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_set_load(&again, ctx, path), HNAS_OK);
    expect_equal_sets(set, again);
    hnas_set_destroy(again);
    hnas_set_destroy(set);
}
END_TEST

START_TEST(a_loaded_set_is_the_saved_one)
{
    fixture_register_ops();
    check_round_trip(0);
    check_round_trip(1);
}
END_TEST

/* A file without tensors whose settings are a text. */
static void expect_refused(const char *format, const char *settings,
                           hnas_status want, const char *words)
{
    const struct hn_st_pair pairs[] = {{"format", format},
                                       {"settings", settings}};
    const char *path = fixture_path("odd");
    hnas_set *set;

    ck_assert_int_eq(hn_st_write(ctx, path, NULL, 0, pairs, settings ? 2 : 1),
                     HNAS_OK);
    expect_failure(hnas_set_load(&set, ctx, path), want, words);
    ck_assert_ptr_null(set);
}

#define SHAPE                                                                  \
    "\"model\": {\"image_channels\": 1, \"image_height\": 8, "                 \
    "\"image_width\": 8, \"classes\": 3, \"channels\": 2, \"cells\": 3, "      \
    "\"nodes\": 1, \"stem_multiplier\": 3, \"affine\": 0, \"auxiliary\": 0}, " \
    "\"rule\": \"argmax\""
#define MEMBER                                                                 \
    "{\"lo\": 1, \"hi\": 2, \"latency_us\": null, \"normal\": [], "            \
    "\"reduce\": []}"

static void check_odd_files(void)
{
    const char *f = "hnas-set-1";

    expect_refused("hnas-model-1", "{}", HNAS_E_MISMATCH, "a network set");
    expect_refused(f, NULL, HNAS_E_FORMAT, "settings");
    expect_refused(f, "{" SHAPE "}", HNAS_E_FORMAT, "members");
    expect_refused(f, "{" SHAPE ", \"members\": []}", HNAS_E_FORMAT, "members");
    expect_refused(f, "{" SHAPE ", \"members\": [{}]}", HNAS_E_FORMAT, "lo");
    expect_refused(f, "{" SHAPE ", \"members\": [" MEMBER ", " MEMBER "]}",
                   HNAS_E_FORMAT, "lo");
    expect_refused(f,
                   "{" SHAPE ", \"members\": [{\"lo\": 1, \"hi\": 2, "
                   "\"latency_us\": \"x\"}]}",
                   HNAS_E_FORMAT, "latency_us");
    expect_refused(f,
                   "{" SHAPE ", \"members\": [{\"lo\": 1, \"hi\": 2, "
                   "\"latency_us\": 3, \"normal\": 1}]}",
                   HNAS_E_FORMAT, "normal");
    expect_refused(f, "{" SHAPE ", \"members\": [" MEMBER "]}", HNAS_E_FORMAT,
                   "stem.conv.weight");
}

START_TEST(odd_files_are_named)
{
    fixture_register_ops();
    check_odd_files();
}
END_TEST

static void check_claims(void)
{
    const size_t before = ctx->alloc.peak_bytes;

    expect_refused("hnas-set-1",
                   "{\"model\": {\"image_channels\": 1, \"image_height\": 8, "
                   "\"image_width\": 8, \"classes\": 3, \"channels\": 4096, "
                   "\"cells\": 1000, \"nodes\": 1, \"stem_multiplier\": 1, "
                   "\"affine\": 0, \"auxiliary\": 0}, \"rule\": \"argmax\", "
                   "\"members\": [{\"lo\": 1, \"hi\": 2, \"latency_us\": null, "
                   "\"normal\": [[\"none\", 1, 0, 2], [\"skip_connect\", 1, 1, "
                   "2]], \"reduce\": []}]}",
                   HNAS_E_FORMAT, "0 arrays");
    ck_assert_uint_lt(ctx->alloc.peak_bytes - before, 17 << 20);
}

START_TEST(a_small_file_that_claims_large_networks_is_refused)
{
    fixture_register_ops();
    check_claims();
}
END_TEST

static void check_memory(void)
{
    const char *a = fixture_path("a"), *b = fixture_path("b");
    hnas_set *set = make_set(), *again = NULL;
    hnas_status st = HNAS_E_NOMEM;

    ck_assert_int_eq(hnas_set_save(set, a, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_set_save(set, b, NULL), HNAS_OK);
    for (int k = 0; st != HNAS_OK; k++) {
        fixture_fail_allocation(k);
        st = hnas_set_save(set, b, NULL);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        expect_equal_files(a, b);
    }
    hnas_set_destroy(set);
    st = HNAS_E_NOMEM;
    for (int k = 0; st != HNAS_OK; k += 1 + k / 64) {
        fixture_fail_allocation(k);
        st = hnas_set_load(&again, ctx, a);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !again));
    }
    ck_assert_int_eq(hnas_set_save(again, b, NULL), HNAS_OK);
    expect_equal_files(a, b);
    hnas_set_destroy(again);
    ck_assert_int_eq(hnas_set_save(NULL, b, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_set_load(NULL, ctx, b), HNAS_E_ARG);
    ck_assert_int_eq(hnas_set_load(&again, ctx, fixture_path("none")),
                     HNAS_E_IO);
}

START_TEST(without_memory_files_are_left_alone)
{
    fixture_register_ops();
    check_memory();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("set_file");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_loaded_set_is_the_saved_one);
    tcase_add_test(t, a_loaded_set_has_its_members_own_weights);
    tcase_add_test(t, odd_files_are_named);
    tcase_add_test(t, a_small_file_that_claims_large_networks_is_refused);
    tcase_add_test(t, without_memory_files_are_left_alone);
    return fixture_run(t);
}
