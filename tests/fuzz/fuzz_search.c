/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a search, forged: header by the input, arrays of a good file.  What
 * is taken answers queries and does a step. */
#include "fuzz.h"

static uint8_t *good;
static size_t n_good;

static hnas_status save(const char *path, void *search)
{
    return hnas_search_save(search, path, "text");
}

static void make_good(hnas_context *ctx)
{
    hnas_supernet *net = fuzz_net(ctx);
    hnas_hyper *hyper = fuzz_hyper(net, ctx);
    hnas_search *search;

    fuzz_expect(hnas_search_create(&search, net, hyper, NULL) == HNAS_OK,
                "a search");
    good = fuzz_saved(&n_good, save, search);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}

static void query(hnas_search *search, hnas_context *ctx)
{
    hnas_path *path;
    hnas_arch *arch;
    hnas_status st = hnas_path_create(&path, hnas_search_get_net(search),
                                      hnas_search_get_hyper(search), NULL);

    fuzz_check(st, path);
    for (int32_t i = 0; path && i < hnas_path_get_count(path) && i < 4; i++) {
        st = hnas_path_get_arch(&arch, path, i);
        fuzz_check(st, arch);
        hnas_arch_destroy(arch);
    }
    hnas_path_destroy(path);
    st = hnas_search_derive(&arch, search, 1e-3, HNAS_RULE_TOP2);
    fuzz_check(st, arch);
    hnas_arch_destroy(arch);
    (void)ctx;
}

static void step(hnas_search *search, hnas_context *ctx)
{
    hnas_supernet_opts o;
    hnas_batch batch;

    hnas_supernet_get_opts(hnas_search_get_net(search), &o, sizeof o);
    if (o.image[0] > 4 || o.image[1] > 8 || o.image[2] > 8 || o.cells > 4 ||
        o.channels > 8 || o.nodes > 4)
        return; /* a big one may take its time */
    fuzz_batch(&batch, ctx, o.image, 2, o.classes);
    if (batch.images)
        hnas_search_step(search, &batch, &batch, NULL, 0, NULL);
    fuzz_batch_finish(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    hnas_search *search;
    hnas_status st;

    if (!good)
        make_good(ctx);
    fuzz_begin();
    st = hnas_search_load(&search, ctx, fuzz_forge(data, size, good, n_good));
    fuzz_check(st, search);
    if (st == HNAS_OK) {
        query(search, ctx);
        step(search, ctx);
    }
    hnas_search_destroy(search);
    fuzz_end();
    return 0;
}
