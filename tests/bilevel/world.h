/* SPDX-License-Identifier: BSD-3-Clause */
/* A tiny search of a preset, and everything that a step may change in it. */
#ifndef HN_TESTS_BILEVEL_WORLD_H
#define HN_TESTS_BILEVEL_WORLD_H

#include "bilevel/search.h"
#include "support/memory.h"

enum { WORLD_IMAGES = 9, WORLD_CLASSES = 3, WORLD_SIZE = 6 };

struct world {
    struct countdown hooks;
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_search_opts opts; /* of the search */
    hnas_batch train, valid;
};

/* Open a context and make net, hypernetwork and two batches. */
void world_open(struct world *w, const char *preset, int32_t n_threads);

/* Make the search of w->opts. */
void world_search(struct world *w);

/* Release all and check that nothing leaked. */
void world_close(struct world *w);

/* A batch of random images. */
hnas_batch world_batch(struct world *w, uint64_t seed);
void batch_drop(hnas_batch *b);

/* All weights, buffers, architecture parameters, optimizer states and step
 * counts, as a new array; *n tells its length. */
double *world_state(const struct world *w, int64_t *n);

/* All gradients of weights, as a new array. */
double *world_gradients(const struct world *w, int64_t *n);

#endif
