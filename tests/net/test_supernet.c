/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes that are known, names that scripts rely on, settings that are
 * refused. */
#include <math.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

static hnas_context *ctx;

static void setup(void)
{
    ck_assert_int_eq(hnas_context_create(&ctx, NULL), HNAS_OK);
}

static void teardown(void)
{
    hnas_context_destroy(ctx);
}

static int64_t weights_of(const hnas_supernet_opts *opts)
{
    hnas_supernet *net;
    int64_t n;

    ck_assert_int_eq(hnas_supernet_create(&net, ctx, opts), HNAS_OK);
    n = hnas_params_get_elements(hnas_supernet_get_params(net),
                                 HNAS_PARAM_WEIGHT);
    hnas_supernet_destroy(net);
    return n;
}

START_TEST(the_cifar_supernet_has_1930618_weights)
{
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[0] = 3;
    o.image[1] = o.image[2] = 32;
    ck_assert_int_eq(weights_of(&o), 1930618);
}
END_TEST

START_TEST(the_fashion_supernet_has_672986_weights)
{
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    ck_assert_int_eq(weights_of(&o), 672986);
}
END_TEST

/* The size of DARTS-CC's supernet. */
START_TEST(with_a_head_of_5_knots_it_has_683266_weights)
{
    hnas_supernet_opts o;
    hnas_supernet *net;
    int64_t n_parameters, n_weights;

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    o.head = HNAS_HEAD_GENERATED;
    ck_assert_int_eq(weights_of(&o), 683266);
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    hnas_supernet_get_generated(net, &n_parameters, &n_weights);
    ck_assert_int_eq(n_parameters, 5 * 2570);
    ck_assert_int_eq(n_weights, 2570);
    hnas_supernet_destroy(net);
}
END_TEST

/* 1,832 tiles of 16 x 16 from 33,936 numbers. */
START_TEST(with_kernels_from_embeddings_it_has_237930_weights)
{
    hnas_supernet_opts o;
    hnas_supernet *net;
    int64_t n_parameters, n_weights;

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    o.kernels = HNAS_KERNELS_GENERATED;
    ck_assert_int_eq(weights_of(&o), 237930);
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    hnas_supernet_get_generated(net, &n_parameters, &n_weights);
    ck_assert_int_eq(n_parameters, 33936);
    ck_assert_int_eq(n_weights, 468992);
    hnas_supernet_destroy(net);
}
END_TEST

/* Fixed cost, and every operation on every edge, is the whole network. */
START_TEST(costs_add_up_to_the_weights)
{
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_cost fixed;
    double sum;

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_supernet_get_fixed_cost(net, &fixed), HNAS_OK);
    sum = (double)fixed.params;
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        double cost[14 * 8];

        ck_assert_int_eq(
            hnas_supernet_get_costs(net, k, HNAS_COST_PARAMS, cost, 14 * 8),
            HNAS_OK);
        for (int i = 0; i < 14 * 8; i++)
            sum += cost[i];
    }
    ck_assert_double_eq(sum, 672986);
    hnas_supernet_destroy(net);
}
END_TEST

START_TEST(parameters_have_the_names_of_the_contract)
{
    static const char *const names[] = {
        "stem.conv.weight",
        "stem.bn.running_var",
        "cells.0.preprocess0.conv.weight",
        "cells.2.preprocess0.conv1.weight",
        "cells.0.preprocess1.bn.running_mean",
        "cells.0.edges.0_2.sep_conv_3x3.dw1.weight",
        "cells.1.edges.1_5.skip_connect.conv0.weight",
        "cells.2.edges.4_5.dil_conv_5x5.bn.running_mean",
        "cells.0.edges.0_3.max_pool_3x3.bn.running_var",
        "head.weight",
        "head.bias",
    };
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_tensor *t;

    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 3;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(hnas_params_find(&t, hnas_supernet_get_params(net),
                                       names[i]) == HNAS_OK,
                      "%s is missing", names[i]);
    ck_assert_int_eq(hnas_params_find(&t, hnas_supernet_get_params(net),
                                      "cells.0.edges.0_1.none"),
                     HNAS_E_NAME);
    hnas_supernet_destroy(net);
}
END_TEST

/* Named in the message, nothing made. */
static void refuse(const hnas_supernet_opts *o, hnas_status want,
                   const char *named)
{
    hnas_supernet *net = (hnas_supernet *)ctx;

    ck_assert_int_eq(hnas_supernet_create(&net, ctx, o), want);
    ck_assert_ptr_null(net);
    ck_assert_msg(strstr(hnas_context_message(ctx), named) != NULL,
                  "\"%s\" does not name %s", hnas_context_message(ctx), named);
}

START_TEST(settings_out_of_range_are_named)
{
    static const char *const unknown[] = {"none", "conv_9x9"};
    static const char *const twice[] = {"none", "none"};
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.channels = 0;
    refuse(&o, HNAS_E_RANGE, "0 channels");
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = -4;
    refuse(&o, HNAS_E_RANGE, "-4 image rows");
    hnas_supernet_opts_init(&o, sizeof o);
    o.n_ops = 2;
    o.ops = unknown;
    refuse(&o, HNAS_E_NAME, "conv_9x9");
    o.ops = twice;
    refuse(&o, HNAS_E_NAME, "none twice");
    o.ops = NULL;
    refuse(&o, HNAS_E_ARG, "ops");
    hnas_supernet_opts_init(&o, sizeof o);
    o.cells = 0;
    refuse(&o, HNAS_E_RANGE, "0 cells");
}
END_TEST

START_TEST(images_of_another_size_are_refused)
{
    const int64_t dims[4] = {2, 1, 9, 8}, table[2] = {5, 8};
    hnas_tensor *x, *gates[2], *y;
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_tape *tape;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 8;
    o.channels = 3;
    o.cells = 3;
    o.nodes = 2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), 0);
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, HNAS_FLOAT32, 4, dims), 0);
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(
            hnas_tensor_create(&gates[k], ctx, HNAS_FLOAT32, 2, table), 0);
    ck_assert_int_eq(hnas_supernet_apply(&y, tape, net, x, gates, 0),
                     HNAS_E_SHAPE);
    ck_assert_ptr_null(y);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "[2, 1, 9, 8]"));
    hnas_tensor_unref(x);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_tape_destroy(tape);
    hnas_supernet_destroy(net);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("supernet");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_cifar_supernet_has_1930618_weights);
    tcase_add_test(t, the_fashion_supernet_has_672986_weights);
    tcase_add_test(t, with_a_head_of_5_knots_it_has_683266_weights);
    tcase_add_test(t, with_kernels_from_embeddings_it_has_237930_weights);
    tcase_add_test(t, costs_add_up_to_the_weights);
    tcase_add_test(t, parameters_have_the_names_of_the_contract);
    tcase_add_test(t, settings_out_of_range_are_named);
    tcase_add_test(t, images_of_another_size_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
