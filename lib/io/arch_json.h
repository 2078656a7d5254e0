/* SPDX-License-Identifier: BSD-3-Clause */
/* Architectures as JSON: what their objects and a path's have in common. */
#ifndef HN_IO_ARCH_JSON_H
#define HN_IO_ARCH_JSON_H

#include "hnas/io.h"
#include "io/json.h"
#include "net/space.h"

/* Write "cost", and "normal" and "reduce". */
void hn_arch_put_cost(struct hn_json_writer *w, const hnas_arch *arch);
void hn_arch_put_cells(struct hn_json_writer *w, const hnas_arch *arch);

/* Write a path's object. */
hnas_status hn_path_put(struct hn_json_writer *w, const hnas_path *path);

/* What hnas_arch_read_json does, on a space. */
hnas_status hn_arch_read_json(hnas_arch **out, const struct hn_space *space,
                              const char *text, size_t length);

/* The same without a network, with costs unknown. */
hnas_status hn_arch_read_object(hnas_arch **out, struct hnas_context *ctx,
                                const char *text, size_t length);

#endif
