/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file search.h
 * The search: the bilevel optimizer over a supernet and a hypernetwork, what
 * it predicts and derives, and the presets.
 *
 * A step moves the architecture parameters on a validation batch, then the
 * weights on a training batch.  A failed step changes nothing.
 */
#ifndef HNAS_SEARCH_H
#define HNAS_SEARCH_H

#include "arch.h"
#include "bilevel.h"
#include "data.h"

HNAS_BEGIN_DECLS

/** How alpha becomes gates. */
enum {
    HNAS_RELAX_RAW = 0,        /**< p = alpha */
    HNAS_RELAX_SOFTMAX = 1,    /**< softmax(alpha / tau) */
    HNAS_RELAX_SIGMOID = 2,    /**< sigmoid(alpha) */
    HNAS_RELAX_GUMBEL = 3,     /**< soft, one draw an image or a step */
    HNAS_RELAX_GUMBEL_HARD = 4 /**< one-hot, one draw a step */
};

/** How tau moves from tau to tau_last over the steps. */
enum {
    HNAS_TAU_CONSTANT = 0, /**< stays at tau */
    HNAS_TAU_LINEAR = 1,   /**< on a line */
    HNAS_TAU_EXP = 2,      /**< by a constant factor */
    HNAS_TAU_EPOCH = 3     /**< tau_fall an epoch, down to tau_last */
};

/** How lambda is drawn for a step. */
enum {
    HNAS_SAMPLE_FIXED = 0,      /**< opts.lambda */
    HNAS_SAMPLE_UNIFORM = 1,    /**< in s */
    HNAS_SAMPLE_ANTITHETIC = 2, /**< pairs (s, s_lo + s_hi - s) */
    HNAS_SAMPLE_SANDWICH = 3,   /**< both ends and draws - 2 random in s */
    HNAS_SAMPLE_LOG_UNIFORM = 4 /**< in ln lambda, whatever the scale */
};

/** What a search does about a step whose loss, gradient or weights are not
 * finite.  Ten such steps in a row, or ten returns to one state, are the most:
 * the next one answers HNAS_E_NAN. */
enum {
    HNAS_NAN_STOP = 0,    /**< E_NAN; nothing has changed */
    HNAS_NAN_SKIP = 1,    /**< leave the step out: only the count goes on */
    HNAS_NAN_ROLLBACK = 2 /**< likewise, from the finite state kept last: the
                               first, then every bilevel.rate_steps steps */
};

/** Settings of a search; fill with hnas_search_opts_init or a preset. */
typedef struct hnas_search_opts {
    size_t size;               /**< sizeof the struct */
    hnas_bilevel_opts bilevel; /**< orders, rates, steps */
    int32_t relax;             /**< HNAS_RELAX_ */
    int32_t gumbel_per_image;  /**< with GUMBEL: a draw an image */
    double tau;                /**< at step 0 */
    double tau_last;           /**< behind the last step */
    int32_t tau_schedule;      /**< HNAS_TAU_ */
    int32_t tau_steps;         /**< steps between changes of tau, 0 as 1;
                                    default 1 */
    int32_t metric;            /**< HNAS_COST_ of the penalty and the cone */
    double cost_weight;        /**< of lambda * C(p); 0: no penalty */
    int32_t raw_cost;          /**< 1: C is not divided by C_ref */
    int32_t monotone;          /**< 1: project b1 onto the cone */
    int32_t sample;            /**< HNAS_SAMPLE_ */
    int32_t draws;             /**< of lambda a step */
    double lambda;             /**< for FIXED */
    double l1;                 /**< mu of mu * |alpha|_1 */
    double l1_lambda;          /**< 1: mu is lambda times l1 */
    double zero_one;           /**< weight of Fair DARTS' loss */
    double norm_momentum;      /**< of running statistics; default 0.1 */
    int32_t rule;              /**< HNAS_RULE_ for queries */
    double theta;              /**< of THRESHOLD; default 0.85 */
    double beta_decay;         /**< k t mean_e ln sum_o exp alpha, t = 0 .. 1 */
    double l2;                 /**< of l2 * |alpha|_2^2 */
    int32_t alpha_paths;       /**< of GUMBEL_HARD alone: drawn operations an
                                    edge evaluates for u; default 2; 0: all */
    double tau_fall;           /**< of EPOCH, every bilevel.rate_steps steps */
    int32_t on_nan;            /**< HNAS_NAN_; default STOP */
    int64_t reserved[8];       /**< 0; room for fields of later versions */
} hnas_search_opts;

/**
 * Write the defaults, the preset "default", into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_search_opts).  Values: docs/presets.md.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_opts_init(hnas_search_opts *opts, size_t size);

/** A search: supernet, hypernetwork and bilevel optimizer; opaque. */
typedef struct hnas_search hnas_search;

/**
 * Create a search over a supernet and a hypernetwork.
 *
 * Shapes     hyper: a table E x O for each kind that has cells, normal first.
 * Units      opts NULL: the defaults.  tau, tau_last 1e-4..1e4; draws 1..64,
 *            even for ANTITHETIC, >= 2 for SANDWICH; cost_weight, l1, l2,
 *            zero_one, beta_decay, tau_fall >= 0; norm_momentum 0..1;
 *            alpha_paths 0 or 2..64; 0 < theta < 1; lambda finite; tau_steps
 *            >= 0.
 * Ownership  *out: the caller's, released with hnas_search_destroy.  net and
 *            hyper are borrowed and must outlive it.  opts is copied.
 * Gradient   its steps set what weights and architecture parameters want.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or opts->size not set; E_RANGE a field,
 *            LOG_UNIFORM and a range not above 0,
 *            or monotone with SIGMOID and a zero operation that costs;
 *            E_UNSUPPORTED monotone with MLP or EMBEDDING; E_MISMATCH tables
 *            that are not the net's, or a range outside that of its generated
 *            weights; E_STATE metric TABLE and no table set; as
 *            hnas_bilevel_create; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_create(hnas_search **out, hnas_supernet *net,
                                        hnas_hyper *hyper,
                                        const hnas_search_opts *opts);

/**
 * Release a search.
 *
 * Shapes     search NULL, or one whose step is running: nothing is done.
 * Units      none.
 * Ownership  net and hyper go with it where it was loaded from a file, else
 *            they stay.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_destroy(hnas_search *search);

/**
 * Set the progress callback of its steps, called before each pass.
 *
 * Shapes     search: not NULL; progress NULL: none.
 * Units      none.
 * Ownership  user is passed to progress and must outlive its use.
 * Gradient   none.
 * Threads    as hnas_bilevel_set_progress.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_set_progress(hnas_search *search,
                                       hnas_progress_fn progress, void *user);

/**
 * Do one step on a training and a validation batch.
 *
 *     L_valid = cross_entropy + cost_weight * lambda * C(p) + regularisers
 *     L_train = cross_entropy
 *
 * Shapes     images [N, C, H, W], labels [N] int32; lambda NULL: drawn as the
 *            settings say, else [n_lambda].  info NULL: not wanted.
 * Units      lambda inside the stored range, with CONSTANT too, >= 0 with a
 *            cost weight or l1_lambda; n_lambda 1..1024.
 * Ownership  the batches are read; info is the caller's.
 * Gradient   as hnas_bilevel_step.
 * Threads    one context, one thread at a time; hnas_search_cancel from any.
 * Errors     HNAS_STOPPED cancelled, or progress asked for it; E_ARG NULL
 *            search or a batch without tensor; E_TYPE, E_SHAPE, E_STATE images
 *            or labels; E_RANGE lambda, n_lambda or a label; E_NAN; E_OP;
 *            E_STATE called from a callback; E_UNSUPPORTED ranks and an on_nan
 *            other than STOP; E_COMM; E_NOMEM.  After all of these weights,
 *            parameters, statistics, optimizers and the count are as they
 *            were.  HNAS_SKIPPED, HNAS_ROLLED_BACK as on_nan says: the count
 *            has gone on, info's losses and norms are NaN, and the context's
 *            message says what was not finite.
 * Source     docs/math.md, after DARTS (arXiv:1806.09055).
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_step(hnas_search *search,
                                      const hnas_batch *train,
                                      const hnas_batch *valid,
                                      const double *lambda, int32_t n_lambda,
                                      hnas_step_info *info);

/**
 * Compute the architecture parameters' gradient at lambda; nothing moves.
 *
 * Shapes     batches as hnas_search_step.
 * Units      lambda inside the stored range, >= 0 with a cost weight.
 * Ownership  the batches are read.
 * Gradient   those of the hypernetwork's tensors hold the result.
 * Threads    one context, one thread at a time; hnas_search_cancel from any.
 * Errors     as hnas_search_step.
 * Source     as hnas_bilevel_gradient.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_gradient(hnas_search *search,
                                          const hnas_batch *train,
                                          const hnas_batch *valid,
                                          double lambda);

/**
 * Compute a loss of a batch and all its gradients; nothing moves.
 *
 *     TRAIN: cross_entropy,  VALID: with penalty and regularisers
 *
 * Shapes     batch as hnas_search_step; gates NULL: those of lambda, else as
 *            hnas_supernet_apply.  value NULL: not wanted.
 * Units      kind: HNAS_LOSS_, TRAIN with gates.  lambda as hnas_search_step;
 *            with gates only generated weights read it.  The noise is that of
 *            the coming step.
 * Ownership  batch and gates are read; value is the caller's.
 * Gradient   weights and the hypernetwork's tensors hold the loss's afterwards,
 *            as does what else wants one: images, gates.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL search, a batch without tensor, gates with VALID;
 *            E_RANGE kind, lambda or a label; E_TYPE, E_SHAPE, E_STATE images,
 *            labels or gates; E_OP; E_NOMEM.  On error *value is unchanged.
 * Source     docs/math.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_loss(double *value, hnas_search *search,
                                      const hnas_batch *batch, double lambda,
                                      hnas_tensor *const gates[2],
                                      int32_t kind);

/**
 * Ask a step to stop: it answers HNAS_STOPPED and changes nothing.
 *
 * Shapes     search: not NULL.
 * Units      seen before each pass of the running step; where none is left,
 *            or no step runs, by the next one.
 * Ownership  none.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_cancel(hnas_search *search);

/**
 * Give its supernet.
 *
 * Shapes     search: not NULL.
 * Units      none.
 * Ownership  borrowed from search.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_supernet *hnas_search_get_net(hnas_search *search);

/**
 * Give its hypernetwork.
 *
 * Shapes     search: not NULL.
 * Units      none.
 * Ownership  borrowed from search.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_hyper *hnas_search_get_hyper(hnas_search *search);

/**
 * Give its settings.
 *
 * Shapes     size: sizeof the caller's struct.
 * Units      none.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_get_opts(const hnas_search *search,
                                   hnas_search_opts *opts, size_t size);

/**
 * Tell the number of steps done.
 *
 * Shapes     search: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_search_get_steps(const hnas_search *search);

/**
 * Tell how many of the steps were left out because they were not finite.
 *
 * Shapes     n_skipped, n_rolled_back NULL: not wanted; search: not NULL.
 * Units      steps since the search was made, also before a save and a load;
 *            they count in hnas_search_get_steps.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_get_nan_steps(int64_t *n_skipped,
                                        int64_t *n_rolled_back,
                                        const hnas_search *search);

/**
 * Tell the temperature of the step to come.
 *
 *     CONSTANT tau,  LINEAR tau + (tau_last - tau) t,
 *     EXP tau (tau_last / tau)^t,  EPOCH max(tau_last, tau - tau_fall * e)
 *
 * Shapes     search: not NULL.
 * Units      t = steps done / bilevel.total_steps, at most 1, anew every
 *            tau_steps; without total_steps tau.  e = whole epochs of
 *            bilevel.rate_steps done.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API double hnas_search_get_tau(const hnas_search *search);

/**
 * Compute logits of images, relaxed or of a derived architecture.
 *
 * Shapes     images [N, C, H, W]; logits [N * classes], count their number.
 * Units      arch NULL: relaxed at lambda, inside the stored range; else
 *            arch must be of this search's net, and lambda is read only where
 *            the net generates weights.  draw >= 0 numbers the noise of
 *            the gumbel kinds.
 * Ownership  images are read, logits is the caller's.
 * Gradient   none.  Batch-norm uses the running statistics: those that
 *            hnas_search_calibrate left, else the search's own.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument but arch; E_TYPE, E_STATE images; E_SHAPE
 *            images or count; E_RANGE draw or lambda; E_MISMATCH an
 *            edge or operation of arch that the net has not; E_OP; E_NOMEM.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_predict(hnas_search *search,
                                         const hnas_arch *arch, double lambda,
                                         hnas_tensor *images, int64_t draw,
                                         float *logits, int64_t count);

/**
 * Compute batch-norm's statistics for lambda or an architecture.
 *
 *     running = mean of the batch's statistics over the calls since `first`
 *               that computed them (hard gates leave operations out)
 *
 * Shapes     images [N, C, H, W].
 * Units      first != 0 begins anew; arch, lambda and draw as
 *            hnas_search_predict.
 * Ownership  the search's own running statistics are kept apart, see
 *            hnas_search_restore_norms; a network that diverged may have
 *            infinite ones here.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_search_predict.  On error no statistics have changed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_calibrate(hnas_search *search,
                                           const hnas_arch *arch, double lambda,
                                           hnas_tensor *images, int64_t draw,
                                           int32_t first);

/**
 * Return to the search's own running statistics, as every step does, even one
 * that fails.
 *
 * Shapes     search: not NULL.
 * Units      none.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_search_restore_norms(hnas_search *search);

/**
 * Derive the architecture at lambda under a rule.
 *
 * Shapes     as hnas_arch_derive.
 * Units      as hnas_arch_derive; THRESHOLD with the theta of the settings.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_arch_derive.
 * Source     as hnas_arch_derive.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_derive(hnas_arch **out,
                                        const hnas_search *search,
                                        double lambda, int32_t rule);

/** A preset of the method: what a program needs to start a search. */
typedef struct hnas_preset {
    size_t size;             /**< sizeof the struct */
    const char *name;        /**< "default" … */
    hnas_search_opts search; /**< of the search */
    hnas_hyper_opts hyper;   /**< without tables */
    int32_t n_ops;           /**< candidate operations */
    const char *const *ops;  /**< their names, static */
    int32_t epochs;          /**< of the published setting */
    int32_t batch;           /**< images a batch */
    double valid_fraction;   /**< share of the data for u */
    int32_t running_stats;   /**< 1: reported with running statistics */
    int32_t head;            /**< HNAS_HEAD_ of the supernet */
} hnas_preset;

/**
 * Fill a preset by name.
 *
 * Shapes     preset: at least `size` bytes.
 * Units      name: "default", "seed", "darts", "darts_l1", "fair_darts" or
 *            "darts_cc".  size: sizeof(hnas_preset).
 * Ownership  preset is the caller's; its strings are static.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_NAME unknown, the message lists the known
 *            ones.  On error *preset is unchanged.
 * Source     DARTS (arXiv:1806.09055), Fair DARTS (arXiv:1911.12126),
 *            DARTS-CC; own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_preset_find(hnas_preset *preset, size_t size,
                                      hnas_context *ctx, const char *name);

/**
 * Adapt a preset to a number of cells: hnas_preset_find's is for fewer than 8.
 *
 *     darts_cc, 8 cells or more: lambda 1e-10 .. 1e-6, rule top2
 *     darts_cc, fewer:           lambda 1e-8 .. 1e-4, rule argmax
 *
 * Shapes     preset: filled by hnas_preset_find, of its whole size.
 * Units      cells: of the supernet.  Other presets stay as they are.
 * Ownership  preset is the caller's.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     DARTS-CC.
 * Since      0.1
 */
HNAS_API void hnas_preset_fit(hnas_preset *preset, int32_t cells);

/**
 * Set what a preset says of the supernet: operations and where the head's
 * weights come from.
 *
 * Shapes     opts: hnas_supernet_opts_init was called on the whole struct.
 * Units      n_ops, ops, head, knots, scale, lambda_lo and lambda_hi are set.
 * Ownership  opts is the caller's; its strings are static.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_preset_fit_net(const hnas_preset *preset,
                                  hnas_supernet_opts *opts);

HNAS_END_DECLS

#endif
