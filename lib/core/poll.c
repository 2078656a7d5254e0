/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's word whether a long call is to go on. */
#include <time.h>

#include "core/context.h"

static int64_t now_ms(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Ask the host, unless it was asked a moment ago; the clock may be set back. */
static void ask(struct hnas_context *ctx)
{
    if (ctx->poll_ms) {
        const int64_t now = now_ms();

        if (now >= ctx->polled_ms && now - ctx->polled_ms < ctx->poll_ms)
            return;
        ctx->polled_ms = now;
    }
    atomic_fetch_add(&ctx->computing, 1);
    if (ctx->poll(ctx->poll_user))
        atomic_store(&ctx->stopped, 1);
    atomic_fetch_sub(&ctx->computing, 1);
}

/* A node takes microseconds: the clock need not be read after each. */
static int is_due(struct hnas_context *ctx)
{
    enum { LOOKS_A_READING = 8 };

    return !ctx->poll_ms || ctx->n_looks++ % LOOKS_A_READING == 0;
}

int hn_is_stopped(struct hnas_context *ctx, int32_t worker)
{
    if (!ctx->poll)
        return 0;
    /* worker 0 of our own pool is the thread that calls the library */
    if (worker == 0 && ctx->pool && !atomic_load(&ctx->stopped) && is_due(ctx))
        ask(ctx);
    return atomic_load(&ctx->stopped);
}

hnas_status hn_check_stopped(struct hnas_context *ctx)
{
    if (!ctx->poll)
        return HNAS_OK;
    if (!atomic_load(&ctx->stopped))
        ask(ctx);
    if (!atomic_exchange(&ctx->stopped, 0))
        return HNAS_OK;
    return hn_fail(ctx, HNAS_E_STOPPED, "stopped: the host's poll asked to");
}
