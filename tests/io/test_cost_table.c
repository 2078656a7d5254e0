/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of costs as text, and in the file of a search. */
#include "io/cost_table.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "hnas/hnas.h"

enum { E = 2, O = 3, N = E * O, BYTES = 4096 };

static const char *const ops[O] = {"none", "skip_connect", "sep_conv_3x3"};

/* Four cells: two normal ones and two reductions. */
static hnas_supernet *make_net(void)
{
    hnas_supernet_opts o;
    hnas_supernet *net;

    if (!hnas_op_get_count(ctx))
        fixture_register_ops();
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 6;
    o.channels = 2;
    o.cells = 4;
    o.nodes = 1;
    o.ops = ops;
    o.n_ops = O;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    return net;
}

/* Row i of kind k costs 3 k + i / 10 in one cell, and 1 more in the other. */
static void write_table(char *text)
{
    size_t n = (size_t)snprintf(text, BYTES,
                                "{\"unit\": \"us\", \"fixed\": 0.1, "
                                "\"rows\": [");

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < N; i++)
            for (int c = 0; c < 2; c++)
                n += (size_t)snprintf(
                    text + n, BYTES - n,
                    "%s{\"kind\": \"%s\", \"edge\": [%d, 2], \"op\": \"%s\", "
                    "\"cells\": 1, \"us\": %d.%d}",
                    k || i || c ? ", " : "", k ? "reduce" : "normal", i / O,
                    ops[i % O], 3 * k + c, i);
    snprintf(text + n, BYTES - n, "]}");
}

static void expect_table(const hnas_supernet *net)
{
    double cost[N];

    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(
            hnas_supernet_get_costs(net, k, HNAS_COST_TABLE, cost, N), HNAS_OK);
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(cost[i], 6 * k + 1 + 0.2 * i, 1e-12);
    }
    ck_assert(hnas_supernet_get_fixed_table_cost(net) == 0.1);
}

START_TEST(rows_sum_over_the_cells_of_a_kind)
{
    char text[BYTES];
    hnas_supernet *net = make_net();

    write_table(text);
    ck_assert_int_eq(hnas_supernet_read_cost_table(net, text, strlen(text)),
                     HNAS_OK);
    expect_table(net);
    expect_failure(hnas_supernet_read_cost_table(net, text, strlen(text)),
                   HNAS_E_STATE, "set already");
    hnas_supernet_destroy(net);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    char text[BYTES];
    hnas_supernet *net = make_net();
    hnas_status st = HNAS_E_NOMEM;

    write_table(text);
    for (int n = 0; st == HNAS_E_NOMEM; n++) {
        fixture_fail_allocation(n);
        st = hnas_supernet_read_cost_table(net, text, strlen(text));
        fixture_fail_allocation(-1);
        if (st == HNAS_E_NOMEM)
            ck_assert(isnan(hnas_supernet_get_fixed_table_cost(net)));
        else
            ck_assert_int_gt(n, 4);
    }
    ck_assert_int_eq(st, HNAS_OK);
    expect_table(net);
    hnas_supernet_destroy(net);
}
END_TEST

/* The table with one piece of its text replaced. */
static void refuse(const char *from, const char *to, hnas_status want,
                   const char *words)
{
    char text[BYTES], changed[BYTES + 64];
    hnas_supernet *net = make_net();
    const char *at;

    write_table(text);
    at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to,
             at + strlen(from));
    expect_failure(hnas_supernet_read_cost_table(net, changed, strlen(changed)),
                   want, words);
    ck_assert(isnan(hnas_supernet_get_fixed_table_cost(net)));
    hnas_supernet_destroy(net);
}

START_TEST(what_does_not_fit_is_named)
{
    refuse("\"us\": 0.1", "\"us\": -0.1", HNAS_E_RANGE, "row 2: \"us\"");
    refuse("\"us\": 0.1", "\"us\": null", HNAS_E_FORMAT, "row 2: \"us\"");
    refuse("\"us\": 0.1", "\"us\": NaN", HNAS_E_FORMAT, "cost table");
    refuse("\"us\": 0.1", "\"us\": 1e999", HNAS_E_RANGE, "cost table");
    refuse("\"cells\": 1", "\"cells\": 2", HNAS_E_MISMATCH,
           "normal edge 0 -> 2, none: rows for 3 cells, want 2");
    refuse("\"cells\": 1", "\"cells\": 3", HNAS_E_RANGE, "row 0: \"cells\"");
    refuse("\"cells\": 1", "\"cells\": 1.5", HNAS_E_RANGE, "row 0: \"cells\"");
    refuse("\"cells\": 1, ", "", HNAS_E_MISMATCH, "rows for 3 cells");
    refuse("\"op\": \"skip_connect\"", "\"op\": \"none\"", HNAS_E_MISMATCH,
           "normal edge 0 -> 2, none: rows for 3 cells");
    refuse("\"op\": \"none\"", "\"op\": \"max_pool_3x3\"", HNAS_E_NAME,
           "row 0: \"op\" max_pool_3x3");
    refuse("\"op\": \"none\"", "\"op\": 3", HNAS_E_NAME, "row 0: \"op\"");
    refuse("[0, 2]", "[0, 1]", HNAS_E_MISMATCH, "row 0: \"edge\"");
    refuse("[0, 2]", "[0]", HNAS_E_MISMATCH, "row 0: \"edge\"");
    refuse("[0, 2]", "[]", HNAS_E_MISMATCH, "row 0: \"edge\"");
    refuse("[0, 2]", "\"0, 2\"", HNAS_E_MISMATCH, "row 0: \"edge\"");
    refuse("\"normal\"", "\"other\"", HNAS_E_FORMAT, "row 0: \"kind\"");
    refuse("\"kind\": \"normal\", ", "", HNAS_E_FORMAT,
           "row 0: \"kind\" is missing");
    refuse("\"cells\"", "\"cell\"", HNAS_E_FORMAT,
           "row 0: \"cell\" is not known");
    refuse("{\"kind\"", "7, {\"kind\"", HNAS_E_FORMAT, "row 0: want an object");
    refuse("\"us\", ", "\"ms\", ", HNAS_E_FORMAT, "\"unit\"");
    refuse("\"fixed\": 0.1", "\"fixed\": \"0.1\"", HNAS_E_FORMAT, "\"fixed\"");
    refuse("\"fixed\": 0.1", "\"fixed\": -1", HNAS_E_RANGE, "fixed: -1");
    refuse("\"rows\"", "\"row\"", HNAS_E_FORMAT, "\"rows\"");
    refuse("]}", "", HNAS_E_FORMAT, "cost table");
}
END_TEST

static hnas_search *make_search(hnas_supernet *net, hnas_hyper **hyper)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_search_opts opts;
    hnas_search *search;
    hnas_hyper_opts h;

    hnas_hyper_opts_init(&h, sizeof h);
    h.n_tables = 2;
    for (int k = 0; k < 2; k++) {
        h.names[k] = names[k];
        h.rows[k] = E;
        h.cols[k] = O;
    }
    ck_assert_int_eq(hnas_hyper_create(hyper, ctx, &h), HNAS_OK);
    hnas_search_opts_init(&opts, sizeof opts);
    opts.metric = HNAS_COST_TABLE;
    ck_assert_int_eq(hnas_search_create(&search, net, *hyper, &opts), HNAS_OK);
    return search;
}

START_TEST(a_searchs_file_keeps_the_table_in_every_bit)
{
    const char *path = fixture_path("table.safetensors");
    const char *again = fixture_path("again.safetensors");
    double cost[2][N], got[N];
    hnas_supernet *net = make_net();
    hnas_search *search, *loaded;
    hnas_hyper *hyper;
    unsigned char *a, *b;
    size_t n, m;

    for (int i = 0; i < N; i++) {
        cost[0][i] = 1.0 / (i + 3);
        cost[1][i] = i / 7.0;
    }
    ck_assert_int_eq(
        hnas_supernet_set_cost_table(
            net, (const double *const[2]){cost[0], cost[1]}, N, 1.0 / 3),
        HNAS_OK);
    search = make_search(net, &hyper);
    ck_assert_int_eq(hnas_search_save(search, path, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_search_load(&loaded, ctx, path), HNAS_OK);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(hnas_supernet_get_costs(hnas_search_get_net(loaded), k,
                                                 HNAS_COST_TABLE, got, N),
                         HNAS_OK);
        ck_assert_int_eq(memcmp(got, cost[k], sizeof got), 0);
    }
    ck_assert(hnas_supernet_get_fixed_table_cost(hnas_search_get_net(loaded)) ==
              1.0 / 3);
    ck_assert_int_eq(hnas_search_save(loaded, again, NULL), HNAS_OK);
    a = fixture_read(path, &n);
    b = fixture_read(again, &m);
    ck_assert(n == m && !memcmp(a, b, n));
    free(a);
    free(b);
    hnas_search_destroy(loaded);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}
END_TEST

START_TEST(a_search_by_the_table_needs_one)
{
    hnas_supernet *net = make_net();
    hnas_search *search;
    hnas_search_opts opts;
    hnas_hyper_opts h;
    hnas_hyper *hyper;

    hnas_hyper_opts_init(&h, sizeof h);
    h.n_tables = 1;
    h.names[0] = "normal";
    h.rows[0] = E;
    h.cols[0] = O;
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &h), HNAS_OK);
    hnas_search_opts_init(&opts, sizeof opts);
    opts.metric = HNAS_COST_TABLE;
    expect_failure(hnas_search_create(&search, net, hyper, &opts), HNAS_E_STATE,
                   "cost table");
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cost_table");

    tcase_add_test(t, rows_sum_over_the_cells_of_a_kind);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, what_does_not_fit_is_named);
    tcase_add_test(t, a_searchs_file_keeps_the_table_in_every_bit);
    tcase_add_test(t, a_search_by_the_table_needs_one);
    return fixture_run(t);
}
