/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of an older, shorter struct and of a newer, longer one.  Each lies in
 * memory of just its size, so that a sanitizer sees a byte read beyond. */
#include <stddef.h>
#include <string.h>

#include "support/check_main.h"
#include "world.h"

enum { NEWER_BYTES = 64, NEWER_FILL = 0xa5 };

static struct life life;

/* The first bytes of options, as a program with `bytes` of them passes them;
 * what lies behind those that are known is neither zero nor a default. */
static void *resized(const void *opts, size_t known, size_t bytes)
{
    unsigned char *o = malloc(bytes);

    ck_assert_ptr_nonnull(o);
    memset(o, NEWER_FILL, bytes);
    memcpy(o, opts, bytes < known ? bytes : known);
    memcpy(o, &bytes, sizeof bytes);
    return o;
}

typedef hnas_status (*create_fn)(const void *opts);

/* There is no context yet to hold a line. */
static hnas_status create_context(const void *opts);

/* Sizes from `oldest` on are taken, and so is a longer struct; a size that has
 * no room for itself is refused. */
static void check_sizes(const char *what, const void *opts, size_t oldest,
                        size_t known, create_fn create)
{
    const size_t none = 0;
    hnas_tensor *t;
    hnas_status st;

    for (size_t n = oldest; n <= known + NEWER_BYTES; n += sizeof n) {
        void *o = resized(opts, known, n);

        st = create(o);
        free(o);
        ck_assert_msg(st == HNAS_OK, "%s of %d bytes: %s, %s", what, (int)n,
                      hnas_status_name(st), hnas_context_message(life.ctx));
    }
    /* whatever line was there before is another one */
    ck_assert_int_eq(hnas_tensor_create(&t, life.ctx, -1, 0, NULL),
                     HNAS_E_TYPE);
    ck_assert_msg(create(&none) == HNAS_E_ARG, "%s without a size", what);
    ck_assert_msg(create == create_context ||
                      strstr(hnas_context_message(life.ctx), "size"),
                  "%s: %s", what, hnas_context_message(life.ctx));
}

static hnas_status create_context(const void *opts)
{
    hnas_context *ctx;
    const hnas_status st = hnas_context_create(&ctx, opts);

    hnas_context_destroy(ctx);
    return st;
}

static hnas_status create_net(const void *opts)
{
    hnas_supernet *net;
    const hnas_status st = hnas_supernet_create(&net, life.ctx, opts);

    hnas_supernet_destroy(net);
    return st;
}

static hnas_status create_hyper(const void *opts)
{
    hnas_hyper *hyper;
    const hnas_status st = hnas_hyper_create(&hyper, life.ctx, opts);

    hnas_hyper_destroy(hyper);
    return st;
}

static hnas_status create_search(const void *opts)
{
    hnas_search *search;
    const hnas_status st =
        hnas_search_create(&search, life.net, life.hyper, opts);

    hnas_search_destroy(search);
    return st;
}

static hnas_status create_model(const void *opts)
{
    hnas_model *model;
    const hnas_status st = hnas_model_create(&model, life.ctx, life.arch, opts);

    hnas_model_destroy(model);
    return st;
}

static hnas_status begin_training(const void *opts)
{
    return hnas_model_train(life.model, opts);
}

static hnas_status create_path(const void *opts)
{
    hnas_path *path;
    const hnas_status st = hnas_path_create(&path, life.net, life.hyper, opts);

    hnas_path_destroy(path);
    return st;
}

static hnas_status save_explorer(const void *opts)
{
    return hnas_path_save_html(life.path, fault_path("explorer"), opts);
}

static hnas_status create_batches(const void *opts)
{
    hnas_dataset *data;
    hnas_batches *batches = NULL;
    hnas_status st = hnas_dataset_create(&data, life.ctx, life.batch.images,
                                         life.batch.labels);

    ck_assert_int_eq(st, HNAS_OK);
    st = hnas_batches_create(&batches, life.ctx, data, opts);
    hnas_batches_destroy(batches);
    hnas_dataset_destroy(data);
    return st;
}

START_TEST(contexts_take_options_of_any_age)
{
    hnas_context_opts o;

    hnas_context_opts_init(&o, sizeof o);
    check_sizes("hnas_context_opts", &o, sizeof o.size, sizeof o,
                create_context);
}
END_TEST

START_TEST(nets_and_searches_take_options_of_any_age)
{
    hnas_supernet_opts net;
    hnas_hyper_opts hyper;
    hnas_search_opts search;

    hnas_supernet_opts_init(&net, sizeof net);
    check_sizes("hnas_supernet_opts", &net, sizeof net.size, sizeof net,
                create_net);
    hnas_hyper_opts_init(&hyper, sizeof hyper);
    hyper.n_tables = 1;
    hyper.names[0] = "normal";
    hyper.rows[0] = hyper.cols[0] = 3;
    check_sizes("hnas_hyper_opts", &hyper, offsetof(hnas_hyper_opts, knots),
                sizeof hyper, create_hyper);
    hnas_search_opts_init(&search, sizeof search);
    check_sizes("hnas_search_opts", &search, offsetof(hnas_search_opts, relax),
                sizeof search, create_search);
}
END_TEST

START_TEST(networks_take_options_of_any_age)
{
    hnas_model_opts model;
    hnas_train_opts train;

    ck_assert_int_eq(
        hnas_search_derive(&life.arch, life.search, 1e-3, HNAS_RULE_ARGMAX),
        HNAS_OK);
    ck_assert_int_eq(life_model(&life), HNAS_OK);
    hnas_model_opts_init(&model, sizeof model);
    model.cells = 2; /* the kinds that the architecture has */
    check_sizes("hnas_model_opts", &model,
                offsetof(hnas_model_opts, stem_multiplier), sizeof model,
                create_model);
    hnas_train_opts_init(&train, sizeof train);
    check_sizes("hnas_train_opts", &train, offsetof(hnas_train_opts, rate),
                sizeof train, begin_training);
}
END_TEST

START_TEST(paths_and_batches_take_options_of_any_age)
{
    hnas_path_opts path;
    hnas_explorer_opts explorer;
    hnas_batches_opts batches;

    hnas_path_opts_init(&path, sizeof path);
    check_sizes("hnas_path_opts", &path, sizeof path.size, sizeof path,
                create_path);
    ck_assert_int_eq(hnas_path_create(&life.path, life.net, life.hyper, NULL),
                     HNAS_OK);
    hnas_explorer_opts_init(&explorer, sizeof explorer);
    check_sizes("hnas_explorer_opts", &explorer, sizeof explorer.size,
                sizeof explorer, save_explorer);
    hnas_batches_opts_init(&batches, sizeof batches);
    batches.batch = 2;
    check_sizes("hnas_batches_opts", &batches,
                offsetof(hnas_batches_opts, batch) + sizeof(int64_t),
                sizeof batches, create_batches);
}
END_TEST

START_TEST(a_field_that_is_missing_has_its_default)
{
    hnas_search_opts o, got;
    hnas_search *search;
    void *older;

    hnas_search_opts_init(&o, sizeof o);
    o.draws = 4;
    o.theta = 0.5; /* behind what the older struct has */
    older = resized(&o, sizeof o, offsetof(hnas_search_opts, theta));
    ck_assert_int_eq(hnas_search_create(&search, life.net, life.hyper, older),
                     HNAS_OK);
    hnas_search_get_opts(search, &got, sizeof got);
    ck_assert_int_eq(got.draws, 4);
    ck_assert(got.theta == 0.85);
    hnas_search_destroy(search);
    free(older);
}
END_TEST

static void check_reserve(const char *name, int64_t *last, hnas_status st)
{
    const char *said = hnas_context_message(life.ctx);

    ck_assert_int_eq(st, HNAS_E_RANGE);
    ck_assert_msg(strstr(said, name) && strstr(said, "reserved[7]"), "%s: %s",
                  name, said);
    *last = 0;
}

/* It may be a setting of a later version, which this one must not pass over. */
START_TEST(a_number_in_reserve_is_refused)
{
    hnas_search_opts o;
    hnas_hyper_opts hyper;
    hnas_train_opts train;

    hnas_search_opts_init(&o, sizeof o);
    o.reserved[7] = 1;
    check_reserve("hnas_search_opts", &o.reserved[7], create_search(&o));
    o.bilevel.reserved[7] = 1;
    check_reserve("hnas_bilevel_opts", &o.bilevel.reserved[7],
                  create_search(&o));
    o.bilevel.w.reserved[7] = 1;
    check_reserve("hnas_sgd_opts", &o.bilevel.w.reserved[7], create_search(&o));
    o.bilevel.u.reserved[7] = INT64_MIN;
    check_reserve("hnas_adam_opts", &o.bilevel.u.reserved[7],
                  create_search(&o));
    ck_assert_int_eq(create_search(&o), HNAS_OK);
    hnas_hyper_get_opts(life.hyper, &hyper, sizeof hyper);
    hyper.reserved[7] = 1;
    check_reserve("hnas_hyper_opts", &hyper.reserved[7], create_hyper(&hyper));
    ck_assert_int_eq(create_hyper(&hyper), HNAS_OK);
    ck_assert_int_eq(
        hnas_search_derive(&life.arch, life.search, 1e-3, HNAS_RULE_ARGMAX),
        HNAS_OK);
    ck_assert_int_eq(life_model(&life), HNAS_OK);
    hnas_train_opts_init(&train, sizeof train);
    train.sgd.reserved[7] = 1;
    check_reserve("hnas_sgd_opts", &train.sgd.reserved[7],
                  begin_training(&train));
    ck_assert_int_eq(begin_training(&train), HNAS_OK);
}
END_TEST

static void setup(void)
{
    life_open(&life, 1);
}

static void teardown(void)
{
    life_close(&life);
    fault_clean();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("sizes");

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, contexts_take_options_of_any_age);
    tcase_add_test(t, nets_and_searches_take_options_of_any_age);
    tcase_add_test(t, networks_take_options_of_any_age);
    tcase_add_test(t, paths_and_batches_take_options_of_any_age);
    tcase_add_test(t, a_field_that_is_missing_has_its_default);
    tcase_add_test(t, a_number_in_reserve_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
