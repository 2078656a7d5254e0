/* SPDX-License-Identifier: BSD-3-Clause */
/* The validation loss seen as a function of alpha alone. */
#ifndef HN_BILEVEL_HESSIAN_H
#define HN_BILEVEL_HESSIAN_H

#include "bilevel/search.h"

/* alpha of all kinds in a row, normal first. */
struct hn_hessian {
    struct hnas_search *search; /* valid is set, alpha are its leaves */
    double lambda;
    int64_t n;                       /* entries of alpha */
    hnas_tensor *move[HNAS_N_KINDS]; /* v as tensors */
    int32_t has_no_tangent;          /* products are differences */
    double *at;                      /* [n] where H is asked for */
    double *room;                    /* [n] */
};

/* Open at alpha(lambda) of a batch; after a failure too it is closed. */
hnas_status hn_hessian_open(struct hn_hessian *h, struct hnas_search *s,
                            const hnas_batch *valid, double lambda);
void hn_hessian_close(struct hn_hessian *h);

/* out = H v, [n] each. */
hnas_status hn_hessian_product(struct hn_hessian *h, double *out,
                               const double *v);

#endif
