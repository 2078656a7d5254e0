/* SPDX-License-Identifier: BSD-3-Clause */
/* What any registered operation must do, a host's as well as a bundled one:
 * right shapes, right gradients, the same bits for any threads, a cost that
 * tells its weights, clean failure without memory, honest flags. */
#ifndef HN_TESTS_OP_CONFORMANCE_H
#define HN_TESTS_OP_CONFORMANCE_H

#include "hnas/hnas.h"

/* Run all checks; fails the running test.  table is registered first, NULL:
 * the name is known already. */
void conformance(const char *name, const hnas_op_table *table);

/* The checks one by one, for tests of the suite itself. */
void conform_shapes(const char *name, const hnas_op_table *table);
void conform_gradients(const char *name, const hnas_op_table *table);
void conform_threads(const char *name, const hnas_op_table *table);
void conform_cost(const char *name, const hnas_op_table *table);
void conform_memory(const char *name, const hnas_op_table *table);
void conform_flags(const char *name, const hnas_op_table *table);

#endif
