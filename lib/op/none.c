/* SPDX-License-Identifier: BSD-3-Clause */
/* No connection: zeros of the size the stride asks for. */
#include "func/func.h"
#include "op/op.h"

struct state {
    struct hnas_context *ctx;
    int64_t stride;
};

static hnas_status create(void **out, hnas_op_builder *b,
                          const hnas_op_desc *desc)
{
    struct state *s;
    hnas_status st = hnas_op_builder_alloc(out, b, sizeof *s);

    if (st < 0)
        return st;
    s = *out;
    s->ctx = b->ctx;
    s->stride = desc->stride;
    return HNAS_OK;
}

static hnas_status apply(hnas_tensor **out, hnas_tape *tape, void *state,
                         hnas_tensor *x)
{
    const struct state *s = state;
    const int64_t dims[4] = {x->dim[0], x->dim[1],
                             (x->dim[2] + s->stride - 1) / s->stride,
                             (x->dim[3] + s->stride - 1) / s->stride};

    return hn_zeros(out, s->ctx, tape, dims);
}

static void cost(const void *state, int64_t height, int64_t width, hnas_cost *c)
{
    (void)state;
    (void)height;
    (void)width;
    c->params = c->macs = c->bytes = 0;
}

const hnas_op_table hn_op_none = {
    .size = sizeof(hnas_op_table),
    .name = "none",
    .version = 1,
    .flags = HNAS_OP_ZERO,
    .create = create,
    .apply = apply,
    .cost = cost,
};
