/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hnas/formats.h"

enum { NAME_TRIES = 100, LARGEST_TRANSFER = 1 << 30 };

hnas_status hn_fail_errno(struct hnas_context *ctx, const char *path,
                          const char *what, int error)
{
    char words[128];

    if (strerror_r(error, words, sizeof words))
        snprintf(words, sizeof words, "error %d", error);
    return hn_fail(ctx, HNAS_E_IO, "%.300s: %s: %s", path, what, words);
}

hnas_status hn_file_open(int *fd, int64_t *size_bytes, struct hnas_context *ctx,
                         const char *path)
{
    struct stat about;

    *size_bytes = 0;
    /* NONBLOCK: a pipe nobody writes to must not hold us before the check */
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return hn_fail_errno(ctx, path, "can't open", errno);
    if (fstat(*fd, &about) == 0 && S_ISREG(about.st_mode)) {
        *size_bytes = about.st_size;
        return HNAS_OK;
    }
    close(*fd);
    *fd = -1;
    return hn_fail(ctx, HNAS_E_IO, "%.300s: not a file, want a regular file",
                   path);
}

/* from -1: where the file stands. */
static int64_t read_all(int fd, char *dst, size_t bytes, int64_t from)
{
    size_t done = 0;

    while (done < bytes) {
        const size_t want =
            bytes - done < LARGEST_TRANSFER ? bytes - done : LARGEST_TRANSFER;
        const ssize_t n =
            from < 0 ? read(fd, dst + done, want)
                     : pread(fd, dst + done, want, (off_t)from + (off_t)done);

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            done += (size_t)n;
    }
    return (int64_t)done;
}

int64_t hn_file_read(int fd, void *dst, size_t bytes)
{
    return read_all(fd, dst, bytes, -1);
}

int64_t hn_file_read_at(int fd, void *dst, size_t bytes, int64_t from)
{
    return read_all(fd, dst, bytes, from);
}

/* 0, or -1 with errno set. */
static int write_all(int fd, const void *data, size_t bytes)
{
    const char *p = data;

    while (bytes > 0) {
        const ssize_t n =
            write(fd, p, bytes < LARGEST_TRANSFER ? bytes : LARGEST_TRANSFER);

        if (n == 0)
            errno = EIO;
        if (n == 0 || (n < 0 && errno != EINTR))
            return -1;
        if (n > 0) {
            p += n;
            bytes -= (size_t)n;
        }
    }
    return 0;
}

/* Everything known about one replacement. */
struct replacement {
    struct hnas_context *ctx;
    const char *path;      /* as the caller named it */
    char target[PATH_MAX]; /* links followed */
    char fresh[PATH_MAX];  /* the new file, "" where there is none */
    int fd;                /* of the new file, -1: closed */
    int keeps_mode;
    mode_t mode;
};

hnas_status hn_file_target(char target[PATH_MAX], struct stat *about,
                           struct hnas_context *ctx, const char *path)
{
    about->st_mode = 0;
    if (strlen(path) >= PATH_MAX)
        return hn_fail_errno(ctx, path, "can't write", ENAMETOOLONG);
    strcpy(target, path);
    if (lstat(path, about) != 0) {
        about->st_mode = 0;
        return errno == ENOENT ? HNAS_OK
                               : hn_fail_errno(ctx, path, "can't write", errno);
    }
    if (S_ISLNK(about->st_mode) &&
        (!realpath(path, target) || stat(target, about) != 0))
        return hn_fail_errno(ctx, path, "can't follow the link", errno);
    if (!S_ISREG(about->st_mode))
        return hn_fail(ctx, HNAS_E_IO,
                       "%.300s: can't write: not a regular file", path);
    return HNAS_OK;
}

static hnas_status find_target(struct replacement *r)
{
    struct stat about;
    const hnas_status st = hn_file_target(r->target, &about, r->ctx, r->path);

    r->keeps_mode = about.st_mode != 0;
    r->mode = about.st_mode & 07777;
    return st;
}

/* A new file beside the target: a file of that name is never touched. */
static hnas_status open_fresh(struct replacement *r)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        const int n = snprintf(r->fresh, sizeof r->fresh, "%s.%ld-%d.tmp",
                               r->target, (long)getpid(), i);

        if (n < 0 || (size_t)n >= sizeof r->fresh) {
            errno = ENAMETOOLONG;
            break;
        }
        r->fd = open(r->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (r->fd >= 0)
            return HNAS_OK;
        if (errno != EEXIST && errno != EINTR)
            break;
    }
    r->fresh[0] = '\0';
    return hn_fail_errno(r->ctx, r->path, "can't create a file beside it",
                         errno);
}

static hnas_status fill_fresh(struct replacement *r,
                              const struct hn_part *parts, int64_t n_parts)
{
    int error = 0;

    for (int64_t i = 0; i < n_parts; i++)
        if (write_all(r->fd, parts[i].data, parts[i].bytes) != 0)
            return hn_fail_errno(r->ctx, r->path, "can't write", errno);
    if (r->keeps_mode && fchmod(r->fd, r->mode) != 0)
        return hn_fail_errno(r->ctx, r->path, "can't keep its mode", errno);
    while (fsync(r->fd) != 0)
        if (errno != EINTR)
            return hn_fail_errno(r->ctx, r->path, "can't sync", errno);
    if (close(r->fd) != 0 && errno != EINTR)
        error = errno;
    r->fd = -1;
    return error ? hn_fail_errno(r->ctx, r->path, "can't close", error)
                 : HNAS_OK;
}

/* Make the rename last.  The new contents are whole whether this works or
 * not, so that a failure is worth a warning only. */
static void sync_folder(struct replacement *r)
{
    char *slash = strrchr(r->target, '/');
    int fd;

    if (!slash)
        strcpy(r->target, ".");
    else
        slash[slash == r->target] = '\0';
    fd = open(r->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        hn_log(r->ctx, HNAS_LOG_WARNING,
               "%.300s: written, but its folder could not be synced", r->path);
    if (fd >= 0)
        close(fd);
}

hnas_status hn_file_replace(struct hnas_context *ctx, const char *path,
                            const struct hn_part *parts, int64_t n_parts)
{
    struct replacement *r = hn_zalloc(&ctx->alloc, sizeof *r);
    hnas_status st;

    if (!r)
        return hn_fail_nomem(ctx, path);
    r->ctx = ctx;
    r->path = path;
    r->fd = -1;
    st = find_target(r);
    if (st == HNAS_OK)
        st = open_fresh(r);
    if (st == HNAS_OK)
        st = fill_fresh(r, parts, n_parts);
    if (st == HNAS_OK && rename(r->fresh, r->target) != 0)
        st = hn_fail_errno(ctx, path, "can't replace", errno);
    if (st == HNAS_OK)
        sync_folder(r);
    if (r->fd >= 0)
        close(r->fd);
    if (st < 0 && r->fresh[0])
        (void)unlink(r->fresh);
    hn_free(&ctx->alloc, r);
    return st;
}

hnas_status hnas_file_replace(hnas_context *ctx, const char *path,
                              const void *data, size_t size_bytes)
{
    const struct hn_part part = {data, size_bytes};

    if (!ctx || !path || !data)
        return hn_fail_null(ctx, "file replace: path or data");
    return hn_file_replace(ctx, path, &part, 1);
}
