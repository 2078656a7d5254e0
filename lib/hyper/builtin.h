/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_HYPER_BUILTIN_H
#define HN_HYPER_BUILTIN_H

#include "hyper/hyper.h"

extern const struct hn_generator hn_generator_linear;
extern const struct hn_generator hn_generator_constant;
extern const struct hn_generator hn_generator_piecewise;
extern const struct hn_generator hn_generator_mlp;
extern const struct hn_generator hn_generator_embedding;

#endif
