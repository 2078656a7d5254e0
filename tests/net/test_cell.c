/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells as graphs of the host: a chain, a node without input, hard draws. */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

enum { N = 2, C = 3, SIDE = 5, ELEMENTS = N * C * SIDE * SIDE };

static const char *const skip_only[] = {"skip_connect"};
static const char *const some[] = {"none", "skip_connect", "avg_pool_3x3",
                                   "sep_conv_3x3"};

static hnas_context *ctx;
static hnas_tape *tape;
static hnas_tensor *x;
static float pixels[ELEMENTS];

static void setup(void)
{
    const int64_t dims[4] = {N, C, SIDE, SIDE};

    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    for (int i = 0; i < ELEMENTS; i++)
        pixels[i] = (float)(i * 7 % 31 - 15) / 8;
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, HNAS_FLOAT32, 4, dims), 0);
    ck_assert_int_eq(hnas_tensor_set(x, HNAS_FLOAT32, pixels, ELEMENTS), 0);
}

static void teardown(void)
{
    hnas_tensor_unref(x);
    hnas_tape_destroy(tape);
    hnas_context_destroy(ctx);
}

static hnas_tensor *gates_of(int64_t e, int64_t o, const float *value)
{
    const int64_t dims[2] = {e, o};
    hnas_tensor *t;

    ck_assert_int_eq(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 2, dims), 0);
    ck_assert_int_eq(hnas_tensor_set(t, HNAS_FLOAT32, value, e * o), 0);
    return t;
}

START_TEST(a_chain_of_identities_scales_by_its_gates)
{
    const hnas_edge edges[2] = {{0, 1, 1, 1, skip_only},
                                {1, 2, 1, 1, skip_only}};
    const int32_t last = 2;
    const hnas_cell_desc desc = {sizeof desc, 1, 2, C, 2, edges, 1, &last};
    const float value[2] = {2, 0.25f};
    hnas_tensor *gates = gates_of(2, 1, value), *y;
    float got[ELEMENTS];
    hnas_cell *cell;

    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), HNAS_OK);
    ck_assert_int_eq(hnas_cell_apply(&y, tape, cell, &x, gates, 0), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT32, got, ELEMENTS), 0);
    for (int i = 0; i < ELEMENTS; i++)
        ck_assert_float_eq(got[i], pixels[i] / 2);
    hnas_tensor_unref(gates);
    hnas_tensor_unref(y);
    hnas_cell_destroy(cell);
}
END_TEST

START_TEST(a_node_without_input_is_zeros_in_the_output)
{
    const hnas_edge edges[2] = {{0, 1, 1, 4, some}, {0, 2, 1, 1, skip_only}};
    const int32_t outputs[2] = {1, 2};
    const hnas_cell_desc desc = {sizeof desc, 1, 2, C, 2, edges, 2, outputs};
    const float value[8] = {1, 0, 0, 0, 1, 0, 0, 0};
    hnas_tensor *gates = gates_of(2, 4, value), *y;
    float got[2 * ELEMENTS];
    hnas_cell *cell;

    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), HNAS_OK);
    ck_assert_int_eq(hnas_cell_apply(&y, tape, cell, &x, gates,
                                     HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY),
                     HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT32, got, 2 * ELEMENTS), 0);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < C * SIDE * SIDE; i++) {
            const int at = n * C * SIDE * SIDE;

            ck_assert_float_eq(got[2 * at + i], 0);
            ck_assert_float_eq(got[2 * at + C * SIDE * SIDE + i],
                               pixels[at + i]);
        }
    hnas_tensor_unref(gates);
    hnas_tensor_unref(y);
    hnas_cell_destroy(cell);
}
END_TEST

/* The value does not depend on whether undrawn operations are computed. */
START_TEST(drawn_only_gives_the_value_of_all_paths)
{
    const hnas_edge edges[3] = {
        {0, 1, 1, 4, some}, {0, 2, 1, 4, some}, {1, 2, 1, 4, some}};
    const int32_t outputs[2] = {1, 2};
    const hnas_cell_desc desc = {sizeof desc, 1, 2, C, 3, edges, 2, outputs};
    const float value[12] = {0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0};
    hnas_tensor *gates = gates_of(3, 4, value), *y;
    float got[2][2 * ELEMENTS];
    hnas_cell *cell;

    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), HNAS_OK);
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(
            hnas_cell_apply(&y, tape, cell, &x, gates,
                            k ? HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY
                              : HNAS_CELL_HARD),
            HNAS_OK);
        ck_assert_int_eq(hnas_tensor_get(y, HNAS_FLOAT32, got[k], 2 * ELEMENTS),
                         0);
        hnas_tensor_unref(y);
    }
    ck_assert_mem_eq(got[0], got[1], sizeof got[0]);
    ck_assert_int_eq(hnas_cell_apply(&y, tape, cell, &x, gates, 4),
                     HNAS_E_RANGE);
    ck_assert_ptr_null(y);
    hnas_tensor_unref(gates);
    hnas_cell_destroy(cell);
}
END_TEST

static void refuse(const hnas_edge *edges, int32_t n_edges, int64_t channels,
                   hnas_status want)
{
    const int32_t last = 1;
    const hnas_cell_desc desc = {sizeof desc, 1,     1, channels,
                                 n_edges,     edges, 1, &last};
    hnas_cell *cell = (hnas_cell *)ctx;

    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), want);
    ck_assert_ptr_null(cell);
    ck_assert_int_gt((int)strlen(hnas_context_message(ctx)), 0);
}

START_TEST(more_nodes_than_can_be_counted_are_refused)
{
    const hnas_edge good[1] = {{0, 1, 1, 1, skip_only}};
    const int32_t last = 1;
    const hnas_cell_desc desc = {sizeof desc, INT32_MAX, INT32_MAX, C,
                                 1,           good,      1,         &last};
    hnas_cell *cell;

    ck_assert_int_eq(hnas_cell_create(&cell, ctx, &desc), HNAS_E_RANGE);
    ck_assert_ptr_null(cell);
}
END_TEST

START_TEST(graphs_that_are_none_are_refused)
{
    static const char *const unknown[] = {"sep_conv_4x4"};
    const hnas_edge back[1] = {{1, 1, 1, 1, skip_only}};
    const hnas_edge outside[1] = {{0, 5, 1, 1, skip_only}};
    const hnas_edge stride[1] = {{0, 1, 3, 1, skip_only}};
    const hnas_edge name[1] = {{0, 1, 1, 1, unknown}};
    const hnas_edge many[1] = {{0, 1, 1, INT32_MAX, skip_only}};
    const hnas_edge twice[2] = {{0, 1, 1, 1, skip_only},
                                {0, 1, 1, 1, skip_only}};
    static const char *const doubled[] = {"none", "max_pool_3x3", "none"};
    static const char *const missing[] = {"none", NULL};
    const hnas_edge two[1] = {{0, 1, 1, 3, doubled}};
    const hnas_edge hole[1] = {{0, 1, 1, 2, missing}};
    const hnas_edge good[1] = {{0, 1, 1, 1, skip_only}};

    refuse(back, 1, C, HNAS_E_RANGE);
    refuse(outside, 1, C, HNAS_E_RANGE);
    refuse(stride, 1, C, HNAS_E_ARG);
    refuse(name, 1, C, HNAS_E_NAME);
    refuse(many, 1, C, HNAS_E_RANGE);
    refuse(twice, 2, C, HNAS_E_ARG);
    refuse(two, 1, C, HNAS_E_NAME);
    refuse(hole, 1, C, HNAS_E_ARG);
    refuse(good, 1, 0, HNAS_E_RANGE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("cell");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_chain_of_identities_scales_by_its_gates);
    tcase_add_test(t, a_node_without_input_is_zeros_in_the_output);
    tcase_add_test(t, drawn_only_gives_the_value_of_all_paths);
    tcase_add_test(t, more_nodes_than_can_be_counted_are_refused);
    tcase_add_test(t, graphs_that_are_none_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
