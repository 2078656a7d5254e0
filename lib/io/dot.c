/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells in the DOT language of Graphviz. */
#include "hnas/formats.h"
#include "io/palette.h"
#include "io/text.h"
#include "net/space.h"

static void put_nodes(struct hn_text *t, const struct hn_drawing *d,
                      const char *kind)
{
    for (int32_t v = 0; v < 2; v++)
        hn_text_put(t, "    %s_%d [label=\"input %d\", shape=box];\n", kind,
                    (int)v, (int)v);
    for (int32_t v = 2; v < 2 + d->n_nodes; v++)
        hn_text_put(t, "    %s_%d [label=\"%d%s\"%s];\n", kind, (int)v, (int)v,
                    d->alive[v] ? "" : " = 0",
                    d->alive[v] ? "" : ", style=dashed");
    hn_text_put(t, "    %s_out [label=\"output\", shape=box];\n", kind);
}

static void put_cell(struct hn_text *t, const struct hn_drawing *d,
                     int32_t kind)
{
    static const char *const look[] = {"", ", style=dashed", ", style=dotted"};
    const char *name = hn_kind_names[kind];

    if (!d->n_nodes)
        return;
    hn_text_put(t, "  subgraph cluster_%s {\n    label=\"%s cell\";\n", name,
                kind == HNAS_NORMAL ? "normal" : "reduction");
    put_nodes(t, d, name);
    for (int32_t i = 0; i < d->n_edges; i++) {
        const hnas_arch_edge *e = &d->edge[i];
        const char *colour = hn_palette[hn_palette_find(e->op_name)].light;

        hn_text_put(t,
                    "    %s_%d -> %s_%d [label=\"%s\", color=\"%s\", "
                    "fontcolor=\"%s\"%s];\n",
                    name, (int)e->from, name, (int)e->to, e->op_name, colour,
                    colour, look[d->state[i]]);
    }
    for (int32_t v = 2; v < 2 + d->n_nodes; v++)
        hn_text_put(t, "    %s_%d -> %s_out [color=\"#999999\"];\n", name,
                    (int)v, name);
    hn_text_put(t, "  }\n");
}

hnas_status hnas_arch_write_dot(const hnas_arch *arch, char *buffer,
                                size_t capacity, size_t *length)
{
    hnas_status st = HNAS_OK;
    struct hn_text t;

    if (length)
        *length = 0;
    if (!arch || !length || (!buffer && capacity > 0))
        return hn_fail_null(arch ? arch->ctx : NULL,
                            "arch dot: length or buffer");
    hn_text_init(&t, arch->ctx);
    hn_text_put(&t, "digraph cells {\n  node [fontname=\"sans-serif\"];\n"
                    "  edge [fontname=\"sans-serif\", fontsize=10];\n");
    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++) {
        struct hn_drawing d;

        st = hn_drawing_init(&d, arch, k);
        if (st == HNAS_OK)
            put_cell(&t, &d, k);
        hn_drawing_finish(&d, arch->ctx);
    }
    hn_text_put(&t, "}\n");
    if (st == HNAS_OK)
        st = hn_text_copy(buffer, capacity, length, &t);
    hn_text_finish(&t);
    return st;
}
