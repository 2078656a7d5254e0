/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures from files. */
#ifndef ARCH_H
#define ARCH_H

#include <hnas/hnas.h>

/* Read the object that hnas-query prints, or a genotype; any registered
 * operation may stand in it.  An exit status, 0 for success. */
int arch_open(hnas_arch **out, hnas_context *ctx, const char *path);

/* The intermediate nodes of its cells. */
int32_t arch_nodes(const hnas_arch *arch);

/* Derive at lambda by a rule; theta is that of HNAS_RULE_THRESHOLD. */
hnas_status arch_derive(hnas_arch **out, hnas_search *search, double lambda,
                        int32_t rule, double theta);

/* Say so where a derivation answered HNAS_EXTRAPOLATED. */
void arch_note_range(hnas_status status, double lambda);

#endif
