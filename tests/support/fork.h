/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of a process with threads. */
#ifndef TEST_SUPPORT_FORK_H
#define TEST_SUPPORT_FORK_H

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Is the thread of /proc/self/task/tid asleep? */
static inline int thread_is_asleep(const char *tid)
{
    char path[64], state = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%.16s/stat", tid);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    if (f)
        fclose(f);
    return state == 'S';
}

/* A fork with the pool's threads at rest: the address sanitizer's allocator
 * stays locked in the child if a thread of the parent was just beginning.
 * A child that waits for threads that it has not is ended. */
static inline pid_t fork_at_rest(void)
{
    const int self = (int)getpid();
    const struct timespec ms = {.tv_nsec = 1000000};
    pid_t child;

    for (int awake = 1, turn = 0; awake > 0 && turn < 60000; turn++) {
        DIR *dir = opendir("/proc/self/task");
        struct dirent *e;

        ck_assert_ptr_nonnull(dir);
        awake = 0;
        while ((e = readdir(dir)))
            if (e->d_name[0] != '.' && atoi(e->d_name) != self)
                awake += !thread_is_asleep(e->d_name);
        closedir(dir);
        if (awake > 0)
            nanosleep(&ms, NULL);
    }
    fflush(NULL);
    child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(300);
    }
    return child;
}

#endif
