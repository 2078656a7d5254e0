/* SPDX-License-Identifier: BSD-3-Clause */
/* Random changes of an image. */
#ifndef HN_IO_AUGMENT_H
#define HN_IO_AUGMENT_H

#include "base/rng.h"
#include "base/real.h"

struct hn_augment {
    int64_t shift, cutout;
    int32_t flip;
    int64_t dims[3]; /* C, H, W */
    real black;      /* what is moved in */
};

/* Copy src to dst, both [C, H, W] row-major, moved, flipped and with a square
 * of zeros.  What happens is a function of rng and position. */
void hn_augment_image(real *dst, const real *src, const struct hn_augment *a,
                      const struct hn_rng *rng, int64_t position);

#endif
