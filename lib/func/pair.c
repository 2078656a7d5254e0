/* SPDX-License-Identifier: BSD-3-Clause */
/* Recording of what takes two values of one shape. */
#include "func/func.h"
#include "tape/image.h"

hnas_status hn_record_pair(hnas_tensor **out, hnas_tape *tape, hnas_tensor *a,
                           hnas_tensor *b, const struct hn_rule *rule)
{
    struct hnas_tensor *in[2] = {NULL, NULL};
    struct hn_node *node;
    hnas_status st;

    if (out)
        *out = NULL;
    if (!out || !a || !b)
        return a ? hn_fail(a->ctx, HNAS_E_ARG, "%s: out or b is NULL",
                           rule->name)
                 : HNAS_E_ARG;
    st = hn_expect_pair(in, tape, a, b, rule->name);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = rule,
            .in = in,
            .n_in = 2,
            .layout = in[0]->layout,
            .rank = in[0]->rank,
            .dims = in[0]->dim,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK)
        st = hn_finish(out, node);
    hnas_tensor_unref(in[0]);
    hnas_tensor_unref(in[1]);
    return st;
}
