/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file io.h
 * Files and formats: the state of a search or of a discrete network, network
 * sets, architectures as JSON.
 */
#ifndef HNAS_IO_H
#define HNAS_IO_H

#include "model.h"
#include "path.h"
#include "search.h"
#include "set.h"

HNAS_BEGIN_DECLS

/**
 * Save everything a resume or a query needs, atomically.
 *
 * Shapes     text: UTF-8, NULL: none.  path: NUL-terminated.
 * Units      a safetensors file with a checksum: settings, weights,
 *            statistics, optimizer state, counters, text.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL search or path; E_IO open, write or rename; E_FORMAT
 *            text is not UTF-8; E_LIMIT a tensor's name is too long; E_NAN a
 *            tensor is not finite; E_STATE called from a callback of its step;
 *            E_NOMEM.  On error the file that was there
 *            is untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_save(const hnas_search *search,
                                      const char *path, const char *text);

/**
 * Load a search that hnas_search_save wrote.
 *
 * Shapes     path: NUL-terminated.
 * Units      every operation it names must be registered.  It goes on with the
 *            seed it was saved with.
 * Ownership  *out: the caller's, released with hnas_search_destroy, which
 *            releases its net and hypernetwork too.
 * Gradient   as hnas_search_create.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_IO open or read; E_FORMAT damaged, or a
 *            setting or tensor is missing; E_TRUNCATED; E_LIMIT; E_NAME an
 *            operation is not registered; E_MISMATCH another kind of file,
 *            operation version or shape; E_RANGE a setting; E_NAN a
 *            tensor is not finite; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_load(hnas_search **out, hnas_context *ctx,
                                      const char *path);

/**
 * Load a search, or where its file is missing or damaged the newest good one
 * that hnas_file_keep left beside it.
 *
 * Shapes     path: NUL-terminated.
 * Units      *age: 0 path itself, k path.k; then the context's message and its
 *            log (a warning) say why.  Save next without hnas_file_keep, or
 *            the damaged file takes a good one's place.
 * Ownership  as hnas_search_load.
 * Gradient   as hnas_search_create.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_search_load; E_IO, E_FORMAT, E_TRUNCATED, E_LIMIT and
 *            E_NAN of path where no older one is good.  On error *out is NULL
 *            and, where all arguments were given, *age 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_search_load_kept(hnas_search **out, hnas_context *ctx,
                                           const char *path, int32_t *age);

/**
 * Give the host's text of a loaded search, "" if there is none.
 *
 * Shapes     a NUL-terminated string.  search: not NULL.
 * Units      none.
 * Ownership  the search's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_search_get_text(const hnas_search *search);

/**
 * Save a discrete network, and where its training stands, atomically.
 *
 * Shapes     text: UTF-8, NULL: none.  path: NUL-terminated.
 * Units      a safetensors file with a checksum: edges, settings, weights,
 *            statistics, optimizer state, average, counters, text.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL model or path; E_IO open, write or rename; E_FORMAT
 *            text is not UTF-8; E_LIMIT a tensor's name is too long; E_NAN a
 *            tensor is not finite; E_NOMEM.  On error the file that was there
 *            is untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_save(const hnas_model *model, const char *path,
                                     const char *text);

/**
 * Load a network that hnas_model_save wrote.
 *
 * Shapes     path: NUL-terminated.
 * Units      every operation it names must be registered.  A training goes on
 *            where it stood, with the seed it was saved with.
 * Ownership  *out: the caller's, released with hnas_model_destroy.
 * Gradient   as hnas_model_create.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_IO open or read; E_FORMAT damaged, or a
 *            setting or tensor is missing; E_TRUNCATED; E_LIMIT; E_NAME an
 *            operation is not registered; E_MISMATCH another kind of file,
 *            operation version or shape; E_RANGE a setting; E_NAN a
 *            tensor is not finite; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_load(hnas_model **out, hnas_context *ctx,
                                     const char *path);

/**
 * Load a network, or where its file is missing or damaged the newest good one
 * that hnas_file_keep left beside it.
 *
 * Shapes     path: NUL-terminated.
 * Units      *age: as hnas_search_load_kept's.
 * Ownership  as hnas_model_load.
 * Gradient   as hnas_model_create.
 * Threads    one context, one thread at a time.
 * Errors     as hnas_model_load; E_IO, E_FORMAT, E_TRUNCATED, E_LIMIT and
 *            E_NAN of path where no older one is good.  On error *out is NULL
 *            and, where all arguments were given, *age 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_load_kept(hnas_model **out, hnas_context *ctx,
                                          const char *path, int32_t *age);

/**
 * Set the host's text of a network, which hnas_model_save_onnx writes too.
 *
 * Shapes     text: UTF-8, NUL-terminated.
 * Units      none; hnas_model_save writes the text that it is given instead.
 * Ownership  text is copied.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_FORMAT text is not UTF-8; E_NOMEM.  On
 *            error the text is as it was.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_set_text(hnas_model *model, const char *text);

/**
 * Give the host's text of a network, loaded or set, "" if there is none.
 *
 * Shapes     a NUL-terminated string, until the next set.  model: not NULL.
 * Units      none.
 * Ownership  the model's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_model_get_text(const hnas_model *model);

/**
 * Save a network set, atomically.
 *
 * Shapes     text: UTF-8, NULL: none.  path: NUL-terminated.
 * Units      a safetensors file with a checksum: weights once, each member's
 *            edges, interval, statistics and measured latency, text.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL set or path; E_IO open, write or rename; E_FORMAT text
 *            is not UTF-8; E_LIMIT a tensor's name is too long; E_NAN a tensor
 *            is not finite; E_NOMEM.  On error the file that was there is
 *            untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_save(const hnas_set *set, const char *path,
                                   const char *text);

/**
 * Load a set that hnas_set_save wrote.
 *
 * Shapes     path: NUL-terminated.
 * Units      every operation it names must be registered.  Latencies are those
 *            of the machine that measured them: measure anew on another.
 * Ownership  *out: the caller's, released with hnas_set_destroy.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_IO open or read; E_FORMAT damaged, or a
 *            setting or tensor is missing; E_TRUNCATED; E_LIMIT; E_NAME an
 *            operation is not registered; E_MISMATCH another kind of file,
 *            operation version or shape; E_RANGE a setting; E_NAN a
 *            tensor is not finite; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_set_load(hnas_set **out, hnas_context *ctx,
                                   const char *path);

/**
 * Give the host's text of a loaded set, "" if there is none.
 *
 * Shapes     a NUL-terminated string.  set: not NULL.
 * Units      none.
 * Ownership  the set's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API const char *hnas_set_get_text(const hnas_set *set);

/**
 * Write an architecture as JSON.
 *
 * Shapes     buffer: `capacity` bytes, cut off with a closing NUL where it is
 *            too small; NULL with capacity 0: *length alone.
 * Units      *length: bytes of the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL arch or length, or NULL buffer with a capacity;
 *            E_NOMEM.  On error *length is 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_write_json(const hnas_arch *arch, char *buffer,
                                          size_t capacity, size_t *length);

/**
 * Write a path as JSON: its rule, its range and its pieces.
 *
 * Shapes     buffer: as hnas_arch_write_json.
 * Units      *length: bytes of the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL path or length, or NULL buffer with a capacity;
 *            E_NOMEM.  On error *length is 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_write_json(const hnas_path *path, char *buffer,
                                          size_t capacity, size_t *length);

/**
 * Read an architecture for a given supernet.
 *
 * Shapes     text: `length` bytes, an object with "rule", "normal" and
 *            "reduce", as hnas_arch_write_json writes it; other keys but
 *            "lambda", "interval" and "status" are not read.
 * Units      at most 16 MiB, 64 levels, 2^20 values.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.  text is
 *            read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_FORMAT; E_RANGE a number; E_LIMIT; E_NAME
 *            the rule or an operation unknown; E_MISMATCH it does not fit the
 *            net or its rule; E_NOMEM.  On error *out is NULL.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_read_json(hnas_arch **out,
                                         const hnas_supernet *net,
                                         const char *text, size_t length);

/**
 * Read a table of costs from JSON and set it, as hnas_supernet_set_cost_table.
 *
 *     {"unit": "us", "fixed": 12.5, "rows": [{"kind": "normal", "edge": [0, 2],
 *      "op": "sep_conv_3x3", "cells": 1, "us": 31.2}, ...]}
 *
 * Shapes     text: `length` bytes.  Rows for each edge and operation of each
 *            kind that has cells; the cells of its rows sum to those of the
 *            kind.
 * Units      us: microseconds of one cell, finite and >= 0.  cells: how many
 *            cost that, all where it is missing.  "stride" and "shape" of a
 *            row and other members of the object are not read.
 * Ownership  text is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_FORMAT not such an object; E_RANGE a
 *            number; E_LIMIT; E_NAME an operation that the net has not;
 *            E_MISMATCH an edge that it has not, or rows missing or doubled;
 *            E_STATE a table is set already; E_NOMEM.  On error none is set.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_supernet_read_cost_table(hnas_supernet *net,
                                                   const char *text,
                                                   size_t length);

HNAS_END_DECLS

#endif
