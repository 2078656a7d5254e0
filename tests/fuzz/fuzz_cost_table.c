/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of costs for a net: a refused one leaves no trace. */
#include "fuzz.h"

/* Made anew only where a table was taken. */
static hnas_supernet *net;

static void refresh(hnas_context *ctx, hnas_status st)
{
    if (st < 0)
        return;
    hnas_supernet_destroy(net);
    net = fuzz_net(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    double cost[15];
    hnas_status st;

    if (!net)
        net = fuzz_net(ctx);
    fuzz_begin();
    st = hnas_supernet_read_cost_table(net, (const char *)data, size);
    fuzz_check(st, st < 0 ? NULL : net);
    fuzz_expect(
        (hnas_supernet_get_costs(net, HNAS_NORMAL, HNAS_COST_TABLE, cost, 15) ==
         HNAS_OK) == (st == HNAS_OK),
        "a table where it was taken");
    refresh(ctx, st);
    fuzz_end();
    return 0;
}
