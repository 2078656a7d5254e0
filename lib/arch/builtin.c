/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of rules. */
#include "arch/builtin.h"

#include <stdio.h>
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

hnas_status hn_arch_rule_unknown(struct hnas_context *ctx, int32_t rule)
{
    char known[128] = "";
    size_t n = 0;

    for (int i = 0; i < N_RULES && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%d %s",
                              i ? ", " : "", (int)rules[i]->id, rules[i]->name);
    return hn_fail(ctx, HNAS_E_RANGE, "rule: %d, want one of %s", (int)rule,
                   known);
}

const struct hn_arch_rule *hn_arch_rule_check(struct hnas_context *ctx,
                                              int32_t rule, double theta)
{
    const struct hn_arch_rule *r = hn_arch_rule_find(rule);

    if (!r)
        hn_arch_rule_unknown(ctx, rule);
    else if (r->has_theta && !(theta > 0 && theta < 1))
        hn_fail(ctx, HNAS_E_RANGE, "theta: %g, want 0 < theta < 1", theta);
    else
        return r;
    return NULL;
}
