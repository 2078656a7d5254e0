/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that fail, or in which the process is killed.  A test that is
 * linked with --wrap (tests/meson.build) has the library's calls come here. */
#ifndef HN_TESTS_FAULTS_SHIM_H
#define HN_TESTS_FAULTS_SHIM_H

enum fault {
    SHIM_NO_SPACE,
    SHIM_IO_ERROR,
    SHIM_INTERRUPT,
    SHIM_SHORT,
    SHIM_KILL, /* before the call; a write gets half its bytes out */
    SHIM_DENIED
};

extern const char *const shim_names[];

struct shim {
    int left; /* calls that succeed; -1: all */
    enum fault fault;
    int n_failed;
    const char *what; /* the call that failed */
};
extern struct shim shim;

/* Let the call after the next k ones fail. */
void shim_arm(int k, enum fault fault);

#endif
