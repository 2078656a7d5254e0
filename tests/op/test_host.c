/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's operations that misbehave, and a registry that is misused. */
#include <stdio.h>
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/gradcheck.h"
#include "support/memory.h"

static struct countdown hooks;
static hnas_context *ctx;
static hnas_tensor *x;
static int n_destroyed;

static void setup(void)
{
    const int64_t dims[4] = {2, 3, 5, 4};
    hnas_context_opts o;

    countdown_opts(&o, &hooks);
    ck_assert_int_eq(hnas_context_create(&ctx, &o), HNAS_OK);
    ck_assert_int_eq(hnas_tensor_create(&x, ctx, TEST_REAL, 4, dims), 0);
    n_destroyed = 0;
}

static void teardown(void)
{
    hnas_tensor_unref(x);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(hooks.n_live, 0);
}

static hnas_status make(void **out, hnas_op_builder *builder,
                        const hnas_op_desc *desc)
{
    (void)desc;
    return hnas_op_builder_alloc(out, builder, 8);
}

static void destroy(void *state)
{
    ck_assert_ptr_nonnull(state);
    n_destroyed++;
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    (void)state;
    c->bytes = height * width;
}

static hnas_status gives_error(hnas_tensor **out, hnas_tape *tape, void *state,
                               hnas_tensor *in)
{
    (void)tape;
    (void)state;
    *out = hnas_tensor_ref(in); /* an output all the same */
    return HNAS_E_UNSUPPORTED;
}

static hnas_status gives_nothing(hnas_tensor **out, hnas_tape *tape,
                                 void *state, hnas_tensor *in)
{
    (void)tape;
    (void)state;
    (void)in;
    *out = NULL;
    return HNAS_OK;
}

static hnas_status gives_outcome(hnas_tensor **out, hnas_tape *tape,
                                 void *state, hnas_tensor *in)
{
    (void)out;
    (void)tape;
    (void)state;
    (void)in;
    return HNAS_FINISHED;
}

static hnas_status gives_pool(hnas_tensor **out, hnas_tape *tape, void *state,
                              hnas_tensor *in)
{
    (void)state;
    return hnas_avg_pool_3x3(out, tape, in, 2); /* whatever the stride */
}

static hnas_status gives_number(hnas_tensor **out, hnas_tape *tape, void *state,
                                hnas_tensor *in)
{
    (void)state;
    return hnas_sum(out, tape, in);
}

static hnas_op_table table_of(hnas_status (*apply)(hnas_tensor **, hnas_tape *,
                                                   void *, hnas_tensor *))
{
    const hnas_op_table t = {.size = sizeof t,
                             .name = "host_bad",
                             .version = 1,
                             .create = make,
                             .destroy = destroy,
                             .apply = apply,
                             .cost = cost};

    return t;
}

static void expect(const hnas_op_table *table, hnas_status want)
{
    const hnas_op_desc desc = {sizeof desc, 3, 1};
    hnas_tensor *y = x;
    hnas_tape *tape;
    hnas_op *op;

    ck_assert_int_eq(hnas_op_register(ctx, table), HNAS_OK);
    ck_assert_int_eq(hnas_op_create(&op, ctx, table->name, &desc), HNAS_OK);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hnas_op_apply(&y, i ? tape : NULL, op, x), want);
        ck_assert_ptr_null(y);
        if (want == HNAS_E_OP)
            ck_assert_ptr_nonnull(
                strstr(hnas_context_message(ctx), table->name));
    }
    hnas_op_destroy(op);
    ck_assert_int_eq(n_destroyed, 1);
    hnas_tape_destroy(tape);
}

START_TEST(an_error_is_passed_on_and_its_output_dropped)
{
    const hnas_op_table t = table_of(gives_error);

    expect(&t, HNAS_E_UNSUPPORTED);
}
END_TEST

START_TEST(no_output_is_named)
{
    const hnas_op_table t = table_of(gives_nothing);

    expect(&t, HNAS_E_OP);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "no output"));
}
END_TEST

START_TEST(an_outcome_that_is_none_is_named)
{
    const hnas_op_table t = table_of(gives_outcome);

    expect(&t, HNAS_E_OP);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "answered 1"));
}
END_TEST

START_TEST(an_output_of_another_size_is_named)
{
    const hnas_op_table t = table_of(gives_pool);

    expect(&t, HNAS_E_OP);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "[2, 3, 3, 2]"));
}
END_TEST

START_TEST(an_output_of_another_rank_is_named)
{
    const hnas_op_table t = table_of(gives_number);

    expect(&t, HNAS_E_OP);
}
END_TEST

START_TEST(a_misbehaving_operation_fails_its_network_cleanly)
{
    const hnas_op_table t = table_of(gives_nothing);
    static const char *const ops[] = {"skip_connect", "host_bad"};
    const int64_t dims[2] = {2, 2};
    hnas_tensor *gates[2], *y = x, *images;
    const int64_t image[4] = {2, 1, 8, 8};
    hnas_supernet_opts o;
    hnas_supernet *net;
    hnas_tape *tape;

    ck_assert_int_eq(hnas_op_register(ctx, &t), HNAS_OK);
    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 8;
    o.cells = 1;
    o.nodes = 1;
    o.channels = 2;
    o.ops = ops;
    o.n_ops = 2;
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &o), HNAS_OK);
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(hnas_tensor_create(&gates[k], ctx, TEST_REAL, 2, dims),
                         0);
    ck_assert_int_eq(hnas_tensor_create(&images, ctx, TEST_REAL, 4, image), 0);
    ck_assert_int_eq(hnas_tape_create(&tape, ctx), HNAS_OK);
    ck_assert_int_eq(hnas_supernet_apply(&y, tape, net, images, gates, 0),
                     HNAS_E_OP);
    ck_assert_ptr_null(y);
    hnas_tape_destroy(tape);
    hnas_tensor_unref(images);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    hnas_supernet_destroy(net);
}
END_TEST

/* ---- create ---- */

static hnas_status create_answer;

static hnas_status answers(void **out, hnas_op_builder *builder,
                           const hnas_op_desc *desc)
{
    const hnas_status st = make(out, builder, desc);

    return st < 0 ? st : create_answer;
}

static hnas_status greedy(void **out, hnas_op_builder *builder,
                          const hnas_op_desc *desc)
{
    hnas_status st = HNAS_OK;

    (void)desc;
    for (int i = 0; i < 1000 && st == HNAS_OK; i++)
        st = hnas_op_builder_alloc(out, builder, 8);
    return st;
}

static hnas_status twice(void **out, hnas_op_builder *builder,
                         const hnas_op_desc *desc)
{
    const int64_t dims[4] = {2, 2, 1, 1};
    hnas_tensor *w;
    hnas_status st = make(out, builder, desc);

    for (int i = 0; i < 2 && st == HNAS_OK; i++)
        st = hnas_op_builder_weight(&w, builder, "weight", dims);
    return st;
}

START_TEST(a_create_that_fails_leaves_nothing)
{
    const hnas_op_desc desc = {sizeof desc, 3, 1};
    hnas_op_table bad[4] = {table_of(gives_pool), table_of(gives_pool),
                            table_of(gives_pool), table_of(gives_pool)};
    const hnas_status want[4] = {HNAS_E_IO, HNAS_E_OP, HNAS_E_LIMIT,
                                 HNAS_E_NAME};

    bad[0].create = bad[1].create = answers;
    bad[2].create = greedy;
    bad[3].create = twice;
    bad[0].name = "bad_0";
    bad[1].name = "bad_1";
    bad[2].name = "bad_2";
    bad[3].name = "bad_3";
    for (int i = 0; i < 4; i++) {
        const size_t held = held_bytes(ctx);
        hnas_op *op = (hnas_op *)&op;

        create_answer = i ? HNAS_STOPPED : HNAS_E_IO;
        ck_assert_int_eq(hnas_op_register(ctx, &bad[i]), HNAS_OK);
        ck_assert_int_eq(hnas_op_create(&op, ctx, bad[i].name, &desc), want[i]);
        ck_assert_ptr_null(op);
        ck_assert_uint_eq(held_bytes(ctx), held);
    }
    ck_assert_int_eq(n_destroyed, 1); /* of the one that gave no error */
}
END_TEST

START_TEST(bad_descriptions_and_inputs_are_refused)
{
    const hnas_op_desc good = {sizeof good, 3, 1};
    const hnas_op_desc bad[5] = {{sizeof good, 0, 1},
                                 {sizeof good, 3, 3},
                                 {sizeof good, 3, 0},
                                 {sizeof good, INT64_MAX, 1},
                                 {0, 3, 1}};
    const int64_t dims[4] = {2, 4, 5, 4};
    hnas_tensor *other, *y = x;
    hnas_op *op = (hnas_op *)&op;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(hnas_op_create(&op, ctx, "sep_conv_3x3", &bad[i]),
                         i == 4 ? HNAS_E_ARG : HNAS_E_RANGE);
        ck_assert_ptr_null(op);
    }
    ck_assert_int_eq(hnas_op_create(&op, ctx, "sep_conv_9x9", &good),
                     HNAS_E_NAME);
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "sep_conv_9x9"));
    ck_assert_ptr_nonnull(strstr(hnas_context_message(ctx), "skip_connect"));
    ck_assert_int_eq(hnas_op_create(&op, ctx, "sep_conv_3x3", &good), 0);
    ck_assert_int_eq(hnas_tensor_create(&other, ctx, TEST_REAL, 4, dims), 0);
    ck_assert_int_eq(hnas_op_apply(&y, NULL, op, other), HNAS_E_SHAPE);
    ck_assert_int_eq(hnas_op_apply(&y, NULL, op, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_op_apply(&y, NULL, NULL, x), HNAS_E_ARG);
    ck_assert_int_eq(hnas_op_apply(NULL, NULL, op, x), HNAS_E_ARG);
    ck_assert_ptr_null(y);
    hnas_tensor_unref(other);
    hnas_op_destroy(op);
    hnas_op_destroy(NULL);
}
END_TEST

START_TEST(the_registry_refuses_bad_tables)
{
    const hnas_op_table good = table_of(gives_pool);
    hnas_op_table bad[9];
    static const char *const names[4] = {"", "Upper", "with space", NULL};
    char longest[65];

    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].size = 0;
    bad[1].create = NULL;
    bad[2].apply = NULL;
    bad[3].cost = NULL;
    for (int i = 0; i < 4; i++)
        bad[4 + i].name = names[i];
    memset(longest, 'a', 64);
    longest[64] = 0;
    bad[8].name = longest;
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(hnas_op_register(ctx, &bad[i]),
                         i < 4 ? HNAS_E_ARG : HNAS_E_NAME);
    ck_assert_int_eq(hnas_op_get_count(ctx), 10);
    ck_assert_int_eq(hnas_op_register(ctx, &good), HNAS_OK);
    ck_assert_int_eq(hnas_op_register(ctx, &good), HNAS_E_NAME);
    bad[0] = good;
    bad[0].name = "none";
    ck_assert_int_eq(hnas_op_register(ctx, &bad[0]), HNAS_E_NAME);
    ck_assert_int_eq(hnas_op_register(ctx, NULL), HNAS_E_ARG);
    ck_assert_int_eq(hnas_op_register(NULL, &good), HNAS_E_ARG);
    ck_assert_ptr_eq(hnas_op_get(ctx, 10), &good);
    ck_assert_ptr_null(hnas_op_get(ctx, 11));
    ck_assert_ptr_null(hnas_op_get(ctx, -1));
}
END_TEST

START_TEST(the_registry_ends_at_its_limit)
{
    static hnas_op_table many[300];
    static char names[300][16];
    hnas_status st = HNAS_OK;
    int n;

    for (n = 0; n < 300 && st == HNAS_OK; n++) {
        snprintf(names[n], sizeof names[n], "op_%d", n);
        many[n] = table_of(gives_pool);
        many[n].name = names[n];
        st = hnas_op_register(ctx, &many[n]);
    }
    ck_assert_int_eq(st, HNAS_E_LIMIT);
    ck_assert_int_eq(hnas_op_get_count(ctx), 10 + n - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("op");
    TCase *t = tcase_create("host");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_error_is_passed_on_and_its_output_dropped);
    tcase_add_test(t, no_output_is_named);
    tcase_add_test(t, an_outcome_that_is_none_is_named);
    tcase_add_test(t, an_output_of_another_size_is_named);
    tcase_add_test(t, an_output_of_another_rank_is_named);
    tcase_add_test(t, a_misbehaving_operation_fails_its_network_cleanly);
    tcase_add_test(t, a_create_that_fails_leaves_nothing);
    tcase_add_test(t, bad_descriptions_and_inputs_are_refused);
    tcase_add_test(t, the_registry_refuses_bad_tables);
    tcase_add_test(t, the_registry_ends_at_its_limit);
    suite_add_tcase(s, t);
    return run_suite(s);
}
