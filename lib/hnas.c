/* SPDX-License-Identifier: BSD-3-Clause */
/* The top of the house: version, and a context with all floors wired. */
#include "core/context.h"
#include "hnas/version.h"
#include "kernel/gemm.h"
#include "op/op.h"

#define STRING(x) #x
#define VERSION(a, b, c) STRING(a) "." STRING(b) "." STRING(c)

const char *hnas_version(void)
{
    return VERSION(HNAS_VERSION_MAJOR, HNAS_VERSION_MINOR, HNAS_VERSION_PATCH);
}

int32_t hnas_abi(void)
{
    return HNAS_ABI;
}

const char *hnas_blis_version(void)
{
    return hn_blis_version();
}

hnas_status hnas_context_create(hnas_context **out,
                                const hnas_context_opts *opts)
{
    hnas_context *ctx = NULL;
    hnas_status st;

    if (!out)
        return HNAS_E_ARG;
    *out = NULL;
    st = hn_context_open(&ctx, opts);
    if (st < 0)
        return st;
    st = hn_op_register_builtin(ctx);
    if (st < 0) {
        hn_context_close(ctx);
        return st;
    }
    *out = ctx;
    return HNAS_OK;
}

void hnas_context_destroy(hnas_context *ctx)
{
    if (ctx && hn_expect_idle(ctx, "hnas_context_destroy") == HNAS_OK)
        hn_context_close(ctx);
}
