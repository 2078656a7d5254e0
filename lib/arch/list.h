/* SPDX-License-Identifier: BSD-3-Clause */
/* A space without a network, for architectures that stand alone. */
#ifndef HN_ARCH_LIST_H
#define HN_ARCH_LIST_H

#include "arch/arch.h"
#include "net/network.h"

struct hn_list_space {
    struct hn_space space; /* fixed costs -1: unknown */
    int32_t from[HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    int32_t to[HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    const char **name;
    uint32_t *flags;
    double *cost; /* zeros */
};

/* All edges of cells of `nodes`, all registered operations; has: whether
 * there are cells of a kind.  Finish it whatever happens. */
hnas_status hn_list_space_init(struct hn_list_space *s,
                               struct hnas_context *ctx, int32_t nodes,
                               const int32_t has[HNAS_N_KINDS]);
void hn_list_space_finish(struct hn_list_space *s);

#endif
