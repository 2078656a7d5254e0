/* SPDX-License-Identifier: BSD-3-Clause */
/* What a network costs: its operations one by one, and all the rest. */
#include <string.h>

#include "net/network.h"

void hn_network_op_cost(const struct hn_network *net, int32_t cell,
                        int32_t edge, int32_t op, hnas_cost *cost)
{
    const struct hn_network_cell *c = &net->cell[cell];
    const struct hn_cell_edge *e = &c->cell->edge[edge];
    /* behind a reduction's first edges the image is halved */
    const int64_t *size =
        e->from >= c->cell->n_inputs ? c->out_size : c->in_size;

    hnas_op_get_cost(e->op[op], size[0], size[1], cost);
}

static void add_preprocess(hnas_cost *total, const struct hn_preprocess *p)
{
    const int64_t in = p->in_size[0] * p->in_size[1];
    const int64_t out = p->out_size[0] * p->out_size[1];
    const int64_t convs = p->w[1] ? 2 : 1; /* concatenated if two */

    total->params += p->in_channels * p->out_channels;
    total->macs += p->in_channels * p->out_channels * out;
    total->bytes +=
        4 * (p->in_channels * in + (1 + convs) * p->out_channels * out);
}

/* Weights and biases of affine batch-norm in preprocess steps and
 * operations. */
static int64_t count_affine(const struct hn_network_cell *c)
{
    int64_t n = 0;

    for (int32_t i = 0; i < c->parts.n_norms; i++)
        n += c->parts.norm[i]->channels;
    for (int32_t e = 0; e < c->cell->n_edges; e++)
        for (int32_t o = 0; o < c->cell->edge[e].n_ops; o++) {
            const struct hnas_op_builder *p = &c->cell->edge[e].op[o]->parts;

            for (int32_t i = 0; i < p->n_norms; i++)
                n += p->norm[i]->channels;
        }
    return 2 * n;
}

void hn_network_fixed_cost(const struct hn_network *net, hnas_cost *total)
{
    const int64_t *image = net->macro.image;
    const int64_t c = net->stem_bn->channels, pix = image[1] * image[2];
    const int64_t weights = net->head_channels * net->macro.classes;

    total->params = 9 * image[0] * c + 2 * c;
    total->macs = 9 * image[0] * c * pix;
    total->bytes = 4 * 2 * c * pix;
    for (int32_t i = 0; i < net->macro.cells; i++) {
        const struct hn_network_cell *cell = &net->cell[i];

        add_preprocess(total, &cell->preprocess[0]);
        add_preprocess(total, &cell->preprocess[1]);
        /* the node sums and their concatenation */
        total->bytes += 4 * 2 * cell->channels * net->macro.nodes *
                        cell->out_size[0] * cell->out_size[1];
        if (net->macro.affine)
            total->params += count_affine(cell);
    }
    total->params += weights + net->macro.classes;
    total->macs += weights;
    total->bytes += 4 * (net->head_channels + net->macro.classes);
}
