/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of text for the host, whatever names and locale go into it. */
#define _XOPEN_SOURCE 700
#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/utf8.h"
#include "core/context.h"

/* Numbers have a point, not the comma of the host's locale. */
static void write_line(char line[HN_MESSAGE_BYTES], const char *format,
                       va_list args)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = c ? uselocale(c) : (locale_t)0;

    vsnprintf(line, HN_MESSAGE_BYTES, format, args);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    hn_utf8_clean(line);
}

hnas_status hn_fail(struct hnas_context *ctx, hnas_status status,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(ctx->message, format, args);
    va_end(args);
    hn_log(ctx, HNAS_LOG_ERROR, "%s", ctx->message);
    return status;
}

hnas_status hn_fail_nomem(struct hnas_context *ctx, const char *what)
{
    const struct hn_allocator *a = &ctx->alloc;

    if (a->limit_bytes == SIZE_MAX)
        return hn_fail(ctx, HNAS_E_NOMEM, "%s: out of memory", what);
    return hn_fail(ctx, HNAS_E_NOMEM,
                   "%s: out of memory, %.3g GB are held of at most %.3g", what,
                   (double)a->now_bytes / 1e9, (double)a->limit_bytes / 1e9);
}

hnas_status hn_fail_null(struct hnas_context *ctx, const char *what)
{
    return ctx ? hn_fail(ctx, HNAS_E_ARG, "%s is NULL", what) : HNAS_E_ARG;
}

void hn_log(struct hnas_context *ctx, int32_t level, const char *format, ...)
{
    char line[HN_MESSAGE_BYTES];
    va_list args;

    if (!ctx->log || level > ctx->log_level)
        return;
    va_start(args, format);
    write_line(line, format, args);
    va_end(args);
    ctx->log(ctx->log_user, level, line);
}
