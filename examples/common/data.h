/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the data sets are. */
#ifndef DATA_H
#define DATA_H

#include <hnas/hnas.h>

/* Open the training (or test) set of a bundled name or of a directory with
 * the four IDX files, plain or .gz.  An exit status, 0 for success. */
int data_open(hnas_dataset **out, hnas_context *ctx, const char *name,
              int is_test);

/* Mean and deviation of a data set's pixels, 1 for a deviation of 0.  shared:
 * the first rank reads them and tells the others.  An exit status. */
int data_moments(double moments[2], hnas_context *ctx,
                 const hnas_dataset *dataset, int shared);

#endif
