/* SPDX-License-Identifier: BSD-3-Clause */
#include "draw.h"

#include <string.h>

/* Inputs of a cell are the nodes that no edge enters, and come first. */
static void put_node(FILE *file, int32_t node, int32_t n_inputs)
{
    if (node < n_inputs)
        fprintf(file, "in%d", (int)node);
    else
        fprintf(file, "n%d ", (int)(node - n_inputs));
}

static int is_zero(const hnas_arch_edge *edge)
{
    return !strcmp(edge->op_name, "none");
}

static int32_t count_inputs(const hnas_arch *arch, int32_t kind)
{
    const hnas_arch_edge *edge = hnas_arch_get_edges(arch, kind);
    const hnas_arch_warning *w;
    const int32_t n_w = hnas_arch_get_warnings(arch, &w);
    int32_t first = INT32_MAX;

    for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, kind); i++)
        first = edge[i].to < first ? edge[i].to : first;
    for (int32_t i = 0; i < n_w; i++)
        if (w[i].kind == kind && w[i].code != HNAS_ARCH_INPUT_UNUSED &&
            w[i].node < first)
            first = w[i].node;
    return first;
}

/*     in0 --sep_conv_3x3--+
 *     in1 --skip_connect--+--> n0  */
static void draw_node(FILE *file, const hnas_arch_edge *edge, int32_t n,
                      int32_t n_inputs)
{
    int32_t left = 0;

    for (int32_t i = 0; i < n; i++)
        left += !is_zero(&edge[i]);
    if (!left) {
        fprintf(file, "    %-20s   ", "(nothing)");
        put_node(file, edge[0].to, n_inputs);
        fprintf(file, " = 0\n");
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const char *name = edge[i].op_name;
        const int dashes = 15 - (int)strlen(name);

        if (is_zero(&edge[i]))
            continue;
        fprintf(file, "    ");
        put_node(file, edge[i].from, n_inputs);
        fprintf(file, " --%s", name);
        for (int k = 0; k < dashes; k++)
            fputc('-', file);
        fprintf(file, "+");
        if (--left == 0) {
            fprintf(file, "--> ");
            put_node(file, edge[i].to, n_inputs);
        }
        fputc('\n', file);
    }
}

static void draw_cell(FILE *file, const hnas_arch *arch, int32_t kind)
{
    const hnas_arch_edge *edge = hnas_arch_get_edges(arch, kind);
    const int32_t n = hnas_arch_get_edge_count(arch, kind);
    const int32_t n_inputs = count_inputs(arch, kind);

    for (int32_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && edge[k].to == edge[i].to; k++)
            continue;
        draw_node(file, edge + i, k - i, n_inputs);
    }
}

void draw_arch(FILE *file, const hnas_arch *arch)
{
    static const char *const titles[] = {"normal", "reduction"};

    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++) {
        fprintf(file, "  %s cell\n", titles[kind]);
        if (hnas_arch_get_edge_count(arch, kind))
            draw_cell(file, arch, kind);
        else
            fprintf(file, "    (none)\n");
    }
}
