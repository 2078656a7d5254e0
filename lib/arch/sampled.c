/* SPDX-License-Identifier: BSD-3-Clause */
/* The path of a generator without lines: looked at on a grid of s.  What
 * begins and ends between two samples is not seen. */
#include <string.h>

#include "arch/path.h"

/* Steps of s over the range; a fuzzer, which makes many paths, takes fewer. */
#ifndef HN_PATH_SAMPLES
#define HN_PATH_SAMPLES 1024
#endif

/* Turn kept edges back into an operation for each edge. */
static void list_ops(int32_t *op, const struct hnas_path *path,
                     const hnas_arch *arch)
{
    for (int32_t kind = 0; kind < HNAS_N_KINDS; kind++) {
        const struct hn_space_kind *k = &path->space->kind[kind];
        int32_t row = 0;

        for (int32_t e = 0; e < path->n_edges[kind]; e++)
            op[e] = -1;
        for (int32_t i = 0; i < arch->n_edges[kind]; i++) {
            const hnas_arch_edge *edge = &arch->edge[kind][i];

            while (k->from[row] != edge->from || k->to[row] != edge->to)
                row++;
            op[row++] = edge->op;
        }
        op += path->n_edges[kind];
    }
}

/* Add the architecture at s if it differs from the last one. */
static hnas_status add_sample(struct hnas_path *path, const hnas_hyper *hyper,
                              double s, double theta)
{
    const size_t row = (size_t)path->n_edges[0] + (size_t)path->n_edges[1];
    int32_t *op = path->op + (size_t)path->n * row;
    const double lambda = hn_scale_lambda(&hyper->scale, s);
    struct hn_piece *piece = &path->piece[path->n];
    hnas_arch *arch;
    hnas_status st = hn_arch_derive(&arch, path->space, hyper, lambda,
                                    path->rule->id, theta);

    if (st < 0)
        return st;
    list_ops(op, path, arch);
    if (!path->n || memcmp(op, op - row, row * sizeof *op)) {
        piece->lo = path->n ? lambda : path->lo;
        piece->s_lo = s;
        piece->cost = arch->total;
        piece->table_cost = arch->table_cost;
        path->n++;
    }
    hnas_arch_destroy(arch);
    return HNAS_OK;
}

hnas_status hn_path_sample(hnas_path *path, const hnas_hyper *hyper,
                           double theta)
{
    const double s_lo = hn_scale_s(&hyper->scale, path->lo);
    const double s_hi = hn_scale_s(&hyper->scale, path->hi);
    hnas_status st = hn_path_alloc(path, HN_PATH_SAMPLES);

    path->is_sampled = 1;
    for (int i = 0; i < HN_PATH_SAMPLES && st >= 0; i++)
        st = add_sample(path, hyper, s_lo + (s_hi - s_lo) * i / HN_PATH_SAMPLES,
                        theta);
    return st < 0 ? st : HNAS_OK;
}
