/* SPDX-License-Identifier: BSD-3-Clause */
/* A func against a straightforward double implementation of it: values, and
 * gradients of sum(y * dy) against central differences of that
 * implementation.  The double build is held to 1e-6, the float build to a
 * bound of the case. */
#ifndef HN_TESTS_SUPPORT_GRADCHECK_H
#define HN_TESTS_SUPPORT_GRADCHECK_H

#include "hnas/hnas.h"
#include "support/random.h"

enum { GRAD_LEAVES = 8 };

#ifdef HN_REAL_DOUBLE
enum { TEST_REAL = HNAS_FLOAT64 };
#else
enum { TEST_REAL = HNAS_FLOAT32 };
#endif

/* Where a leaf's elements may lie in memory; one is drawn. */
enum leaf_kind {
    LEAF_ANY = 0,    /* contiguous or, of rank >= 2, axes reversed */
    LEAF_IMAGE = 1,  /* also channels last, or the library's layout */
    LEAF_KERNEL = 2, /* contiguous or the library's layout */
    LEAF_PLAIN = 3   /* contiguous */
};

/* An input: uniform in lo .. hi, |x| >= gap. */
struct grad_leaf {
    enum leaf_kind kind;
    int32_t rank;
    int64_t dims[4];
    double lo, hi, gap;
    int32_t constant; /* no gradient is wanted or checked */
};

struct grad_case {
    const char *name;
    int32_t n_leaves;
    struct grad_leaf leaf[GRAD_LEAVES];
    hnas_shape shape; /* of the output */
    hnas_status (*record)(hnas_tensor **out, hnas_tape *tape,
                          hnas_tensor *const *leaf, void *user);
    /* y from x[i], all dense and row-major. */
    void (*reference)(double *y, const double *const *x, void *user);
    void *user;
    double float_bound; /* relative to the largest value; 0: 2e-5 */
    int32_t mode;       /* HNAS_TAPE_ */
    int32_t no_tangent; /* the func has none: second order is not checked */
};

/* Check one case; fails the running test. */
void gradcheck(hnas_context *ctx, const struct grad_case *c, struct random *r);

/* A random leaf of a shape, float-representable; its values go to v. */
hnas_tensor *grad_leaf_make(hnas_context *ctx, const struct grad_leaf *leaf,
                            struct random *r, double *v);

int64_t shape_count(int32_t rank, const int64_t *dims);

#endif
