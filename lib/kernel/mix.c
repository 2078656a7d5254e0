/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of scaled images and their reductions, plain C. */
#include "kernel/kernel.h"

/* y[c] += a[c] * b[c] */
static void add_product(real *restrict y, const real *restrict a,
                        const real *restrict b, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++)
        y[c] += a[c] * b[c];
}

static void mix(real *y, struct hn_terms terms, const real *shift,
                int64_t n_pix, int64_t cp)
{
    for (int64_t p = 0; p < n_pix; p++) {
        real *yp = y + p * cp;

        for (int64_t c = 0; c < cp; c++)
            yp[c] = shift ? shift[c] : 0;
        for (int64_t t = 0; t < terms.n_terms; t++)
            add_product(yp, terms.scale[t], terms.z[t] + p * cp, cp);
    }
}

static void mix_sums(real *sg, real *sgz, const real *g, struct hn_terms terms,
                     int64_t n_pix, int64_t cp)
{
    for (int64_t c = 0; c < cp; c++)
        sg[c] = 0;
    for (int64_t c = 0; c < terms.n_terms * cp; c++)
        sgz[c] = 0;
    for (int64_t p = 0; p < n_pix; p++) {
        for (int64_t c = 0; c < cp; c++)
            sg[c] += g[p * cp + c];
        for (int64_t t = 0; t < terms.n_terms; t++)
            add_product(sgz + t * cp, g + p * cp, terms.z[t] + p * cp, cp);
    }
}

void hn_kernels_add_mix(struct hn_kernels *k)
{
    k->mix = mix;
    k->mix_sums = mix_sums;
}
