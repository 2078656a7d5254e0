/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's making: stem, cells, head, names. */
#include "net/network.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX_BYTES = 64, MOST_CELLS = 1000 };

static hnas_status check_range(struct hnas_context *ctx, const char *what,
                               int64_t value, int64_t lo, int64_t hi)
{
    if (value >= lo && value <= hi)
        return HNAS_OK;
    return hn_fail(ctx, HNAS_E_RANGE, "network: %lld %s, want %lld..%lld",
                   (long long)value, what, (long long)lo, (long long)hi);
}

hnas_status hn_macro_check(struct hnas_context *ctx, const struct hn_macro *m)
{
    const struct {
        const char *what;
        int64_t value, lo, hi;
    } range[] = {
        {"image channels", m->image[0], 1, 4096},
        {"image rows", m->image[1], 1, 16384},
        {"image columns", m->image[2], 1, 16384},
        {"classes", m->classes, 1, 1 << 20},
        {"channels", m->channels, 1, 1 << 14},
        {"cells", m->cells, 1, MOST_CELLS},
        {"nodes", m->nodes, 1, HN_MOST_CELL_NODES},
        {"stem_multiplier", m->stem_multiplier, 1, 64},
    };
    hnas_status st = HNAS_OK;

    for (size_t i = 0; i < sizeof range / sizeof range[0] && st == HNAS_OK; i++)
        st = check_range(ctx, range[i].what, range[i].value, range[i].lo,
                         range[i].hi);
    return st == HNAS_OK ? hn_generation_check(ctx, &m->generation) : st;
}

int32_t hn_cell_kind(int32_t cell, int32_t cells)
{
    return cell == cells / 3 || cell == 2 * cells / 3 ? HNAS_REDUCE
                                                      : HNAS_NORMAL;
}

/* ---- stem ---- */

static hnas_status make_stem(struct hn_network *net)
{
    const int64_t c = net->macro.channels * net->macro.stem_multiplier;
    const int64_t dims[4] = {c, net->macro.image[0], 3, 3};
    hnas_status st;

    hn_builder_init(&net->stem, net->ctx, 1, &net->supply);
    st = hnas_op_builder_weight(&net->stem_conv, &net->stem, "conv.weight",
                                dims);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&net->stem_bn, &net->stem, "bn", c);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, "stem.", &net->stem.params);
    return st;
}

/* ---- cells ---- */

/* Shape of one thing that flows between cells. */
struct flow {
    int64_t channels, size[2];
};

static hnas_status make_preprocess(struct hn_network *net,
                                   struct hn_network_cell *c, int i,
                                   const struct flow *in, int reduce)
{
    struct hn_preprocess *p = &c->preprocess[i];
    const int64_t n = c->channels;
    static const char *const names[2][3] = {
        {"preprocess0.conv.weight", "preprocess0.conv0.weight",
         "preprocess0.conv1.weight"},
        {"preprocess1.conv.weight", "preprocess1.conv0.weight",
         "preprocess1.conv1.weight"},
    };
    static const char *const norms[2] = {"preprocess0.bn", "preprocess1.bn"};
    hnas_status st;

    p->in_channels = in->channels;
    p->out_channels = n;
    for (int a = 0; a < 2; a++) {
        p->in_size[a] = in->size[a];
        p->out_size[a] = reduce ? (in->size[a] + 1) / 2 : in->size[a];
    }
    if (reduce && n < 2)
        return hn_fail(net->ctx, HNAS_E_RANGE,
                       "network: 1 channel can't be halved, want >= 2");
    st = hn_builder_pointwise(&p->w[0], &c->parts, names[i][reduce],
                              reduce ? n - n / 2 : n, in->channels);
    if (st == HNAS_OK && reduce)
        st = hn_builder_pointwise(&p->w[1], &c->parts, names[i][2], n / 2,
                                  in->channels);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&p->bn, &c->parts, norms[i], n);
    return st;
}

/* A cell's graph: in a reduction the edges from its inputs halve the image. */
static hnas_status make_graph(struct hn_network *net, struct hn_network_cell *c,
                              const struct hn_graph *graph)
{
    const int32_t nodes = net->macro.nodes;
    hnas_edge edges[HN_DARTS_EDGES(HN_MOST_CELL_NODES)];
    int32_t outputs[HN_MOST_CELL_NODES];
    hnas_cell_desc desc = {sizeof desc,    2,     nodes, c->channels,
                           graph->n_edges, edges, nodes, outputs};

    for (int32_t i = 0; i < nodes; i++)
        outputs[i] = 2 + i;
    for (int32_t e = 0; e < graph->n_edges; e++) {
        edges[e] = graph->edge[e];
        edges[e].stride = c->kind == HNAS_REDUCE && edges[e].from < 2 ? 2 : 1;
        if (edges[e].from < 2)
            c->reads[edges[e].from] = 1;
    }
    return hn_cell_make(&c->cell, net->ctx, &desc, net->macro.affine,
                        &net->supply);
}

static hnas_status make_cell(struct hn_network *net, int32_t index,
                             const struct hn_graph *graph,
                             const struct flow *s0, const struct flow *s1)
{
    struct hn_network_cell *c = &net->cell[index];
    const int halve = index > 0 && net->cell[index - 1].kind == HNAS_REDUCE;
    char prefix[PREFIX_BYTES];
    hnas_status st;

    hn_builder_init(&c->parts, net->ctx, net->macro.affine, &net->supply);
    st = make_preprocess(net, c, 0, s0, halve);
    if (st == HNAS_OK)
        st = make_preprocess(net, c, 1, s1, 0);
    if (st == HNAS_OK)
        st = make_graph(net, c, graph);
    snprintf(prefix, sizeof prefix, "cells.%d.", (int)index);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, prefix, &c->parts.params);
    if (st == HNAS_OK)
        st = hn_params_add_all(&net->params, prefix, &c->cell->params);
    return st;
}

static hnas_status make_cells(struct hn_network *net,
                              const struct hn_graph graph[HNAS_N_KINDS])
{
    const struct hn_macro *m = &net->macro;
    struct flow s0 = {m->channels * m->stem_multiplier,
                      {m->image[1], m->image[2]}};
    struct flow s1 = s0;
    int64_t channels = m->channels;
    hnas_status st = HNAS_OK;

    net->cell =
        hn_alloc_array(&net->ctx->alloc, (size_t)m->cells, sizeof *net->cell);
    if (!net->cell)
        return hn_fail_nomem(net->ctx, "network");
    for (int32_t i = 0; i < m->cells && st == HNAS_OK; i++) {
        struct hn_network_cell *c = &net->cell[i];
        struct flow out;

        c->kind = hn_cell_kind(i, m->cells);
        channels *= c->kind == HNAS_REDUCE ? 2 : 1;
        c->channels = channels;
        for (int a = 0; a < 2; a++) {
            c->in_size[a] = s1.size[a];
            c->out_size[a] = out.size[a] =
                c->kind == HNAS_REDUCE ? (s1.size[a] + 1) / 2 : s1.size[a];
        }
        st = make_cell(net, i, &graph[c->kind], &s0, &s1);
        out.channels = channels * m->nodes;
        s0 = s1;
        s1 = out;
    }
    net->head_channels = s1.channels;
    return st;
}

/* Mark, from the last cell back, whose output reaches head or tap. */
static void find_read(struct hn_network *net)
{
    const int32_t n = net->macro.cells;

    net->cell[n - 1].is_read = 1;
    if (net->macro.tap >= 0)
        net->cell[net->macro.tap].is_read = 1;
    for (int32_t i = n - 1; i >= 0; i--)
        for (int k = 0; k < 2 && net->cell[i].is_read; k++) {
            const int32_t source = i - 2 + k;

            if (net->cell[i].reads[k])
                *(source < 0 ? &net->stem_is_read
                             : &net->cell[source].is_read) = 1;
        }
}

hnas_status hn_network_make(struct hn_network *net, struct hnas_context *ctx,
                            const struct hn_macro *macro,
                            const struct hn_graph graph[HNAS_N_KINDS])
{
    hnas_status st;

    net->ctx = ctx;
    net->macro = *macro;
    hn_params_init(&net->params, ctx);
    net->tiles.side = macro->channels;
    net->supply.tiles =
        macro->generation.kernels == HNAS_KERNELS_STORED ? NULL : &net->tiles;
    st = make_stem(net);
    if (st == HNAS_OK)
        st = make_cells(net, graph);
    if (st == HNAS_OK)
        st = hn_network_make_kernels(net);
    if (st == HNAS_OK)
        st = hn_network_make_head(net);
    if (st == HNAS_OK)
        find_read(net);
    return st;
}

void hn_network_finish(struct hn_network *net)
{
    if (!net->ctx)
        return;
    for (int32_t i = 0; net->cell && i < net->macro.cells; i++) {
        hnas_cell_destroy(net->cell[i].cell);
        hn_builder_finish(&net->cell[i].parts);
    }
    hn_free(&net->ctx->alloc, net->cell);
    hn_builder_finish(&net->stem);
    hnas_hyper_destroy(net->head_hyper);
    hnas_hyper_destroy(net->kernel_hyper);
    hnas_tensor_unref(net->head[0]);
    hnas_tensor_unref(net->head[1]);
    hn_params_finish(&net->params);
}
