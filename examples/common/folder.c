/* SPDX-License-Identifier: BSD-3-Clause */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "program.h"

/* The folder itself is locked: nothing is left in it, and however the process
 * ends, the lock ends too.  A file system without locks does without. */
int folder_lock(int *fd, const char *out)
{
    if (*fd < 0)
        *fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
