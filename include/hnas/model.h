/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file model.h
 * The discrete network of an architecture: build, train, calibrate, evaluate,
 * predict.
 *
 * Only what the architecture keeps is built, and what nothing reads is not
 * computed: an edge that leaves a node without input, a preprocess step whose
 * result no edge takes.  A node without input stays in its cell's output as
 * zeros.  The operations are composed as in the search.
 */
#ifndef HNAS_MODEL_H
#define HNAS_MODEL_H

#include "arch.h"
#include "data.h"
#include "optim.h"

HNAS_BEGIN_DECLS

/** Shape and composition of a discrete network; fill with
 * hnas_model_opts_init. */
typedef struct hnas_model_opts {
    size_t size;             /**< sizeof the struct */
    int64_t image[3];        /**< C, H, W; default 1, 28, 28 */
    int64_t classes;         /**< default 10 */
    int64_t channels;        /**< of the first cell; default 16 */
    int32_t cells;           /**< default 8 */
    int32_t nodes;           /**< intermediate nodes a cell; default 4 */
    int32_t stem_multiplier; /**< stem channels / channels; default 3 */
    int32_t affine;          /**< 1: batch-norm of operations and preprocess
                                  steps has weight and bias; default 0 */
    int32_t auxiliary;       /**< 1: a second head, for training, behind cell
                                  2 cells / 3; default 0 */
} hnas_model_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_model_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_model_opts_init(hnas_model_opts *opts, size_t size);

/**
 * Take image, classes, channels, cells, nodes and stem from a supernet, so that
 * its architectures make networks that inherit its weights.
 *
 * Shapes     opts: hnas_model_opts_init was called on the whole struct.
 * Units      affine and auxiliary stay.
 * Ownership  opts is the caller's; net is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_model_opts_fit(hnas_model_opts *opts,
                                  const hnas_supernet *net);

/** A discrete network with its weights and, once it trains, its optimizer;
 * opaque. */
typedef struct hnas_model hnas_model;

/**
 * Create the network of an architecture, with fresh weights.
 *
 * Shapes     as hnas_supernet_create, whose ranges hold; an edge carries the
 *            one operation that arch keeps.  The shape need not be that of the
 *            net that arch was derived from, but its kinds of cell must be.
 * Units      opts NULL: the defaults, whatever net arch was derived from; see
 *            hnas_model_opts_fit.  Weights start from the context's seed.
 * Ownership  *out: the caller's, released with hnas_model_destroy; it does not
 *            need arch afterwards.  opts is copied.
 * Gradient   its weights want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or opts->size not set; E_RANGE a field, or 1
 *            channel that would be halved; E_UNSUPPORTED auxiliary where the
 *            image behind its cell is not square or a single pixel; E_NAME an
 *            operation is not registered; E_MISMATCH an edge beyond opts.nodes
 *            or no cell of a kind that is needed; E_NOMEM; what an operation's
 *            create answers.  On error *out is NULL.
 * Source     DARTS (arXiv:1806.09055), its published code.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_create(hnas_model **out, hnas_context *ctx,
                                       const hnas_arch *arch,
                                       const hnas_model_opts *opts);

/**
 * Release a model.
 *
 * Shapes     model NULL, or one whose call is running: nothing is done.
 * Units      none.
 * Ownership  its tensors lose its references.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_model_destroy(hnas_model *model);

/**
 * Take weights and statistics over by name, as from a supernet.
 *
 * Shapes     every tensor of the model but the auxiliary head's and those of
 *            affine batch-norm is in `from` with the same shape; those are
 *            taken over where they are.
 * Units      an average of the weights begins anew.
 * Ownership  from is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_NAME a tensor is missing; E_SHAPE it has
 *            another shape; E_TYPE another type; E_STATE called from a
 *            callback.  On error nothing has changed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_inherit(hnas_model *model,
                                        const hnas_params *from);

/**
 * Give all named tensors: stem., cells.I., head., auxiliary.
 *
 * Shapes     named as a supernet's.  model: not NULL.
 * Units      none.
 * Ownership  borrowed from model.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_params *hnas_model_get_params(const hnas_model *model);

/**
 * Give the settings it was made with.
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
HNAS_API void hnas_model_get_opts(const hnas_model *model,
                                  hnas_model_opts *opts, size_t size);

/**
 * Give the architecture it was made of.
 *
 * Shapes     model: not NULL.
 * Units      with the network's cost; lambda is unknown.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_MISMATCH its edges are not as its rule
 *            keeps them; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_get_arch(hnas_arch **out,
                                         const hnas_model *model);

/**
 * Tell the cost of the network, and of its part that is not searched.
 *
 * Shapes     each output may be NULL.  model: not NULL.
 * Units      of one image; total includes fixed, fixed what affine adds.  The
 *            auxiliary head, which a prediction does not need, is left out.
 *            Not affine and of the shape that the architecture was derived
 *            for: what hnas_arch_get_cost tells.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_model_get_cost(const hnas_model *model, hnas_cost *total,
                                  hnas_cost *fixed);

/** Settings of training; fill with hnas_train_opts_init. */
typedef struct hnas_train_opts {
    size_t size;            /**< sizeof the struct */
    hnas_sgd_opts sgd;      /**< of the weights */
    double rate;            /**< at step 0; default 0.025 */
    double rate_last;       /**< behind the last step; default 0 */
    int64_t total_steps;    /**< default 0: rate and drop_path stay */
    int64_t rate_steps;     /**< steps between their changes (one epoch);
                                 default 1 */
    double drop_path;       /**< chance behind the last step that an edge of
                                 an image is left out, from 0 on a line; no
                                 identity is; default 0 */
    double aux_weight;      /**< of the auxiliary head's loss; default 0.4 */
    double label_smoothing; /**< default 0 */
    double norm_momentum;   /**< of running statistics; default 0.1 */
    double average;         /**< what a step leaves of the moving average of
                                 the weights; 0: none is kept; default 0 */
} hnas_train_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_train_opts).  Defaults: as each field says; of
 *            sgd those of hnas_sgd_opts_init.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_train_opts_init(hnas_train_opts *opts, size_t size);

/**
 * Begin to train: a new optimizer, step 0.
 *
 * Shapes     model: not NULL.
 * Units      opts NULL: the defaults.  Rates, aux_weight finite and >= 0;
 *            total_steps >= 0, rate_steps >= 1; 0 <= drop_path,
 *            label_smoothing, average < 1; norm_momentum 0..1.
 * Ownership  opts is copied.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL model or opts->size not set; E_RANGE a field; E_STATE
 *            the weights are swapped with their average, or called from a
 *            callback; E_NOMEM.  On error an earlier training goes on.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_train(hnas_model *model,
                                      const hnas_train_opts *opts);

/** What a step of training did. */
typedef struct hnas_train_info {
    int64_t step;     /**< steps done, this one included */
    double loss;      /**< of the batch, the auxiliary head's included */
    double norm;      /**< of the gradient before the clip */
    double rate;      /**< used */
    double drop_path; /**< used */
} hnas_train_info;

/**
 * Do one step: weights by SGD on a batch, then the running statistics.
 *
 *     L = cross_entropy + aux_weight * cross_entropy of the auxiliary head
 *     moving average of w = average * itself + (1 - average) * w
 *
 * Shapes     batch: images [N, C, H, W], labels [N] int32; info NULL: not
 *            wanted.  With ranks (hnas_context_set_comm) this rank's share.
 * Units      labels 0..classes-1.
 * Ownership  batch is read; info is the caller's.
 * Gradient   the weights hold the step's afterwards.
 * Threads    one context, one thread at a time; the result depends on no
 *            number of threads.
 * Errors     E_ARG NULL model or a batch without tensor; E_STATE
 *            hnas_model_train was not called, the weights are swapped with
 *            their average, or called from a callback; E_TYPE, E_SHAPE,
 *            E_STATE images or labels; E_RANGE a label; E_NAN the loss, a
 *            gradient or what the step would leave; E_OP; E_COMM; E_NOMEM.
 *            After all of these weights, statistics, optimizer and count are
 *            as they were, and *info is unchanged.
 * Source     DARTS (arXiv:1806.09055); drop path as FractalNet
 *            (arXiv:1605.07648); label smoothing as arXiv:1512.00567.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_step(hnas_model *model, const hnas_batch *batch,
                                     hnas_train_info *info);

/**
 * Tell the number of steps since training began.
 *
 * Shapes     model: not NULL.
 * Units      0 before hnas_model_train.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int64_t hnas_model_get_steps(const hnas_model *model);

/**
 * Swap the weights with their moving average; once more, and they are back.
 *
 * Shapes     model: not NULL.
 * Units      statistics stay: calibrate before predicting.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL model; E_STATE no average is kept, or called from a
 *            callback.
 * Source     Polyak and Juditsky, 1992.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_swap_average(hnas_model *model);

/**
 * Compute batch-norm's running statistics anew.
 *
 *     running = mean over the calls since `first` of the batch's statistics
 *
 * Shapes     images [N, C, H, W].
 * Units      first != 0 begins anew, as does the first call after a step or
 *            after weights were taken over.
 * Ownership  images are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_TYPE, E_SHAPE, E_STATE images; E_OP;
 *            E_NAN a statistic; E_NOMEM.  On error no statistics have changed.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_calibrate(hnas_model *model,
                                          hnas_tensor *images, int32_t first);

/**
 * Compute logits through the running statistics.
 *
 * Shapes     images [N, C, H, W]; logits [N * classes], count their number.
 * Units      none.
 * Ownership  images are read, logits is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_TYPE, E_STATE images; E_SHAPE images or
 *            count; E_OP; E_NOMEM.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_predict(hnas_model *model, hnas_tensor *images,
                                        float *logits, int64_t count);

/**
 * Count what the network predicts for a batch.
 *
 *     confusion[label][argmax of logits] += 1   for each image
 *
 * Shapes     batch as hnas_model_step; confusion [classes * classes], count
 *            its number.
 * Units      of equal logits the first wins; NaN never does.
 * Ownership  batch is read, confusion is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or a batch without tensor; E_TYPE, E_STATE,
 *            E_SHAPE images or labels; E_SHAPE count; E_RANGE a label; E_OP;
 *            E_NOMEM.  On error confusion is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_evaluate(hnas_model *model,
                                         const hnas_batch *batch,
                                         int64_t *confusion, int64_t count);

/**
 * Tell accuracy and macro precision of counted predictions.
 *
 *     accuracy  = right answers / all
 *     precision = mean over classes of TP / (TP + FP)
 *
 * Shapes     confusion [classes * classes], true by predicted; each output may
 *            be NULL.
 * Units      0..1; a class never predicted counts as precision 0; NaN of no
 *            image.
 * Ownership  the outputs are the caller's.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_confusion_measure(const int64_t *confusion, int64_t classes,
                                     double *accuracy, double *precision);

/** A frozen network to predict with; opaque. */
typedef struct hnas_predictor hnas_predictor;

/**
 * Freeze a network for predictions.
 *
 * Batch-norm becomes a scale and a shift that the next operation applies where
 * it reads.  The memory between image and logits is planned once: it is what
 * is live together, for one image a worker.
 *
 * Shapes     model: not NULL.
 * Units      n_threads: workers that share the images of a call, 1..256; a
 *            network with a func of the host's is computed by the caller.
 * Ownership  *out: the caller's, released with hnas_predictor_destroy.
 *            Weights are copied: model and its context may change or go.  The
 *            context's allocator is called by create, share and destroy alone,
 *            on the thread that calls them; its log, poll and parallel are not.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE n_threads; E_NOMEM; E_OP a host's
 *            operation failed.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_predictor_create(hnas_predictor **out,
                                           const hnas_model *model,
                                           int32_t n_threads);

/**
 * Make another predictor of the same frozen network, for another thread.
 *
 * Shapes     predictor: not NULL.
 * Units      n_threads as hnas_predictor_create.
 * Ownership  *out: the caller's, released with hnas_predictor_destroy, in any
 *            order.  The weights are shared, and go with the last of them.
 * Gradient   none.
 * Threads    one predictor, one thread at a time; *out is free afterwards.
 * Errors     as hnas_predictor_create, told by hnas_predictor_message of
 *            predictor.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_predictor_share(hnas_predictor **out,
                                          hnas_predictor *predictor,
                                          int32_t n_threads);

/**
 * Release a predictor.
 *
 * Shapes     predictor NULL, or called from its own operation: nothing is
 *            done.
 * Units      none.
 * Ownership  what it copied is gone, once no other predictor shares it.
 * Gradient   none.
 * Threads    one predictor, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_predictor_destroy(hnas_predictor *predictor);

/**
 * Compute logits.
 *
 * Shapes     images [N, C, H, W] float32 as the network's, any strides (all 0:
 *            contiguous); logits [N * classes], count their number.
 * Units      N >= 1; the result for an image depends on no other image and on
 *            no number of threads.
 * Ownership  images are read where they are, logits is the caller's.  No
 *            memory is allocated.
 * Gradient   none.
 * Threads    one predictor, one thread at a time; different predictors are
 *            free, those of one model too.
 * Errors     E_ARG NULL argument, NULL data or images->size not set; E_TYPE;
 *            E_SHAPE images or count; E_STATE called from its own operation;
 *            E_OP a host's operation failed, and
 *            logits hold nothing.  See hnas_predictor_message.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_predictor_run(hnas_predictor *predictor,
                                        const hnas_array *images, float *logits,
                                        int64_t count);

/**
 * Tell the line that a predictor's last failing call left, "" if none did.
 *
 * Shapes     a NUL-terminated string of at most 511 bytes.  predictor NULL: "".
 * Units      none.
 * Ownership  the predictor's; its next failing call overwrites it.
 * Gradient   none.
 * Threads    one predictor, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_predictor_message(const hnas_predictor *predictor);

HNAS_END_DECLS

#endif
