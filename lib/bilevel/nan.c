/* SPDX-License-Identifier: BSD-3-Clause */
/* What a search does about a step that is not finite.  The step has taken
 * itself back by then: what is left is to go on, from there or from the state
 * kept last, with the next step's batches and draws.  The state is kept at
 * steps that the settings alone decide, so a resumed search goes back to the
 * same one. */
#include "bilevel/nan.h"

#include <math.h>
#include <string.h>

#include "bilevel/search.h"

/* ---- all that a step moves ---- */

static int64_t add_list(hnas_tensor **to, int64_t at, hnas_tensor *const *list,
                        int64_t n)
{
    memcpy(to + at, list, (size_t)n * sizeof *list);
    return at + n;
}

static int64_t add_states(hnas_tensor **to, int64_t at, const hnas_optim *optim,
                          int64_t n)
{
    for (int32_t s = 0; s < hn_optim_get_state_count(optim); s++)
        for (int64_t i = 0; i < n; i++)
            to[at++] = hn_optim_get_state(optim, s, i);
    return at;
}

hnas_status hn_nan_create(struct hnas_search *s)
{
    const struct hnas_bilevel *b = s->bilevel;
    const hnas_problem *p = &b->problem;
    const int64_t n = p->n_w * (1 + hn_optim_get_state_count(b->sgd)) +
                      p->n_u * (1 + hn_optim_get_state_count(b->adam)) +
                      s->n_buffers;
    struct hn_nan *nan = &s->nan;
    int64_t at = 0;

    if (s->opts.on_nan != HNAS_NAN_ROLLBACK)
        return HNAS_OK;
    nan->state = hn_alloc_array(&s->ctx->alloc, (size_t)n, sizeof *nan->state);
    if (!nan->state)
        return hn_fail_nomem(s->ctx, "search");
    at = add_list(nan->state, at, p->w, p->n_w);
    at = add_list(nan->state, at, p->u, p->n_u);
    at = add_list(nan->state, at, s->buffer, s->n_buffers);
    at = add_states(nan->state, at, b->sgd, p->n_w);
    at = add_states(nan->state, at, b->adam, p->n_u);
    return hn_copies_init(&nan->kept, s->ctx, nan->state, at);
}

void hn_nan_destroy(struct hnas_search *s)
{
    hn_copies_finish(&s->nan.kept, s->ctx);
    hn_free(&s->ctx->alloc, s->nan.state);
}

const real *hn_nan_kept(const struct hn_nan *nan, const hnas_tensor *t)
{
    for (int64_t i = 0; i < nan->kept.n; i++)
        if (nan->state[i] == t)
            return nan->kept.copy[i];
    return NULL;
}

/* ---- keeping ---- */

static int is_finite(hnas_tensor *const *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t count = hn_tensor_extent(t[i]);
        const real *value = hn_real(t[i]);

        for (int64_t k = 0; k < count; k++)
            if (!isfinite(value[k]))
                return 0;
    }
    return 1;
}

void hn_nan_keep(struct hnas_search *s)
{
    struct hn_nan *nan = &s->nan;

    hn_copies_keep(&nan->kept, nan->state);
    nan->kept_w_steps = hnas_optim_get_steps(s->bilevel->sgd);
    nan->kept_u_steps = hnas_optim_get_steps(s->bilevel->adam);
    nan->has_kept = 1;
}

/* Whether the coming step keeps the state anew. */
static int is_due(const struct hnas_search *s)
{
    return s->nan.has_moved &&
           s->bilevel->step % s->opts.bilevel.rate_steps == 0;
}

int hn_nan_is_stored(const struct hnas_search *s)
{
    return s->nan.has_kept && s->nan.has_moved && !is_due(s);
}

void hn_nan_restore(struct hn_nan *nan, const struct hn_nan *counts)
{
    nan->n_skipped = counts->n_skipped;
    nan->n_rolled_back = counts->n_rolled_back;
    nan->tries = counts->tries;
    nan->has_moved = counts->has_moved != 0;
    nan->kept_w_steps = counts->kept_w_steps;
    nan->kept_u_steps = counts->kept_u_steps;
}

hnas_status hn_nan_begin(struct hnas_search *s)
{
    struct hn_nan *nan = &s->nan;

    if (s->opts.on_nan != HNAS_NAN_STOP && hn_comm_ranks(s->ctx) > 1)
        return hn_fail(s->ctx, HNAS_E_UNSUPPORTED,
                       "on_nan: %d, want HNAS_NAN_STOP with %d ranks",
                       (int)s->opts.on_nan, (int)hn_comm_ranks(s->ctx));
    nan->before[0] = nan->tries;
    nan->before[1] = nan->has_moved;
    nan->before[2] = nan->has_kept;
    if (s->opts.on_nan != HNAS_NAN_ROLLBACK || (nan->has_kept && !is_due(s)) ||
        !is_finite(nan->state, nan->kept.n))
        return HNAS_OK;
    if (is_due(s))
        nan->tries = 0;
    hn_nan_keep(s);
    nan->has_moved = 0;
    return HNAS_OK;
}

/* ---- answering ---- */

static void bring_back(struct hnas_search *s)
{
    struct hn_nan *nan = &s->nan;

    hn_copies_bring_back(&nan->kept, nan->state);
    hn_optim_set_steps(s->bilevel->sgd, nan->kept_w_steps);
    hn_optim_set_steps(s->bilevel->adam, nan->kept_u_steps);
    nan->has_moved = 0;
}

/* A step that fails has kept nothing: the next one does. */
static hnas_status forget_step(struct hn_nan *nan, hnas_status st)
{
    nan->tries = nan->before[0];
    nan->has_moved = nan->before[1];
    nan->has_kept = nan->before[2];
    return st;
}

/* The message of the step, and why it ends the search all the same. */
static hnas_status give_up(struct hnas_search *s)
{
    char why[256];

    strncpy(why, hnas_context_message(s->ctx), sizeof why - 1);
    why[sizeof why - 1] = '\0';
    if (s->opts.on_nan == HNAS_NAN_SKIP)
        return hn_fail(s->ctx, HNAS_E_NAN,
                       "%s; %d steps were skipped in a row before it", why,
                       HN_NAN_TRIES);
    if (!s->nan.has_kept)
        return hn_fail(s->ctx, HNAS_E_NAN,
                       "%s; no finite state to roll back to", why);
    return hn_fail(s->ctx, HNAS_E_NAN,
                   "%s; rolled back %d times to one state before it", why,
                   HN_NAN_TRIES);
}

static void tell(const struct hnas_search *s, double lambda,
                 hnas_step_info *info)
{
    info->train_loss = info->valid_loss = NAN;
    info->w_norm = info->u_norm = NAN;
    info->w_rate = hn_bilevel_rate(s->bilevel);
    info->lambda = lambda;
    info->step = s->bilevel->step + 1;
}

hnas_status hn_nan_end(struct hnas_search *s, hnas_status st,
                       const double *lambda, int32_t n_lambda,
                       hnas_step_info *info)
{
    struct hn_nan *nan = &s->nan;
    const int is_skip = s->opts.on_nan == HNAS_NAN_SKIP;

    if (st == HNAS_OK) {
        nan->has_moved = 1;
        nan->tries = is_skip ? 0 : nan->tries;
    }
    if (st == HNAS_OK)
        return st;
    if (st != HNAS_E_NAN || s->opts.on_nan == HNAS_NAN_STOP)
        return forget_step(nan, st);
    if (nan->tries == HN_NAN_TRIES || !(is_skip || nan->has_kept))
        return forget_step(nan, give_up(s));
    if (!is_skip)
        bring_back(s);
    if (info)
        tell(s, lambda[s->bilevel->step % n_lambda], info);
    nan->tries++;
    nan->n_skipped += is_skip;
    nan->n_rolled_back += !is_skip;
    s->bilevel->step++;
    return is_skip ? HNAS_SKIPPED : HNAS_ROLLED_BACK;
}

void hnas_search_get_nan_steps(int64_t *n_skipped, int64_t *n_rolled_back,
                               const hnas_search *search)
{
    if (n_skipped)
        *n_skipped = search->nan.n_skipped;
    if (n_rolled_back)
        *n_rolled_back = search->nan.n_rolled_back;
}
