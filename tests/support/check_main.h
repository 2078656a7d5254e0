/* SPDX-License-Identifier: BSD-3-Clause */
/* Each test file is a program: its cases, run in one process. */
#ifndef TEST_SUPPORT_CHECK_MAIN_H
#define TEST_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

/* Check itself writes structures with padding into files, at each assertion. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define RUNS_CHECK() __msan_scoped_disable_interceptor_checks()
#endif
#endif
#ifndef RUNS_CHECK
#define RUNS_CHECK() ((void)0)
#endif

/* Run a suite; the exit status of main. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    RUNS_CHECK();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
