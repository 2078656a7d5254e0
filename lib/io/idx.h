/* SPDX-License-Identifier: BSD-3-Clause */
/* The IDX format of MNIST: big-endian magic (type, rank), dims, elements. */
#ifndef HN_IO_IDX_H
#define HN_IO_IDX_H

#include "tensor/tensor.h"

/* Read a pair of files, plain or gzip: images uint8 [N, C, H, W] from a
 * [N, H, W] or [N, C, H, W] file, labels int32 [N]. */
hnas_status hn_idx_read(struct hnas_tensor **images,
                        struct hnas_tensor **labels, struct hnas_context *ctx,
                        const char *images_path, const char *labels_path);

#endif
