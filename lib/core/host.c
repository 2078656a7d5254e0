/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's code that the library calls, and the calls it may not make. */
#include "core/context.h"

const char *hn_host_enter(struct hnas_context *ctx, const char *what)
{
    const char *before = ctx->host;

    ctx->host = what;
    return before;
}

void hn_host_leave(struct hnas_context *ctx, const char *before)
{
    ctx->host = before;
}

hnas_status hn_expect_recording(struct hnas_context *ctx, const char *call)
{
    if (!atomic_load(&ctx->computing))
        return HNAS_OK;
    return hn_fail(ctx, HNAS_E_STATE,
                   "%s: called from a host's func that computes, want no call "
                   "on its context",
                   call);
}

hnas_status hn_expect_idle(struct hnas_context *ctx, const char *call)
{
    const hnas_status st = hn_expect_recording(ctx, call);

    if (st < 0 || !ctx->host)
        return st;
    return hn_fail(ctx, HNAS_E_STATE,
                   "%s: called from the host's %s, want it after the call that "
                   "this is a part of",
                   call, ctx->host);
}
