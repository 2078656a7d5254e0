/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of equal size in a file, read when they are asked for.  Not mapped: a
 * file that another program cuts short would then end the host by a signal;
 * here it is an error that names it. */
#ifndef HN_IO_ROWS_H
#define HN_IO_ROWS_H

#include "core/context.h"

struct hn_file_rows;

/* Rows of `row_bytes` from byte `first` of a regular file on.  fd is taken,
 * on failure too; the path is copied. */
hnas_status hn_file_rows_open(struct hn_file_rows **out,
                              struct hnas_context *ctx, const char *path,
                              int fd, int64_t first, int64_t row_bytes);
void hn_file_rows_close(struct hn_file_rows *rows);

/* Read row `index`; it stays until the next call.  E_TRUNCATED where the file
 * has become too short, E_IO. */
hnas_status hn_file_rows_get(struct hn_file_rows *rows, int64_t index,
                             const unsigned char **row);

#endif
