/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/idx.h"

#include <string.h>

#include "io/stream.h"

/* What is read whole: an image, and all of a packed file.  Deflate packs at
 * most 1032 to 1; photographs and digits stay below 100, so what claims more
 * than LARGEST_RATIO is a trap, unless it is small enough to do no harm. */
static const int64_t largest_bytes = INT64_C(4) << 30;
static const int64_t harmless_bytes = INT64_C(64) << 20;
enum { LARGEST_RATIO = 250, FIRST_STEP = 1 << 20, IDX_UINT8 = 8 };

struct idx {
    struct hnas_context *ctx;
    struct hn_stream *stream;
    const char *path;
    int32_t rank;
    int64_t dims[HNAS_MAX_RANK];
    int64_t n_bytes;   /* of all elements */
    int64_t row_bytes; /* of those of index 0 along the first axis */
};

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* Exactly `bytes`, or the file is too short. */
static hnas_status read_exactly(struct idx *f, void *dst, size_t bytes)
{
    size_t got;
    hnas_status st = hn_stream_read(f->stream, dst, bytes, &got);

    if (st < 0 || got == bytes)
        return st;
    return hn_fail(f->ctx, HNAS_E_TRUNCATED,
                   "%.300s: %zu bytes are missing, want %lld bytes of data",
                   f->path, bytes - got, (long long)f->n_bytes);
}

static hnas_status read_magic(struct idx *f, int32_t min_rank, int32_t max_rank)
{
    unsigned char magic[4];
    hnas_status st = read_exactly(f, magic, sizeof magic);

    if (st < 0)
        return st;
    if (magic[0] || magic[1] || magic[2] != IDX_UINT8 || magic[3] < min_rank ||
        magic[3] > max_rank)
        return hn_fail(f->ctx, HNAS_E_FORMAT,
                       "%.300s: magic 0x%08x, want 0x%08x (IDX, uint8, "
                       "rank %d..%d)",
                       f->path, (unsigned)big_endian(magic),
                       (unsigned)(IDX_UINT8 << 8 | min_rank), (int)min_rank,
                       (int)max_rank);
    f->rank = magic[3];
    return HNAS_OK;
}

static hnas_status fail_size(struct idx *f, const char *what, int64_t bytes)
{
    return hn_fail(f->ctx, HNAS_E_LIMIT,
                   "%.300s: %s %lld bytes as its header says, want at most "
                   "%lld",
                   f->path, what, (long long)bytes, (long long)largest_bytes);
}

static hnas_status fail_trailing(struct idx *f)
{
    return hn_fail(f->ctx, HNAS_E_FORMAT,
                   "%.300s: data go on after the %lld bytes its header "
                   "announces",
                   f->path, (long long)f->n_bytes);
}

static int64_t header_bytes(const struct idx *f)
{
    return 4 + 4 * (int64_t)f->rank;
}

/* Whether the file can and may hold what its header claims. */
static hnas_status check_size(struct idx *f)
{
    const int64_t header = header_bytes(f);
    const int64_t disk = hn_stream_file_bytes(f->stream);

    if (hn_stream_is_gzip(f->stream)) {
        if (f->n_bytes > largest_bytes || (uint64_t)f->n_bytes > SIZE_MAX)
            return fail_size(f, "its packed data are", f->n_bytes);
        if (f->n_bytes > harmless_bytes && f->n_bytes / LARGEST_RATIO > disk)
            return hn_fail(f->ctx, HNAS_E_LIMIT,
                           "%.300s: %lld bytes of data packed into %lld, want "
                           "at most %d to 1",
                           f->path, (long long)f->n_bytes, (long long)disk,
                           (int)LARGEST_RATIO);
        return HNAS_OK;
    }
    if (disk < header + f->n_bytes)
        return hn_fail(f->ctx, HNAS_E_TRUNCATED,
                       "%.300s: %lld bytes, want %lld as its header says",
                       f->path, (long long)disk,
                       (long long)(header + f->n_bytes));
    if (disk > header + f->n_bytes)
        return fail_trailing(f);
    return HNAS_OK;
}

static hnas_status read_dims(struct idx *f)
{
    unsigned char dims[4 * HNAS_MAX_RANK];
    hnas_status st = read_exactly(f, dims, 4 * (size_t)f->rank);

    if (st < 0)
        return st;
    f->row_bytes = 1;
    for (int32_t i = 0; i < f->rank; i++) {
        f->dims[i] = big_endian(dims + 4 * i);
        if (f->dims[i] == 0)
            return hn_fail(f->ctx, HNAS_E_FORMAT,
                           "%.300s: axis %d has length 0, want at least 1",
                           f->path, (int)i);
    }
    for (int32_t i = 1; i < f->rank; i++) {
        if (f->dims[i] > largest_bytes / f->row_bytes)
            return fail_size(f, "an image has more than", largest_bytes);
        f->row_bytes *= f->dims[i];
    }
    if (f->dims[0] > INT64_MAX / 2 / f->row_bytes)
        return fail_size(f, "it has more than", INT64_MAX / 2);
    f->n_bytes = f->dims[0] * f->row_bytes;
    return check_size(f);
}

static hnas_status open_idx(struct idx *f, struct hnas_context *ctx,
                            const char *path, int32_t min_rank,
                            int32_t max_rank)
{
    hnas_status st;

    memset(f, 0, sizeof *f);
    f->ctx = ctx;
    f->path = path;
    st = hn_stream_open(&f->stream, ctx, path);
    if (st == HNAS_OK)
        st = read_magic(f, min_rank, max_rank);
    if (st == HNAS_OK)
        st = read_dims(f);
    return st;
}

/* Read on into a block of *size bytes, twice as large or `total`. */
static hnas_status read_step(struct idx *f, unsigned char **block, size_t *size,
                             size_t total)
{
    unsigned char *larger;
    size_t bytes = FIRST_STEP;

    if (*size && hn_size_mul(&bytes, *size, 2))
        bytes = total;
    bytes = bytes < total ? bytes : total;
    larger = hn_alloc(&f->ctx->alloc, bytes);
    if (!larger)
        return hn_fail_nomem(f->ctx, f->path);
    if (*block)
        memcpy(larger, *block, *size);
    hn_free(&f->ctx->alloc, *block);
    *block = larger;
    *size = bytes;
    return HNAS_OK;
}

/* All elements in a block of its own.  Memory follows what was really read,
 * not what the header claims. */
static hnas_status read_elements(struct idx *f, unsigned char **out)
{
    const size_t total = (size_t)f->n_bytes;
    size_t size = 0, got = 0;
    unsigned char *block = NULL, after;
    hnas_status st = HNAS_OK;

    *out = NULL;
    while (size < total && st == HNAS_OK) {
        const size_t before = size;

        st = read_step(f, &block, &size, total);
        if (st == HNAS_OK)
            st = read_exactly(f, block + before, size - before);
    }
    if (st == HNAS_OK)
        st = hn_stream_read(f->stream, &after, 1, &got);
    if (st == HNAS_OK && got > 0)
        st = fail_trailing(f);
    if (st < 0)
        hn_free(&f->ctx->alloc, block);
    else
        *out = block;
    return st;
}

static void release_block(void *user, void *data)
{
    struct hnas_context *ctx = user;

    hn_free(&ctx->alloc, data);
}

static hnas_status read_images(struct hnas_tensor **out, struct idx *f,
                               const int64_t dims[4])
{
    unsigned char *block;
    hnas_array a;
    hnas_status st = read_elements(f, &block);

    if (st < 0)
        return st;
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    a.data = block;
    a.dtype = HNAS_UINT8;
    a.rank = 4;
    memcpy(a.dims, dims, 4 * sizeof *dims);
    a.release = release_block;
    a.release_user = f->ctx;
    st = hnas_tensor_wrap(out, f->ctx, &a);
    if (st < 0)
        hn_free(&f->ctx->alloc, block);
    return st;
}

static hnas_status read_labels(struct hnas_tensor **out, struct idx *f)
{
    unsigned char *block;
    hnas_status st = read_elements(f, &block);

    if (st < 0)
        return st;
    st = hnas_tensor_create(out, f->ctx, HNAS_INT32, 1, f->dims);
    if (st == HNAS_OK)
        st = hnas_tensor_set(*out, HNAS_UINT8, block, f->dims[0]);
    hn_free(&f->ctx->alloc, block);
    return st;
}

/* dims NULL: labels. */
static hnas_status read_contents(struct hn_idx *out, struct idx *f,
                                 const int64_t *dims)
{
    if (!hn_stream_is_gzip(f->stream))
        return hn_file_rows_open(&out->rows, f->ctx, f->path,
                                 hn_stream_take_fd(f->stream), header_bytes(f),
                                 f->row_bytes);
    return dims ? read_images(&out->tensor, f, dims)
                : read_labels(&out->tensor, f);
}

hnas_status hn_idx_open(struct hn_idx *images, struct hn_idx *labels,
                        int64_t dims[4], struct hnas_context *ctx,
                        const char *images_path, const char *labels_path)
{
    struct idx i = {0}, l = {0};
    hnas_status st;

    *images = *labels = (struct hn_idx){NULL, NULL};
    st = open_idx(&i, ctx, images_path, 3, 4);
    if (st == HNAS_OK)
        st = open_idx(&l, ctx, labels_path, 1, 1);
    if (st == HNAS_OK && i.dims[0] != l.dims[0])
        st = hn_fail(ctx, HNAS_E_MISMATCH,
                     "%.200s: %lld labels, want %lld as images in %.200s",
                     labels_path, (long long)l.dims[0], (long long)i.dims[0],
                     images_path);
    if (st == HNAS_OK) {
        dims[0] = i.dims[0];
        dims[1] = i.rank == 4 ? i.dims[1] : 1;
        dims[2] = i.dims[i.rank - 2];
        dims[3] = i.dims[i.rank - 1];
        st = read_contents(images, &i, dims);
    }
    if (st == HNAS_OK)
        st = read_contents(labels, &l, NULL);
    hn_stream_close(i.stream);
    hn_stream_close(l.stream);
    if (st < 0) {
        hn_idx_close(images);
        hn_idx_close(labels);
    }
    return st;
}

void hn_idx_close(struct hn_idx *idx)
{
    hnas_tensor_unref(idx->tensor);
    hn_file_rows_close(idx->rows);
    *idx = (struct hn_idx){NULL, NULL};
}
