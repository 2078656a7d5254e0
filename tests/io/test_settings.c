/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of a search as text: what is refused, by which name, and what an
 * older file may lack. */
#include "io/search_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bilevel/search.h"
#include "support/check_main.h"

static hnas_context *ctx;
static hnas_supernet *net;
static hnas_hyper *hyper;
static hnas_search *search;
static char *good;

static void setup(void)
{
    static const char *const ops[] = {"none", "skip_connect"};
    struct hn_json_writer w;
    hnas_supernet_opts o;
    hnas_hyper_opts h;

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), 0);
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 4;
    o.channels = 2;
    o.cells = o.nodes = 1;
    o.ops = ops;
    o.n_ops = 2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), 0);
    hnas_hyper_opts_init(&h, sizeof h);
    hnas_supernet_fit_hyper(net, &h);
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), 0);
    ck_assert_int_eq(hnas_search_create(&search, net, hyper, NULL), 0);
    hn_json_writer_init(&w, ctx);
    ck_assert_int_eq(hn_settings_write(&w, search), 0);
    good = malloc(w.text.length + 1);
    ck_assert_ptr_nonnull(good);
    memcpy(good, w.text.data, w.text.length + 1);
    hn_json_writer_finish(&w);
}

static void teardown(void)
{
    free(good);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
}

/* The good text with one piece changed. */
static char *changed(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    const size_t size = strlen(good) + strlen(to) + 1;
    char *text = malloc(size);

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(at != NULL, "%s: not in the text", from);
    snprintf(text, size, "%.*s%s%s", (int)(at - good), good, to,
             at + strlen(from));
    return text;
}

static hnas_status read_text(struct hn_settings *s, const char *text)
{
    return hn_settings_read(s, ctx, "a file", text);
}

static const struct {
    const char *from, *to;
    hnas_status want;
    const char *word;
} refusals[] = {
    {"\"seed\": \"0\"", "\"seed\": 0", HNAS_E_FORMAT, "seed"},
    {"\"seed\": \"0\"", "\"seed\": \"x\"", HNAS_E_FORMAT, "seed"},
    {"\"seed\"", "\"sead\"", HNAS_E_FORMAT, "seed"},
    {"\"steps\": 0", "\"steps\": -1", HNAS_E_FORMAT, "steps"},
    {"\"w_steps\": 0", "\"w_steps\": -1", HNAS_E_FORMAT, "steps"},
    {"\"steps\": 0", "\"steps\": 9223372036854775807", HNAS_E_FORMAT, "steps"},
    {"\"u_steps\": 0", "\"u_steps\": 0.5", HNAS_E_FORMAT, "u_steps"},
    {"\"relax\"", "\"relay\"", HNAS_E_FORMAT, "relax"},
    {"\"relax\": 4", "\"relax\": \"4\"", HNAS_E_FORMAT, "relax"},
    {"\"relax\": 4", "\"relax\": 4294967300", HNAS_E_FORMAT, "relax"},
    {"\"theta\": 0.85", "\"theta\": null", HNAS_E_FORMAT, "theta"},
    {"\"hyper\"", "\"hiper\"", HNAS_E_FORMAT, "hyper"},
    {"\"supernet\": {", "\"supernet\": 1, \"x\": {", HNAS_E_FORMAT, "supernet"},
    {"\"ops\": [\"none\"", "\"ops\": [3", HNAS_E_FORMAT, "ops"},
    {"\"ops\": [\"none\", \"skip_connect\"]", "\"ops\": []", HNAS_E_FORMAT,
     "ops"},
    {"\"ops\": [\"none\"", "\"ops\": [\"nothing\"", HNAS_E_NAME, "nothing"},
    {"\"op_versions\": [1", "\"op_versions\": [9", HNAS_E_MISMATCH,
     "version 9"},
    {"\"op_versions\": [1", "\"op_versions\": [\"1\"", HNAS_E_FORMAT,
     "op_versions"},
    {"\"op_versions\": [1, 1]", "\"op_versions\": [1]", HNAS_E_FORMAT,
     "op_versions"},
    {"\"skipped\": 0", "\"skipped\": -1", HNAS_E_FORMAT, "nan"},
    {"\"rolled_back\": 0", "\"rolled_back\": -1", HNAS_E_FORMAT, "nan"},
    {"\"tries\": 0", "\"tries\": 11", HNAS_E_FORMAT, "nan"},
    {"\"has_kept\": 0", "\"has_kept\": 1", HNAS_E_FORMAT, "nan"},
    {"\"kept_w_steps\": 0", "\"kept_w_steps\": -1", HNAS_E_FORMAT, "nan"},
    {"\"has_moved\"", "\"moved\"", HNAS_E_FORMAT, "has_moved"},
};

START_TEST(a_setting_of_the_wrong_kind_is_named)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char *text = changed(refusals[i].from, refusals[i].to);
        struct hn_settings s;
        const hnas_status st = read_text(&s, text);

        hn_settings_finish(&s);
        free(text);
        ck_assert_msg(st == refusals[i].want, "%s: %s", refusals[i].to,
                      hnas_status_name(st));
        ck_assert_msg(strstr(hnas_context_message(ctx), refusals[i].word) !=
                          NULL,
                      "%s: %s", refusals[i].to, hnas_context_message(ctx));
    }
}
END_TEST

START_TEST(no_settings_are_refused)
{
    static const char *const texts[] = {NULL, "", "[]", "{}", "{\"supernet\":"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct hn_settings s;

        ck_assert_int_eq(read_text(&s, texts[i]), HNAS_E_FORMAT);
        hn_settings_finish(&s);
    }
}
END_TEST

START_TEST(what_an_older_file_lacks_has_its_default)
{
    static const char *const later[] = {"\"nan\"", "\"on_nan\"", "\"theta\"",
                                        "\"alpha_paths\""};
    hnas_search_opts o;

    hnas_search_opts_init(&o, sizeof o);
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        char *text = changed(later[i], "\"unknown\"");
        struct hn_settings s;

        ck_assert_msg(read_text(&s, text) == HNAS_OK, "%s: %s", later[i],
                      hnas_context_message(ctx));
        ck_assert_int_eq(s.search.on_nan, HNAS_NAN_STOP);
        ck_assert_int_eq(s.nan.n_skipped, 0);
        ck_assert(s.search.theta == o.theta);
        ck_assert_int_eq(s.search.alpha_paths, o.alpha_paths);
        hn_settings_finish(&s);
        free(text);
    }
}
END_TEST

START_TEST(calls_without_their_arguments_are_refused)
{
    hnas_search *loaded = search;

    ck_assert_int_eq(hnas_search_save(NULL, "x", NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_save(search, NULL, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_load(NULL, ctx, "x"), HNAS_E_ARG);
    ck_assert_int_eq(hnas_search_load(&loaded, ctx, NULL), HNAS_E_ARG);
    ck_assert_ptr_null(loaded);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("io");
    TCase *t = tcase_create("settings");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_setting_of_the_wrong_kind_is_named);
    tcase_add_test(t, no_settings_are_refused);
    tcase_add_test(t, what_an_older_file_lacks_has_its_default);
    tcase_add_test(t, calls_without_their_arguments_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
