/* SPDX-License-Identifier: BSD-3-Clause */
/* How a path gets into the explorer page; what the page then does is
 * tests/system/test_explorer.py's business. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"
#include "io/explorer.h"
#include "io/json.h"

static hnas_supernet *net;
static hnas_hyper *hyper;
static hnas_path *path;

static void make_path(void)
{
    static const char *const ops[] = {"none", "sep_conv_3x3", "skip_connect"};
    hnas_supernet_opts o;
    hnas_hyper_opts h;

    hnas_supernet_opts_init(&o, sizeof o);
    o.channels = 4;
    o.cells = 1;
    o.nodes = 1;
    o.image[1] = o.image[2] = 4;
    o.ops = ops;
    o.n_ops = 3;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    hnas_hyper_opts_init(&h, sizeof h);
    h.names[0] = "normal";
    h.rows[0] = 2;
    h.cols[0] = 3;
    h.n_tables = 1;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), HNAS_OK);
    ck_assert_int_eq(hnas_path_create(&path, net, hyper, NULL), HNAS_OK);
}

static void drop_path(void)
{
    hnas_path_destroy(path);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}

/* The object between the page's marks. */
static struct hn_json *read_data(const char *file)
{
    static const char before[] = "id=\"data\">";
    size_t n;
    char *page = (char *)fixture_read(file, &n), *at, *end;
    struct hn_json *json;

    ck_assert_ptr_null(strstr(page, HN_EXPLORER_MARK));
    ck_assert_uint_eq(strlen(page), n);
    at = strstr(page, before) + strlen(before);
    end = strstr(at, "</script>");
    ck_assert_int_eq(hn_json_parse(&json, ctx, "data", at, (size_t)(end - at)),
                     HNAS_OK);
    ck_assert_ptr_nonnull(strstr(end, "</html>"));
    free(page);
    return json;
}

START_TEST(the_page_holds_path_colours_and_log)
{
    static const char log[] = "epoch,step\n1,\"</script><b>\"\n";
    const char *file = fixture_path("page");
    const struct hn_json_value *v;
    struct hn_json *json;
    hnas_explorer_opts o;

    make_path();
    hnas_explorer_opts_init(&o, sizeof o);
    o.title = "<\xce\xbb> & \"co\"";
    o.log = log;
    o.scale = HNAS_SCALE_RAW;
    ck_assert_int_eq(hnas_path_save_html(path, file, &o), HNAS_OK);
    json = read_data(file);
    ck_assert_str_eq(hn_json_get(json->root, "log")->text, log);
    ck_assert_str_eq(hn_json_get(json->root, "title")->text, o.title);
    ck_assert_str_eq(hn_json_get(json->root, "scale")->text, "raw");
    v = hn_json_get(json->root, "zero");
    ck_assert_uint_eq(v->count, 1);
    ck_assert_str_eq(v->first->text, "none");
    ck_assert_uint_eq(hn_json_get(json->root, "colours")->count, 3);
    v = hn_json_get(hn_json_get(json->root, "path"), "pieces");
    ck_assert_uint_eq(v->count, (size_t)hnas_path_get_count(path));
    hn_json_destroy(json);
    ck_assert_int_eq(hnas_path_save_html(path, file, NULL), HNAS_OK);
    json = read_data(file);
    ck_assert_ptr_null(hn_json_get(json->root, "log"));
    ck_assert_str_eq(hn_json_get(json->root, "scale")->text, "log");
    hn_json_destroy(json);
    drop_path();
}
END_TEST

START_TEST(what_cannot_be_written_is_named)
{
    const char *file = fixture_path("kept");
    hnas_explorer_opts o;
    unsigned char *data;
    size_t n;

    make_path();
    fixture_write(file, "old", 3);
    hnas_explorer_opts_init(&o, sizeof o);
    o.log = "\xff";
    expect_failure(hnas_path_save_html(path, file, &o), HNAS_E_FORMAT, "UTF-8");
    o.log = NULL;
    o.scale = 7;
    expect_failure(hnas_path_save_html(path, file, &o), HNAS_E_RANGE,
                   "scale 7");
    o.size = 0;
    ck_assert_int_eq(hnas_path_save_html(path, file, &o), HNAS_E_ARG);
    expect_failure(hnas_path_save_html(path, "/nowhere/page", NULL), HNAS_E_IO,
                   "/nowhere/page");
    ck_assert_int_eq(hnas_path_save_html(NULL, file, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_path_save_html(path, NULL, NULL), HNAS_E_ARG);
    data = fixture_read(file, &n);
    ck_assert_uint_eq(n, 3);
    free(data);
    drop_path();
}
END_TEST

START_TEST(without_memory_the_old_file_stays)
{
    const char *file = fixture_path("kept");
    hnas_status st = HNAS_E_NOMEM;
    unsigned char *data;
    size_t n;

    make_path();
    fixture_write(file, "old", 3);
    for (int i = 0; st == HNAS_E_NOMEM; i++) {
        fixture_fail_allocation(i);
        st = hnas_path_save_html(path, file, NULL);
        fixture_fail_allocation(-1);
        data = fixture_read(file, &n);
        ck_assert(st == HNAS_OK || n == 3);
        free(data);
        ck_assert_int_eq(fixture_count_files(), 1);
    }
    ck_assert_int_eq(st, HNAS_OK);
    drop_path();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("explorer");

    tcase_add_test(t, the_page_holds_path_colours_and_log);
    tcase_add_test(t, what_cannot_be_written_is_named);
    tcase_add_test(t, without_memory_the_old_file_stays);
    return fixture_run_ops(t);
}
