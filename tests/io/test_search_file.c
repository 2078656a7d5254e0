/* SPDX-License-Identifier: BSD-3-Clause */
#define _DEFAULT_SOURCE
/* A search saved, loaded and continued is the unbroken one in every bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/context.h"
#include "hnas/hnas.h"
#include "io/safetensors.h"
#include "support/check_main.h"

static char folder[] = "/tmp/hnas-test-XXXXXX";
static char path[2][128];
static hnas_tensor *images, *labels;

struct world {
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch batch;
};

static hnas_context *open_context(int threads)
{
    hnas_context_opts o;
    hnas_context *ctx;

    hnas_context_opts_init(&o, sizeof o);
    o.n_threads = threads;
    o.seed = 5;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    return ctx;
}

static void make_batch(struct world *w)
{
    const int64_t dims[4] = {6, 1, 8, 8}, n = 6;
    float pixels[6 * 64];
    int32_t label[6];

    srand(11);
    for (int i = 0; i < 6 * 64; i++)
        pixels[i] = (float)(rand() % 1000) / 500 - 1;
    for (int i = 0; i < 6; i++)
        label[i] = i % 3;
    ck_assert_int_eq(hnas_tensor_create(&images, w->ctx, HNAS_FLOAT32, 4, dims),
                     0);
    ck_assert_int_eq(hnas_tensor_create(&labels, w->ctx, HNAS_INT32, 1, &n), 0);
    ck_assert_int_eq(hnas_tensor_set(images, HNAS_FLOAT32, pixels, 6 * 64), 0);
    ck_assert_int_eq(hnas_tensor_set(labels, HNAS_INT32, label, 6), 0);
    w->batch.images = images;
    w->batch.labels = labels;
}

/* Where the pointwise kernels of the next search come from. */
static int32_t kernels;

static void begin(struct world *w, const char *preset, int threads)
{
    hnas_supernet_opts n;
    hnas_preset p;

    memset(w, 0, sizeof *w);
    w->ctx = open_context(threads);
    hnas_supernet_opts_init(&n, sizeof n);
    n.image[1] = n.image[2] = 8;
    n.classes = 3;
    n.channels = 3;
    n.cells = 3;
    n.nodes = 2;
    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, w->ctx, preset), 0);
    hnas_preset_fit_net(&p, &n);
    n.kernels = kernels;
    ck_assert_int_eq(hnas_supernet_create(&w->net, w->ctx, &n), 0);
    hnas_supernet_fit_hyper(w->net, &p.hyper);
    p.search.bilevel.total_steps = 12;
    ck_assert_int_eq(hnas_hyper_create(&w->hyper, w->ctx, &p.hyper), 0);
    ck_assert_int_eq(
        hnas_search_create(&w->search, w->net, w->hyper, &p.search), 0);
    make_batch(w);
}

static void end(struct world *w)
{
    hnas_search_destroy(w->search);
    hnas_hyper_destroy(w->hyper);
    hnas_supernet_destroy(w->net);
    hnas_tensor_unref(w->batch.images);
    hnas_tensor_unref(w->batch.labels);
    hnas_context_destroy(w->ctx);
}

static void step(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(
            hnas_search_step(w->search, &w->batch, &w->batch, NULL, 0, NULL),
            HNAS_OK);
}

static char *read_all(const char *name, long *size)
{
    FILE *f = fopen(name, "rb");
    char *bytes;

    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    bytes = malloc((size_t)*size);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)*size, f), (size_t)*size);
    fclose(f);
    return bytes;
}

static void expect_equal_files(void)
{
    long size[2];
    char *a = read_all(path[0], &size[0]), *b = read_all(path[1], &size[1]);

    ck_assert_int_eq(size[0], size[1]);
    ck_assert_int_eq(memcmp(a, b, (size_t)size[0]), 0);
    free(a);
    free(b);
}

static void check_preset(const char *preset)
{
    struct world whole, broken;

    begin(&whole, preset, 1);
    step(&whole, 6);
    ck_assert_int_eq(hnas_search_save(whole.search, path[0], "mine"), 0);
    end(&whole);

    begin(&broken, preset, 2);
    step(&broken, 3);
    ck_assert_int_eq(hnas_search_save(broken.search, path[1], "mine"), 0);
    hnas_search_destroy(broken.search);
    hnas_hyper_destroy(broken.hyper);
    hnas_supernet_destroy(broken.net);
    broken.hyper = NULL;
    broken.net = NULL;
    ck_assert_int_eq(hnas_search_load(&broken.search, broken.ctx, path[1]), 0);
    ck_assert_str_eq(hnas_search_get_text(broken.search), "mine");
    ck_assert_int_eq(hnas_search_get_steps(broken.search), 3);
    step(&broken, 3);
    ck_assert_int_eq(hnas_search_save(broken.search, path[1], "mine"), 0);
    end(&broken);
    expect_equal_files();
}

START_TEST(a_resumed_search_is_the_unbroken_one)
{
    check_preset("default");
    check_preset("darts");
    check_preset("darts_l1");
    check_preset("fair_darts");
    check_preset("darts_cc");
    check_preset("seed");
    kernels = HNAS_KERNELS_GENERATED_LAMBDA;
    check_preset("default");
    check_preset("darts_cc");
    kernels = HNAS_KERNELS_STORED;
}
END_TEST

START_TEST(a_calibrated_search_saves_its_own_statistics)
{
    struct world w;

    begin(&w, "default", 1);
    step(&w, 2);
    ck_assert_int_eq(hnas_search_save(w.search, path[0], NULL), 0);
    ck_assert_int_eq(
        hnas_search_calibrate(w.search, NULL, 1e-2, w.batch.images, 0, 1), 0);
    ck_assert_int_eq(hnas_search_save(w.search, path[1], NULL), 0);
    expect_equal_files();
    end(&w);
}
END_TEST

START_TEST(a_file_that_is_no_search_is_named)
{
    hnas_context *ctx = open_context(1);
    hnas_search *s = (hnas_search *)ctx;
    FILE *f = fopen(path[0], "wb");

    fputs("hello", f);
    fclose(f);
    ck_assert_int_lt(hnas_search_load(&s, ctx, path[0]), 0);
    ck_assert_ptr_null(s);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), path[0]));
    ck_assert_int_eq(hnas_search_load(&s, ctx, "/nowhere/at/all"), HNAS_E_IO);
    hnas_context_destroy(ctx);
}
END_TEST

/* The settings of a small search with other channels, and no array. */
static void write_claims(hnas_context *ctx)
{
    struct hn_st_pair pairs[2] = {{"format", NULL}, {"settings", NULL}};
    struct hn_st_file *file;
    const char *settings, *channels;
    char text[8192];

    ck_assert_int_eq(hn_st_open(&file, ctx, path[0]), HNAS_OK);
    settings = hn_st_meta(file, "settings");
    channels = strstr(settings, "\"channels\":");
    ck_assert_ptr_nonnull(channels);
    channels += strlen("\"channels\":");
    ck_assert_int_lt(snprintf(text, sizeof text, "%.*s 16384%s",
                              (int)(channels - settings), settings,
                              channels + strcspn(channels, ",}")),
                     (int)sizeof text);
    pairs[0].value = hn_st_meta(file, "format");
    pairs[1].value = text;
    ck_assert_int_eq(hn_st_write(ctx, path[1], NULL, 0, pairs, 2), HNAS_OK);
    hn_st_close(file);
}

START_TEST(a_small_file_that_claims_a_large_search_is_refused)
{
    struct world w;
    hnas_search *s;
    size_t before;

    for (kernels = 0; kernels < 3; kernels++) {
        begin(&w, "default", 1);
        ck_assert_int_eq(hnas_search_save(w.search, path[0], NULL), 0);
        write_claims(w.ctx);
        before = w.ctx->alloc.peak_bytes;
        ck_assert_int_eq(hnas_search_load(&s, w.ctx, path[1]), HNAS_E_FORMAT);
        ck_assert_ptr_null(s);
        ck_assert_ptr_nonnull(strstr(hnas_context_message(w.ctx), "0 arrays"));
        ck_assert_uint_lt(w.ctx->alloc.peak_bytes - before, 17 << 20);
        end(&w);
    }
    kernels = 0;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("io");
    TCase *t = tcase_create("search_file");
    int status;

    if (!mkdtemp(folder))
        return 99;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/%d.safetensors", folder, i);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_resumed_search_is_the_unbroken_one);
    tcase_add_test(t, a_calibrated_search_saves_its_own_statistics);
    tcase_add_test(t, a_file_that_is_no_search_is_named);
    tcase_add_test(t, a_small_file_that_claims_a_large_search_is_refused);
    suite_add_tcase(s, t);
    status = run_suite(s);
    unlink(path[0]);
    unlink(path[1]);
    rmdir(folder);
    return status;
}
