/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures from files. */
#ifndef ARCH_H
#define ARCH_H

#include <hnas/hnas.h>

/* Read the object that hnas-query prints, for a network of `cells` cells; any
 * registered operation may stand in it.  *nodes: of a cell.  An exit status, 0
 * for success. */
int arch_open(hnas_arch **out, int32_t *nodes, hnas_context *ctx,
              const char *path, int32_t cells);

#endif
