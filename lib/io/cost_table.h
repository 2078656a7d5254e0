/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's table of costs, in a search's settings. */
#ifndef HN_IO_COST_TABLE_H
#define HN_IO_COST_TABLE_H

#include "io/json.h"
#include "net/space.h"

/* Write the member "cost_table" of an open object, if there is a table. */
void hn_cost_table_write(struct hn_json_writer *w,
                         const struct hn_space *space);

/* Set what hn_cost_table_write wrote; NULL: no table. */
hnas_status hn_cost_table_read(hnas_supernet *net,
                               const struct hn_json_value *table);

#endif
