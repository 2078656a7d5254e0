/* SPDX-License-Identifier: BSD-3-Clause */
/* Every edge keeps its best operation, the zero operation among them. */
#include "arch/builtin.h"

const struct hn_arch_rule hn_arch_rule_argmax = {
    .id = HNAS_RULE_ARGMAX,
    .name = "argmax",
    .allows_zero = 1,
    .max_inputs = 0,
};
