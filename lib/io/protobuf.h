/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocol Buffers, the few ways of writing a field that ONNX needs.  A
 * message is its fields one behind the other. */
#ifndef HN_IO_PROTOBUF_H
#define HN_IO_PROTOBUF_H

#include "io/text.h"

void hn_pb_integer(struct hn_text *t, int field, int64_t value);
void hn_pb_float(struct hn_text *t, int field, float value);
void hn_pb_string(struct hn_text *t, int field, const char *text);

/* The key and length of a field whose `bytes` bytes follow. */
void hn_pb_head(struct hn_text *t, int field, size_t bytes);

/* A message in a field: what is written between begin and end. */
size_t hn_pb_begin(const struct hn_text *t);
void hn_pb_end(struct hn_text *t, int field, size_t begin);

#endif
