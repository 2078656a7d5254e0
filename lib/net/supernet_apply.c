/* SPDX-License-Identifier: BSD-3-Clause */
/* The supernet on the tape. */
#include <stdio.h>
#include <string.h>

#include "net/supernet.h"

static hnas_status preprocess(hnas_tensor **out, hnas_tape *tape,
                              const struct hn_preprocess *p, hnas_tensor *x)
{
    hnas_tensor *z = NULL;
    hnas_conv_opts opts;
    hnas_status st;

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.relu = 1;
    if (p->w[1])
        st = hnas_factorized_reduce(&z, tape, x, p->w[0], p->w[1]);
    else
        st = hnas_conv2d(&z, tape, x, p->w[0], &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z, p->bn);
    hnas_tensor_unref(z);
    return st;
}

static hnas_status apply_stem(hnas_tensor **out, hnas_tape *tape,
                              hnas_supernet *net, hnas_tensor *x)
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

static hnas_status apply_cell(hnas_tensor **out, hnas_tape *tape,
                              const struct hn_supernet_cell *c, hnas_tensor *s0,
                              hnas_tensor *s1, hnas_tensor *gates,
                              int32_t flags)
{
    hnas_tensor *in[2] = {NULL, NULL};
    hnas_status st = preprocess(&in[0], tape, &c->preprocess[0], s0);

    if (st == HNAS_OK)
        st = preprocess(&in[1], tape, &c->preprocess[1], s1);
    if (st == HNAS_OK)
        st = hnas_cell_apply(out, tape, c->cell, in, gates, flags);
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

static hnas_status apply_cells(hnas_tensor **out, hnas_tape *tape,
                               hnas_supernet *net, hnas_tensor *stem,
                               hnas_tensor *const gates[2], int32_t flags)
{
    hnas_tensor *s0 = hnas_tensor_ref(stem), *s1 = hnas_tensor_ref(stem);
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < net->opts.cells && st == HNAS_OK; i++) {
        const struct hn_supernet_cell *c = &net->cell[i];
        hnas_tensor *next = NULL;

        st = apply_cell(&next, tape, c, s0, s1, gates[c->kind], flags);
        hnas_tensor_unref(s0);
        s0 = s1;
        s1 = next;
        if (st == HNAS_OK)
            st = flush(tape);
    }
    hnas_tensor_unref(s0);
    if (st == HNAS_OK)
        *out = s1;
    else
        hnas_tensor_unref(s1);
    return st;
}

static hnas_status apply_head(hnas_tensor **out, hnas_tape *tape,
                              hnas_supernet *net, hnas_tensor *x)
{
    hnas_tensor *pooled = NULL;
    hnas_status st = hnas_global_avg_pool(&pooled, tape, x);

    if (st == HNAS_OK)
        st = hnas_linear(out, tape, pooled, net->head_weight, net->head_bias);
    hnas_tensor_unref(pooled);
    return st;
}

static hnas_status check(const hnas_supernet *net, hnas_tensor *x,
                         hnas_tensor *const gates[2])
{
    const int64_t *d = net->opts.image;
    char text[96];
    hnas_status st = hn_expect(x, 4, "supernet: images [N, C, H, W]");

    if (st < 0)
        return st;
    if (x->dim[1] != d[0] || x->dim[2] != d[1] || x->dim[3] != d[2])
        return hn_fail(net->ctx, HNAS_E_SHAPE,
                       "supernet: images %s, want [N, %lld, %lld, %lld]",
                       hn_shape_text(text, x), (long long)d[0], (long long)d[1],
                       (long long)d[2]);
    for (int k = 0; k < HNAS_N_KINDS; k++)
        if (net->space.kind[k].n_cells && !gates[k])
            return hn_fail(net->ctx, HNAS_E_ARG,
                           "supernet: no gates for the %s cells",
                           k == HNAS_NORMAL ? "normal" : "reduction");
    return HNAS_OK;
}

static void clear_norms(hnas_supernet *net)
{
    hn_norm_clear(net->stem_bn);
    for (int32_t i = 0; i < net->opts.cells; i++) {
        hn_cell_clear_norms(net->cell[i].cell);
        hn_norm_clear(net->cell[i].preprocess[0].bn);
        hn_norm_clear(net->cell[i].preprocess[1].bn);
    }
}

hnas_status hnas_supernet_apply(hnas_tensor **out, hnas_tape *tape,
                                hnas_supernet *net, hnas_tensor *x,
                                hnas_tensor *const gates[2], int32_t flags)
{
    hnas_tensor *stem = NULL, *features = NULL;
    int32_t deferred;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !tape || !net || !x || !gates)
        return HNAS_E_ARG;
    st = check(net, x, gates);
    if (st < 0)
        return st;
    clear_norms(net);
    deferred = tape->deferred;
    if (flags & HNAS_CELL_HARD)
        st = hnas_tape_run(tape); /* hard gates decide what is recorded */
    hnas_tape_defer(tape);
    if (st == HNAS_OK)
        st = apply_stem(&stem, tape, net, x);
    if (st == HNAS_OK)
        st = apply_cells(&features, tape, net, stem, gates, flags);
    if (st == HNAS_OK)
        st = apply_head(out, tape, net, features);
    hnas_tensor_unref(stem);
    hnas_tensor_unref(features);
    if (st == HNAS_OK && !deferred) {
        st = hnas_tape_run(tape);
        if (st < 0) {
            hnas_tensor_unref(*out);
            *out = NULL;
        }
    }
    tape->deferred = deferred;
    return st;
}

void hnas_supernet_update_norms(hnas_supernet *net, double momentum)
{
    hnas_norm_update(net->stem_bn, momentum);
    for (int32_t i = 0; i < net->opts.cells; i++) {
        hn_cell_update_norms(net->cell[i].cell, momentum);
        hnas_norm_update(net->cell[i].preprocess[0].bn, momentum);
        hnas_norm_update(net->cell[i].preprocess[1].bn, momentum);
    }
}
