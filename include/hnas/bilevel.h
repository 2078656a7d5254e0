/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file bilevel.h
 * The bilevel optimizer, for a problem of the host's own or a search's.
 *
 * A problem is two losses on a tape, a list of weights w and a list of
 * architecture parameters u.  A step moves u by Adam on the validation loss,
 * then w by SGD on the training loss.  A failed step changes nothing.
 */
#ifndef HNAS_BILEVEL_H
#define HNAS_BILEVEL_H

#include "optim.h"
#include "tape.h"

HNAS_BEGIN_DECLS

/** How u's gradient sees the weights. */
enum {
    HNAS_ORDER_FIRST = 0,     /**< w as it is */
    HNAS_ORDER_SECOND_FD = 1, /**< w after a virtual step, DARTS' differences */
    HNAS_ORDER_SECOND_EXACT = 2 /**< likewise, by hnas_tape_tangent */
};

/** Which loss a problem is asked for. */
enum {
    HNAS_LOSS_TRAIN = 0, /**< of w */
    HNAS_LOSS_VALID = 1  /**< of u */
};

/** What the optimizer asks a problem for. */
typedef struct hnas_loss_request {
    int32_t loss;    /**< HNAS_LOSS_TRAIN or HNAS_LOSS_VALID */
    int32_t wants_w; /**< 1: w's gradient will be asked for */
    int32_t wants_u; /**< 1: u's gradient will be asked for */
    int32_t draw;    /**< which draw of lambda, from 0 */
    double lambda;   /**< its value */
    int64_t step;    /**< the step, from 0 */
} hnas_loss_request;

/** A problem of the host's own. */
typedef struct hnas_problem {
    size_t size; /**< sizeof the struct */
    /** Record a loss, a single number; a new reference.  HNAS_STOPPED stops
     * the step, other positive answers are refused. */
    hnas_status (*loss)(void *user, hnas_tape *tape,
                        const hnas_loss_request *request, hnas_tensor **out);
    /** u has moved and may be projected; a failure takes the step back.
     * NULL: nothing. */
    hnas_status (*after_u)(void *user);
    void (*after_w)(void *user); /**< the step is done; NULL */
    void *user;                  /**< passed to all three */
    hnas_tensor *const *w;       /**< weights */
    int64_t n_w;                 /**< their number */
    hnas_tensor *const *u;       /**< architecture parameters */
    int64_t n_u;                 /**< their number */
} hnas_problem;

/** Settings of the bilevel optimizer; fill with hnas_bilevel_opts_init. */
typedef struct hnas_bilevel_opts {
    size_t size;          /**< sizeof the struct */
    int32_t order;        /**< HNAS_ORDER_; default FIRST */
    int32_t virtual_clip; /**< clip in the virtual step; default 0 */
    hnas_sgd_opts w;      /**< of w */
    double w_rate;        /**< at step 0; default 0.025 */
    double w_rate_last;   /**< behind the last step; default 0.001 */
    hnas_adam_opts u;     /**< of u */
    double u_rate;        /**< default 3e-4 */
    int64_t total_steps;  /**< of the schedules; default 0: rates stay */
    int64_t rate_steps;   /**< steps between changes of w's rate (one epoch);
                               default 1 */
    double warmup;        /**< share of total_steps, the first ones, with u
                               frozen, rounded up; default 0 */
    int32_t half;         /**< 1: passes of HNAS_TAPE_HALF, but those whose
                               differences or tangents are taken; default 0 */
    double u_span;        /**< u_rate is at most u_span / total_steps, so that
                               long runs decide as late as short ones; default
                               0: no bound */
    double cooldown;      /**< share of total_steps, the last ones, with u
                               frozen again, rounded down: w settles in what u
                               has chosen; default 0 */
    int64_t reserved[8];  /**< 0; room for fields of later versions */
} hnas_bilevel_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_bilevel_opts).  Defaults: as each field says;
 *            of w and u those of hnas_sgd_opts_init and hnas_adam_opts_init.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_bilevel_opts_init(hnas_bilevel_opts *opts, size_t size);

/** A bilevel optimizer; opaque. */
typedef struct hnas_bilevel hnas_bilevel;

/** What a step did. */
typedef struct hnas_step_info {
    int64_t step;      /**< steps done, this one included */
    double train_loss; /**< of the w pass */
    double valid_loss; /**< mean over draws; NaN while u is frozen */
    double w_norm;     /**< of w's gradient before the clip */
    double u_norm;     /**< of u's gradient */
    double w_rate;     /**< used */
    double lambda;     /**< of the w pass */
} hnas_step_info;

/**
 * Create an optimizer for a problem.
 *
 *     u minimises L_valid(w*(u), u),   w*(u) minimises L_train(w, u)
 *
 * Shapes     w, u: float32 leaves with contiguous elements, each once; n_w,
 *            n_u >= 1.
 * Units      opts NULL: the defaults.  Rates and u_span finite and >= 0,
 *            total_steps >= 0, rate_steps >= 1, warmup and cooldown >= 0,
 *            together at most 1.
 * Ownership  *out: the caller's, released with hnas_bilevel_destroy; it holds
 *            references to w and u.  problem is copied; user must outlive it.
 * Gradient   each pass of a step sets what w and u want.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or a field of problem not set; E_RANGE a
 *            field of opts; as hnas_sgd_create; E_NOMEM.  On error *out is
 *            NULL.
 * Source     DARTS (arXiv:1806.09055), eq. 3 and 4.
 * Since      0.1
 */
HNAS_API hnas_status hnas_bilevel_create(hnas_bilevel **out, hnas_context *ctx,
                                         const hnas_problem *problem,
                                         const hnas_bilevel_opts *opts);

/**
 * Release a bilevel optimizer.
 *
 * Shapes     bilevel NULL, or one whose step is running: nothing is done.
 * Units      none.
 * Ownership  its references to w and u are gone.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_bilevel_destroy(hnas_bilevel *bilevel);

/**
 * Ask a step to stop: it answers HNAS_STOPPED and changes nothing.
 *
 * Shapes     bilevel: not NULL.
 * Units      seen before each pass of the running step; where none is left,
 *            or no step runs, by the next one.
 * Ownership  none.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_bilevel_cancel(hnas_bilevel *bilevel);

/** Called before each pass of a step: `pass` counts from 0 within the step.
 * A result other than 0 stops the step. */
typedef int32_t (*hnas_progress_fn)(void *user, int64_t step, int32_t pass);

/**
 * Set the progress callback, called before each pass of a step.
 *
 * Shapes     bilevel: not NULL; progress NULL: none.
 * Units      none.
 * Ownership  user is passed to progress and must outlive its use.
 * Gradient   none.
 * Threads    one context, one thread at a time; progress is called on the
 *            thread of the step and may not call on this optimizer but to
 *            cancel.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_bilevel_set_progress(hnas_bilevel *bilevel,
                                        hnas_progress_fn progress, void *user);

/**
 * Do one step: move u by Adam on L_valid, then w by SGD on L_train.
 *
 *     u: mean over d of the gradient at lambda[d];   w: at lambda[step % n]
 *
 * Shapes     lambda [n_lambda]; info NULL: not wanted.
 * Units      n_lambda: 1..1024.  In warmup and cooldown u stays.
 * Ownership  info is the caller's.
 * Gradient   w and u hold the last pass's afterwards.
 * Threads    one context, one thread at a time; hnas_bilevel_cancel from any.
 * Errors     HNAS_STOPPED cancelled, or progress or problem.loss asked for
 *            it; E_ARG NULL argument; E_RANGE n_lambda; E_STATE called from a
 *            callback; E_NAN a loss, a gradient or what the step would leave
 *            is not finite; E_OP problem.loss gave no tensor, or it or after_u
 *            another positive status; E_COMM; E_NOMEM; what they or a sweep
 *            answer.  After all of these u, w, both optimizers and the count
 *            are as they were, and *info is unchanged.
 * Source     DARTS (arXiv:1806.09055), algorithm 1; docs/math.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_bilevel_step(hnas_bilevel *bilevel,
                                       const double *lambda, int32_t n_lambda,
                                       hnas_step_info *info);

/**
 * Compute u's gradient at one lambda; nothing moves.
 *
 *     FIRST:      dL_valid/du (w)
 *     SECOND_FD:  dL_valid/du (w') - xi kappa nu (dL_train/du (w+)
 *                 - dL_train/du (w-)) / (2 R),   w+- = w +- R v
 *
 * Shapes     none.
 * Units      v = dL_valid/dw (w'), R = 0.01 / |v|; w' one step of SGD from w.
 * Ownership  none.
 * Gradient   u's gradients hold the result; w's are spent.
 * Threads    one context, one thread at a time; hnas_bilevel_cancel from any.
 * Errors     as hnas_bilevel_step.  w is as it was, whatever happens.
 * Source     DARTS (arXiv:1806.09055), eq. 7 and 8.
 * Since      0.1
 */
HNAS_API hnas_status hnas_bilevel_gradient(hnas_bilevel *bilevel,
                                           double lambda);

HNAS_END_DECLS

#endif
