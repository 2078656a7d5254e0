/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/rows.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

/* What is read at a time where rows are asked for in order. */
enum { BLOCK_BYTES = 64 << 10 };

struct hn_file_rows {
    struct hnas_context *ctx;
    char *path;
    int fd;
    int64_t first, row_bytes;
    int64_t n_block;      /* rows that the block has room for */
    int64_t at, n_held;   /* the rows in it: at .. at + n_held - 1 */
    unsigned char *block; /* [n_block, row_bytes] */
};

hnas_status hn_file_rows_open(struct hn_file_rows **out,
                              struct hnas_context *ctx, const char *path,
                              int fd, int64_t first, int64_t row_bytes)
{
    const size_t path_bytes = strlen(path) + 1;
    struct hn_file_rows *r = hn_zalloc(&ctx->alloc, sizeof *r);

    *out = NULL;
    if (!r) {
        close(fd);
        return hn_fail_nomem(ctx, path);
    }
    r->ctx = ctx;
    r->fd = fd;
    r->first = first;
    r->row_bytes = row_bytes;
    r->n_block = row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1;
    r->path = hn_alloc(&ctx->alloc, path_bytes);
    r->block =
        hn_alloc_array(&ctx->alloc, (size_t)r->n_block, (size_t)row_bytes);
    if (!r->path || !r->block) {
        hn_file_rows_close(r);
        return hn_fail_nomem(ctx, path);
    }
    memcpy(r->path, path, path_bytes);
    *out = r;
    return HNAS_OK;
}

void hn_file_rows_close(struct hn_file_rows *rows)
{
    if (!rows)
        return;
    close(rows->fd);
    hn_free(&rows->ctx->alloc, rows->block);
    hn_free(&rows->ctx->alloc, rows->path);
    hn_free(&rows->ctx->alloc, rows);
}

/* Fill the block with `n` rows from `index` on, or as many whole ones as the
 * file has. */
static hnas_status fill(struct hn_file_rows *r, int64_t index, int64_t n)
{
    const int64_t from = r->first + index * r->row_bytes;
    const int64_t got =
        hn_file_read_at(r->fd, r->block, (size_t)(n * r->row_bytes), from);

    r->n_held = 0;
    if (got < 0)
        return hn_fail_errno(r->ctx, r->path, "can't read", errno);
    if (got < r->row_bytes)
        return hn_fail(r->ctx, HNAS_E_TRUNCATED,
                       "%.300s: it became shorter while it was in use: %lld "
                       "bytes from byte %lld on, want %lld",
                       r->path, (long long)got, (long long)from,
                       (long long)r->row_bytes);
    r->at = index;
    r->n_held = got / r->row_bytes;
    return HNAS_OK;
}

hnas_status hn_file_rows_get(struct hn_file_rows *rows, int64_t index,
                             const unsigned char **row)
{
    struct hn_file_rows *r = rows;
    const int follows = index == r->at + r->n_held;
    hnas_status st = HNAS_OK;

    *row = NULL;
    if (index < r->at || index >= r->at + r->n_held)
        st = fill(r, index, follows ? r->n_block : 1);
    if (st == HNAS_OK)
        *row = r->block + (index - r->at) * r->row_bytes;
    return st;
}
