/* SPDX-License-Identifier: BSD-3-Clause */
/* A tiny search over the public API, a folder for its files, and a sum over
 * all that a search holds. */
#ifndef HN_TESTS_FAULTS_WORLD_H
#define HN_TESTS_FAULTS_WORLD_H

#include "hnas/hnas.h"
#include "support/memory.h"

enum { FAULT_IMAGES = 4, FAULT_SIDE = 6, FAULT_CLASSES = 3 };

struct life {
    struct countdown hooks;
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch batch;
    hnas_arch *arch;
    hnas_path *path;
    hnas_model *model;
    hnas_set *set;
    hnas_predictor *predictor;
};

/* The folder, made at the first call, and the path of a file in it; four may
 * be in use at a time. */
const char *fault_path(const char *name);

/* The number of files in the folder, and the folder gone. */
int fault_count_files(void);
void fault_clean(void);

/* What an empty context with the hooks is opened with. */
void life_opts(hnas_context_opts *o, struct life *l);

/* Parts, each of one or a few public calls. */
hnas_status life_context(struct life *l);
hnas_status life_batch(struct life *l);
hnas_status life_net(struct life *l);
hnas_status life_hyper(struct life *l);
hnas_status life_search(struct life *l);
hnas_status life_step(struct life *l);
hnas_status life_model(struct life *l); /* of l->arch, which must be there */

/* All of these; fails the test where one does not answer HNAS_OK. */
void life_open(struct life *l, int32_t n_threads);

/* Likewise, with at most so many bytes of memory; 0: any number. */
void life_open_within(struct life *l, int32_t n_threads, size_t limit_bytes);

/* Release all there is, in any state, and check that no block is left. */
void life_close(struct life *l);

/* A sum over every bit of the named tensors and counters; 0: no search. */
uint64_t life_sum(const struct life *l);
uint64_t params_sum(const hnas_params *params);

/* The operations of the nets made from now on; NULL: a few bundled ones. */
void life_set_ops(const char *const *ops, int32_t n_ops);

#endif
