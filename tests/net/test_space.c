/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells as a host sees them, and its own table of costs. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

enum { E = 5, O = 8, N = E * O };

static hnas_context *ctx;
static hnas_supernet *net;
static double normal[N], reduce[N];
static const double *const both[2] = {normal, reduce};

static void setup(void)
{
    hnas_supernet_opts o;

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = 13;
    o.image[2] = 10;
    o.cells = 4;
    o.nodes = 2;
    o.channels = 6;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    for (int i = 0; i < N; i++) {
        normal[i] = i + 0.1;
        reduce[i] = 3 * i + 0.7;
    }
}

static void teardown(void)
{
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
}

START_TEST(reductions_double_channels_and_halve_sides)
{
    static const hnas_cell_info want[4] = {
        {HNAS_NORMAL, 6, {13, 10}, {13, 10}},
        {HNAS_REDUCE, 12, {13, 10}, {7, 5}},
        {HNAS_REDUCE, 24, {7, 5}, {4, 3}},
        {HNAS_NORMAL, 24, {4, 3}, {4, 3}},
    };
    hnas_cell_info info;

    for (int32_t i = 0; i < 4; i++) {
        hnas_supernet_get_cell(net, i, &info);
        ck_assert_int_eq(info.kind, want[i].kind);
        ck_assert_int_eq(info.channels, want[i].channels);
        for (int a = 0; a < 2; a++) {
            ck_assert_int_eq(info.in_size[a], want[i].in_size[a]);
            ck_assert_int_eq(info.out_size[a], want[i].out_size[a]);
        }
    }
    hnas_supernet_get_cell(net, 4, &info);
    ck_assert_int_eq(info.channels, 0);
    hnas_supernet_get_cell(net, -1, &info);
    ck_assert_int_eq(info.channels, 0);
}
END_TEST

START_TEST(a_table_is_given_back_as_it_was_set)
{
    double got[N];

    ck_assert(isnan(hnas_supernet_get_fixed_table_cost(net)));
    ck_assert_int_eq(hnas_supernet_get_costs(net, 0, HNAS_COST_TABLE, got, N),
                     HNAS_E_STATE);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, 12.3), HNAS_OK);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(
            hnas_supernet_get_costs(net, k, HNAS_COST_TABLE, got, N), HNAS_OK);
        ck_assert_int_eq(memcmp(got, both[k], sizeof got), 0);
    }
    ck_assert(hnas_supernet_get_fixed_table_cost(net) == 12.3);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, 12.3),
                     HNAS_E_STATE);
}
END_TEST

static void refuse(hnas_status want, const char *words)
{
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, 1), want);
    ck_assert_msg(strstr(hnas_context_message(ctx), words), "%s",
                  hnas_context_message(ctx));
    ck_assert(isnan(hnas_supernet_get_fixed_table_cost(net)));
}

START_TEST(bad_numbers_are_refused_by_name)
{
    const double *const half[2] = {normal, NULL};

    reduce[2 * O + 4] = NAN;
    refuse(HNAS_E_NAN, "reduce edge 0 -> 3, sep_conv_3x3");
    reduce[2 * O + 4] = INFINITY;
    refuse(HNAS_E_NAN, "reduce edge 0 -> 3, sep_conv_3x3");
    reduce[2 * O + 4] = 0;
    normal[O + 7] = -1e-9;
    refuse(HNAS_E_RANGE, "normal edge 1 -> 2, dil_conv_5x5");
    normal[O + 7] = 0;
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, -1),
                     HNAS_E_RANGE);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, NAN),
                     HNAS_E_NAN);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N - 1, 1),
                     HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, half, N, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, NULL, N, 1), HNAS_E_ARG);
    ck_assert_int_eq(hnas_supernet_set_cost_table(net, both, N, 0), HNAS_OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("space");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, reductions_double_channels_and_halve_sides);
    tcase_add_test(t, a_table_is_given_back_as_it_was_set);
    tcase_add_test(t, bad_numbers_are_refused_by_name);
    suite_add_tcase(s, t);
    return run_suite(s);
}
