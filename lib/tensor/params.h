/* SPDX-License-Identifier: BSD-3-Clause */
/* The named list behind hnas_params. */
#ifndef HN_TENSOR_PARAMS_H
#define HN_TENSOR_PARAMS_H

#include "tensor/tensor.h"

struct hnas_params {
    struct hnas_context *ctx;
    int64_t n, capacity;
    struct hn_param {
        char *name;
        int32_t kind;
        struct hnas_tensor *tensor; /* a reference of the list */
    } * entry;
    int64_t *slot; /* [2 * capacity] by the name's hash: 1 + its entry, or 0 */
};

void hn_params_init(struct hnas_params *params, struct hnas_context *ctx);
void hn_params_finish(struct hnas_params *params);

/* Append; the name is `prefix` + `name`, and must be new: HNAS_E_NAME. */
hnas_status hn_params_add(struct hnas_params *params, const char *prefix,
                          const char *name, int32_t kind,
                          struct hnas_tensor *tensor);

/* The entry of a name, or NULL. */
const struct hn_param *hn_params_find(const struct hnas_params *params,
                                      const char *name);

/* Append all entries of another list under a prefix. */
hnas_status hn_params_add_all(struct hnas_params *params, const char *prefix,
                              const struct hnas_params *other);

/* Borrow the tensors of a kind into an array of the caller's with room for
 * all entries; returns how many. */
int64_t hn_params_select(struct hnas_tensor **out,
                         const struct hnas_params *params, int32_t kind);

/* Fill with U(-bound, bound), keyed by the seed and the stream number. */
void hn_fill_uniform(struct hnas_tensor *t, double bound, uint64_t stream);

#endif
