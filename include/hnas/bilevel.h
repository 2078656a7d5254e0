/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file bilevel.h
 * The bilevel optimizer, and the search that uses it.
 *
 * A problem is two losses on a tape, a list of weights w and a list of
 * architecture parameters u.  A step moves u by Adam on the validation loss,
 * then w by SGD on the training loss.  A failed step changes nothing.
 */
#ifndef HNAS_BILEVEL_H
#define HNAS_BILEVEL_H

#include "arch.h"
#include "optim.h"

HNAS_BEGIN_DECLS

/** How u's gradient sees the weights. */
enum {
    HNAS_ORDER_FIRST = 0,     /**< w as it is */
    HNAS_ORDER_SECOND_FD = 1  /**< w after a virtual step, DARTS' differences */
};

/** Which loss a problem is asked for. */
enum { HNAS_LOSS_TRAIN = 0, HNAS_LOSS_VALID = 1 };

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
    /** Record a loss, a single number. */
    hnas_status (*loss)(void *user, hnas_tape *tape,
                        const hnas_loss_request *request, hnas_tensor **out);
    void (*after_u)(void *user); /**< u has moved, may project it; NULL */
    void (*after_w)(void *user); /**< the step is done; NULL */
    void *user;                  /**< passed to all three */
    hnas_tensor *const *w;       /**< weights */
    int64_t n_w;                 /**< their number */
    hnas_tensor *const *u;       /**< architecture parameters */
    int64_t n_u;                 /**< their number */
} hnas_problem;

/** Settings of the bilevel optimizer; fill with hnas_bilevel_opts_init. */
typedef struct hnas_bilevel_opts {
    size_t size;           /**< sizeof the struct */
    int32_t order;         /**< HNAS_ORDER_; default FIRST */
    int32_t virtual_clip;  /**< clip in the virtual step; default 0 */
    hnas_sgd_opts w;       /**< of w */
    double w_rate;         /**< at step 0; default 0.025 */
    double w_rate_last;    /**< at the last step; default 0.001 */
    hnas_adam_opts u;      /**< of u */
    double u_rate;         /**< default 3e-4 */
    int64_t total_steps;   /**< of the schedules; 0: rates stay */
    int64_t rate_steps;    /**< steps between changes of w's rate (one epoch);
                                default 1 */
    double warmup;         /**< share of total_steps with u frozen; default 0 */
} hnas_bilevel_opts;

/** Write the defaults. */
HNAS_API void hnas_bilevel_opts_init(hnas_bilevel_opts *opts, size_t size);

/** A bilevel optimizer; opaque. */
typedef struct hnas_bilevel hnas_bilevel;

/** What a step did. */
typedef struct hnas_step_info {
    int64_t step;       /**< steps done, this one included */
    double train_loss;  /**< of the w pass */
    double valid_loss;  /**< mean over draws; NaN while u is frozen */
    double w_norm;      /**< of w's gradient before the clip */
    double u_norm;      /**< of u's gradient */
    double w_rate;      /**< used */
    double lambda;      /**< of the w pass */
} hnas_step_info;

/** Create an optimizer for a problem; it holds references to w and u. */
HNAS_API hnas_status hnas_bilevel_create(hnas_bilevel **out,
                                         hnas_context *ctx,
                                         const hnas_problem *problem,
                                         const hnas_bilevel_opts *opts);

/** Release it. */
HNAS_API void hnas_bilevel_destroy(hnas_bilevel *bilevel);

/** Ask a running step, from any thread, to stop; it answers HNAS_STOPPED and
 * has changed nothing. */
HNAS_API void hnas_bilevel_cancel(hnas_bilevel *bilevel);

/** Called before each pass of a step: `pass` counts from 0 within the step.
 * A result other than 0 stops the step. */
typedef int32_t (*hnas_progress_fn)(void *user, int64_t step, int32_t pass);

/** Set the progress callback, NULL: none.  A step that it stops answers
 * HNAS_STOPPED and has changed nothing. */
HNAS_API void hnas_bilevel_set_progress(hnas_bilevel *bilevel,
                                        hnas_progress_fn progress,
                                        void *user);

/** Do one step at n_lambda >= 1 values of lambda. */
HNAS_API hnas_status hnas_bilevel_step(hnas_bilevel *bilevel,
                                       const double *lambda,
                                       int32_t n_lambda,
                                       hnas_step_info *info);

/** Compute u's gradient only, into their gradients; nothing moves. */
HNAS_API hnas_status hnas_bilevel_gradient(hnas_bilevel *bilevel,
                                           double lambda);

/** How alpha becomes gates. */
enum {
    HNAS_RELAX_RAW = 0,
    HNAS_RELAX_SOFTMAX = 1,
    HNAS_RELAX_SIGMOID = 2,
    HNAS_RELAX_GUMBEL = 3,     /**< soft, one draw an image or a step */
    HNAS_RELAX_GUMBEL_HARD = 4 /**< one-hot, one draw a step */
};

/** How tau moves from tau to tau_last over the steps. */
enum { HNAS_TAU_CONSTANT = 0, HNAS_TAU_LINEAR = 1, HNAS_TAU_EXP = 2 };

/** How lambda is drawn for a step. */
enum {
    HNAS_SAMPLE_FIXED = 0,
    HNAS_SAMPLE_UNIFORM = 1,    /**< in s */
    HNAS_SAMPLE_ANTITHETIC = 2, /**< pairs (s, s_lo + s_hi - s) */
    HNAS_SAMPLE_SANDWICH = 3    /**< both ends and draws - 2 random */
};

/** Settings of a search; fill with hnas_search_opts_init or a preset. */
typedef struct hnas_search_opts {
    size_t size;               /**< sizeof the struct */
    hnas_bilevel_opts bilevel; /**< orders, rates, steps */
    int32_t relax;             /**< HNAS_RELAX_ */
    int32_t gumbel_per_image;  /**< with GUMBEL: a draw an image */
    double tau;                /**< at step 0 */
    double tau_last;           /**< at the last step */
    int32_t tau_schedule;      /**< HNAS_TAU_ */
    int32_t tau_steps;         /**< steps between changes of tau; default 1 */
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
} hnas_search_opts;

/** Write the defaults, which are the preset "default". */
HNAS_API void hnas_search_opts_init(hnas_search_opts *opts, size_t size);

/** A search: supernet, hypernetwork and bilevel optimizer; opaque. */
typedef struct hnas_search hnas_search;

/** Create a search.  net and hyper are borrowed and must outlive it. */
HNAS_API hnas_status hnas_search_create(hnas_search **out,
                                        hnas_supernet *net,
                                        hnas_hyper *hyper,
                                        const hnas_search_opts *opts);

/** Release it (and net and hyper, where it was loaded from a file). */
HNAS_API void hnas_search_destroy(hnas_search *search);

/** Set the progress callback of its steps, NULL: none. */
HNAS_API void hnas_search_set_progress(hnas_search *search,
                                       hnas_progress_fn progress, void *user);

/** A labelled batch. */
typedef struct hnas_batch {
    hnas_tensor *images; /**< [N, C, H, W] */
    hnas_tensor *labels; /**< [N] int32 */
} hnas_batch;

/** Do one step on a training and a validation batch.  lambda NULL: drawn as
 * the settings say; else n_lambda given values. */
HNAS_API hnas_status hnas_search_step(hnas_search *search,
                                      const hnas_batch *train,
                                      const hnas_batch *valid,
                                      const double *lambda, int32_t n_lambda,
                                      hnas_step_info *info);

/** Compute the gradient of the architecture parameters at lambda, into their
 * gradients; nothing moves. */
HNAS_API hnas_status hnas_search_gradient(hnas_search *search,
                                          const hnas_batch *train,
                                          const hnas_batch *valid,
                                          double lambda);

/** Ask a running step, from any thread, to stop; it answers HNAS_STOPPED and
 * has changed nothing. */
HNAS_API void hnas_search_cancel(hnas_search *search);

/** Give its parts, borrowed. */
HNAS_API hnas_supernet *hnas_search_get_net(hnas_search *search);
HNAS_API hnas_hyper *hnas_search_get_hyper(hnas_search *search);

/** Give its settings. */
HNAS_API void hnas_search_get_opts(const hnas_search *search,
                                   hnas_search_opts *opts);

/** Tell the number of steps done. */
HNAS_API int64_t hnas_search_get_steps(const hnas_search *search);

/** Compute logits [N, classes] of images at lambda: relaxed (arch NULL) or of
 * a derived architecture with the supernet's weights.  Batch-norm uses the
 * statistics that hnas_search_calibrate left for this use. */
HNAS_API hnas_status hnas_search_predict(hnas_search *search,
                                         const hnas_arch *arch,
                                         double lambda, hnas_tensor *images,
                                         int64_t draw, float *logits,
                                         int64_t count);

/** Recalibrate batch-norm for lambda (and arch, where not NULL) as the
 * cumulative average over calls; `first` != 0 begins anew.  The search's own
 * running statistics are untouched. */
HNAS_API hnas_status hnas_search_calibrate(hnas_search *search,
                                           const hnas_arch *arch,
                                           double lambda, hnas_tensor *images,
                                           int64_t draw, int32_t first);

/** Return to the search's own running statistics, as every step does. */
HNAS_API void hnas_search_restore_norms(hnas_search *search);

/** Derive the architecture at lambda under a rule. */
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
} hnas_preset;

/** Fill a preset by name; HNAS_E_NAME lists the known ones. */
HNAS_API hnas_status hnas_preset_find(hnas_preset *preset, size_t size,
                                      hnas_context *ctx, const char *name);

HNAS_END_DECLS

#endif
