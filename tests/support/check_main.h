/* SPDX-License-Identifier: BSD-3-Clause */
/* Each test file is a program: its cases, run in one process. */
#ifndef TEST_SUPPORT_CHECK_MAIN_H
#define TEST_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

/* Run a suite; the exit status of main. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
