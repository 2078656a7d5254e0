/* SPDX-License-Identifier: BSD-3-Clause */
/* A set's making: discrete networks that read the same weights. */
#include "model/set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/path.h"
#include "base/clock.h"
#include "net/supernet.h"

enum { WARM_UP = 3, MOST_REPEATS = 1000000 };

/* Pass on what a member's context says. */
static hnas_status tell(const struct hnas_set *set, hnas_status st)
{
    const char *message = set->frozen->ctx->message;

    return st < 0 && *message ? hn_fail(set->owner, st, "%s", message) : st;
}

hnas_status hn_set_make(struct hnas_set **out, struct hnas_context *owner,
                        int32_t n)
{
    struct hnas_set *s = hn_zalloc(&owner->alloc, sizeof *s);
    hnas_status st;

    *out = NULL;
    if (!s)
        return hn_fail_nomem(owner, "set");
    s->owner = owner;
    st = hn_frozen_create(&s->frozen, owner, n, owner->n_threads);
    if (st == HNAS_OK) {
        hn_params_init(&s->weights, s->frozen->ctx);
        s->member = hn_alloc_array(&owner->alloc, (size_t)n, sizeof *s->member);
    }
    if (!s->member) {
        hnas_set_destroy(s);
        return hn_fail_nomem(owner, "set");
    }
    *out = s;
    return HNAS_OK;
}

const char *hn_member_prefix(char text[HN_MEMBER_PREFIX_BYTES], int32_t index)
{
    snprintf(text, HN_MEMBER_PREFIX_BYTES, "member.%d.", (int)index);
    return text;
}

static int is_own(const struct hn_set_source *source, int32_t index,
                  const struct hn_param *e, const struct hn_param *had)
{
    const size_t bytes = (size_t)hn_tensor_extent(e->tensor) * sizeof(real);

    return source->is_own
               ? source->is_own(source->user, index, e->name)
               : memcmp(hn_real(e->tensor), hn_real(had->tensor), bytes) != 0;
}

/* Read the weights of earlier members, and list those that are new. */
static hnas_status share_weights(struct hnas_set *s, int32_t index,
                                 const struct hn_set_source *source)
{
    const struct hnas_params *params = &s->frozen->model[index]->params;
    char prefix[HN_MEMBER_PREFIX_BYTES];
    hnas_status st = HNAS_OK;

    hn_member_prefix(prefix, index);
    for (int64_t i = 0; i < params->n && st == HNAS_OK; i++) {
        const struct hn_param *e = &params->entry[i], *had;

        e->tensor->wanted = 0;
        if (e->kind != HNAS_PARAM_WEIGHT)
            continue;
        had = hn_params_find(&s->weights, e->name);
        if (had && !is_own(source, index, e, had))
            hn_tensor_borrow(e->tensor, had->tensor);
        else
            st = hn_params_add(&s->weights, had ? prefix : "", e->name, e->kind,
                               e->tensor);
    }
    return st;
}

hnas_status hn_set_add(struct hnas_set *set, int32_t index,
                       const struct hn_model_kind kind[HNAS_N_KINDS],
                       const hnas_model_opts *opts,
                       const struct hn_set_source *source)
{
    struct hnas_model **m = &set->frozen->model[index];
    hnas_status st = hn_model_make(m, set->frozen->ctx, kind, opts);

    if (st == HNAS_OK && source->from)
        st = hnas_model_inherit(*m, source->from);
    if (st == HNAS_OK)
        st = share_weights(set, index, source);
    if (st < 0)
        return tell(set, st);
    hnas_tape_destroy((*m)->tape); /* one serves all */
    (*m)->tape = NULL;
    set->member[index].cost = (*m)->total;
    set->member[index].latency_us = NAN;
    return HNAS_OK;
}

/* A member's network, with the weights at the lower end of its piece. */
static hnas_status add_network(struct hnas_set *s, int32_t index,
                               const hnas_arch *arch,
                               const hnas_model_opts *opts,
                               struct hn_network *net)
{
    struct hn_model_kind kind[HNAS_N_KINDS];
    struct hnas_params weights;
    const struct hn_set_source source = {&weights, NULL, NULL};
    hnas_status st;

    hn_params_init(&weights, s->owner);
    st = hn_network_weights_at(&weights, net, s->member[index].lo);
    hn_model_kinds(kind, arch);
    if (st == HNAS_OK)
        st = hn_set_add(s, index, kind, opts, &source);
    hn_params_finish(&weights);
    return st;
}

static hnas_status add_piece(struct hnas_set *s, int32_t index,
                             const hnas_path *path, const hnas_model_opts *opts,
                             struct hn_network *net)
{
    hnas_path_piece piece;
    hnas_arch *arch;
    hnas_status st = hnas_path_get_arch(&arch, path, index);

    if (st < 0)
        return st;
    hnas_path_get_piece(path, index, &piece);
    s->member[index].lo = piece.lo;
    s->member[index].hi = piece.hi;
    st = add_network(s, index, arch, opts, net);
    if (st == HNAS_OK)
        s->frozen->model[index]->rule = arch->rule;
    hnas_arch_destroy(arch);
    return st;
}

hnas_status hnas_set_create(hnas_set **out, hnas_supernet *net,
                            const hnas_path *path)
{
    hnas_model_opts o;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !net || !path)
        return hn_fail_null(net ? net->ctx : NULL, "set create: out or path");
    if (path->space != hn_supernet_space(net))
        return hn_fail(net->ctx, HNAS_E_MISMATCH,
                       "set: the path is another supernet's");
    hnas_model_opts_init(&o, sizeof o);
    hnas_model_opts_fit(&o, net);
    st = hn_set_make(out, net->ctx, path->n);
    for (int32_t i = 0; i < path->n && st == HNAS_OK; i++)
        st = add_piece(*out, i, path, &o, &net->network);
    if (st < 0) {
        hnas_set_destroy(*out);
        *out = NULL;
    }
    return st;
}

hnas_status hn_set_expect_idle(const struct hnas_set *set, const char *call)
{
    if (!set->runs)
        return HNAS_OK;
    return hn_fail(set->owner, HNAS_E_STATE,
                   "%s: called while the set computes, want it after the call "
                   "that this is a part of",
                   call);
}

void hnas_set_destroy(hnas_set *set)
{
    if (!set || hn_set_expect_idle(set, "hnas_set_destroy") < 0)
        return;
    hnas_tape_destroy(set->tape);
    hn_params_finish(&set->weights);
    hn_frozen_unref(set->frozen);
    hn_free(&set->owner->alloc, set->text);
    hn_free(&set->owner->alloc, set->member);
    hn_free(&set->owner->alloc, set);
}

/* ---- calibrating and measuring ---- */

static hnas_status calibrate(struct hnas_set *s, hnas_tensor *images,
                             int32_t first)
{
    hnas_status st = HNAS_OK;

    if (!s->tape)
        st = hnas_tape_create(&s->tape, s->frozen->ctx);
    for (int32_t i = 0; i < s->frozen->n && st == HNAS_OK; i++) {
        struct hnas_model *m = s->frozen->model[i];

        m->tape = s->tape;
        st = hnas_model_calibrate(m, images, first);
        m->tape = NULL;
    }
    if (s->tape)
        hnas_tape_reset(s->tape, 0); /* lets the images go */
    return st;
}

static void lend_poll(struct hnas_context *to, const struct hnas_context *from)
{
    to->poll = from->poll;
    to->poll_user = from->poll_user;
    to->poll_ms = from->poll_ms;
}

hnas_status hnas_set_calibrate(hnas_set *set, hnas_tensor *images,
                               int32_t first)
{
    hnas_status st;

    if (!set || !images)
        return hn_fail_null(set ? set->owner : NULL, "set calibrate: images");
    st = hn_set_expect_idle(set, "hnas_set_calibrate");
    if (st < 0)
        return st;
    if (atomic_load(&set->frozen->refs) > 1)
        return hn_fail(set->owner, HNAS_E_STATE,
                       "set: predictors of it live, destroy them first");
    set->frozen->ctx->message[0] = '\0';
    lend_poll(set->frozen->ctx, set->owner);
    set->runs = 1;
    st = calibrate(set, images, first);
    set->runs = 0;
    set->frozen->ctx->poll = NULL; /* its predictors outlive the owner */
    return tell(set, st);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* What a prediction is measured with. */
struct stopwatch {
    struct hnas_context *owner; /* asked between predictions */
    hnas_predictor *predictor;
    hnas_array image;
    float *logits;
    int64_t classes;
    double *us; /* [repeats] */
    int32_t repeats;
};

static hnas_status measure(double *latency_us, struct stopwatch *w,
                           int32_t index)
{
    hnas_status st = hnas_predictor_switch(w->predictor, index);

    for (int32_t i = -WARM_UP; i < w->repeats && st == HNAS_OK; i++) {
        double began_s;

        st = hn_check_stopped(w->owner);
        if (st < 0)
            return st;
        began_s = hn_now_s();
        st = hnas_predictor_run(w->predictor, &w->image, w->logits, w->classes);
        if (i >= 0)
            w->us[i] = 1e6 * (hn_now_s() - began_s);
    }
    if (st < 0)
        return st;
    qsort(w->us, (size_t)w->repeats, sizeof *w->us, compare);
    *latency_us = w->us[w->repeats / 2];
    return HNAS_OK;
}

/* All times are known before any is stored. */
static hnas_status measure_all(struct hnas_set *s, struct stopwatch *w,
                               double *found)
{
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < s->frozen->n && st == HNAS_OK; i++)
        st = measure(&found[i], w, i);
    if (st == HNAS_E_STOPPED)
        return st;
    if (st < 0)
        return hn_fail(s->owner, st, "%s",
                       hnas_predictor_message(w->predictor));
    for (int32_t i = 0; i < s->frozen->n; i++)
        s->member[i].latency_us = found[i];
    return HNAS_OK;
}

/* A black image of the set's shape; NULL without memory. */
static float *make_image(hnas_array *image, const struct hnas_set *s)
{
    const int64_t *d = s->frozen->model[0]->opts.image;
    float *data = hn_alloc_dims(&s->owner->alloc, 3, d, sizeof *data);

    image->size = sizeof *image;
    image->data = data;
    image->dtype = HNAS_FLOAT32;
    image->rank = 4;
    image->dims[0] = 1;
    memcpy(image->dims + 1, d, 3 * sizeof *d);
    return data;
}

hnas_status hnas_set_measure(hnas_set *set, int32_t repeats)
{
    struct stopwatch w = {.repeats = repeats};
    struct hn_allocator *alloc;
    double *found;
    float *image;
    hnas_status st;

    if (!set)
        return HNAS_E_ARG;
    if (repeats < 1 || repeats > MOST_REPEATS)
        return hn_fail(set->owner, HNAS_E_RANGE,
                       "set: %d repeats, want 1..10^6", (int)repeats);
    st = hn_set_expect_idle(set, "hnas_set_measure");
    if (st < 0)
        return st;
    w.owner = set->owner;
    alloc = &set->owner->alloc;
    image = make_image(&w.image, set);
    w.classes = set->frozen->model[0]->opts.classes;
    w.logits = hn_alloc_array(alloc, (size_t)w.classes, sizeof *w.logits);
    w.us = hn_alloc_array(alloc, (size_t)repeats, sizeof *w.us);
    found = hn_alloc_array(alloc, (size_t)set->frozen->n, sizeof *found);
    st = hnas_set_create_predictor(&w.predictor, set, 1);
    if (st == HNAS_OK && (!image || !w.logits || !w.us || !found))
        st = hn_fail_nomem(set->owner, "set");
    set->runs = 1;
    if (st == HNAS_OK)
        st = measure_all(set, &w, found);
    set->runs = 0;
    hnas_predictor_destroy(w.predictor);
    hn_free(alloc, image);
    hn_free(alloc, w.logits);
    hn_free(alloc, w.us);
    hn_free(alloc, found);
    return st;
}
