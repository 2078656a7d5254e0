/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of a network, forged: header by the input, arrays of a good file.  What
 * is taken predicts, and trains on. */
#include "fuzz.h"

static uint8_t *good;
static size_t n_good;

static hnas_status save(const char *path, void *model)
{
    return hnas_model_save(model, path, "text");
}

static void make_good(hnas_context *ctx)
{
    hnas_supernet *net = fuzz_net(ctx);
    hnas_hyper *hyper = fuzz_hyper(net, ctx);
    hnas_model *model = NULL;
    hnas_model_opts o;
    hnas_arch *arch = NULL;

    hnas_model_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 4;
    o.classes = o.nodes = 2;
    o.channels = o.cells = o.stem_multiplier = 1;
    fuzz_expect(hnas_arch_derive(&arch, net, hyper, 1e-3, HNAS_RULE_TOP2) ==
                        HNAS_OK &&
                    hnas_model_create(&model, ctx, arch, &o) == HNAS_OK &&
                    hnas_model_train(model, NULL) == HNAS_OK,
                "a network");
    good = fuzz_saved(&n_good, save, model);
    hnas_model_destroy(model);
    hnas_arch_destroy(arch);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}

static void use(hnas_model *model, hnas_context *ctx)
{
    hnas_predictor *predictor;
    hnas_model_opts o;
    hnas_batch batch;
    float logits[8];
    hnas_status st;

    hnas_model_get_opts(model, &o, sizeof o);
    if (o.image[0] > 4 || o.image[1] > 8 || o.image[2] > 8 || o.cells > 4 ||
        o.channels > 8 || o.nodes > 4 || o.classes > 4)
        return; /* a big one may take its time */
    fuzz_batch(&batch, ctx, o.image, 2, o.classes);
    if (!batch.images)
        return;
    hnas_model_predict(model, batch.images, logits, 2 * o.classes);
    hnas_model_step(model, &batch, NULL);
    st = hnas_predictor_create(&predictor, model, 1);
    fuzz_check(st, predictor);
    hnas_predictor_destroy(predictor);
    fuzz_batch_finish(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    hnas_model *model;
    hnas_status st;

    if (!good)
        make_good(ctx);
    fuzz_begin();
    st = hnas_model_load(&model, ctx, fuzz_forge(data, size, good, n_good));
    fuzz_check(st, model);
    if (st == HNAS_OK)
        use(model, ctx);
    hnas_model_destroy(model);
    fuzz_end();
    return 0;
}
