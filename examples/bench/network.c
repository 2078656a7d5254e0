/* SPDX-License-Identifier: BSD-3-Clause */
/* What a discrete network costs: a prediction, a step of training. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "common/arch.h"
#include "common/program.h"

enum { WARM_UP = 2 };

struct network {
    hnas_context *ctx;
    hnas_arch *arch;
    hnas_model *model;
    hnas_predictor *predictor;
    hnas_batch batch;
    hnas_array images; /* of the batch */
    float *logits;
};

static hnas_status create(struct network *n, const struct bench *b,
                          int32_t nodes)
{
    hnas_model_opts o;
    hnas_status st;

    hnas_model_opts_init(&o, sizeof o);
    for (int i = 0; i < 3; i++)
        o.image[i] = b->dims[i];
    o.classes = b->classes;
    o.channels = b->channels;
    o.cells = (int32_t)b->cells;
    o.nodes = nodes;
    st = hnas_model_create(&n->model, n->ctx, n->arch, &o);
    if (st == HNAS_OK)
        st = hnas_model_train(n->model, NULL);
    if (st == HNAS_OK)
        st = bench_batch(&n->batch, n->ctx, b);
    if (st == HNAS_OK)
        st = hnas_tensor_get_array(n->batch.images, &n->images);
    if (st == HNAS_OK)
        st = hnas_predictor_create(&n->predictor, n->model,
                                   hnas_context_get_threads(n->ctx));
    return st;
}

static hnas_status time_passes(struct network *n, const struct bench *b,
                               int is_training, struct bench_result *r)
{
    const int64_t count = b->batch * b->classes;
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < WARM_UP + b->repeat && st == HNAS_OK; i++) {
        const double began_s = now_s();
        const int64_t before = hnas_context_get_moved(n->ctx);

        st = is_training ? hnas_model_step(n->model, &n->batch, NULL)
                         : hnas_predictor_run(n->predictor, &n->images,
                                              n->logits, count);
        if (st == HNAS_OK && is_interrupted())
            st = HNAS_E_STOPPED;
        if (i >= WARM_UP)
            r->ms[r->n_ms++] = 1e3 * (now_s() - began_s);
        r->moved_bytes = hnas_context_get_moved(n->ctx) - before;
    }
    return st;
}

static int measure(struct network *n, const struct bench *b, int is_training,
                   struct bench_result *r)
{
    hnas_cost cost;
    hnas_status st;
    int rc = arch_open(&n->arch, n->ctx, b->arch);

    if (rc)
        return rc;
    st = create(n, b, arch_nodes(n->arch));
    if (st < 0)
        return library_failure(n->ctx, st, 1);
    st = time_passes(n, b, is_training, r);
    if (st < 0)
        return library_failure(n->ctx, st, 0);
    hnas_model_get_cost(n->model, &cost, NULL);
    /* forward and backward are three times the forward */
    r->flops =
        2.0 * (is_training ? 3 : 1) * (double)b->batch * (double)cost.macs;
    r->threads = hnas_context_get_threads(n->ctx);
    snprintf(r->kernels, sizeof r->kernels, "%s",
             hnas_context_get_kernels(n->ctx));
    return 0;
}

int bench_network(const struct bench *b, int is_training,
                  struct bench_result *r)
{
    struct network n = {0};
    int rc = program_open(&n.ctx, b->threads, b->seed);

    r->ms = calloc((size_t)b->repeat, sizeof *r->ms);
    n.logits = calloc((size_t)(b->batch * b->classes), sizeof *n.logits);
    if (!rc && (!r->ms || !n.logits))
        rc = failure("--repeat %lld, --batch %lld: out of memory",
                     (long long)b->repeat, (long long)b->batch);
    if (!rc)
        rc = measure(&n, b, is_training, r);
    hnas_predictor_destroy(n.predictor);
    hnas_model_destroy(n.model);
    hnas_arch_destroy(n.arch);
    hnas_tensor_unref(n.batch.images);
    hnas_tensor_unref(n.batch.labels);
    hnas_context_destroy(n.ctx);
    free(n.logits);
    return rc;
}
