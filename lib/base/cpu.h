/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HN_BASE_CPU_H
#define HN_BASE_CPU_H

#include <stdint.h>

/* HNAS_CPU_ bits of the levels that this CPU and its system can run. */
uint32_t hn_cpu_flags(void);

/* Cores this process may use, >= 1. */
int32_t hn_cpu_cores(void);

/* Bytes of a core's own cache (L2), or a small guess. */
int64_t hn_cpu_cache_bytes(void);

#endif
