/* SPDX-License-Identifier: BSD-3-Clause */
/* A context and a folder of its own for each test of floor io. */
#ifndef HN_TESTS_IO_FIXTURE_H
#define HN_TESTS_IO_FIXTURE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "core/context.h"

extern struct hnas_context *ctx;

/* Set up and tear down; the latter checks that nothing leaked. */
void fixture_open(void);
void fixture_close(void);

/* Let the context know the bundled operations. */
void fixture_register_ops(void);

/* What the context holds now, scratch of its own, is no leak. */
void fixture_settle(void);

/* The path of a file in the folder; four may be in use at a time. */
const char *fixture_path(const char *name);

/* Write and read whole files; fixture_read returns malloc'd bytes. */
void fixture_write(const char *path, const void *data, size_t bytes);
unsigned char *fixture_read(const char *path, size_t *bytes);

void expect_equal_files(const char *a, const char *b);

/* Change one byte in place. */
void fixture_poke(const char *path, size_t offset, unsigned char byte);

/* The number of files in the folder. */
int fixture_count_files(void);

/* Fail unless the status is as wanted and the message holds the words. */
void expect_failure(hnas_status got, hnas_status want, const char *words);

/* Fail the n-th allocation from now on, once; below 0: none. */
void fixture_fail_allocation(int n);

/* Run a suite of one case; the exit status of main. */
int fixture_run(TCase *tests);

/* The same in a context that knows the bundled operations. */
int fixture_run_ops(TCase *tests);

#endif
