/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of rules. */
#include "arch/builtin.h"

#include <string.h>

static const struct hn_arch_rule *const rules[] = {
    &hn_arch_rule_argmax,
    &hn_arch_rule_top2,
    &hn_arch_rule_top2_raw,
    &hn_arch_rule_threshold,
};
enum { N_RULES = sizeof rules / sizeof *rules };

const struct hn_arch_rule *hn_arch_rule_find(int32_t id)
{
    for (int i = 0; i < N_RULES; i++)
        if (rules[i]->id == id)
            return rules[i];
    return NULL;
}

const struct hn_arch_rule *hn_arch_rule_named(const char *name)
{
    for (int i = 0; i < N_RULES; i++)
        if (!strcmp(rules[i]->name, name))
            return rules[i];
    return NULL;
}

const struct hn_arch_rule *hn_arch_rule_check(struct hnas_context *ctx,
                                              int32_t rule, double theta)
{
    const struct hn_arch_rule *r = hn_arch_rule_find(rule);

    if (!r)
        hn_fail(ctx, HNAS_E_RANGE, "rule: %d, want HNAS_RULE_", (int)rule);
    else if (r->has_theta && !(theta > 0 && theta < 1))
        hn_fail(ctx, HNAS_E_RANGE, "theta: %g, want 0 < theta < 1", theta);
    else
        return r;
    return NULL;
}
