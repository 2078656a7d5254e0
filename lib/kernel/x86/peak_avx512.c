/* SPDX-License-Identifier: BSD-3-Clause */
/* The peak of a machine, AVX-512. */
#include "kernel/x86/vec16.h"
#include "kernel/x86/peak_tile.h"

const struct hn_peak hn_peak_avx512 = {"avx512", multiply_add, triad};
