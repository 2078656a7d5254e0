/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of costs for a net: a refused one leaves no trace. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    hnas_supernet *net;
    double cost[15];
    hnas_status st;

    fuzz_begin();
    net = fuzz_net(ctx);
    st = hnas_supernet_read_cost_table(net, (const char *)data, size);
    fuzz_check(st, st < 0 ? NULL : net);
    fuzz_expect(
        (hnas_supernet_get_costs(net, HNAS_NORMAL, HNAS_COST_TABLE, cost, 15) ==
         HNAS_OK) == (st == HNAS_OK),
        "a table where it was taken");
    hnas_supernet_destroy(net);
    fuzz_end();
    return 0;
}
