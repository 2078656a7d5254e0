/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries of a search.  As long as u stays, all of them under one rule are
 * answered by one path, piece by piece; the architecture of a piece is made
 * when it is first asked for, and later ones share its arrays.  Whether u has
 * stayed is seen by comparing it, so nobody who writes it has to tell. */
#include <string.h>

#include "arch/path.h"
#include "base/fpmode.h"
#include "bilevel/search.h"
#include "hyper/hyper.h"
#include "net/supernet.h"

enum { N_RULES = HNAS_RULE_THRESHOLD + 1 };

struct hn_derived {
    real *u;           /* [n] what the paths were made of */
    int64_t n;         /* elements of all u */
    int32_t has_u;     /* u holds something */
    int32_t has_table; /* the space had a table of costs */
    struct {
        hnas_path *path;
        hnas_arch **piece; /* [pieces], NULL: not asked for */
    } rule[N_RULES];
};

hnas_status hn_derived_create(struct hn_derived **out,
                              const struct hnas_search *s)
{
    struct hn_derived *d = hn_zalloc(&s->ctx->alloc, sizeof *d);

    *out = d;
    if (!d)
        return hn_fail_nomem(s->ctx, "search");
    for (int64_t i = 0; i < s->bilevel->problem.n_u; i++)
        d->n += hn_tensor_extent(s->u[i]);
    d->u = hn_alloc_array(&s->ctx->alloc, (size_t)d->n, sizeof *d->u);
    return d->u ? HNAS_OK : hn_fail_nomem(s->ctx, "search");
}

static void forget(struct hn_derived *d, struct hnas_context *ctx)
{
    for (int r = 0; r < N_RULES; r++) {
        const int32_t n =
            d->rule[r].piece ? hnas_path_get_count(d->rule[r].path) : 0;

        for (int32_t i = 0; i < n; i++)
            hnas_arch_destroy(d->rule[r].piece[i]);
        hn_free(&ctx->alloc, d->rule[r].piece);
        hnas_path_destroy(d->rule[r].path);
        d->rule[r].piece = NULL;
        d->rule[r].path = NULL;
    }
    d->has_u = 0;
}

void hn_derived_destroy(struct hn_derived *d, struct hnas_context *ctx)
{
    if (!d)
        return;
    forget(d, ctx);
    hn_free(&ctx->alloc, d->u);
    hn_free(&ctx->alloc, d);
}

static int is_current(const struct hnas_search *s)
{
    const struct hn_derived *d = s->derived;
    const real *kept = d->u;

    if (!d->has_u || d->has_table != hn_supernet_space(s->net)->has_table)
        return 0;
    for (int64_t i = 0; i < s->bilevel->problem.n_u; i++) {
        const int64_t n = hn_tensor_extent(s->u[i]);

        if (memcmp(kept, hn_real(s->u[i]), (size_t)n * sizeof *kept))
            return 0;
        kept += n;
    }
    return 1;
}

static void keep_u(const struct hnas_search *s)
{
    struct hn_derived *d = s->derived;
    real *to = d->u;

    for (int64_t i = 0; i < s->bilevel->problem.n_u; i++) {
        const int64_t n = hn_tensor_extent(s->u[i]);

        memcpy(to, hn_real(s->u[i]), (size_t)n * sizeof *to);
        to += n;
    }
    d->has_u = 1;
    d->has_table = hn_supernet_space(s->net)->has_table;
}

/* The path of a rule; a negative status: there is none. */
static hnas_status find_path(const struct hnas_search *s, int32_t rule)
{
    const hnas_path_opts opts = {sizeof opts, rule, s->opts.theta};
    struct hn_derived *d = s->derived;
    hnas_status st;

    if (!is_current(s)) {
        forget(d, s->ctx);
        keep_u(s);
    }
    if (d->rule[rule].path)
        return HNAS_OK;
    st = hnas_path_create(&d->rule[rule].path, s->net, s->hyper, &opts);
    if (st < 0)
        return st;
    d->rule[rule].piece = hn_alloc_array(
        &s->ctx->alloc, (size_t)hnas_path_get_count(d->rule[rule].path),
        sizeof *d->rule[rule].piece);
    if (d->rule[rule].piece)
        return HNAS_OK;
    hnas_path_destroy(d->rule[rule].path);
    d->rule[rule].path = NULL;
    return hn_fail_nomem(s->ctx, "query");
}

static hnas_status derive_by_path(hnas_arch **out, const struct hnas_search *s,
                                  double lambda, int32_t rule)
{
    hnas_arch **piece;
    hnas_path *path;
    int32_t index;
    hnas_status st = find_path(s, rule);

    if (st < 0)
        return st;
    path = s->derived->rule[rule].path;
    index = hnas_path_find(path, lambda);
    piece = &s->derived->rule[rule].piece[index];
    if (!*piece)
        st = hnas_path_get_arch(piece, path, index);
    if (st == HNAS_OK)
        st = hn_arch_share(out, *piece);
    if (st == HNAS_OK)
        (*out)->lambda = lambda;
    return st;
}

static hnas_status derive(hnas_arch **out, const hnas_search *search,
                          double lambda, int32_t rule)
{
    const struct hn_scale *scale;

    if (out)
        *out = NULL;
    if (!out || !search)
        return hn_fail_null(search ? search->ctx : NULL,
                            "derived network: out");
    scale = &search->hyper->scale;
    if (lambda >= scale->lo && lambda <= scale->hi && rule >= 0 &&
        rule < N_RULES && search->hyper->generator->n_segments &&
        derive_by_path(out, search, lambda, rule) == HNAS_OK)
        return HNAS_OK;
    if (rule == HNAS_RULE_THRESHOLD)
        return hnas_arch_derive_threshold(out, search->net, search->hyper,
                                          lambda, search->opts.theta);
    return hnas_arch_derive(out, search->net, search->hyper, lambda, rule);
}

hnas_status hnas_search_derive(hnas_arch **out, const hnas_search *search,
                               double lambda, int32_t rule)
{
    const uint64_t mode = hn_fp_enter();
    const hnas_status st = derive(out, search, lambda, rule);

    hn_fp_leave(mode);
    return st;
}
