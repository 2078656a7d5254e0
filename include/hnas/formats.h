/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file formats.h
 * What other programs read and people look at: published genotypes, DOT and
 * SVG pictures of cells, ONNX, the explorer page.
 */
#ifndef HNAS_FORMATS_H
#define HNAS_FORMATS_H

#include "io.h"

HNAS_BEGIN_DECLS

/**
 * Draw an architecture's cells in the DOT language of Graphviz.
 *
 * Shapes     buffer: as hnas_arch_write_json.
 * Units      *length: bytes of the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL arch or length, or NULL buffer with a capacity;
 *            E_NOMEM.  On error *length is 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_write_dot(const hnas_arch *arch, char *buffer,
                                         size_t capacity, size_t *length);

/**
 * Draw an architecture's cells as SVG.
 *
 * A lane runs down from every source, a row belongs to every intermediate
 * node; where they meet stands the edge's operation.  Light and dark follow
 * the viewer's preference.
 *
 * Shapes     buffer: as hnas_arch_write_json.
 * Units      *length: bytes of the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL arch or length, or NULL buffer with a capacity;
 *            E_NOMEM.  On error *length is 0.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_write_svg(const hnas_arch *arch, char *buffer,
                                         size_t capacity, size_t *length);

/**
 * Read an architecture that stands alone, without a net.
 *
 * Shapes     text: `length` bytes: the object of hnas_arch_write_json, or a
 *            genotype as DARTS and Fair DARTS publish them.
 * Units      a genotype of pairs has the rule top2; one of triples argmax
 *            where it lists all edges, else threshold.  At most 16 MiB of
 *            JSON, 64 KiB of genotype.  Costs are unknown: -1.
 * Ownership  *out: the caller's, released with hnas_arch_destroy.  text is
 *            read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_FORMAT; E_RANGE a number; E_LIMIT; E_NAME
 *            the rule or an operation unknown; E_MISMATCH an edge that no such
 *            cell has or the rule does not keep; E_UNSUPPORTED a genotype that
 *            does not concatenate all nodes; E_NOMEM.  On error *out is NULL.
 * Source     DARTS (arXiv:1806.09055), Fair DARTS (arXiv:1911.12126), their
 *            published code.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_read(hnas_arch **out, hnas_context *ctx,
                                    const char *text, size_t length);

/**
 * Write an architecture as a genotype.
 *
 * Pairs ('operation', source), two a node, where every node has two edges; else
 * the triples ('operation', node, source) of Fair DARTS.
 *
 * Shapes     buffer: as hnas_arch_write_json.
 * Units      *length: bytes of the full text without the NUL.
 * Ownership  buffer is the caller's.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL arch or length, or NULL buffer with a capacity;
 *            E_NOMEM.  On error *length is 0.
 * Source     as hnas_arch_read.
 * Since      0.1
 */
HNAS_API hnas_status hnas_arch_write_text(const hnas_arch *arch, char *buffer,
                                          size_t capacity, size_t *length);

/**
 * Save a discrete network as ONNX, for inference, atomically.
 *
 * Batch-norm is folded into the convolution before it; the auxiliary head is
 * left out.  Input "images" [N, C, H, W], normalised as in training; output
 * "logits" [N, classes].
 *
 * Shapes     path: NUL-terminated.
 * Units      operator set 13, IR version 7, weights in the one file.  The
 *            model's text is its metadata "hnas", where there is one.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_UNSUPPORTED a host's operation, by name;
 *            E_IO open, write or rename; E_LIMIT 2 GiB; E_NOMEM.  On error the
 *            file that was there is untouched.
 * Source     onnx.ai, onnx.proto.
 * Since      0.1
 */
HNAS_API hnas_status hnas_model_save_onnx(const hnas_model *model,
                                          const char *path);

/** What the explorer page shows beside a path; fill with
 * hnas_explorer_opts_init. */
typedef struct hnas_explorer_opts {
    size_t size;       /**< sizeof the struct */
    int32_t scale;     /**< HNAS_SCALE_ of the slider; default LOG */
    const char *title; /**< UTF-8, NULL: one of its own; default NULL */
    const char *log;   /**< hnas-search's log.csv, UTF-8; default NULL: none */
} hnas_explorer_opts;

/**
 * Write the defaults into the first `size` bytes.
 *
 * Shapes     opts: a struct of the caller's, not NULL.
 * Units      size: sizeof(hnas_explorer_opts).  Defaults: as each field says.
 * Ownership  opts is the caller's; it holds no memory.
 * Gradient   none.
 * Threads    any.
 * Errors     none.
 * Source     own.
 * Since      0.1
 */
HNAS_API void hnas_explorer_opts_init(hnas_explorer_opts *opts, size_t size);

/**
 * Save a path as one self-contained page to explore in a browser, atomically.
 *
 * A slider over lambda, both cells drawn there, cost curves with the
 * breakpoints, the log's curves.  It asks no network for anything.
 *
 * Shapes     file: NUL-terminated.
 * Units      opts NULL: the defaults.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL path or file, or opts->size not set; E_RANGE scale;
 *            E_FORMAT title or log is not UTF-8; E_IO open, write or rename;
 *            E_NOMEM.  On error the file that was there is untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_path_save_html(const hnas_path *path,
                                         const char *file,
                                         const hnas_explorer_opts *opts);

/**
 * Make a file hold these bytes, all or nothing.
 *
 * A new file beside it is written, synced and renamed over it.
 *
 * Shapes     path: NUL-terminated; data: size_bytes bytes.
 * Units      none.
 * Ownership  the arguments are read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_IO open, write or rename; E_NOMEM.  On
 *            error the file that was there is untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_file_replace(hnas_context *ctx, const char *path,
                                       const void *data, size_t size_bytes);

/**
 * Keep a file as an older one before a save replaces it.
 *
 *     path.2 -> path.3, path.1 -> path.2, path -> path.1
 *
 * Call it before any save to that path.  path stays where it is, as a second
 * name of path.1, until the save's rename; only on a file system without such
 * names it is moved.  A file that is kept already, since its save failed, is
 * not kept again.
 *
 * Shapes     path: NUL-terminated; where nothing is there, nothing is kept.
 * Units      n_files: 1..100, path counted; older ones are removed.
 * Ownership  path is read.
 * Gradient   none.
 * Threads    one context, one thread at a time.
 * Errors     E_ARG NULL argument; E_RANGE n_files; E_IO link, rename or
 *            remove; E_NOMEM.  On error path is untouched.
 * Source     own.
 * Since      0.1
 */
HNAS_API hnas_status hnas_file_keep(hnas_context *ctx, const char *path,
                                    int32_t n_files);

HNAS_END_DECLS

#endif
