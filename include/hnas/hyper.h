/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file hyper.h
 * The hypernetwork: complexity lambda -> architecture parameters.
 *
 *     alpha = s(lambda) * b1 + b2
 */
#ifndef HNAS_HYPER_H
#define HNAS_HYPER_H

#include "tape.h"

HNAS_BEGIN_DECLS

/** How lambda becomes s. */
enum {
    HNAS_SCALE_RAW = 0, /**< s = lambda */
    HNAS_SCALE_LOG = 1  /**< s in [-1, 1], linear in ln lambda */
};

/** How s becomes alpha. */
enum {
    HNAS_HYPER_LINEAR = 0,    /**< alpha = s * b1 + b2 */
    HNAS_HYPER_CONSTANT = 1,  /**< alpha = b2 */
    HNAS_HYPER_PIECEWISE = 2, /**< linear between fixed knots on s */
    HNAS_HYPER_MLP = 3,       /**< a small network of s; no exact path */
    HNAS_HYPER_EMBEDDING = 4  /**< rows from learned embeddings; likewise */
};

/** How knots, b2 start; everything else as hnas_hyper_create says. */
enum {
    HNAS_START_NORMAL = 0, /**< init_std * N(0, 1) */
    HNAS_START_UNIFORM = 1 /**< U(+-1 / sqrt(cols * predecessors of the row)) */
};

/** The most tables a hypernetwork generates. */
#define HNAS_MAX_TABLES 8

/** Settings; fill with hnas_hyper_opts_init. */
typedef struct hnas_hyper_opts {
    size_t size;                        /**< sizeof the struct */
    int32_t kind;                       /**< HNAS_HYPER_; default LINEAR */
    int32_t scale;                      /**< HNAS_SCALE_; default LOG */
    double lambda_lo;                   /**< default 1e-4 */
    double lambda_hi;                   /**< default 1e-1 */
    double init_std;                    /**< of b2; default 1e-3 */
    int32_t n_tables;                   /**< 1..HNAS_MAX_TABLES */
    const char *names[HNAS_MAX_TABLES]; /**< as "normal" */
    int64_t rows[HNAS_MAX_TABLES];      /**< E of each table */
    int64_t cols[HNAS_MAX_TABLES];      /**< O of each table */
    int32_t knots;  /**< of PIECEWISE; default 5; 0: one a decade */
    int32_t hidden; /**< units of MLP; default 16 */
    int32_t start;  /**< HNAS_START_; default NORMAL */
    /** 1: tables are weights, not alpha: their parameters are of the kind
     * HNAS_PARAM_WEIGHT, named without "hyper.", and rows 0 makes a table a
     * vector [cols]; default 0 */
    int32_t weights;
    /** [rows] for UNIFORM, NULL: all 1; read by hnas_hyper_create alone */
    const int64_t *predecessors[HNAS_MAX_TABLES];
    int32_t embedding;   /**< numbers of an embedding z; default 16 */
    int32_t tile;        /**< rows that one z yields; default 1 */
    int32_t embed_s;     /**< 1: [z; s] instead of z; default 0 */
    int64_t reserved[8]; /**< 0; room for fields of later versions */
} hnas_hyper_opts;

/**
 * Write the defaults, without a table, into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_hyper_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_hyper_opts_init(hnas_hyper_opts *opts, size_t size);

/** A hypernetwork; opaque. */
typedef struct hnas_hyper hnas_hyper;

/**
 * Create a hypernetwork.
 *
 *     b1 = 0,  w2 = 0,  w1, c1 = N(0, 1),  b2, knots: as start says
 *     EMBEDDING: z = N(0, 1),  w, w_out: N(0, 1) scaled,  b = v = b_out = 0
 *
 * Shapes     per table, float32.  LINEAR: b1, b2 [rows, cols].  CONSTANT: b2.
 *            PIECEWISE: knots [knots, rows, cols], evenly spaced on s from end
 *            to end.  MLP: w1, c1 [hidden], w2 [rows, cols, hidden], b2.
 *            EMBEDDING: z [rows / tile, embedding], w [tile * embedding,
 *            embedding], b and with embed_s v [tile * embedding], w_out
 *            [cols, embedding], b_out [cols].  Without [rows] where rows is 0.
 * Units      lambda_lo < lambda_hi, finite; with HNAS_SCALE_LOG lambda_lo > 0,
 *            with HNAS_SCALE_RAW at most 1e100 in size and 1e-100 apart, and
 *            knots as far apart as rounding can tell.  init_std 0..2.1e37.
 *            knots 2..64, or 0: round(log10(hi / lo)) + 1 in that range,
 *            lambda_lo > 0.  hidden 1..1024, embedding 1..256, tile >= 1
 *            divides rows.  predecessors >= 1.
 *            names: not empty, each once.  rows, cols 1..2^31-1, with weights
 *            rows may be 0.  Random numbers: from the context's seed.
 * Ownership  *out: the caller's, released with hnas_hyper_destroy.  opts and
 *            its names are copied.
 * Gradient   all want one.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument or opts->size not set; E_RANGE kind, scale,
 *            lambda_lo, lambda_hi, init_std, knots, hidden, start, embedding,
 *            tile, predecessors, n_tables or reserved; E_NAME a name missing
 *            or doubled; E_SHAPE rows or cols; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_create(hnas_hyper **out, hnas_context *ctx,
                                       const hnas_hyper_opts *opts);

/**
 * Release a hypernetwork.
 *
 * Shapes     hyper NULL: nothing is done.
 * Units      none.
 * Ownership  its tensors lose its references.  No search may use it any more.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_hyper_destroy(hnas_hyper *hyper);

/**
 * Give its settings.
 *
 * Shapes     size: sizeof the caller's struct.
 * Units      none.
 * Ownership  opts is the caller's; its names are borrowed from hyper; knots is
 *            the number there are, predecessors are NULL.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_hyper_get_opts(const hnas_hyper *hyper,
                                  hnas_hyper_opts *opts, size_t size);

/**
 * Give its named tensors, as hyper.TABLE.b1 or hyper.TABLE.knots; those of
 * weights as TABLE.knots.
 *
 * Shapes     hyper: not NULL.
 * Units      none.
 * Ownership  borrowed from hyper.
 * Gradient   all want one.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const hnas_params *hnas_hyper_get_params(const hnas_hyper *hyper);

/**
 * Tell s of a lambda.
 *
 *     raw: s = lambda
 *     log: s = 2 (ln lambda - ln lo) / (ln hi - ln lo) - 1
 *
 * Shapes     none.
 * Units      lambda: finite, > 0 in log scale.  Inside the range s is in [-1,
 *            1] in log scale, the ends exactly; a relative 1e-12 outside
 *            counts as the end.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_EXTRAPOLATED outside the range, *s is set; E_ARG NULL
 *            argument; E_RANGE lambda.  On error *s is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_scale(double *s, const hnas_hyper *hyper,
                                      double lambda);

/**
 * Tell lambda of an s, the inverse of hnas_hyper_scale.
 *
 * Shapes     none.
 * Units      lambda within 2 ulp; exact in raw scale and at the ends.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_EXTRAPOLATED outside the range, *lambda is set; E_ARG NULL
 *            argument; E_RANGE s NaN, or its lambda is no finite number.  On
 *            error *lambda is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_unscale(double *lambda, const hnas_hyper *hyper,
                                        double s);

/**
 * Record alpha, or the weights, of one table at lambda.
 *
 *     LINEAR     alpha = s(lambda) * b1 + b2
 *     PIECEWISE  alpha = (1 - t) * knots[k] + t * knots[k + 1]
 *     MLP        alpha = sum_j w2[j] * tanh(w1[j] * s + c1[j]) + b2
 *     EMBEDDING  alpha[t * tile + i] = w_out * (w[i] * z[t] + b[i]) + b_out,
 *                with embed_s + s * v[i] behind b[i]
 *
 * Shapes     *out [rows, cols] float32, [cols] where rows is 0.
 * Units      table: 0..n_tables-1.  lambda: inside the stored range; CONSTANT
 *            takes any finite one, in log scale above 0.
 * Ownership  *out: new reference, the caller's; with CONSTANT it is b2 itself.
 *            tape NULL: nothing recorded.
 * Gradient   to every parameter of the table.  lambda is a constant.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out or hyper; E_RANGE table or lambda; E_STATE the
 *            tape was swept; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_apply(hnas_tensor **out, hnas_tape *tape,
                                      hnas_hyper *hyper, int32_t table,
                                      double lambda);

/**
 * Compute alpha of one table at lambda in double, without a tape.
 *
 *     alpha[e * O + o] as hnas_hyper_apply
 *
 * Shapes     alpha [rows * cols], count = rows * cols.
 * Units      as hnas_hyper_apply; outside the range the line is prolonged.
 * Ownership  alpha is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_EXTRAPOLATED outside the range, alpha is filled (never with
 *            CONSTANT); E_ARG NULL argument; E_RANGE table or lambda; E_SHAPE
 *            count.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_eval(double *alpha, int64_t count,
                                     const hnas_hyper *hyper, int32_t table,
                                     double lambda);

/**
 * Project b1 of one table onto the monotone cone.
 *
 *     min sum (b1' - b1)^2   so that on every row b1' falls as cost rises,
 *                            zero operations first among equal costs
 *
 * PIECEWISE: the same for each increment knots[k + 1] - knots[k], with the mean
 * of the knots kept.
 *
 * Shapes     cost [rows * cols], zero_ops [cols], not 0: the zero operation.
 * Units      cost: finite, >= 0; equal costs are unordered.  clip != 0: b1' <=
 *            0 where cost > 0 too.
 * Ownership  cost and zero_ops are read.  CONSTANT: nothing to do.
 * Gradient   b1 is moved in place, not differentiated.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE table, cost, with clip a zero
 *            operation that costs, or knots whose differences leave the range;
 *            E_NAN b1 or knots not finite; E_UNSUPPORTED MLP, EMBEDDING.  On
 *            error nothing is changed.
 * Source     pooling adjacent violators; docs/math.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_hyper_project(hnas_hyper *hyper, int32_t table,
                                        const double *cost,
                                        const int32_t *zero_ops, int32_t clip);

HNAS_END_DECLS

#endif
