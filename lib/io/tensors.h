/* SPDX-License-Identifier: BSD-3-Clause */
/* The named tensors of a file, the same for both directions. */
#ifndef HN_IO_TENSORS_H
#define HN_IO_TENSORS_H

#include "io/safetensors.h"
#include "optim/optim.h"
#include "tensor/params.h"

enum { HN_TENSORS_NAME_BYTES = 256 };

struct hn_tensors_item {
    char name[HN_TENSORS_NAME_BYTES];
    hnas_tensor *tensor; /* borrowed */
    const real *data;    /* instead of the tensor's own, or NULL */
};

struct hn_tensors {
    struct hnas_context *ctx;
    struct hn_tensors_item *item;
    int64_t n, capacity;
};

/* An empty list; finish it whatever happens. */
hnas_status hn_tensors_init(struct hn_tensors *l, struct hnas_context *ctx,
                            int64_t capacity);
void hn_tensors_finish(struct hn_tensors *l);

hnas_status hn_tensors_add(struct hn_tensors *l, const char *prefix,
                           const char *name, hnas_tensor *t, const real *data);

/* Add an optimizer's states under the names of its parameters, those of a
 * kind of a list: optim.<group>.<state>.<name>. */
hnas_status hn_tensors_add_states(struct hn_tensors *l, const char *group,
                                  const hnas_optim *optim,
                                  const hnas_params *params, int32_t kind);

/* Write all of them, and texts; load all of them. */
hnas_status hn_tensors_write(const struct hn_tensors *l, const char *path,
                             const struct hn_st_pair *pairs, int64_t n_pairs);
hnas_status hn_tensors_load(const struct hn_tensors *l,
                            const struct hn_st_file *file);

#endif
