/* SPDX-License-Identifier: BSD-3-Clause */
/* The ready-made problem: supernet and hypernetwork. */
#ifndef HN_BILEVEL_SEARCH_H
#define HN_BILEVEL_SEARCH_H

#include "bilevel/bilevel.h"
#include "bilevel/nan.h"
#include "hnas/search.h"
#include "net/space.h"

/* What a kind of cell needs in a pass. */
struct hn_search_kind {
    int32_t table; /* of the hypernetwork; -1: no cell */
    int64_t n_edges, n_ops;
    hnas_tensor *cost;               /* [E, O] weight of |p| in C */
    hnas_tensor *ones;               /* [E, O] */
    hnas_tensor *noise;              /* [E, O] or [N, E, O] */
    int64_t noise_step, noise_first; /* what the noise was drawn for */
    uint32_t noise_purpose;
    hnas_tensor *few;   /* [E, O] the noise, -inf where an op is left out */
    uint8_t *left_out;  /* [E, O] of the pass that is recorded; NULL: none */
    hnas_tensor *alpha; /* a leaf instead of the hypernetwork's; NULL */
};

struct hnas_search {
    struct hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    uint64_t seed; /* of noise and draws of lambda */
    int32_t owns;  /* net and hyper came from a file */
    char *text;    /* the host's, from a file */
    hnas_search_opts opts;
    hnas_bilevel *bilevel;
    hnas_tensor **w, **u;
    struct hn_search_kind kind[HNAS_N_KINDS];
    const hnas_batch *train, *valid; /* of the running step */
    int32_t n_paths;            /* of the pass: drawn ops of an edge; 0: all */
    hnas_tape *tape;            /* of evaluations */
    struct hn_derived *derived; /* what queries at one u share */
    struct hn_nan nan;          /* steps that were not finite */

    /* batch-norm statistics: the search's own are kept here while the
     * buffers hold those of a calibration */
    hnas_tensor **buffer;
    int64_t n_buffers;
    struct hn_copies own;
    int32_t calibrating;
};

/* Record gates of both kinds at lambda.  draw < 0: those of the step. */
hnas_status hn_search_gates(struct hnas_search *s, hnas_tape *tape,
                            double lambda, int64_t draw, int64_t n_images,
                            hnas_tensor *alpha[2], hnas_tensor *gates[2]);

/* Leave all but the n_paths best of alpha + noise of each edge out of the
 * pass: noise becomes -inf where they are, so that the soft gates of the
 * others sum to 1. */
hnas_status hn_search_draw_paths(struct hnas_search *s, hnas_tape *tape, int k,
                                 const hnas_tensor *alpha);

/* Record a loss of a batch.  given: gates to use instead of those at the
 * request's lambda, or NULL. */
hnas_status hn_search_record(struct hnas_search *s, hnas_tape *tape,
                             const hnas_loss_request *request,
                             const hnas_batch *batch,
                             hnas_tensor *const given[2], hnas_tensor **out);

/* Refuse a batch that misses a tensor, and values of lambda that a loss can't
 * be had at. */
hnas_status hn_search_check_batch(struct hnas_search *s, const hnas_batch *b,
                                  const char *what);
hnas_status hn_search_check_lambda(struct hnas_search *s, const double *lambda,
                                   int32_t n);

/* Record cost penalty and regularisers and add them to *loss. */
hnas_status hn_search_penalty(struct hnas_search *s, hnas_tape *tape,
                              double lambda, hnas_tensor *const alpha[2],
                              hnas_tensor *const gates[2], hnas_tensor **loss);

/* Check what a pass at lambda on a validation batch needs. */
hnas_status hn_search_check(struct hnas_search *s, const hnas_batch *valid,
                            double lambda);

/* The loss of hnas_problem; user is the search. */
hnas_status hn_search_loss(void *user, hnas_tape *tape,
                           const hnas_loss_request *request, hnas_tensor **out);

/* What queries at one u share: the paths, and the architectures found. */
hnas_status hn_derived_create(struct hn_derived **out,
                              const struct hnas_search *s);
void hn_derived_destroy(struct hn_derived *d, struct hnas_context *ctx);

/* Record the supernet at lambda. */
hnas_status hn_search_logits(hnas_tensor **out, struct hnas_search *s,
                             hnas_tape *tape, hnas_tensor *images,
                             hnas_tensor *const gates[2], int32_t flags,
                             double lambda);

/* tau at the coming step. */
double hn_search_tau(const struct hnas_search *s);

/* Draw the values of lambda of a step; returns how many (at most
 * HN_MOST_DRAWS). */
enum { HN_MOST_DRAWS = 64 };
int32_t hn_search_draw(const struct hnas_search *s,
                       double lambda[HN_MOST_DRAWS]);

hnas_status hn_search_check_opts(struct hnas_context *ctx,
                                 const hnas_search_opts *o);

#endif
