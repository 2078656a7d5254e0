/* SPDX-License-Identifier: BSD-3-Clause */
/* Every node keeps the two incoming edges whose best operation that is not the
 * zero operation has the largest alpha. */
#include "arch/builtin.h"
#include "arch/race.h"

enum { N_KEPT = 2 };

static void top2_raw_keep(struct hn_selection *s)
{
    hn_keep_best(s, N_KEPT, hn_rank_raw);
}

const struct hn_arch_rule hn_arch_rule_top2_raw = {
    .id = HNAS_RULE_TOP2_RAW,
    .name = "top2_raw",
    .max_inputs = N_KEPT,
    .keep = top2_raw_keep,
    .compete = hn_compete_raw,
};
