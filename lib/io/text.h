/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes under construction: text, or parts of a file. */
#ifndef HN_IO_TEXT_H
#define HN_IO_TEXT_H

#include "core/context.h"

/* The first failure stays in `status` and makes what follows do nothing; a
 * NUL that `length` does not count follows the bytes, once there are any. */
struct hn_text {
    struct hnas_context *ctx;
    hnas_status status;
    char *data;
    size_t length, capacity;
};

void hn_text_init(struct hn_text *t, struct hnas_context *ctx);
void hn_text_finish(struct hn_text *t);

/* Append bytes; append as printf does, at most 511 bytes a call.  Nothing is
 * formatted that depends on a locale: no %f, %g, %e. */
void hn_text_bytes(struct hn_text *t, const void *data, size_t bytes);
void hn_text_put(struct hn_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Insert bytes at an offset; what stood there moves up. */
void hn_text_insert(struct hn_text *t, size_t offset, const void *data,
                    size_t bytes);

/* Hand a finished text over as the public calls do: cut off with a NUL where
 * it has no room.  The text's status. */
hnas_status hn_text_copy(char *buffer, size_t capacity, size_t *length,
                         const struct hn_text *t);

#endif
