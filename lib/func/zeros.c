/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "func/func.h"
#include "tape/image.h"

static void forward(const struct hn_node *node, int64_t image,
                    struct hn_worker *worker)
{
    (void)worker;
    memset(hn_image_rw(node->out, image), 0,
           (size_t)node->out->stride[0] * sizeof(real));
}

static const struct hn_rule rule = {.name = "zeros", .forward_image = forward};

hnas_status hn_zeros(struct hnas_tensor **out, struct hnas_context *ctx,
                     struct hnas_tape *tape, const int64_t dims[4])
{
    const struct hn_make make = {
        .rule = &rule,
        .layout = HN_IMAGE,
        .rank = 4,
        .dims = dims,
        .n_images = dims[0],
    };
    struct hn_node *node;
    hnas_status st;

    *out = NULL;
    if (!tape)
        return hn_tensor_new(out, ctx, HN_IMAGE, 4, dims);
    st = hn_append(&node, tape, &make);
    return st < 0 ? st : hn_finish(out, node);
}
