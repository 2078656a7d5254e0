/* SPDX-License-Identifier: BSD-3-Clause */
/* After its first steps a search takes no memory any more. */
#include <stdlib.h>

#include "hnas/hnas.h"
#include "support/check_main.h"

static int n_allocs;

static void *count_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    n_allocs++;
    return aligned_alloc(alignment, size);
}

static void count_free(void *user, void *memory, size_t size)
{
    (void)user;
    (void)size;
    free(memory);
}

static void check_preset(const char *preset)
{
    const int64_t dims[4] = {4, 1, 8, 8}, n = 4;
    hnas_context_opts o;
    hnas_context *ctx;
    hnas_supernet_opts so;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_preset p;
    hnas_batch b;

    hnas_context_opts_init(&o, sizeof o);
    o.alloc = count_alloc;
    o.free = count_free;
    o.n_threads = 2;
    ck_assert_int_eq(hnas_context_create(&ctx, &o), 0);
    ck_assert_int_eq(hnas_preset_find(&p, sizeof p, ctx, preset), 0);
    hnas_supernet_opts_init(&so, sizeof so);
    so.image[1] = so.image[2] = 8;
    so.channels = 4;
    so.cells = 3;
    so.nodes = 2;
    hnas_preset_fit_net(&p, &so);
    ck_assert_int_eq(hnas_supernet_create(&net, ctx, &so), 0);
    hnas_supernet_fit_hyper(net, &p.hyper);
    ck_assert_int_eq(hnas_hyper_create(&hyper, ctx, &p.hyper), 0);
    ck_assert_int_eq(hnas_search_create(&search, net, hyper, &p.search), 0);
    ck_assert_int_eq(hnas_tensor_create(&b.images, ctx, HNAS_FLOAT32, 4, dims),
                     0);
    ck_assert_int_eq(hnas_tensor_create(&b.labels, ctx, HNAS_INT32, 1, &n), 0);
    /* the number of operations drawn varies, so the first steps still grow */
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(hnas_search_step(search, &b, &b, NULL, 0, NULL), 0);
    n_allocs = 0;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(hnas_search_step(search, &b, &b, NULL, 0, NULL), 0);
    ck_assert_msg(n_allocs == 0, "%s: %d allocations in 6 steps", preset,
                  n_allocs);
    hnas_tensor_unref(b.images);
    hnas_tensor_unref(b.labels);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
}

START_TEST(a_warm_step_allocates_nothing)
{
    check_preset("darts");
    check_preset("darts_cc");
    check_preset("default");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bilevel");
    TCase *t = tcase_create("steady");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_warm_step_allocates_nothing);
    suite_add_tcase(s, t);
    return run_suite(s);
}
