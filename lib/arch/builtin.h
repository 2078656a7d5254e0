/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_ARCH_BUILTIN_H
#define HN_ARCH_BUILTIN_H

#include "arch/arch.h"

extern const struct hn_arch_rule hn_arch_rule_argmax;
extern const struct hn_arch_rule hn_arch_rule_top2;
extern const struct hn_arch_rule hn_arch_rule_top2_raw;
extern const struct hn_arch_rule hn_arch_rule_threshold;

#endif
