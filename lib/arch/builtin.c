/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of rules. */
#include "arch/builtin.h"

#include <string.h>

static const struct hn_arch_rule *const rules[] = {
    &hn_arch_rule_argmax,
    &hn_arch_rule_top2,
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
