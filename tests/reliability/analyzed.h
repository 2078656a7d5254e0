/* SPDX-License-Identifier: BSD-3-Clause */
/* Included before each source by analyze.sh.  Analyzers look at one source at a
 * time: here they learn that a failure answers the error it is given. */
#include "core/context.h"

#define hn_fail(ctx, status, ...)                                              \
    ((void)hn_fail(ctx, status, __VA_ARGS__), (hnas_status)(status))
#define hn_fail_nomem(ctx, what)                                               \
    ((void)hn_fail_nomem(ctx, what), (hnas_status)HNAS_E_NOMEM)
