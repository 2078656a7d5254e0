/* SPDX-License-Identifier: BSD-3-Clause */
/* The alpha pass of hard gates over a few operations of each edge: the m
 * largest of alpha + noise are a draw without replacement by softmax(alpha)
 * (Kool et al., arXiv:1903.06059), the first of them the one that hard gates
 * keep.  The others are left out of the record, and the soft gates
 *
 *     p = softmax((alpha + noise) / tau) over the m,  0 elsewhere
 *
 * are theirs alone. */
#include <math.h>
#include <string.h>

#include "bilevel/search.h"

/* Whether o is before p: the larger sum, the first of equal ones. */
static int is_before(const real *a, const real *u, int64_t o, int64_t p)
{
    const double x = (double)a[o] + u[o], y = (double)a[p] + u[p];

    return x > y || (x == y && o < p);
}

static void limit_row(real *few, uint8_t *left_out, const real *a,
                      const real *u, int64_t n, int32_t most)
{
    for (int64_t o = 0; o < n; o++) {
        int32_t n_before = 0;

        for (int64_t p = 0; p < n; p++)
            n_before += is_before(a, u, p, o);
        left_out[o] = n_before >= most;
        few[o] = left_out[o] ? (real)-INFINITY : u[o];
    }
}

hnas_status hn_search_draw_paths(struct hnas_search *s, hnas_tape *tape, int k,
                                 const hnas_tensor *alpha)
{
    struct hn_search_kind *kind = &s->kind[k];
    const int64_t dims[2] = {kind->n_edges, kind->n_ops};
    const size_t n = (size_t)(dims[0] * dims[1]);
    hnas_status st = hn_tape_compute(tape); /* alpha decides */

    if (st == HNAS_OK && !kind->few)
        st = hn_tensor_new(&kind->few, s->ctx, HN_STRIDED, 2, dims);
    if (st < 0)
        return st;
    kind->left_out = hn_tape_take(tape, n);
    if (!kind->left_out)
        return hn_fail_nomem(s->ctx, "alpha_paths");
    for (int64_t i = 0; i < (int64_t)n; i += dims[1])
        limit_row(hn_real(kind->few) + i, kind->left_out + i,
                  hn_real(alpha) + i, hn_real(kind->noise) + i, dims[1],
                  s->n_paths);
    return HNAS_OK;
}
