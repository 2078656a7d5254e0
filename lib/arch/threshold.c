/* SPDX-License-Identifier: BSD-3-Clause */
/* Of every node's two edges with the largest sigmoid(alpha), over operations
 * that are not the zero operation, those with sigmoid(alpha) >= theta (Fair
 * DARTS, arXiv:1911.12126).  The sigmoid rises, so alpha is compared with
 * ln(theta / (1 - theta)), known to twice the digits; where they are equal, the
 * limit from above. */
#include "arch/builtin.h"
#include "arch/race.h"

enum { N_KEPT = 2 };

static void threshold_keep(struct hn_selection *s)
{
    const struct hn_dd level = hn_dd_logit(s->theta);

    hn_keep_best(s, N_KEPT, hn_rank_raw);
    for (int32_t e = 0; e < s->kind->n_edges; e++) {
        struct hn_rank r;

        if (s->op[e] < 0)
            continue;
        r = hn_rank_raw(s, e);
        if (r.weight < level.hi ||
            (r.weight == level.hi &&
             (level.lo > 0 || (level.lo == 0 && r.growth < 0))))
            s->op[e] = -1;
    }
}

const struct hn_arch_rule hn_arch_rule_threshold = {
    .id = HNAS_RULE_THRESHOLD,
    .name = "threshold",
    .max_inputs = N_KEPT,
    .has_theta = 1,
    .keep = threshold_keep,
    .compete = hn_compete_raw,
};
