/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of a file, inflated on the way where it is gzip. */
#ifndef HN_IO_STREAM_H
#define HN_IO_STREAM_H

#include "core/context.h"

struct hn_stream;

/* Open; gzip is known by its first two bytes, not by the name. */
hnas_status hn_stream_open(struct hn_stream **out, struct hnas_context *ctx,
                           const char *path);
void hn_stream_close(struct hn_stream *stream);

/* Read `bytes`, fewer only at the end.  A gzip file that is cut short or
 * fails its checksum is an error. */
hnas_status hn_stream_read(struct hn_stream *stream, void *dst, size_t bytes,
                           size_t *got);

/* Bytes on disk, and whether they are gzip. */
int64_t hn_stream_file_bytes(const struct hn_stream *stream);
int hn_stream_is_gzip(const struct hn_stream *stream);

/* Take the descriptor over: the stream must not be read any more. */
int hn_stream_take_fd(struct hn_stream *stream);

#endif
