/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 9.  The bilevel optimizer's inside. */
#ifndef HN_BILEVEL_BILEVEL_H
#define HN_BILEVEL_BILEVEL_H

#include <stdatomic.h>

#include "hnas/bilevel.h"
#include "optim/optim.h"
#include "tape/tape.h"

/* What a field of options may be. */
enum { HN_BOUND_INT32, HN_BOUND_INT64, HN_BOUND_REAL };

struct hn_bound {
    const char *name;
    size_t offset;
    int type; /* HN_BOUND_ */
    double lo, hi;
};

/* E_RANGE names the first of n fields outside its bounds, NaN too. */
hnas_status hn_check_bounds(struct hnas_context *ctx, const char *who,
                            const void *opts, const struct hn_bound *bound,
                            size_t n);

/* Copies of a list of tensors' extents. */
struct hn_copies {
    real **copy; /* [n] */
    int64_t n;
};

struct hnas_bilevel {
    struct hnas_context *ctx;
    hnas_problem problem; /* w and u point to the arrays below */
    hnas_bilevel_opts opts;
    hnas_tensor **w, **u;
    hnas_tape *tape;
    hnas_optim *sgd, *adam;
    int64_t step;
    struct hn_copies u_sum;                       /* over the draws of a step */
    struct hn_copies w_saved, v, u_plus, u_valid; /* of the second order */
    hnas_tensor **along; /* [n_w] v again, as hnas_tape_tangent reads it */
    hnas_status (*check_w)(void *user); /* whether after_w may follow; NULL */
    hnas_progress_fn progress;
    void *progress_user;
    int32_t runs;      /* a step or a gradient is under way */
    int32_t n_passes;  /* of the running step */
    int32_t is_shared; /* passes take a share of the batch of all ranks */
    atomic_int cancel;
};

/* One pass: record a loss at lambda, and sweep for the gradients wanted: of
 * the loss, or of its tangent where w moves along something. */
struct hn_pass {
    int32_t loss, wants_w, wants_u, draw;
    double lambda;
    hnas_tensor *const *along; /* [n_w], or NULL */
    int32_t is_exact;          /* never in half precision */
};
hnas_status hn_bilevel_pass(struct hnas_bilevel *b, const struct hn_pass *pass,
                            double *value);

/* u's gradient at one lambda, into u's gradients; *value is the validation
 * loss.  One file an order. */
hnas_status hn_order_first(struct hnas_bilevel *b, double lambda, int32_t draw,
                           double *value);
hnas_status hn_order_second(struct hnas_bilevel *b, double lambda, int32_t draw,
                            double *value);

/* (d2 L_train / du dw) v into u's gradients, at w_saved, which w returns to.
 * v is in b->v, norm is |v| > 0.  One file each. */
hnas_status hn_product_fd(struct hnas_bilevel *b, const struct hn_pass *train,
                          double norm);
hnas_status hn_product_exact(struct hnas_bilevel *b,
                             const struct hn_pass *train);

/* Whether a step or a gradient is under way; then a message says that `call`
 * comes from within it. */
int hn_bilevel_is_busy(struct hnas_bilevel *b, const char *call);

/* w's rate at the coming step. */
double hn_bilevel_rate(const struct hnas_bilevel *b);

hnas_status hn_copies_init(struct hn_copies *c, struct hnas_context *ctx,
                           hnas_tensor *const *t, int64_t n);
void hn_copies_finish(struct hn_copies *c, struct hnas_context *ctx);
void hn_copies_keep(struct hn_copies *c, hnas_tensor *const *t);
void hn_copies_bring_back(const struct hn_copies *c, hnas_tensor *const *t);
void hn_copies_keep_grad(struct hn_copies *c, hnas_tensor *const *t);

#endif
