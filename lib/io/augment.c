/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/augment.h"

/* What is drawn for an image; their numbers are part of the results. */
enum draw { DOWN, RIGHT, MIRROR, CUT_ROW, CUT_COLUMN, N_DRAWS = 8 };

struct drawn {
    int64_t down, right, row, column;
    int32_t mirrored;
};

static int64_t draw(const struct hn_rng *rng, int64_t position, enum draw what,
                    int64_t n)
{
    const uint64_t element = (uint64_t)position * N_DRAWS + (uint64_t)what;

    return (int64_t)(hn_random_uniform(rng, element) * (double)n);
}

/* The source of a pixel, or black. */
static real pixel(const real *plane, const struct hn_augment *a,
                  const struct drawn *d, int64_t y, int64_t x)
{
    const int64_t height = a->dims[1], width = a->dims[2];
    const int64_t row = y - d->down;
    const int64_t column = (d->mirrored ? width - 1 - x : x) - d->right;

    if (row < 0 || row >= height || column < 0 || column >= width)
        return a->black;
    return plane[row * width + column];
}

static int is_cut(const struct hn_augment *a, const struct drawn *d, int64_t y,
                  int64_t x)
{
    return y >= d->row && y < d->row + a->cutout && x >= d->column &&
           x < d->column + a->cutout;
}

void hn_augment_image(real *dst, const real *src, const struct hn_augment *a,
                      const struct hn_rng *rng, int64_t position)
{
    const int64_t height = a->dims[1], width = a->dims[2];
    const struct drawn d = {
        draw(rng, position, DOWN, 2 * a->shift + 1) - a->shift,
        draw(rng, position, RIGHT, 2 * a->shift + 1) - a->shift,
        draw(rng, position, CUT_ROW, height) - a->cutout / 2,
        draw(rng, position, CUT_COLUMN, width) - a->cutout / 2,
        a->flip && draw(rng, position, MIRROR, 2)};

    for (int64_t c = 0; c < a->dims[0]; c++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                *dst++ = is_cut(a, &d, y, x)
                             ? 0
                             : pixel(src + c * height * width, a, &d, y, x);
}
