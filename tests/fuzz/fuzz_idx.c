/* SPDX-License-Identifier: BSD-3-Clause */
/* Images and labels as IDX.  The first byte says how they are packed and where
 * the images end: bits 0 and 1 gzip images and labels; else they may be gzip
 * themselves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"

/* Gzip of the bytes, so that what is inside changes and the sums still fit. */
static const char *packed(int which, const uint8_t *data, size_t size)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    uint8_t *out;
    const char *path;

    fuzz_expect(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, 0) == Z_OK, "zlib");
    z.avail_out = (uInt)deflateBound(&z, (uLong)size);
    z.next_out = out = malloc(z.avail_out);
    fuzz_expect(out && deflate(&z, Z_FINISH) == Z_STREAM_END, "packed");
    path = fuzz_file(which, out, z.total_out);
    deflateEnd(&z);
    free(out);
    return path;
}

static const char *put(int which, const uint8_t *data, size_t size, int packs)
{
    return packs ? packed(which, data, size) : fuzz_file(which, data, size);
}

static void check(const hnas_dataset *d)
{
    int64_t dims[4];
    double mean, std;
    hnas_batches *b;
    hnas_status st;

    hnas_dataset_get_dims(d, dims);
    fuzz_expect(dims[0] > 0 && dims[1] > 0 && dims[2] > 0 && dims[3] > 0 &&
                    hnas_dataset_get_classes(d) > 0,
                "a shape");
    st = hnas_dataset_moments(d, 0, &mean, &std);
    fuzz_expect(st == HNAS_OK && isfinite(mean) && isfinite(std), "moments");
    st = hnas_batches_create(&b, fuzz_context(), d, NULL);
    fuzz_check(st, b);
    hnas_batches_destroy(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    hnas_dataset *d;
    size_t n_images;
    hnas_status st;
    int how;

    if (size < 2)
        return 0;
    how = data[0];
    n_images = data[1] * (size - 2) / 255;
    fuzz_begin();
    st = hnas_dataset_open_idx(
        &d, ctx, put(0, data + 2, n_images, how & 1),
        put(1, data + 2 + n_images, size - 2 - n_images, how & 2));
    fuzz_check(st, d);
    if (st == HNAS_OK)
        check(d);
    hnas_dataset_destroy(d);
    fuzz_end();
    return 0;
}
