/* SPDX-License-Identifier: BSD-3-Clause */
/* What hnas_arch_read_json does, on a space. */
#ifndef HN_IO_ARCH_JSON_H
#define HN_IO_ARCH_JSON_H

#include "hnas/io.h"
#include "net/space.h"

hnas_status hn_arch_read_json(hnas_arch **out, const struct hn_space *space,
                              const char *text, size_t length);

#endif
