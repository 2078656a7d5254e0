/* SPDX-License-Identifier: BSD-3-Clause */
/* A candidate operation of a host, "host_pool": a pool, then a func of the
 * host's own, "host_copy", y = x.  Hooks let a test do mischief in it. */
#ifndef HN_TESTS_FAULTS_HOSTOP_H
#define HN_TESTS_FAULTS_HOSTOP_H

#include "world.h"

/* Called once the work is done; NULL: nothing.  Their answer is the host's. */
struct host_op_hooks {
    hnas_status (*apply)(void *user, hnas_tape *tape, hnas_tensor *x);
    hnas_status (*forward)(void *user, const hnas_array *out);
    hnas_status (*backward)(void *user, const hnas_array *din);
    void *user;
};
extern struct host_op_hooks host_op_hooks;

/* Open a life whose search has this operation on every edge, all of them in
 * every pass; opts NULL: the defaults with soft gates. */
void host_op_open(struct life *l, const hnas_search_opts *opts);

#endif
