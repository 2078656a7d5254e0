/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file io.h
 * Files and formats: a search's state, architectures as JSON.
 */
#ifndef HNAS_IO_H
#define HNAS_IO_H

#include "bilevel.h"

HNAS_BEGIN_DECLS

/** Save everything a resume or a query needs, atomically: settings, weights,
 * optimizer state, counters, and a host's text (NULL: none). */
HNAS_API hnas_status hnas_search_save(const hnas_search *search,
                                      const char *path, const char *text);

/** Load a search; the result owns its net and hypernetwork.  Every operation
 * it names must be registered. */
HNAS_API hnas_status hnas_search_load(hnas_search **out, hnas_context *ctx,
                                      const char *path);

/** Give the host's text of a loaded search, "" if there is none. */
HNAS_API const char *hnas_search_get_text(const hnas_search *search);

/** Write an architecture as JSON: at most `capacity` bytes with the closing
 * NUL; *length is the full length without it. */
HNAS_API hnas_status hnas_arch_write_json(const hnas_arch *arch, char *buffer,
                                          size_t capacity, size_t *length);

/** Read an architecture that hnas_arch_write_json wrote (or its keys "rule",
 * "normal" and "reduce"), for a given supernet. */
HNAS_API hnas_status hnas_arch_read_json(hnas_arch **out,
                                         const hnas_supernet *net,
                                         const char *text, size_t length);

HNAS_END_DECLS

#endif
