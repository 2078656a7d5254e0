/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums that tangents are made of. */
#include "func/func.h"
#include "tape/image.h"

static hnas_status fill(struct hn_node *node)
{
    const int64_t n = hn_tensor_extent(node->out);

    for (int64_t i = 0; i < n; i++)
        hn_real(node->out)[i] = 1;
    return HNAS_OK;
}

static const struct hn_rule ones_rule = {.name = "ones", .forward_join = fill};

static hnas_status ones(struct hnas_tensor **out, struct hnas_tape *tape,
                        int64_t n)
{
    const int64_t dims[2] = {1, n};
    const struct hn_make make = {
        .rule = &ones_rule,
        .layout = HN_STRIDED,
        .rank = 2,
        .dims = dims,
    };
    struct hn_node *node;
    hnas_status st = hn_append(&node, tape, &make);

    return st < 0 ? st : hn_finish(out, node);
}

/* Images are summed side by side, as a mix with gates of 1. */
static hnas_status add_images(struct hnas_tensor **out, struct hnas_tape *tape,
                              struct hnas_tensor *a, struct hnas_tensor *b)
{
    struct hnas_tensor *const x[2] = {a, b};
    const int64_t index[2] = {0, 1};
    struct hnas_tensor *gates = NULL;
    hnas_status st = ones(&gates, tape, 2);

    if (st == HNAS_OK)
        st = hnas_mix(out, tape, x, 2, gates, index);
    hnas_tensor_unref(gates);
    return st;
}

hnas_status hn_tangent_add(struct hnas_tensor **sum, struct hnas_tape *tape,
                           hnas_status st, struct hnas_tensor **term)
{
    struct hnas_tensor *before = *sum, *t = *term;

    *term = NULL;
    if (st == HNAS_OK && t && !before) {
        *sum = t; /* the reference moves */
        return HNAS_OK;
    }
    if (st == HNAS_OK && t) {
        *sum = NULL;
        st = before->layout == HN_IMAGE ? add_images(sum, tape, before, t)
                                        : hnas_add(sum, tape, before, t);
        hnas_tensor_unref(before);
    }
    hnas_tensor_unref(t);
    return st;
}
