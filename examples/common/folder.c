/* SPDX-License-Identifier: BSD-3-Clause */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

/* The folder itself is locked: nothing is left in it, and however the process
 * ends, the lock ends too.  A file system without locks does without. */
int folder_lock(int *fd, const char *out)
{
    if (*fd < 0)
        *fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOTDIR)
        return failure("--out %s: not a folder, want one", out);
    if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return failure("--out %s: another run writes there, want a folder of "
                       "its own",
                       out);
    return 0;
}

void folder_unlock(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* OUT.lock, beside the file that a link leads to; NULL: no memory. */
static char *name_lock(const char *out)
{
    char *real = realpath(out, NULL), *path;
    const char *name = real ? real : out;
    const size_t size = strlen(name) + sizeof ".lock";

    path = malloc(size);
    if (path)
        snprintf(path, size, "%s.lock", name);
    free(real);
    return path;
}

/* Whether the file that was opened is still the one of that name. */
static int is_there(int fd, const char *path)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
           mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

/* A file that is replaced keeps no lock, so one of its own beside it is locked
 * and removed at the end; what a killed process leaves is locked by nobody. */
int file_lock(struct file_lock *lock, const char *out)
{
    lock->path = name_lock(out);
    if (!lock->path)
        return failure("--out %s: out of memory", out);
    for (;;) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock->fd < 0)
            return 0; /* nor can the file itself be written there */
        if (flock(lock->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
            break;
        if (is_there(lock->fd, lock->path))
            return 0;
        close(lock->fd); /* it was removed meanwhile */
    }
    close(lock->fd);
    lock->fd = -1;
    return failure("--out %s: another run writes there, want a file of its own",
                   out);
}

void file_unlock(struct file_lock *lock)
{
    if (lock->fd >= 0) {
        unlink(lock->path);
        close(lock->fd);
    }
    free(lock->path);
    lock->path = NULL;
    lock->fd = -1;
}
