/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file path.h
 * The path: every architecture of the stored range of lambda, in order, with
 * the interval on which it stays and what it costs.  Where alpha is piecewise
 * linear in s it is computed, not sampled.
 */
#ifndef HNAS_PATH_H
#define HNAS_PATH_H

#include "arch.h"

HNAS_BEGIN_DECLS

/** A path; opaque, immutable. */
typedef struct hnas_path hnas_path;

/** Settings; fill with hnas_path_opts_init. */
typedef struct hnas_path_opts {
    size_t size;  /**< sizeof the struct */
    int32_t rule; /**< HNAS_RULE_; default ARGMAX */
    double theta; /**< of THRESHOLD, 0 < theta < 1; default 0.85 */
} hnas_path_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_path_opts).
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_path_opts_init(hnas_path_opts *opts, size_t size);

/**
 * Compute the path of a hypernetwork over its stored range.
 *
 *     pieces [lo, hi) in lambda, the last one closed; a piece's hi is the
 *     next one's lo, the outer ends are the range
 *
 * Shapes     hyper: a table E x O for each kind that has cells, normal first.
 * Units      opts NULL: the defaults.  Breakpoints are correctly rounded in s
 *            and within 2 ulp in lambda for ARGMAX, TOP2_RAW and THRESHOLD;
 *            roots of TOP2 are isolated by bounds that include rounding, and
 *            lie where the former order ceases to be certain.
 * Ownership  *out: the caller's, released with hnas_path_destroy.  net must
 *            outlive it; hyper is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL out, net or hyper, or opts->size not set; E_RANGE
 *            rule or theta; E_MISMATCH tables that are not the net's; E_NAN
 *            parameters not finite; E_NOMEM.  On error *out is NULL.
 * Source     upper envelopes of lines, exact signs after Shewchuk (1997);
 *            docs/math.md.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_create(hnas_path **out, const hnas_supernet *net,
                                      const hnas_hyper *hyper,
                                      const hnas_path_opts *opts);

/**
 * Release a path.
 *
 * Shapes     path NULL: nothing is done.
 * Units      none.
 * Ownership  its pieces go with it; architectures that it gave stay.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_path_destroy(hnas_path *path);

/**
 * Say whether the path is sampled, because alpha is not piecewise linear in s.
 *
 * Shapes     path: not NULL.
 * Units      1 or 0.  A sampled path looks at 1024 places, evenly spaced on s.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_path_is_sampled(const hnas_path *path);

/**
 * Tell the number of pieces.
 *
 * Shapes     path: not NULL.
 * Units      at least 1.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_path_get_count(const hnas_path *path);

/** One piece. */
typedef struct hnas_path_piece {
    double lo;      /**< lambda at which it begins */
    double hi;      /**< lambda at which the next one begins */
    double s_lo;    /**< s at which it begins */
    hnas_cost cost; /**< of the whole network, pruned */
} hnas_path_piece;

/**
 * Give one piece.
 *
 * Shapes     path: not NULL.
 * Units      index 0..count-1, in order of lambda; else all zeros.
 * Ownership  piece is the caller's.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_path_get_piece(const hnas_path *path, int32_t index,
                                  hnas_path_piece *piece);

/**
 * Tell what a piece costs in the host's table.
 *
 * Shapes     path: not NULL.
 * Units      index 0..count-1.  NaN for another one, or where the supernet
 *            had no table.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API double hnas_path_get_table_cost(const hnas_path *path, int32_t index);

/**
 * Find the piece of a lambda.
 *
 * Shapes     path: not NULL.
 * Units      lambda: inside the stored range, else -1.  A bisection of the
 *            breakpoints.
 * Ownership  none.
 * Gradient   none.
 * Threads    any; it never changes.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API int32_t hnas_path_find(const hnas_path *path, double lambda);

/**
 * Make the architecture of a piece.
 *
 * Shapes     as hnas_arch_derive at the start of the piece.
 * Units      index 0..count-1.
 * Ownership  *out: the caller's, released with hnas_arch_destroy; it does not
 *            need the path afterwards.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE index; E_NOMEM.  On error *out is
 *            NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_get_arch(hnas_arch **out, const hnas_path *path,
                                        int32_t index);

/**
 * Find the largest piece within a budget; of equal ones that of the lowest
 * lambda.
 *
 * Shapes     index, path: not NULL.
 * Units      metric: HNAS_COST_; limit: of the whole network, inclusive.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_INFEASIBLE nothing fits, *index is the smallest piece;
 *            E_ARG NULL argument; E_RANGE metric; E_STATE TABLE, but there is
 *            none.  On error *index is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_find_budget(int32_t *index,
                                           const hnas_path *path,
                                           int32_t metric, int64_t limit);

/**
 * Find the largest piece within a budget of the host's table; of equal ones
 * that of the lowest lambda.
 *
 * Shapes     index, path: not NULL.
 * Units      limit: of the whole network, in the table's unit, inclusive.
 * Ownership  none.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     HNAS_INFEASIBLE nothing fits, *index is the smallest piece;
 *            E_ARG NULL argument; E_RANGE limit is NaN; E_STATE the supernet
 *            had no table.  On error *index is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_find_table_budget(int32_t *index,
                                                 const hnas_path *path,
                                                 double limit);

/**
 * Write what a piece changes against the one before it, as text.
 *
 *     "normal 0 -> 2: sep_conv_3x3 -> none; reduce 1 -> 3: none added"
 *
 * Shapes     buffer: `capacity` bytes, cut off with a closing NUL where it is
 *            too small; NULL with capacity 0: *length alone.
 * Units      index 0..count-1; the first piece gives "".  *length: bytes of
 *            the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL path or length, or NULL buffer with a capacity;
 *            E_RANGE index.  On error *length is 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_write_change(const hnas_path *path,
                                            int32_t index, char *buffer,
                                            size_t capacity, size_t *length);

/**
 * List the pieces that no other beats: none costs no more and is at least as
 * good.
 *
 * Shapes     quality, index [count of pieces].
 * Units      quality: larger is better, the caller's own evaluation; NaN: not
 *            evaluated, not listed.  metric: HNAS_COST_.  Of equal pieces the
 *            one of the lowest lambda is listed.
 * Ownership  quality is read; index is the caller's and gets *n numbers, in
 *            order of lambda.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE metric; E_STATE TABLE, but there is
 *            none.  On error *n is unchanged.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_pareto(int32_t *index, int32_t *n,
                                      const hnas_path *path, int32_t metric,
                                      const double *quality);

HNAS_END_DECLS

#endif
