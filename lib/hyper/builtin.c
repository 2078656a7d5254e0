/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of generators. */
#include "hyper/hyper.h"
#include "hyper/builtin.h"

const struct hn_hyper_frame hn_hyper_identity = {0, 1, 0};

static const struct hn_generator *const generators[] = {
    &hn_generator_linear, &hn_generator_constant,  &hn_generator_piecewise,
    &hn_generator_mlp,    &hn_generator_embedding,
};

const struct hn_generator *hn_generator_find(int32_t kind)
{
    for (size_t i = 0; i < sizeof generators / sizeof *generators; i++)
        if (generators[i]->kind == kind)
            return generators[i];
    return NULL;
}
