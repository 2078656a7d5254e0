/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder, or the file, that a run writes to. */
#ifndef FOLDER_H
#define FOLDER_H

/* Let no other run write to an existing folder until *fd, -1 before, is closed
 * or the process ends.  0, or an exit status after a message that names it. */
int folder_lock(int *fd, const char *out);
void folder_unlock(int *fd);

/* Likewise of a file that is replaced again and again. */
struct file_lock {
    int fd; /* -1: not locked */
    char *path;
};

int file_lock(struct file_lock *lock, const char *out);
void file_unlock(struct file_lock *lock);

#endif
