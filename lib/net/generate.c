/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of a network, stored or piecewise in s (DARTS-CC), and pointwise
 * kernels, stored or generated from embeddings (Ha et al., arXiv:1609.09106),
 * one for each tile. */
#include "net/generate.h"

#include <math.h>
#include <stdio.h>

#include "net/network.h"

enum { PREFIX_BYTES = 160 };

static const char *const head_names[2] = {"weight", "bias"};

hnas_status hn_generation_check(struct hnas_context *ctx,
                                const struct hn_generation *g)
{
    if (g->head != HNAS_HEAD_PLAIN && g->head != HNAS_HEAD_GENERATED)
        return hn_fail(ctx, HNAS_E_RANGE, "network: head %d, want HNAS_HEAD_",
                       (int)g->head);
    if (g->kernels < HNAS_KERNELS_STORED ||
        g->kernels > HNAS_KERNELS_GENERATED_LAMBDA)
        return hn_fail(ctx, HNAS_E_RANGE,
                       "network: kernels %d, want HNAS_KERNELS_",
                       (int)g->kernels);
    return HNAS_OK;
}

int hn_network_wants_lambda(const struct hn_network *net)
{
    return net->head_hyper ||
           net->macro.generation.kernels == HNAS_KERNELS_GENERATED_LAMBDA;
}

static void set_range(hnas_hyper_opts *o, const struct hn_generation *g)
{
    hnas_hyper_opts_init(o, sizeof *o);
    o->weights = 1;
    o->scale = g->scale;
    o->lambda_lo = g->lambda_lo;
    o->lambda_hi = g->lambda_hi;
}

/* ---- the head ---- */

static hnas_status store_head(struct hn_network *net, double bound)
{
    const int64_t dims[2] = {net->macro.classes, net->head_channels};
    hnas_status st = HNAS_OK;

    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        st = hn_tensor_new(&net->head[i], net->ctx, HN_STRIDED, 2 - i, dims);
        if (st < 0)
            break;
        hn_fill_uniform(net->head[i], bound, net->supply.stream++);
        net->head[i]->wanted = 1;
        st = hn_params_add(&net->params, "head.", head_names[i],
                           HNAS_PARAM_WEIGHT, net->head[i]);
    }
    return st;
}

/* Every knot starts as a stored head does. */
static hnas_status generate_head(struct hn_network *net, double bound)
{
    const struct hn_generation *g = &net->macro.generation;
    const hnas_params *params;
    hnas_hyper_opts o;
    hnas_status st;

    set_range(&o, g);
    o.kind = HNAS_HYPER_PIECEWISE;
    o.knots = g->knots;
    o.init_std = 0;
    o.n_tables = 2;
    o.names[0] = "head.weight";
    o.names[1] = "head.bias";
    o.rows[0] = net->macro.classes;
    o.rows[1] = 0;
    o.cols[0] = net->head_channels;
    o.cols[1] = net->macro.classes;
    st = hnas_hyper_create(&net->head_hyper, net->ctx, &o);
    if (st < 0)
        return st;
    params = hnas_hyper_get_params(net->head_hyper);
    for (int64_t i = 0; i < params->n; i++)
        hn_fill_uniform(params->entry[i].tensor, bound, net->supply.stream++);
    return hn_params_add_all(&net->params, "", params);
}

hnas_status hn_network_make_head(struct hn_network *net)
{
    const double bound = 1 / sqrt((double)net->head_channels);

    return net->macro.generation.head == HNAS_HEAD_GENERATED
               ? generate_head(net, bound)
               : store_head(net, bound);
}

hnas_status hn_network_head(hnas_tensor *out[2], hnas_tape *tape,
                            const struct hn_network *net, double lambda)
{
    hnas_status st = HNAS_OK;

    out[0] = out[1] = NULL;
    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        if (net->head_hyper)
            st = hnas_hyper_apply(&out[i], tape, net->head_hyper, i, lambda);
        else
            out[i] = hnas_tensor_ref(net->head[i]);
    }
    return st;
}

/* ---- pointwise kernels ---- */

hnas_status hn_network_make_kernels(struct hn_network *net)
{
    const struct hn_generation *g = &net->macro.generation;
    hnas_hyper_opts o;
    hnas_status st;

    if (g->kernels == HNAS_KERNELS_STORED)
        return HNAS_OK;
    set_range(&o, g);
    o.kind = HNAS_HYPER_EMBEDDING;
    o.embedding = g->embedding;
    o.embed_s = g->kernels == HNAS_KERNELS_GENERATED_LAMBDA;
    o.tile = (int32_t)net->tiles.side;
    o.n_tables = 1;
    o.names[0] = "kernels";
    o.rows[0] = net->tiles.n_tiles * net->tiles.side;
    o.cols[0] = net->tiles.side;
    st = hnas_hyper_create(&net->kernel_hyper, net->ctx, &o);
    if (st < 0)
        return st;
    return hn_params_add_all(&net->params, "",
                             hnas_hyper_get_params(net->kernel_hyper));
}

hnas_status hn_network_begin(struct hn_network *net, hnas_tape *tape,
                             double lambda)
{
    const struct hn_generation *g = &net->macro.generation;

    if (!net->kernel_hyper)
        return HNAS_OK;
    if (g->kernels == HNAS_KERNELS_GENERATED)
        lambda = g->lambda_lo; /* any: nothing depends on it */
    return hnas_hyper_apply(&net->tiles.rows, tape, net->kernel_hyper, 0,
                            lambda);
}

void hn_network_end(struct hn_network *net)
{
    hnas_tensor_unref(net->tiles.rows);
    net->tiles.rows = NULL;
}

/* ---- all weights at a lambda ---- */

static int is_in(const hnas_params *params, const struct hnas_tensor *t)
{
    for (int64_t i = 0; params && i < params->n; i++)
        if (params->entry[i].tensor == t)
            return 1;
    return 0;
}

static hnas_status add_head_at(struct hnas_params *list,
                               const struct hn_network *net, double lambda)
{
    hnas_tensor *head[2];
    hnas_status st = hn_network_head(head, NULL, net, lambda);

    for (int i = 0; i < 2 && st == HNAS_OK; i++)
        st = hn_params_add(list, "head.", head_names[i], HNAS_PARAM_WEIGHT,
                           head[i]);
    hnas_tensor_unref(head[0]);
    hnas_tensor_unref(head[1]);
    return st;
}

static hnas_status add_kernels(struct hnas_params *list, const char *prefix,
                               const struct hnas_op_builder *parts)
{
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < parts->n_pointwise && st == HNAS_OK; i++) {
        hnas_tensor *kernel = NULL;

        st = hn_pointwise_get(&kernel, NULL, parts->pointwise[i]);
        if (st == HNAS_OK)
            st = hn_params_add(list, prefix, parts->pointwise[i]->name,
                               HNAS_PARAM_WEIGHT, kernel);
        hnas_tensor_unref(kernel);
    }
    return st;
}

/* Kernels of one cell, under the names of stored ones. */
static hnas_status add_cell(struct hnas_params *list,
                            const struct hn_network_cell *c, int32_t index)
{
    char prefix[PREFIX_BYTES];
    hnas_status st;

    snprintf(prefix, sizeof prefix, "cells.%d.", (int)index);
    st = add_kernels(list, prefix, &c->parts);
    for (int32_t e = 0; e < c->cell->n_edges && st == HNAS_OK; e++) {
        const struct hn_cell_edge *g = &c->cell->edge[e];

        for (int32_t o = 0; o < g->n_ops && st == HNAS_OK; o++) {
            snprintf(prefix, sizeof prefix, "cells.%d.edges.%d_%d.%.100s.",
                     (int)index, (int)g->from, (int)g->to,
                     g->op[o]->table->name);
            st = add_kernels(list, prefix, &g->op[o]->parts);
        }
    }
    return st;
}

static hnas_status add_kernels_at(struct hnas_params *list,
                                  struct hn_network *net, double lambda)
{
    hnas_status st = hn_network_begin(net, NULL, lambda);

    for (int32_t i = 0; i < net->macro.cells && st == HNAS_OK; i++)
        st = add_cell(list, &net->cell[i], i);
    hn_network_end(net);
    return st;
}

static const hnas_params *params_of(const struct hnas_hyper *hyper)
{
    return hyper ? hnas_hyper_get_params(hyper) : NULL;
}

hnas_status hn_network_weights_at(struct hnas_params *list,
                                  struct hn_network *net, double lambda)
{
    const hnas_params *head = params_of(net->head_hyper);
    const hnas_params *kernels = params_of(net->kernel_hyper);
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < net->params.n && st == HNAS_OK; i++) {
        const struct hn_param *e = &net->params.entry[i];

        if (!is_in(head, e->tensor) && !is_in(kernels, e->tensor))
            st = hn_params_add(list, "", e->name, e->kind, e->tensor);
    }
    if (st == HNAS_OK && head)
        st = add_head_at(list, net, lambda);
    if (st == HNAS_OK && kernels)
        st = add_kernels_at(list, net, lambda);
    return st;
}

void hn_network_count_generated(const struct hn_network *net,
                                int64_t *n_parameters, int64_t *n_weights)
{
    *n_parameters = hnas_params_get_elements(params_of(net->head_hyper), 0) +
                    hnas_params_get_elements(params_of(net->kernel_hyper), 0);
    *n_weights = net->tiles.n_weights;
    if (net->head_hyper)
        *n_weights += (net->head_channels + 1) * net->macro.classes;
}
