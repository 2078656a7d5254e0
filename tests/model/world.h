/* SPDX-License-Identifier: BSD-3-Clause */
/* A small supernet, architectures of it, and batches. */
#ifndef HN_TESTS_MODEL_WORLD_H
#define HN_TESTS_MODEL_WORLD_H

#include "model/model.h"
#include "support/memory.h"
#include "support/random.h"

enum { WORLD_IMAGES = 9, WORLD_CLASSES = 3, WORLD_SIZE = 9, WORLD_NODES = 2 };
enum { WORLD_EDGES = 5, WORLD_OPS = 8 };

struct world {
    struct countdown hooks;
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_model_opts opts; /* of the supernet's shape */
    hnas_batch batch;
    struct random random;
};

void world_open(struct world *w, int32_t n_threads);

/* Release all and check that nothing leaked. */
void world_close(struct world *w);

/* Random images and labels. */
hnas_batch world_batch(struct world *w, uint64_t seed);
/* The batch's images as an array of the host's over `pixels`. */
hnas_array world_images(const struct world *w, float *pixels);

void batch_drop(hnas_batch *b);

/* The architecture whose edges keep these operations of the supernet. */
hnas_arch *world_arch(struct world *w, const int op[2][WORLD_EDGES]);

/* One of random operations. */
hnas_arch *world_random_arch(struct world *w, int32_t rule);

/* A linear hypernetwork of its tables, with random lines. */
hnas_hyper *world_hyper(struct world *w, uint64_t seed);

hnas_model *world_model(struct world *w, const hnas_arch *arch);

/* All tensors of a list, and the state of a training, as a new array. */
double *model_state(const hnas_model *m, int64_t *n);

#endif
