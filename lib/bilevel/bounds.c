/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fields of options may be, and the message where one is not. */
#include <string.h>

#include "bilevel/bilevel.h"

hnas_status hn_check_bounds(struct hnas_context *ctx, const char *who,
                            const void *opts, const struct hn_bound *bound,
                            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct hn_bound *b = &bound[i];
        const char *at = (const char *)opts + b->offset;
        double value;
        int32_t i32;
        int64_t i64;

        memcpy(&value, at, sizeof value);
        memcpy(&i32, at, sizeof i32);
        memcpy(&i64, at, sizeof i64);
        if (b->type != HN_BOUND_REAL)
            value = b->type == HN_BOUND_INT32 ? (double)i32 : (double)i64;
        if (!(value >= b->lo && value <= b->hi))
            return hn_fail(ctx, HNAS_E_RANGE, "%s: %s %g, want %g..%g", who,
                           b->name, value, b->lo, b->hi);
    }
    return HNAS_OK;
}
