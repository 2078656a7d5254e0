/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain C kernels that overlays call for windows they have no code for. */
#ifndef HN_KERNEL_REFERENCE_H
#define HN_KERNEL_REFERENCE_H

#include "kernel/kernel.h"

void hn_dw_rows_c(struct hn_plane dst, struct hn_cplane src, const real *w,
                  struct hn_dwindow win, int64_t rows, int64_t cols, int64_t cp,
                  int flags);
void hn_dw_wgrad_c(real *dw, struct hn_cplane src, struct hn_cplane g,
                   struct hn_dwindow win, int64_t rows, int64_t cols,
                   int64_t cp);

#endif
