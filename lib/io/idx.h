/* SPDX-License-Identifier: BSD-3-Clause */
/* The IDX format of MNIST: big-endian magic (type, rank), dims, elements. */
#ifndef HN_IO_IDX_H
#define HN_IO_IDX_H

#include "io/rows.h"
#include "tensor/tensor.h"

/* The contents of a file: read on demand where it is plain, in memory where it
 * was packed. */
struct hn_idx {
    struct hn_file_rows *rows;  /* one an image, or a label of a byte */
    struct hnas_tensor *tensor; /* uint8 [N, C, H, W], or int32 [N] */
};

/* Open a pair of files, plain or gzip; dims: N, C, H, W of images from a
 * [N, H, W] or [N, C, H, W] file. */
hnas_status hn_idx_open(struct hn_idx *images, struct hn_idx *labels,
                        int64_t dims[4], struct hnas_context *ctx,
                        const char *images_path, const char *labels_path);
void hn_idx_close(struct hn_idx *idx);

#endif
