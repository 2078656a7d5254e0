/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a network set, forged: header by the input, arrays of a good file.
 * What is taken gives each member's network and a predictor. */
#include "fuzz.h"

static uint8_t *good;
static size_t n_good;

static hnas_status save(const char *path, void *set)
{
    return hnas_set_save(set, path, "text");
}

static void make_good(hnas_context *ctx)
{
    hnas_supernet *net = fuzz_net(ctx);
    hnas_hyper *hyper = fuzz_hyper(net, ctx);
    hnas_path *path = NULL;
    hnas_set *set = NULL;

    fuzz_expect(hnas_path_create(&path, net, hyper, NULL) == HNAS_OK &&
                    hnas_set_create(&set, net, path) == HNAS_OK,
                "a set");
    good = fuzz_saved(&n_good, save, set);
    hnas_set_destroy(set);
    hnas_path_destroy(path);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}

static void use(hnas_set *set)
{
    hnas_predictor *predictor;
    hnas_set_member member;
    hnas_model *model;
    hnas_status st;
    const int32_t n = hnas_set_get_count(set);

    fuzz_expect(n > 0, "members");
    for (int32_t i = 0; i < n && i < 4; i++) {
        hnas_set_get_member(set, i, &member);
        fuzz_expect(member.lo <= member.hi, "an interval");
        st = hnas_set_get_model(&model, set, i);
        fuzz_check(st, model);
        hnas_model_destroy(model);
    }
    hnas_set_find(set, 1e-3);
    st = hnas_set_create_predictor(&predictor, set, 1);
    fuzz_check(st, predictor);
    if (predictor)
        hnas_predictor_switch(predictor, n - 1);
    hnas_predictor_destroy(predictor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    hnas_set *set;
    hnas_status st;

    if (!good)
        make_good(ctx);
    fuzz_begin();
    st = hnas_set_load(&set, ctx, fuzz_forge(data, size, good, n_good));
    fuzz_check(st, set);
    if (st == HNAS_OK)
        use(set);
    hnas_set_destroy(set);
    fuzz_end();
    return 0;
}
