/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_MODEL_SET_H
#define HN_MODEL_SET_H

#include "hnas/set.h"
#include "model/frozen.h"

struct hnas_set {
    struct hnas_context *owner; /* the host's: messages, allocations of ours */
    struct hn_frozen *frozen;   /* the members, in order of lambda */
    struct hnas_params weights; /* of all members, what they share once */
    hnas_set_member *member;    /* [frozen->n] */
    struct hnas_tape *tape;     /* of calibrations, or NULL */
    char *text;                 /* the host's, from a file */
    int32_t runs;               /* a call that may reach the host's code */
};

/* E_STATE where the host's code within such a call makes another. */
hnas_status hn_set_expect_idle(const struct hnas_set *set, const char *call);

/* A set of n members without networks. */
hnas_status hn_set_make(struct hnas_set **out, struct hnas_context *owner,
                        int32_t n);

/* Where a member's weights come from. */
struct hn_set_source {
    const struct hnas_params *from; /* taken over by name; NULL: fresh */
    /* Whether a member keeps a weight of its own although an earlier one has
     * that name.  NULL: where their values differ. */
    int (*is_own)(const void *user, int32_t member, const char *name);
    const void *user;
};

/* Make a member's network of listed edges.  A weight that it has for itself
 * stands in the set's list after the member's prefix. */
hnas_status hn_set_add(struct hnas_set *set, int32_t index,
                       const struct hn_model_kind kind[HNAS_N_KINDS],
                       const hnas_model_opts *opts,
                       const struct hn_set_source *source);

/* "member.<index>.", before the names of what is one member's alone. */
enum { HN_MEMBER_PREFIX_BYTES = 32 };
const char *hn_member_prefix(char text[HN_MEMBER_PREFIX_BYTES], int32_t index);

#endif
