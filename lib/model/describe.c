/* SPDX-License-Identifier: BSD-3-Clause */
/* A model's architecture, from the edges that it was made of. */
#include "arch/arch.h"
#include "model/model.h"

/* A rule that keeps all edges tells by them how many nodes there were; the
 * network may have been given more. */
static int32_t count_nodes(const struct hnas_model *m)
{
    int32_t last = 2;

    if (hn_arch_rule_find(m->rule)->max_inputs)
        return m->opts.nodes;
    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int32_t i = 0; i < m->kind[k].n_edges; i++)
            if (m->kind[k].edge[i].to > last)
                last = m->kind[k].edge[i].to;
    return last - 1;
}

hnas_status hnas_model_get_arch(hnas_arch **out, const hnas_model *model)
{
    const hnas_arch_edge *edges[HNAS_N_KINDS];
    int32_t n[HNAS_N_KINDS];
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !model)
        return hn_fail_null(model ? model->ctx : NULL, "model get arch: out");
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        edges[k] = model->kind[k].n_edges < 0 ? NULL : model->kind[k].edge;
        n[k] = model->kind[k].n_edges;
    }
    st = hnas_arch_from_edges(out, model->ctx, count_nodes(model), model->rule,
                              edges, n);
    if (st == HNAS_OK) {
        (*out)->total = model->total;
        (*out)->fixed = model->fixed;
    }
    return st;
}
