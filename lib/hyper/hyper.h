/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 6.  The hypernetwork's inside: a handle with tables of parameters,
 * and the generators, one a file, that turn s into alpha. */
#ifndef HN_HYPER_HYPER_H
#define HN_HYPER_HYPER_H

#include "hnas/func.h"
#include "hnas/hyper.h"
#include "tensor/params.h"

enum { HN_HYPER_CONSTANTS = 4, HN_MOST_EMBEDDING = 256 };

/* What yields one table of alpha [E, O], or of weights [rows, cols] or [cols];
 * NULL where the kind has no such parameter.  All are references of the list of
 * parameters. */
struct hn_hyper_table {
    char *name;
    struct hnas_tensor *b1, *b2;                       /* [E, O] */
    struct hnas_tensor *knots;                         /* [K, E, O] */
    struct hnas_tensor *w1, *c1, *w2;                  /* [H], [H], [E, O, H] */
    struct hnas_tensor *z, *w, *b, *v, *w_out, *b_out; /* embedding.c */
    int64_t rows, cols;                                /* rows 1 for a vector */
    hnas_shape shape;                                  /* of what is yielded */
    const int64_t *predecessors; /* [rows] or NULL, while it is made */
    int32_t n_embedding, n_tile, embed_s;
    int32_t n_knots, n_hidden;     /* K, H */
    double s_lo, s_hi;             /* of the range */
    struct hnas_tensor **constant; /* [HN_HYPER_CONSTANTS], NULL: not yet */
    int32_t *order; /* [2 * cols] and [4 * cols]: room of the projection */
    double *work;
};

/* The coordinate t of a segment: s = origin + t * (width + rest), rest being
 * what width loses to rounding. */
struct hn_hyper_frame {
    double origin, width, rest;
};

/* t = s. */
extern const struct hn_hyper_frame hn_hyper_identity;

/* A stretch [s_lo, s_hi] on which alpha = t * slope[e * O + o] + offset[...];
 * the first and the last one are prolonged to infinity by a query.  Slopes
 * and offsets are what defines alpha: nothing is lost in them. */
struct hn_hyper_segment {
    double s_lo, s_hi;
    struct hn_hyper_frame frame;
    double *slope, *offset; /* the caller's, [E * O] */
};

/* A way from s to alpha: a constant table, one a file. */
struct hn_generator {
    int32_t kind; /* HNAS_HYPER_ */
    const char *name;
    int32_t ignores_lambda; /* any lambda with an s is inside the range */

    /* Make the parameters of a table and start them; index numbers the draw. */
    hnas_status (*create)(struct hnas_hyper *hyper,
                          struct hn_hyper_table *table, int32_t index);
    /* Record alpha at s; *out is a new reference. */
    hnas_status (*apply)(struct hnas_tensor **out, hnas_tape *tape,
                         const struct hn_hyper_table *table, double s);
    /* Compute alpha[e * O + o] at s. */
    void (*eval)(double *alpha, const struct hn_hyper_table *table, double s);
    /* The segments of alpha in s, in rising order; both NULL where alpha is
     * not piecewise linear, and then there is no exact path. */
    int32_t (*n_segments)(const struct hn_hyper_table *table);
    void (*segment)(struct hn_hyper_segment *segment,
                    const struct hn_hyper_table *table, int32_t index);
};

/* The generator of a kind, or NULL. */
const struct hn_generator *hn_generator_find(int32_t kind);

/* The scale between lambda and s. */
struct hn_scale {
    int32_t kind; /* HNAS_SCALE_ */
    double lo, hi;
    /* HNAS_SCALE_LOG: hi / lo = ratio * (1 + slip), and ln(hi / lo) */
    double ratio, slip, log_ratio;
};

struct hnas_hyper {
    struct hnas_context *ctx;
    hnas_hyper_opts opts; /* names borrowed from the tables */
    const struct hn_generator *generator;
    struct hn_scale scale;
    struct hnas_params params;
    struct hn_hyper_table table[HNAS_MAX_TABLES];
};

/* Prepare a scale for a range that hn_scale_check accepted. */
void hn_scale_init(struct hn_scale *scale, int32_t kind, double lo, double hi);
hnas_status hn_scale_check(struct hnas_context *ctx, int32_t kind, double lo,
                           double hi);

/* s of a lambda for which it exists; exactly -1 and 1 at the ends of a log
 * scale. */
double hn_scale_s(const struct hn_scale *scale, double lambda);

/* lambda of any s, within 2 ulp; 0 or infinity where it leaves the doubles.
 * Exact in raw scale and at the ends. */
double hn_scale_lambda(const struct hn_scale *scale, double s);

/* Check lambda as a query does and give its s: HNAS_OK, HNAS_EXTRAPOLATED
 * (outside the range by more than a relative 1e-12) or HNAS_E_RANGE. */
hnas_status hn_hyper_place(double *s, const struct hnas_hyper *hyper,
                           double lambda);

/* Make a parameter of a table: zeros. */
hnas_status hn_hyper_add_param(struct hnas_tensor **out,
                               struct hnas_hyper *hyper,
                               const struct hn_hyper_table *table,
                               const char *name, int32_t rank,
                               const int64_t *dims);

/* The same of the table's shape. */
hnas_status hn_hyper_add_matrix(struct hnas_tensor **out,
                                struct hnas_hyper *hyper,
                                const struct hn_hyper_table *table,
                                const char *name);

/* Fill a parameter with std * N(0, 1), the draws first, first + 1 ... */
void hn_hyper_start(struct hnas_tensor *param, const struct hnas_hyper *hyper,
                    double std, int32_t index, int64_t first);

/* Fill knots or b2 as opts.start says. */
void hn_hyper_start_table(struct hnas_tensor *param,
                          const struct hnas_hyper *hyper,
                          const struct hn_hyper_table *table, int32_t index);

/* Give a vector of n zeros for one apply, always the same n in a table: one
 * that no tape holds any more, so that a warm step allocates nothing. */
hnas_status hn_hyper_constant(struct hnas_tensor **out,
                              const struct hn_hyper_table *table, int64_t n);

/* s of knot k. */
double hn_hyper_knot(const struct hn_hyper_table *table, int32_t k);

/* Refuse a number that is no table's: HNAS_E_RANGE. */
hnas_status hn_hyper_check_table(const struct hnas_hyper *hyper, int32_t table);

#endif
