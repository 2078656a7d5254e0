/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernels reach: an entry at every level, and wrong arguments. */
#include <string.h>

#include "hnas/hnas.h"
#include "support/check_main.h"
#include "support/memory.h"

static hnas_context *open_level(uint32_t cpu_mask)
{
    hnas_context_opts opts;
    hnas_context *ctx;

    hnas_context_opts_init(&opts, sizeof opts);
    opts.cpu_mask = cpu_mask;
    ck_assert_int_eq(hnas_context_create(&ctx, &opts), HNAS_OK);
    return ctx;
}

START_TEST(every_level_gives_rates)
{
    static const uint32_t masks[] = {0, HNAS_CPU_AVX2, HNAS_CPU_ALL};

    for (int m = 0; m < 3; m++) {
        hnas_context *ctx = open_level(masks[m]);
        const int32_t n = hnas_kernels_get_count(ctx);

        ck_assert_int_gt(n, 50);
        for (int32_t i = 0; i < n; i += 7) {
            hnas_kernel_rate r;

            ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, ctx, i),
                             HNAS_OK);
            ck_assert_msg(r.gflops > 0 && r.roofline > 0, "%s %s", r.name,
                          r.shape);
            ck_assert(r.gbs > 0 || i == 0);
            ck_assert(*r.name && *r.shape);
        }
        hnas_context_destroy(ctx);
    }
}
END_TEST

START_TEST(names_and_shapes_tell_entries_apart)
{
    hnas_context *ctx = open_level(HNAS_CPU_ALL);
    hnas_kernel_rate a, b;

    ck_assert_int_eq(hnas_kernels_measure(&a, sizeof a, ctx, 1), HNAS_OK);
    ck_assert_int_eq(hnas_kernels_measure(&b, sizeof b, ctx, 2), HNAS_OK);
    ck_assert(strcmp(a.name, b.name) || strcmp(a.shape, b.shape));
    hnas_context_destroy(ctx);
}
END_TEST

START_TEST(wrong_arguments_change_nothing)
{
    hnas_context *ctx = open_level(HNAS_CPU_ALL);
    const int32_t n = hnas_kernels_get_count(ctx);
    hnas_kernel_rate r = {.gflops = 7};

    ck_assert_int_eq(hnas_kernels_measure(NULL, sizeof r, ctx, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, NULL, 0), HNAS_E_ARG);
    ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, ctx, -1), HNAS_E_RANGE);
    ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, ctx, n), HNAS_E_RANGE);
    ck_assert(strstr(hnas_context_message(ctx), "index"));
    ck_assert_double_eq(r.gflops, 7);
    hnas_context_destroy(ctx);
}
END_TEST

START_TEST(an_older_struct_is_filled_as_far_as_it_goes)
{
    hnas_context *ctx = open_level(HNAS_CPU_ALL);
    hnas_kernel_rate r = {.roofline = -1};
    const size_t size = offsetof(hnas_kernel_rate, roofline);

    ck_assert_int_eq(hnas_kernels_measure(&r, size, ctx, 0), HNAS_OK);
    ck_assert_uint_eq(r.size, size);
    ck_assert_double_gt(r.gflops, 0);
    ck_assert_double_eq(r.roofline, -1);
    hnas_context_destroy(ctx);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    struct countdown memory;
    hnas_context_opts opts;
    hnas_context *ctx;
    hnas_kernel_rate r = {.gflops = 7};

    countdown_opts(&opts, &memory);
    ck_assert_int_eq(hnas_context_create(&ctx, &opts), HNAS_OK);
    memory.left = 0;
    ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, ctx, 1), HNAS_E_NOMEM);
    ck_assert_double_eq(r.gflops, 7);
    memory.left = -1;
    ck_assert_int_eq(hnas_kernels_measure(&r, sizeof r, ctx, 1), HNAS_OK);
    hnas_context_destroy(ctx);
    ck_assert_int_eq(memory.n_live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *t = tcase_create("kernels");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, every_level_gives_rates);
    tcase_add_test(t, names_and_shapes_tell_entries_apart);
    tcase_add_test(t, wrong_arguments_change_nothing);
    tcase_add_test(t, an_older_struct_is_filled_as_far_as_it_goes);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
