/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_MODEL_SET_H
#define HN_MODEL_SET_H

#include "hnas/set.h"
#include "model/frozen.h"

struct hnas_set {
    struct hnas_context *owner; /* the host's: messages, allocations of ours */
    struct hn_frozen *frozen;   /* the members, in order of lambda */
    struct hnas_params weights; /* of all members, each once */
    hnas_set_member *member;    /* [frozen->n] */
    struct hnas_tape *tape;     /* of calibrations, or NULL */
    char *text;                 /* the host's, from a file */
};

/* A set of n members without networks. */
hnas_status hn_set_make(struct hnas_set **out, struct hnas_context *owner,
                        int32_t n);

/* Make a member's network of listed edges; its weights are taken over by name
 * (from NULL: fresh) where no earlier member has them. */
hnas_status hn_set_add(struct hnas_set *set, int32_t index,
                       const struct hn_model_kind kind[HNAS_N_KINDS],
                       const hnas_model_opts *opts,
                       const struct hnas_params *from);

#endif
