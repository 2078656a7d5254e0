/* SPDX-License-Identifier: BSD-3-Clause */
/* Files, whole: opened with a check, replaced in one step. */
#ifndef HN_IO_FILE_H
#define HN_IO_FILE_H

#include <limits.h>
#include <sys/stat.h>

#include "core/context.h"

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* Fail with E_IO, "path: what: the system's words for `error`". */
hnas_status hn_fail_errno(struct hnas_context *ctx, const char *path,
                          const char *what, int error);

/* Open a regular file for reading and tell its size. */
hnas_status hn_file_open(int *fd, int64_t *size_bytes, struct hnas_context *ctx,
                         const char *path);

/* Read until `bytes` or the end; the number read, or -1 with errno set. */
int64_t hn_file_read(int fd, void *dst, size_t bytes);

/* The same from byte `from` on; where the file stands does not matter. */
int64_t hn_file_read_at(int fd, void *dst, size_t bytes, int64_t from);

/* Find the file that a save to `path` replaces: follow a link, and refuse all
 * but a regular file.  about->st_mode is 0 where there is none yet. */
hnas_status hn_file_target(char target[PATH_MAX], struct stat *about,
                           struct hnas_context *ctx, const char *path);

/* One stretch of a file's contents. */
struct hn_part {
    const void *data;
    size_t bytes;
};

/* Make the file at `path` consist of the parts, all or nothing: a new file
 * beside it is written, synced and renamed over it.  The mode of a file that
 * was there is kept.  On failure what was there is untouched and nothing is
 * left beside it. */
hnas_status hn_file_replace(struct hnas_context *ctx, const char *path,
                            const struct hn_part *parts, int64_t n_parts);

#endif
