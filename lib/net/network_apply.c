/* SPDX-License-Identifier: BSD-3-Clause */
/* A network on the tape. */
#include <stdio.h>
#include <string.h>

#include "net/network.h"

static hnas_status preprocess(hnas_tensor **out, hnas_tape *tape,
                              const struct hn_preprocess *p, hnas_tensor *x)
{
    hnas_tensor *z = NULL, *w[2] = {NULL, NULL};
    hnas_conv_opts opts;
    hnas_status st = hn_pointwise_get(&w[0], tape, p->w[0]);

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.relu = 1;
    if (st == HNAS_OK && p->w[1])
        st = hn_pointwise_get(&w[1], tape, p->w[1]);
    if (st == HNAS_OK && p->w[1])
        st = hnas_factorized_reduce(&z, tape, x, w[0], w[1]);
    else if (st == HNAS_OK)
        st = hnas_conv2d(&z, tape, x, w[0], &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, p->bn);
    hnas_tensor_unref(z);
    hnas_tensor_unref(w[0]);
    hnas_tensor_unref(w[1]);
    return st;
}

static hnas_status apply_stem(hnas_tensor **out, hnas_tape *tape,
                              struct hn_network *net, hnas_tensor *x)
{
    hnas_tensor *z = NULL;
    hnas_conv_opts opts;
    hnas_status st;

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.pad[0] = opts.pad[1] = 1;
    st = hnas_conv2d(&z, tape, x, net->stem_conv, &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, net->stem_bn);
    hnas_tensor_unref(z);
    return st;
}

/* An input that no edge leaves is not computed. */
static hnas_status apply_cell(hnas_tensor **out, hnas_tape *tape,
                              const struct hn_network_cell *c, int64_t n_images,
                              hnas_tensor *const s[2], hnas_tensor *gates,
                              const struct hn_network_pass *pass)
{
    const int64_t shape[4] = {n_images, c->channels, c->out_size[0],
                              c->out_size[1]};
    const uint8_t *left_out = pass->left_out ? pass->left_out[c->kind] : NULL;
    hnas_tensor *in[2] = {NULL, NULL};
    hnas_status st = HNAS_OK;

    for (int k = 0; k < 2 && st == HNAS_OK; k++)
        if (c->reads[k])
            st = preprocess(&in[k], tape, &c->preprocess[k], s[k]);
    if (st == HNAS_OK)
        st = hn_cell_apply(out, tape, c->cell, in, gates, pass->flags, left_out,
                           shape);
    hnas_tensor_unref(in[0]);
    hnas_tensor_unref(in[1]);
    return st;
}

/* Without gradients, what a cell no longer needs makes room for the next. */
static hnas_status flush(hnas_tape *tape)
{
    hnas_status st;

    if (!(tape->mode & HNAS_TAPE_NO_GRADIENT))
        return HNAS_OK;
    st = hnas_tape_run(tape);
    hnas_tape_defer(tape);
    return st;
}

/* s holds the last two outputs, NULL where nothing reads them. */
static hnas_status apply_cells(hnas_tape *tape, struct hn_network *net,
                               int64_t n_images, hnas_tensor *s[2],
                               struct hn_network_pass *pass)
{
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < net->macro.cells && st == HNAS_OK; i++) {
        const struct hn_network_cell *c = &net->cell[i];
        hnas_tensor *gates =
            pass->cell_gates ? pass->cell_gates[i] : pass->gates[c->kind];
        hnas_tensor *next = NULL;

        if (c->is_read)
            st = apply_cell(&next, tape, c, n_images, s, gates, pass);
        hnas_tensor_unref(s[0]);
        s[0] = s[1];
        s[1] = next;
        if (st == HNAS_OK && pass->wants_tap && i == net->macro.tap)
            pass->tapped = hnas_tensor_ref(next);
        if (st == HNAS_OK)
            st = flush(tape);
    }
    return st;
}

static hnas_status apply_head(hnas_tensor **out, hnas_tape *tape,
                              const struct hn_network *net, hnas_tensor *x,
                              double lambda)
{
    hnas_tensor *pooled = NULL, *head[2];
    hnas_status st = hn_network_head(head, tape, net, lambda);

    if (st == HNAS_OK)
        st = hnas_global_avg_pool(&pooled, tape, x);
    if (st == HNAS_OK)
        st = hnas_linear(out, tape, pooled, head[0], head[1]);
    hnas_tensor_unref(pooled);
    hnas_tensor_unref(head[0]);
    hnas_tensor_unref(head[1]);
    return st;
}

hnas_status hn_network_check_images(const struct hn_network *net,
                                    hnas_tensor *x, const char *who)
{
    const int64_t *d = net->macro.image;
    char text[96];
    hnas_status st = hn_expect(x, 4, "images [N, C, H, W]");

    if (st < 0)
        return st;
    if (x->dim[1] != d[0] || x->dim[2] != d[1] || x->dim[3] != d[2])
        return hn_fail(net->ctx, HNAS_E_SHAPE,
                       "%s: images %s, want [N, %lld, %lld, %lld]", who,
                       hn_shape_text(text, x), (long long)d[0], (long long)d[1],
                       (long long)d[2]);
    return HNAS_OK;
}

/* Visit the norms of stem and cells. */
static void each_norm(struct hn_network *net,
                      void (*visit)(struct hnas_norm *, void *), void *user)
{
    visit(net->stem_bn, user);
    for (int32_t i = 0; i < net->macro.cells; i++) {
        hn_cell_each_norm(net->cell[i].cell, visit, user);
        visit(net->cell[i].preprocess[0].bn, user);
        visit(net->cell[i].preprocess[1].bn, user);
    }
}

static void clear(struct hnas_norm *norm, void *user)
{
    (void)user;
    hn_norm_clear(norm);
}

static void update(struct hnas_norm *norm, void *user)
{
    const double *momentum = user;

    hnas_norm_update(norm, *momentum);
}

static void reset(struct hnas_norm *norm, void *user)
{
    (void)user;
    hn_norm_reset(norm);
}

static void calibrate(struct hnas_norm *norm, void *user)
{
    (void)user;
    hn_norm_calibrate(norm);
}

struct finding {
    double momentum;
    const struct hnas_tensor *bad; /* the first one, or NULL */
};

static void find_bad(struct hnas_norm *norm, void *user)
{
    struct finding *f = user;

    if (!f->bad)
        f->bad = hn_norm_find_bad(norm, f->momentum);
}

void hn_network_update_norms(struct hn_network *net, double momentum)
{
    each_norm(net, update, &momentum);
}

void hn_network_reset_norms(struct hn_network *net)
{
    each_norm(net, reset, NULL);
}

void hn_network_calibrate_norms(struct hn_network *net)
{
    each_norm(net, calibrate, NULL);
}

const char *hn_step_text(char text[HN_STEP_BYTES], int64_t done)
{
    snprintf(text, HN_STEP_BYTES, "step %lld", (long long)done + 1);
    return text;
}

hnas_status hn_network_check_norms(struct hn_network *net, double momentum,
                                   const char *who)
{
    struct finding f = {momentum, NULL};
    int64_t i = 0;

    each_norm(net, find_bad, &f);
    if (!f.bad)
        return HNAS_OK;
    while (net->params.entry[i].tensor != f.bad)
        i++;
    return hn_fail(net->ctx, HNAS_E_NAN, "%s: %.200s would not be finite", who,
                   net->params.entry[i].name);
}

static hnas_status record(hnas_tensor **out, hnas_tape *tape,
                          struct hn_network *net, hnas_tensor *x,
                          struct hn_network_pass *pass)
{
    hnas_tensor *s[2] = {NULL, NULL};
    hnas_status st = hn_network_begin(net, tape, pass->lambda);

    if (st == HNAS_OK && net->stem_is_read)
        st = apply_stem(&s[1], tape, net, x);
    s[0] = hnas_tensor_ref(s[1]);
    if (st == HNAS_OK)
        st = apply_cells(tape, net, x->dim[0], s, pass);
    if (st == HNAS_OK)
        st = apply_head(out, tape, net, s[1], pass->lambda);
    hnas_tensor_unref(s[0]);
    hnas_tensor_unref(s[1]);
    hn_network_end(net);
    return st;
}

hnas_status hn_network_apply(hnas_tensor **out, hnas_tape *tape,
                             struct hn_network *net, hnas_tensor *x,
                             struct hn_network_pass *pass)
{
    const int32_t deferred = tape->deferred;
    hnas_status st = HNAS_OK;

    *out = pass->tapped = NULL;
    if (!tape->late)
        each_norm(net, clear, NULL); /* else others read it meanwhile */
    if (pass->flags & HNAS_CELL_HARD)
        st = hnas_tape_run(tape); /* hard gates decide what is recorded */
    hnas_tape_defer(tape);
    if (st == HNAS_OK)
        st = record(out, tape, net, x, pass);
    if (st == HNAS_OK && !deferred)
        st = hnas_tape_run(tape);
    if (st < 0) {
        hnas_tensor_unref(*out);
        hnas_tensor_unref(pass->tapped);
        *out = pass->tapped = NULL;
    }
    tape->deferred = deferred;
    return st;
}
