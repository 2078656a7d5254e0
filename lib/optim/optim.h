/* SPDX-License-Identifier: BSD-3-Clause */
/* FLOOR 6.  The optimizers' inside: one update rule a file, and what the
 * bilevel step and the files need beyond the public calls.
 *
 * Updates run over whole extents: the padding lanes of a tensor in the
 * internal layout have a zero gradient, so they stay zero. */
#ifndef HN_OPTIM_OPTIM_H
#define HN_OPTIM_OPTIM_H

#include "hnas/optim.h"
#include "tensor/tensor.h"

enum { HN_OPTIM_MAX_STATES = 2 };

/* One step of one tensor; what it needs besides is in the optimizer. */
struct hn_update {
    const hnas_optim *optim;
    double rate;
    double kappa; /* clip coefficient of the gradient */
};

/* An update rule: a constant table. */
struct hn_optim_rule {
    const char *name;
    int32_t n_states;
    const char *state_names[HN_OPTIM_MAX_STATES];

    /* Move one tensor and its states; `grad` may be NULL: zero. */
    void (*update)(const struct hn_update *update, int64_t index,
                   const real *grad);
    /* Whether all that this would leave is finite: the same sums, kept
     * nowhere. */
    int (*leaves_finite)(const struct hn_update *update, int64_t index,
                         const real *grad);
    /* Bound every number of a step, weights, states and what lies between,
     * by norms: of the gradients, of the parameters before it, and of the
     * states, which become those after it. */
    double (*reach)(const struct hn_update *update, double grad, double param,
                    double state[HN_OPTIM_MAX_STATES]);
};

/* What rounding adds at most to a norm that a step moves. */
#define HN_OPTIM_ROUNDED (sizeof(real) == sizeof(float) ? 1 + 1e-6 : 1 + 1e-14)

struct hnas_optim {
    struct hnas_context *ctx;
    const struct hn_optim_rule *rule;
    hnas_sgd_opts sgd;   /* of SGD */
    hnas_adam_opts adam; /* of Adam */
    int64_t n;
    struct hnas_tensor **param;                      /* [n] references */
    struct hnas_tensor **state[HN_OPTIM_MAX_STATES]; /* [n] each, zeros first */
    double *told;    /* [2n] what a task tells of gradients, then parameters */
    double norm;     /* of the gradients at the last step or virtual step */
    int64_t n_steps; /* done */
    double state_norm[HN_OPTIM_MAX_STATES]; /* at most; < 0: unknown */

    /* The last snapshot: parameters, then each state; NULL: none yet. */
    real *saved;
    int64_t saved_steps;
    double saved_norm;
};

/* Make an optimizer with zero states; its settings are the caller's to fill.
 * Every tensor is a dense leaf of HN_REAL of the context. */
hnas_status hn_optim_create(hnas_optim **out, struct hnas_context *ctx,
                            const struct hn_optim_rule *rule,
                            struct hnas_tensor *const *params, int64_t n);

/* Tell the norm of all gradients together: squares are summed a tensor, then
 * over the tensors in order.  HNAS_E_NAN where it is not finite, or that of
 * the parameters is not. */
hnas_status hn_optim_norm(double *norm, const hnas_optim *optim);

/* Tell the norm that the last step saw, before any clip. */
double hn_optim_get_norm(const hnas_optim *optim);

/* The state as named tensors, one a parameter and of its shape and layout
 * ("momentum", or "m" and "v"), borrowed; and the step count.  What a file
 * keeps.  Whoever writes a state sets the count too. */
int32_t hn_optim_get_state_count(const hnas_optim *optim);
const char *hn_optim_get_state_name(const hnas_optim *optim, int32_t state);
struct hnas_tensor *hn_optim_get_state(const hnas_optim *optim, int32_t state,
                                       int64_t index);
void hn_optim_set_steps(hnas_optim *optim, int64_t n_steps);

/* Keep parameters, states and step count; bring back what was kept last, bit
 * for bit.  Only the first snapshot allocates. */
hnas_status hn_optim_snapshot(hnas_optim *optim);
void hn_optim_restore(hnas_optim *optim);

/* What a virtual step used; all of it is constant in differentiation. */
struct hn_virtual {
    double norm;  /* of the gradients */
    double kappa; /* clip coefficient, 1 without a clip */
    double nu;    /* 1 + momentum for Nesterov, else 1 */
};

/* Write w' = w - rate * step, the weights that SGD would step to, leaving its
 * state alone.  dst[i] spans the extent of tensor i; NULL: in place.  clip: 0
 * leaves the gradient's clip out. */
hnas_status hn_sgd_virtual(struct hn_virtual *info, const hnas_optim *optim,
                           double rate, int32_t clip, real *const *dst);

/* min(1, clip / (norm + 1e-6)), 1 where clip is 0. */
double hn_sgd_kappa(const hnas_optim *optim, double norm);

#endif
