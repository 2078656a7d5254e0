/* SPDX-License-Identifier: BSD-3-Clause */
/* A general graph: one input, edges of different strides and lists of
 * operations, nodes that are no output. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"

enum { N = 9, C = 3, H = 7, W = 5, E = 5, O = 3, MOST = N * C * H * W };

static const char *const two[] = {"sep_conv_3x3", "max_pool_3x3"};
static const char *const skip[] = {"skip_connect"};
static const char *const three[] = {"none", "dil_conv_3x3", "avg_pool_3x3"};
static const char *const mean[] = {"avg_pool_3x3"};
static const char *const deep[] = {"skip_connect", "sep_conv_5x5"};

static const hnas_edge edges[E] = {{0, 1, 2, 2, two},
                                   {0, 2, 2, 1, skip},
                                   {1, 2, 1, 3, three},
                                   {0, 3, 2, 1, mean},
                                   {2, 3, 1, 2, deep}};
static const int32_t outputs[2] = {1, 3};
static const hnas_cell_desc desc = {sizeof desc, 1, 3, C, E, edges, 2, outputs};

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tensor *x, *gates, *dy;
static hnas_cell *cell;
static double pixels[MOST], mixing[E * O];

static hnas_tensor *leaf(struct random *r, int32_t rank, const int64_t *dims,
                         double *v)
{
    struct grad_leaf l = {
        .kind = LEAF_PLAIN, .rank = rank, .lo = -1, .hi = 1, .gap = 1e-3};

    memcpy(l.dims, dims, (size_t)rank * sizeof *dims);
    return grad_leaf_make(ctx, &l, r, v);
}

static void open(int32_t n_threads)
{
    const int64_t image[4] = {N, C, H, W}, table[2] = {E, O};
    const int64_t out[4] = {N, 2 * C, (H + 1) / 2, (W + 1) / 2};
    struct random r = {4};
    double ignored[MOST];
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    o.n_threads = n_threads;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    x = leaf(&r, 4, image, pixels);
    gates = leaf(&r, 2, table, mixing);
    dy = leaf(&r, 4, out, ignored);
    hnas_tensor_set_wanted(dy, 0);
    ck_assert_msg(hnas_cell_create(&cell, ctx, &desc) == HNAS_OK, "%s",
                  hnas_context_message(ctx));
}

static void setup(void)
{
    open(1);
}

static void teardown(void)
{
    hnas_tensor_unref(x);
    hnas_tensor_unref(gates);
    hnas_tensor_unref(dy);
    hnas_cell_destroy(cell);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

/* sum(y * dy); gradients too where asked. */
static hnas_status evaluate(double *value, int backward)
{
    hnas_tensor *y = NULL, *product = NULL, *loss = NULL;
    hnas_tape *tape = NULL;
    hnas_status st = hnas_tape_create(&tape, ctx);

    if (st == HNAS_OK)
        st = hnas_cell_apply(&y, tape, cell, &x, gates, 0);
    if (st == HNAS_OK)
        st = hnas_mul(&product, tape, y, dy);
    if (st == HNAS_OK)
        st = hnas_sum(&loss, tape, product);
    if (st == HNAS_OK)
        st = hnas_tensor_get(loss, HNAS_FLOAT64, value, 1);
    if (st == HNAS_OK && backward)
        st = hnas_tape_backward(tape, loss);
    hnas_tensor_unref(y);
    hnas_tensor_unref(product);
    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
    return st;
}

static void check_leaf(hnas_tensor *t, const char *name)
{
    const int64_t n = hnas_tensor_get_count(t);
    struct random r = {(uint64_t)n};
    double v[MOST], got[MOST];

    ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT64, v, n), 0);
    ck_assert_int_eq(hnas_tensor_get_gradient(t, HNAS_FLOAT64, got, n), 0);
    for (int k = 0; k < 20; k++) {
        const int64_t i = n <= 20 ? k % n : random_int(&r, n);
        const double keep = v[i], h = 1e-5;
        double up, down, want;

        v[i] = keep + h;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        ck_assert_int_eq(evaluate(&up, 0), HNAS_OK);
        v[i] = keep - h;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        ck_assert_int_eq(evaluate(&down, 0), HNAS_OK);
        v[i] = keep;
        hnas_tensor_set(t, HNAS_FLOAT64, v, n);
        want = (up - down) / (2 * h);
        ck_assert_msg(fabs(got[i] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s[%d]: gradient %g, differences say %g", name, (int)i,
                      got[i], want);
    }
}

START_TEST(gradients_of_a_general_graph_agree_with_differences)
{
    const hnas_params *p = hnas_cell_get_params(cell);
    double value;

    if (sizeof(real) < sizeof(double))
        return;
    ck_assert_int_eq(evaluate(&value, 1), HNAS_OK);
    check_leaf(x, "x");
    check_leaf(gates, "gates");
    for (int64_t i = 0; i < hnas_params_get_count(p); i++)
        if (hnas_params_get_kind(p, i) == HNAS_PARAM_WEIGHT)
            check_leaf(hnas_params_get_tensor(p, i),
                       hnas_params_get_name(p, i));
}
END_TEST

START_TEST(gates_of_operations_that_are_not_there_get_no_gradient)
{
    double value, g[E * O];

    ck_assert_int_eq(evaluate(&value, 1), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_get_gradient(gates, HNAS_FLOAT64, g, E * O),
                     0);
    for (int e = 0; e < E; e++)
        for (int o = 0; o < O; o++) {
            const int zero = e == 2 && o == 0; /* "none" */

            if (o >= edges[e].n_ops || zero)
                ck_assert(g[e * O + o] == 0);
            else
                ck_assert(g[e * O + o] != 0);
        }
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    double value[3], g[3][MOST];

    teardown();
    for (int i = 0; i < 3; i++) {
        open(1 << i);
        ck_assert_int_eq(evaluate(&value[i], 1), HNAS_OK);
        hnas_tensor_get_gradient(x, HNAS_FLOAT64, g[i], MOST);
        ck_assert(value[i] == value[0]);
        ck_assert_mem_eq(g[i], g[0], sizeof g[0]);
        teardown();
    }
    open(1);
}
END_TEST

START_TEST(names_tell_edge_operation_and_part)
{
    const hnas_params *p = hnas_cell_get_params(cell);
    hnas_tensor *t;

    ck_assert_int_eq(
        hnas_params_find(&t, p, "edges.0_1.sep_conv_3x3.dw1.weight"), 0);
    ck_assert_int_eq(
        hnas_params_find(&t, p, "edges.1_2.dil_conv_3x3.pw1.weight"), 0);
    ck_assert_int_eq(hnas_params_find(&t, p,
                                      "edges.0_2.skip_connect.bn."
                                      "running_mean"),
                     0);
}
END_TEST

START_TEST(create_and_apply_survive_every_failing_allocation)
{
    hnas_status st = HNAS_E_NOMEM;
    double value, want;
    int64_t n;

    ck_assert_int_eq(evaluate(&want, 1), HNAS_OK);
    for (n = 0; st != HNAS_OK; n++) {
        const size_t held = held_bytes(ctx);
        hnas_cell *other;

        hooks.left = n;
        st = hnas_cell_create(&other, ctx, &desc);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || (st == HNAS_E_NOMEM && !other));
        hnas_cell_destroy(other);
        ck_assert_uint_eq(held_bytes(ctx), held);
    }
    ck_assert_int_gt(n, 50);
    st = HNAS_E_NOMEM;
    for (n = 0; st != HNAS_OK; n++) {
        hooks.left = n;
        st = evaluate(&value, 1);
        hooks.left = -1;
        ck_assert(st == HNAS_OK || st == HNAS_E_NOMEM);
    }
    ck_assert_int_gt(n, 2);
    ck_assert(value == want);
}
END_TEST

static void refuse(hnas_tensor *input, hnas_tensor *g, int32_t flags,
                   hnas_status want)
{
    hnas_tensor *y = x;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_cell_apply(&y, tape, cell, &input, g, flags), want);
    ck_assert_ptr_null(y);
    hnas_tape_destroy(tape);
}

START_TEST(inputs_and_gates_that_do_not_fit_are_refused)
{
    const int64_t wide[4] = {N, C + 1, H, W}, table[2] = {E, O + 1};
    const int64_t each[3] = {N, E, O}, fewer[3] = {N - 1, E, O};
    struct random r = {1};
    double v[2 * MOST];
    hnas_tensor *image = leaf(&r, 4, wide, v), *g = leaf(&r, 2, table, v);
    hnas_tensor *soft = leaf(&r, 3, each, v), *less = leaf(&r, 3, fewer, v);

    refuse(image, gates, 0, HNAS_E_SHAPE);
    refuse(NULL, gates, 0, HNAS_E_ARG);
    refuse(x, g, 0, HNAS_E_SHAPE);
    refuse(x, NULL, 0, HNAS_E_ARG);
    refuse(x, x, 0, HNAS_E_SHAPE);
    refuse(x, less, 0, HNAS_E_SHAPE);
    refuse(x, soft, HNAS_CELL_HARD, HNAS_E_UNSUPPORTED);
    hnas_tensor_unref(image);
    hnas_tensor_unref(g);
    hnas_tensor_unref(soft);
    hnas_tensor_unref(less);
}
END_TEST

START_TEST(strides_that_do_not_meet_are_refused_when_applied)
{
    static const hnas_edge mixed[2] = {{0, 1, 1, 1, mean}, {0, 2, 2, 1, mean}};
    static const hnas_edge meet[3] = {
        {0, 1, 1, 1, mean}, {0, 2, 2, 1, mean}, {1, 2, 1, 1, mean}};
    const int32_t both[2] = {1, 2}, last = 2;
    const hnas_cell_desc descs[2] = {{sizeof desc, 1, 2, C, 2, mixed, 2, both},
                                     {sizeof desc, 1, 2, C, 3, meet, 1, &last}};

    for (int i = 0; i < 2; i++) {
        const int64_t table[2] = {descs[i].n_edges, 1};
        struct random r = {1};
        double v[3];
        hnas_tensor *g = leaf(&r, 2, table, v);
        hnas_cell *keep = cell;

        ck_assert_int_eq(hnas_cell_create(&cell, ctx, &descs[i]), HNAS_OK);
        refuse(x, g, 0, HNAS_E_SHAPE);
        hnas_cell_destroy(cell);
        cell = keep;
        hnas_tensor_unref(g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("graph");

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, gradients_of_a_general_graph_agree_with_differences);
    tcase_add_test(t, gates_of_operations_that_are_not_there_get_no_gradient);
    tcase_add_test(t, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(t, names_tell_edge_operation_and_part);
    tcase_add_test(t, create_and_apply_survive_every_failing_allocation);
    tcase_add_test(t, inputs_and_gates_that_do_not_fit_are_refused);
    tcase_add_test(t, strides_that_do_not_meet_are_refused_when_applied);
    suite_add_tcase(s, t);
    return run_suite(s);
}
