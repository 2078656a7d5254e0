/* SPDX-License-Identifier: BSD-3-Clause */
/* What pictures of cells have in common: the colours of operations, and what
 * of a cell is alive. */
#ifndef HN_IO_PALETTE_H
#define HN_IO_PALETTE_H

#include "arch/arch.h"

enum { HN_N_COLOURS = 14 };

/* On a light page with white text in it, on a dark page with black text. */
struct hn_colour {
    const char *light, *dark;
};

extern const struct hn_colour hn_palette[HN_N_COLOURS];

/* An operation's colour: one of its own for a bundled one. */
int32_t hn_palette_find(const char *op_name);

/* A cell to draw: inputs 0 and 1, then intermediate nodes. */
struct hn_drawing {
    int32_t n_nodes, n_edges; /* n_nodes 0: there is no such cell */
    const hnas_arch_edge *edge;
    uint8_t *state; /* [n_edges] HN_EDGE_ */
    uint8_t *alive; /* [2 + n_nodes] */
};

enum {
    HN_EDGE_LIVE, /* carries something */
    HN_EDGE_DEAD, /* leaves a node that is zeros */
    HN_EDGE_ZERO  /* the zero operation */
};

/* Look at a kind of cell.  Finish it whatever happens. */
hnas_status hn_drawing_init(struct hn_drawing *d, const hnas_arch *arch,
                            int32_t kind);
void hn_drawing_finish(struct hn_drawing *d, struct hnas_context *ctx);

#endif
