/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures for the eye. */
#ifndef DRAW_H
#define DRAW_H

#include <hnas/hnas.h>
#include <stdio.h>

/* Draw both cells: a node a block, its kept edges below it. */
void draw_arch(FILE *file, const hnas_arch *arch);

#endif
