/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a search, a network and a set have in common: a format's
 * name, settings as JSON, the host's text; shape and edges of networks. */
#ifndef HN_IO_STATE_H
#define HN_IO_STATE_H

#include "io/fields.h"
#include "io/tensors.h"
#include "model/model.h"

/* Replace the file by a list of tensors and settings; the writer's failure is
 * passed on.  Finishes both. */
hnas_status hn_state_write(struct hn_tensors *l, struct hn_json_writer *w,
                           const char *path, const char *format,
                           const char *text);

/* Open a file of a format: HNAS_E_MISMATCH says that it is not `what`. */
hnas_status hn_state_open(struct hn_st_file **out, struct hnas_context *ctx,
                          const char *path, const char *format,
                          const char *what);

/* Its settings, parsed. */
hnas_status hn_state_settings(struct hn_json **out, struct hnas_context *ctx,
                              const char *path, const struct hn_st_file *file);

/* Give a context no more memory than what a file holds can need, and all of it
 * again: a small file that describes a large network is refused, whatever it
 * is that is large, with HNAS_E_FORMAT instead of HNAS_E_NOMEM. */
void hn_state_bound(struct hnas_context *ctx, const struct hn_st_file *file);
hnas_status hn_state_unbound(struct hnas_context *ctx,
                             const struct hn_st_file *file, hnas_status st);

/* A copy of the host's text in a file, "" where it has none. */
hnas_status hn_state_text(char **out, struct hnas_context *ctx,
                          const struct hn_st_file *file);

/* The fields of hnas_model_opts. */
extern const struct hn_field hn_model_fields[];

/* Write the members "normal" and "reduce" of an open object: lists of
 * ["operation", version, from, to]; null where there is no such cell. */
void hn_edges_write(struct hn_json_writer *w, struct hnas_context *ctx,
                    const struct hn_model_kind kind[HNAS_N_KINDS]);

/* Read them from an object; names point into its JSON.  Free the kinds
 * whatever happens. */
hnas_status hn_edges_read(struct hn_model_kind kind[HNAS_N_KINDS],
                          struct hnas_context *ctx, const char *path,
                          const struct hn_json_value *object);
void hn_edges_free(struct hn_model_kind kind[HNAS_N_KINDS],
                   struct hnas_context *ctx);

#endif
