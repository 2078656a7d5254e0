/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "op/op.h"

enum { MOST_OPS = 256, NAME_BYTES = 64 };

static int name_is_good(const char *name)
{
    const size_t n = name ? strlen(name) : 0;

    return n > 0 && n < NAME_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static const hnas_op_table *find(const struct hnas_context *ctx,
                                 const char *name)
{
    for (int64_t i = 0; i < ctx->n_ops; i++)
        if (!strcmp(ctx->ops[i]->name, name))
            return ctx->ops[i];
    return NULL;
}

static hnas_status check(struct hnas_context *ctx, const hnas_op_table *t)
{
    if (t->size < sizeof *t || !t->create || !t->apply || !t->cost)
        return hn_fail(ctx, HNAS_E_ARG,
                       "operation table: size, create, apply and cost must "
                       "be set");
    if (!name_is_good(t->name))
        return hn_fail(ctx, HNAS_E_NAME,
                       "operation name: want 1..%d of [a-z0-9_]",
                       NAME_BYTES - 1);
    if (find(ctx, t->name))
        return hn_fail(ctx, HNAS_E_NAME, "operation %s: registered already",
                       t->name);
    if (ctx->n_ops == MOST_OPS)
        return hn_fail(ctx, HNAS_E_LIMIT, "operation %s: the registry is full",
                       t->name);
    return HNAS_OK;
}

hnas_status hnas_op_register(hnas_context *ctx, const hnas_op_table *table)
{
    hnas_status st;

    if (!ctx || !table)
        return hn_fail_null(ctx, "op register: table");
    st = check(ctx, table);
    if (st < 0)
        return st;
    if (!ctx->ops)
        ctx->ops = hn_alloc_array(&ctx->alloc, MOST_OPS, sizeof *ctx->ops);
    if (!ctx->ops)
        return hn_fail_nomem(ctx, "operation registry");
    ctx->ops[ctx->n_ops++] = table;
    return HNAS_OK;
}

hnas_status hn_op_register_builtin(struct hnas_context *ctx)
{
    hnas_status st = HNAS_OK;

    for (int32_t i = 0; i < hn_n_builtin_ops && st == HNAS_OK; i++)
        st = hnas_op_register(ctx, hn_builtin_ops[i]);
    return st;
}

hnas_status hnas_op_find(const hnas_op_table **out, hnas_context *ctx,
                         const char *name)
{
    char known[HN_MESSAGE_BYTES / 2] = "";
    size_t used = 0;

    if (out)
        *out = NULL;
    if (!out || !ctx || !name)
        return hn_fail_null(ctx, "op find: out or name");
    *out = find(ctx, name);
    if (*out)
        return HNAS_OK;
    for (int64_t i = 0; i < ctx->n_ops && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                 i ? ", " : "", ctx->ops[i]->name);
    return hn_fail(ctx, HNAS_E_NAME, "operation %.80s: unknown; known are %s",
                   name, known);
}

int64_t hnas_op_get_count(const hnas_context *ctx)
{
    return ctx->n_ops;
}

const hnas_op_table *hnas_op_get(const hnas_context *ctx, int64_t index)
{
    return index < 0 || index >= ctx->n_ops ? NULL : ctx->ops[index];
}
