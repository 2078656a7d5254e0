/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const shim_names[] = {"ENOSPC",      "EIO",  "EINTR",
                                  "short write", "kill", "EPERM"};
static const int errors[] = {ENOSPC, EIO, EINTR, 0, 0, EPERM};

struct shim shim = {-1, SHIM_NO_SPACE, 0, ""};

void shim_arm(int k, enum fault fault)
{
    shim.n_failed = 0;
    shim.fault = fault;
    shim.left = k;
}

/* Whether this call is the one, and with which errno. */
static int is_due(const char *what)
{
    if (shim.left < 0 || shim.left-- > 0)
        return 0;
    shim.n_failed++;
    shim.what = what;
    if (shim.fault == SHIM_KILL && strcmp(what, "write") != 0)
        kill(getpid(), SIGKILL);
    errno = errors[shim.fault];
    return shim.fault != SHIM_SHORT && shim.fault != SHIM_KILL;
}

int __real_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t n);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_fchmod(int fd, mode_t mode);
int __real_rename(const char *from, const char *to);
int __real_link(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_rename(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_unlink(const char *path);

static int mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? va_arg(args, int) : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return is_due("open") ? -1 : __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return is_due("open") ? -1 : __real_open64(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
    const int before = shim.n_failed;

    if (is_due("write"))
        return -1;
    if (shim.n_failed == before)
        return __real_write(fd, data, n);
    n = (size_t)__real_write(fd, data, (n + 1) / 2);
    if (shim.fault == SHIM_KILL)
        kill(getpid(), SIGKILL);
    return (ssize_t)n;
}

int __wrap_fsync(int fd)
{
    return is_due("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
    const int rc = __real_close(fd); /* Linux closes it whatever it answers */

    return is_due("close") ? -1 : rc;
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return is_due("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __wrap_rename(const char *from, const char *to)
{
    return is_due("rename") ? -1 : __real_rename(from, to);
}

int __wrap_link(const char *from, const char *to)
{
    return is_due("link") ? -1 : __real_link(from, to);
}

/* A name that is not there is no work that could fail. */
int __wrap_unlink(const char *path)
{
    return access(path, F_OK) == 0 && is_due("unlink") ? -1
                                                       : __real_unlink(path);
}
