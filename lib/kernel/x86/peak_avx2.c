/* SPDX-License-Identifier: BSD-3-Clause */
/* The peak of a machine, AVX2. */
#include "kernel/x86/vec8.h"
#include "kernel/x86/peak_tile.h"

const struct hn_peak hn_peak_avx2 = {"avx2", multiply_add, triad};
