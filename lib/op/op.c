/* SPDX-License-Identifier: BSD-3-Clause */
#include "op/op.h"

#include <string.h>

static hnas_status check_desc(struct hnas_context *ctx, const char *name,
                              const hnas_op_desc *desc)
{
    if (desc->size < sizeof *desc)
        return hn_fail(ctx, HNAS_E_ARG, "%s: desc.size is not set", name);
    if (desc->channels < 1 || desc->channels > 1 << 20)
        return hn_fail(ctx, HNAS_E_RANGE, "%s: %lld channels, want 1..2^20",
                       name, (long long)desc->channels);
    if (desc->stride != 1 && desc->stride != 2)
        return hn_fail(ctx, HNAS_E_RANGE, "%s: stride %lld, want 1 or 2", name,
                       (long long)desc->stride);
    return HNAS_OK;
}

hnas_status hn_op_make(struct hnas_op **out, struct hnas_context *ctx,
                       const hnas_op_table *table, const hnas_op_desc *desc,
                       int32_t affine, struct hn_supply *supply)
{
    struct hnas_op *op;
    hnas_status st = check_desc(ctx, table->name, desc);

    *out = NULL;
    if (st < 0)
        return st;
    op = hn_zalloc(&ctx->alloc, sizeof *op);
    if (!op)
        return hn_fail_nomem(ctx, table->name);
    op->table = table;
    op->desc = *desc;
    hn_builder_init(&op->parts, ctx, affine, supply);
    st = table->create(&op->state, &op->parts, &op->desc);
    if (st < 0)
        op->state = NULL;
    if (st > 0)
        st = hn_fail(ctx, HNAS_E_OP, "%s: create answered %d, want 0",
                     table->name, (int)st);
    if (st < 0) {
        hnas_op_destroy(op);
        return st;
    }
    *out = op;
    return HNAS_OK;
}

hnas_status hnas_op_create(hnas_op **out, hnas_context *ctx, const char *name,
                           const hnas_op_desc *desc)
{
    const hnas_op_table *table;
    struct hn_supply supply = {0, NULL};
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !ctx || !name || !desc)
        return hn_fail_null(ctx, "op create: out, name or desc");
    st = hnas_op_find(&table, ctx, name);
    return st < 0 ? st : hn_op_make(out, ctx, table, desc, 0, &supply);
}

void hnas_op_destroy(hnas_op *op)
{
    struct hn_allocator *alloc;

    if (!op)
        return;
    alloc = &op->parts.ctx->alloc;
    if (op->state && op->table->destroy)
        op->table->destroy(op->state);
    hn_builder_finish(&op->parts);
    hn_free(alloc, op);
}

static hnas_status check_output(const struct hnas_op *op, hnas_tensor *x,
                                hnas_tensor *y)
{
    const int64_t s = op->desc.stride;
    char text[96];

    if (!y)
        return hn_fail(x->ctx, HNAS_E_OP, "%s: gave no output",
                       op->table->name);
    if (y->rank == 4 && y->dim[0] == x->dim[0] &&
        y->dim[1] == op->desc.channels &&
        y->dim[2] == (x->dim[2] + s - 1) / s &&
        y->dim[3] == (x->dim[3] + s - 1) / s)
        return HNAS_OK;
    return hn_fail(x->ctx, HNAS_E_OP,
                   "%s: gave an output %s, want [N, C, H/%d, W/%d] of the "
                   "input, rounded up",
                   op->table->name, hn_shape_text(text, y), (int)s, (int)s);
}

/* The operation's own code, which may record and nothing else. */
static hnas_status apply(hnas_tensor **out, hnas_tape *tape, hnas_op *op,
                         hnas_tensor *x)
{
    const char *before = hn_host_enter(x->ctx, op->table->name);
    hnas_status st;

    if (tape)
        tape->held++;
    st = op->table->apply(out, tape, op->state, x);
    if (tape)
        tape->held--;
    hn_host_leave(x->ctx, before);
    return st;
}

hnas_status hnas_op_apply(hnas_tensor **out, hnas_tape *tape, hnas_op *op,
                          hnas_tensor *x)
{
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !op || !x)
        return hn_fail_null(x ? x->ctx : NULL, "op apply: out or op");
    st = hn_expect(x, 4, op->table->name);
    if (st < 0)
        return st;
    if (x->dim[1] != op->desc.channels)
        return hn_fail(x->ctx, HNAS_E_SHAPE,
                       "%s: input has %lld channels, want %lld",
                       op->table->name, (long long)x->dim[1],
                       (long long)op->desc.channels);
    st = apply(out, tape, op, x);
    if (st > 0)
        st = hn_fail(x->ctx, HNAS_E_OP, "%s: apply answered %d, want 0",
                     op->table->name, (int)st);
    if (st == HNAS_OK)
        st = check_output(op, x, *out);
    if (st < 0) {
        hnas_tensor_unref(*out);
        *out = NULL;
    }
    return st;
}

const hnas_params *hnas_op_get_params(const hnas_op *op)
{
    return &op->parts.params;
}

/* A host may say anything; sums over a network stay in range. */
static int64_t bounded(int64_t cost)
{
    const int64_t most = INT64_C(1) << 44; /* times 152 edges, 1000 cells */

    return cost < 0 ? 0 : cost > most ? most : cost;
}

void hnas_op_get_cost(const hnas_op *op, int64_t height, int64_t width,
                      hnas_cost *cost)
{
    memset(cost, 0, sizeof *cost);
    op->table->cost(op->state, height, width, cost);
    cost->params = bounded(cost->params);
    cost->macs = bounded(cost->macs);
    cost->bytes = bounded(cost->bytes);
}
