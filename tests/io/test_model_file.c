/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network saved, loaded and trained on is the unbroken one in every
 * bit. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"
#include "io/safetensors.h"

enum { IMAGES = 6, SIDE = 8, CLASSES = 3, EDGES = 5, OPS = 8 };

static hnas_batch make_batch(void)
{
    const int64_t dims[4] = {IMAGES, 1, SIDE, SIDE}, n = IMAGES;
    float pixels[IMAGES * SIDE * SIDE];
    int32_t label[IMAGES];
    hnas_batch b;

    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        pixels[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int i = 0; i < IMAGES; i++)
        label[i] = i % CLASSES;
    ck_assert_int_eq(hnas_tensor_create(&b.images, ctx, HNAS_FLOAT32, 4, dims),
                     0);
    ck_assert_int_eq(hnas_tensor_create(&b.labels, ctx, HNAS_INT32, 1, &n), 0);
    ck_assert_int_eq(
        hnas_tensor_set(b.images, HNAS_FLOAT32, pixels, IMAGES * SIDE * SIDE),
        0);
    ck_assert_int_eq(hnas_tensor_set(b.labels, HNAS_INT32, label, IMAGES), 0);
    return b;
}

/* A network with none, dead edges, and all that training may add. */
static hnas_model *make_model(int trains)
{
    static const int op[2][EDGES] = {{0, 0, 4, 3, 6}, {3, 1, 2, 5, 7}};
    double alpha[2][EDGES * OPS] = {{0}, {0}};
    const double *const tables[2] = {alpha[0], alpha[1]};
    hnas_supernet_opts s;
    hnas_supernet *net;
    hnas_train_opts t;
    hnas_model_opts o;
    hnas_arch *arch;
    hnas_model *m;

    for (int k = 0; k < 2; k++)
        for (int e = 0; e < EDGES; e++)
            alpha[k][e * OPS + op[k][e]] = 1;
    hnas_supernet_opts_init(&s, sizeof s);
    s.channels = 2;
    s.cells = 3;
    s.nodes = 2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &s), HNAS_OK);
    ck_assert_int_eq(hnas_arch_from_alpha(&arch, net, tables, 0, 0), HNAS_OK);
    hnas_model_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = SIDE;
    o.classes = CLASSES;
    o.channels = 3;
    o.cells = 3;
    o.nodes = 2;
    o.affine = 1;
    ck_assert_int_eq(hnas_model_create(&m, ctx, arch, &o), HNAS_OK);
    hnas_train_opts_init(&t, sizeof t);
    t.total_steps = 8;
    t.drop_path = 0.3;
    t.label_smoothing = 0.1;
    t.average = 0.9;
    if (trains)
        ck_assert_int_eq(hnas_model_train(m, &t), HNAS_OK);
    hnas_arch_destroy(arch);
    hnas_supernet_destroy(net);
    return m;
}

static void step(hnas_model *m, const hnas_batch *b, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(hnas_model_step(m, b, NULL), HNAS_OK);
}

static void check_resume(void)
{
    const char *a = fixture_path("a"), *b = fixture_path("b");
    hnas_batch batch = make_batch();
    hnas_model *m = make_model(1);

    step(m, &batch, 6);
    ck_assert_int_eq(hnas_model_save(m, a, "mine"), HNAS_OK);
    hnas_model_destroy(m);
    m = make_model(1);
    step(m, &batch, 3);
    ck_assert_int_eq(hnas_model_save(m, b, "mine"), HNAS_OK);
    hnas_model_destroy(m);
    ck_assert_int_eq(hnas_model_load(&m, ctx, b), HNAS_OK);
    ck_assert_str_eq(hnas_model_get_text(m), "mine");
    ck_assert_int_eq(hnas_model_get_steps(m), 3);
    step(m, &batch, 3);
    ck_assert_int_eq(hnas_model_save(m, b, "mine"), HNAS_OK);
    expect_equal_files(a, b);
    hnas_model_destroy(m);
    hnas_tensor_unref(batch.images);
    hnas_tensor_unref(batch.labels);
}

START_TEST(a_training_that_was_saved_goes_on_bit_for_bit)
{
    fixture_register_ops();
    check_resume();
}
END_TEST

static void check_no_training(void)
{
    const char *a = fixture_path("a");
    hnas_batch batch = make_batch();
    hnas_model *m = make_model(0), *n;
    float want[IMAGES * CLASSES], got[IMAGES * CLASSES];
    hnas_cost cost[2];

    ck_assert_int_eq(hnas_model_calibrate(m, batch.images, 1), HNAS_OK);
    hnas_model_predict(m, batch.images, want, IMAGES * CLASSES);
    ck_assert_int_eq(hnas_model_save(m, a, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_model_load(&n, ctx, a), HNAS_OK);
    ck_assert_str_eq(hnas_model_get_text(n), "");
    ck_assert_int_eq(hnas_model_step(n, &batch, NULL), HNAS_E_STATE);
    ck_assert_int_eq(hnas_model_predict(n, batch.images, got, IMAGES * CLASSES),
                     HNAS_OK);
    ck_assert_mem_eq(got, want, sizeof got);
    hnas_model_get_cost(m, &cost[0], NULL);
    hnas_model_get_cost(n, &cost[1], NULL);
    ck_assert_mem_eq(&cost[0], &cost[1], sizeof cost[0]);
    hnas_model_destroy(m);
    hnas_model_destroy(n);
    hnas_tensor_unref(batch.images);
    hnas_tensor_unref(batch.labels);
}

START_TEST(a_network_that_does_not_train_predicts_the_same)
{
    fixture_register_ops();
    check_no_training();
}
END_TEST

/* A file without tensors whose settings are a text. */
static void expect_refused(const char *format, const char *settings,
                           hnas_status want, const char *words)
{
    const struct hn_st_pair pairs[] = {{"format", format},
                                       {"settings", settings}};
    const char *path = fixture_path("odd");
    hnas_model *m;

    ck_assert_int_eq(hn_st_write(ctx, path, NULL, 0, pairs, settings ? 2 : 1),
                     HNAS_OK);
    expect_failure(hnas_model_load(&m, ctx, path), want, words);
    ck_assert_ptr_null(m);
}

#define SHAPE                                                                  \
    "\"model\": {\"image_channels\": 1, \"image_height\": 8, "                 \
    "\"image_width\": 8, \"classes\": 3, \"channels\": 2, \"cells\": 3, "      \
    "\"nodes\": 1, \"stem_multiplier\": 3, \"affine\": 0, \"auxiliary\": 0}, " \
    "\"steps\": 0, \"is_swapped\": 0, \"seed\": \"0\", \"train\": null, "      \
    "\"rule\": \"argmax\""

static void check_odd_files(void)
{
    expect_refused("hnas-search-1", "{}", HNAS_E_MISMATCH, "hnas-search-1");
    expect_refused("hnas-model-1", NULL, HNAS_E_FORMAT, "settings");
    expect_refused("hnas-model-1", "{", HNAS_E_FORMAT, "");
    expect_refused("hnas-model-1", "[]", HNAS_E_FORMAT, "model");
    expect_refused("hnas-model-1", "{" SHAPE "}", HNAS_E_FORMAT, "normal");
    expect_refused("hnas-model-1", "{" SHAPE ", \"normal\": [], \"reduce\": 1}",
                   HNAS_E_FORMAT, "reduce");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": null, \"reduce\": []}",
                   HNAS_E_MISMATCH, "normal");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": [[\"nothing\", 1, 0, 2]], "
                   "\"reduce\": []}",
                   HNAS_E_NAME, "nothing");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": [[\"none\", 9, 0, 2]], "
                   "\"reduce\": []}",
                   HNAS_E_MISMATCH, "version 9");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": [[\"none\", 1, 0, 3]], "
                   "\"reduce\": []}",
                   HNAS_E_MISMATCH, "0 -> 3");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": [[\"none\", 1, 1, 2], [\"none\", "
                   "1, 0, 2]], \"reduce\": []}",
                   HNAS_E_FORMAT, "normal");
    expect_refused("hnas-model-1",
                   "{" SHAPE ", \"normal\": [], \"reduce\": []}", HNAS_E_FORMAT,
                   "stem.conv.weight");
}

static void check_claims(void)
{
    const char *large =
        "{\"model\": {\"image_channels\": 1, \"image_height\": 8, "
        "\"image_width\": 8, \"classes\": 3, \"channels\": 4096, "
        "\"cells\": 1000, \"nodes\": 1, \"stem_multiplier\": 1, "
        "\"affine\": 0, \"auxiliary\": 0}, \"steps\": 0, "
        "\"is_swapped\": 0, \"seed\": \"0\", \"train\": null, \"rule\": "
        "\"argmax\", \"normal\": [[\"none\", 1, 0, 2], "
        "[\"skip_connect\", 1, 1, 2]], \"reduce\": []}";
    const size_t before = ctx->alloc.peak_bytes;

    expect_refused("hnas-model-1", large, HNAS_E_FORMAT, "0 arrays");
    ck_assert_uint_lt(ctx->alloc.peak_bytes - before, 17 << 20);
}

START_TEST(a_small_file_that_claims_a_large_network_is_refused)
{
    fixture_register_ops();
    check_claims();
}
END_TEST

static void check_negative_variance(void)
{
    const char *path = fixture_path("a");
    hnas_model *m = make_model(0);
    hnas_tensor *var;

    ck_assert_int_eq(
        hnas_params_find(&var, hnas_model_get_params(m), "stem.bn.running_var"),
        HNAS_OK);
    hn_real(var)[0] = -1;
    ck_assert_int_eq(hnas_model_save(m, path, NULL), HNAS_OK);
    hnas_model_destroy(m);
    expect_failure(hnas_model_load(&m, ctx, path), HNAS_E_FORMAT,
                   "stem.bn.running_var");
    ck_assert_ptr_null(m);
}

START_TEST(a_variance_below_zero_is_refused)
{
    fixture_register_ops();
    check_negative_variance();
}
END_TEST

START_TEST(odd_files_are_named)
{
    fixture_register_ops();
    check_odd_files();
}
END_TEST

static void check_memory(void)
{
    const char *a = fixture_path("a"), *b = fixture_path("b");
    hnas_model *m = make_model(1), *n;
    hnas_status st = HNAS_E_NOMEM;

    ck_assert_int_eq(hnas_model_save(m, a, "x"), HNAS_OK);
    ck_assert_int_eq(hnas_model_save(m, b, "x"), HNAS_OK);
    for (int k = 0; st != HNAS_OK; k++) {
        fixture_fail_allocation(k);
        st = hnas_model_save(m, b, "x");
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
        expect_equal_files(a, b);
    }
    st = HNAS_E_NOMEM;
    for (int k = 0; st != HNAS_OK; k++) {
        fixture_fail_allocation(k);
        st = hnas_model_load(&n, ctx, a);
        fixture_fail_allocation(-1);
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !n));
    }
    ck_assert_int_eq(hnas_model_save(n, b, "x"), HNAS_OK);
    expect_equal_files(a, b);
    hnas_model_destroy(m);
    hnas_model_destroy(n);
    ck_assert_int_eq(hnas_model_save(NULL, b, "x"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_load(NULL, ctx, b), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_load(&n, ctx, fixture_path("none")), HNAS_E_IO);
}

START_TEST(without_memory_files_are_left_alone)
{
    fixture_register_ops();
    check_memory();
}
END_TEST

static void flip(const char *path, size_t at)
{
    size_t n;
    unsigned char *bytes = fixture_read(path, &n);

    ck_assert_uint_lt(at, n);
    bytes[at] ^= 0x10;
    fixture_write(path, bytes, n);
    free(bytes);
}

/* Load a, expect the network so many steps and saves old. */
static void expect_kept(int32_t want, int64_t steps)
{
    hnas_model *m;
    int32_t age = -1;

    ck_assert_int_eq(hnas_model_load_kept(&m, ctx, fixture_path("a"), &age),
                     HNAS_OK);
    ck_assert_int_eq(age, want);
    ck_assert_int_eq(hnas_model_get_steps(m), steps);
    hnas_model_destroy(m);
}

static void check_kept(void)
{
    hnas_batch batch = make_batch();
    hnas_model *m = make_model(1);
    int32_t age = -1;

    for (int i = 0; i < 3; i++) {
        step(m, &batch, 1);
        ck_assert_int_eq(hnas_file_keep(ctx, fixture_path("a"), 3), HNAS_OK);
        ck_assert_int_eq(hnas_model_save(m, fixture_path("a"), NULL), HNAS_OK);
    }
    expect_kept(0, 3);
    flip(fixture_path("a"), 5000);
    expect_kept(1, 2);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "; instead "));
    flip(fixture_path("a.1"), 100);
    expect_kept(2, 1);
    flip(fixture_path("a.2"), 1);
    hnas_model_destroy(m);
    ck_assert_int_eq(hnas_model_load_kept(&m, ctx, fixture_path("a"), &age),
                     hnas_model_load(&m, ctx, fixture_path("a")));
    ck_assert_ptr_null(m);
    ck_assert_int_eq(age, 0);
    ck_assert_int_eq(hnas_model_load_kept(NULL, ctx, "a", &age), HNAS_E_ARG);
    ck_assert_int_eq(hnas_model_load_kept(&m, ctx, "a", NULL), HNAS_E_ARG);
    hnas_tensor_unref(batch.images);
    hnas_tensor_unref(batch.labels);
}

START_TEST(a_damaged_network_leads_to_the_one_kept_before)
{
    fixture_register_ops();
    check_kept();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("model_file");

    tcase_add_test(t, a_training_that_was_saved_goes_on_bit_for_bit);
    tcase_add_test(t, a_network_that_does_not_train_predicts_the_same);
    tcase_add_test(t, odd_files_are_named);
    tcase_add_test(t, a_small_file_that_claims_a_large_network_is_refused);
    tcase_add_test(t, a_variance_below_zero_is_refused);
    tcase_add_test(t, without_memory_files_are_left_alone);
    tcase_add_test(t, a_damaged_network_leads_to_the_one_kept_before);
    return fixture_run(t);
}
