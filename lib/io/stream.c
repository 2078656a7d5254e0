/* SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L
#include "io/stream.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/file.h"

enum { CHUNK_BYTES = 32 << 10, GZIP_ONLY = 16 + MAX_WBITS };

struct hn_stream {
    struct hnas_context *ctx;
    const char *path; /* the caller's */
    int fd;
    int64_t file_bytes;
    int is_gzip;
    int between;  /* gzip: no member has begun, or the last one is whole */
    int inflates; /* z is set up */
    z_stream z;   /* next_in, avail_in: what was read and not used; plain too */
    unsigned char chunk[CHUNK_BYTES];
};

static void *z_take(void *user, unsigned count, unsigned bytes)
{
    return hn_alloc_array(user, count, bytes);
}

static void z_give(void *user, void *memory)
{
    hn_free(user, memory);
}

/* Read the next stretch of the file if the last one is used up. */
static hnas_status fill(struct hn_stream *s)
{
    int64_t n;

    if (s->z.avail_in > 0)
        return HNAS_OK;
    n = hn_file_read(s->fd, s->chunk, sizeof s->chunk);
    if (n < 0)
        return hn_fail_errno(s->ctx, s->path, "can't read", errno);
    s->z.next_in = s->chunk;
    s->z.avail_in = (unsigned)n;
    return HNAS_OK;
}

static hnas_status start(struct hn_stream *s)
{
    hnas_status st = fill(s);

    if (st < 0)
        return st;
    s->is_gzip =
        s->z.avail_in >= 2 && s->chunk[0] == 0x1f && s->chunk[1] == 0x8b;
    if (!s->is_gzip)
        return HNAS_OK;
    s->z.zalloc = z_take;
    s->z.zfree = z_give;
    s->z.opaque = &s->ctx->alloc;
    if (inflateInit2(&s->z, GZIP_ONLY) != Z_OK)
        return hn_fail_nomem(s->ctx, s->path);
    s->inflates = 1;
    s->between = 1;
    return HNAS_OK;
}

hnas_status hn_stream_open(struct hn_stream **out, struct hnas_context *ctx,
                           const char *path)
{
    struct hn_stream *s = hn_zalloc(&ctx->alloc, sizeof *s);
    hnas_status st;

    *out = NULL;
    if (!s)
        return hn_fail_nomem(ctx, path);
    s->ctx = ctx;
    s->path = path;
    st = hn_file_open(&s->fd, &s->file_bytes, ctx, path);
    if (st == HNAS_OK)
        st = start(s);
    if (st < 0)
        hn_stream_close(s);
    else
        *out = s;
    return st;
}

void hn_stream_close(struct hn_stream *stream)
{
    if (!stream)
        return;
    if (stream->inflates)
        inflateEnd(&stream->z);
    if (stream->fd >= 0)
        close(stream->fd);
    hn_free(&stream->ctx->alloc, stream);
}

static hnas_status fail_inflate(struct hn_stream *s, int code)
{
    if (code == Z_MEM_ERROR)
        return hn_fail_nomem(s->ctx, s->path);
    return hn_fail(s->ctx, HNAS_E_FORMAT, "%.300s: damaged gzip data: %s",
                   s->path, s->z.msg ? s->z.msg : "want a gzip member");
}

/* One call of inflate into dst; *end: the file is read to its end. */
static hnas_status inflate_some(struct hn_stream *s, int *end)
{
    hnas_status st = fill(s);
    int code;

    if (st < 0)
        return st;
    if (s->z.avail_in == 0) {
        *end = 1;
        return s->between
                   ? HNAS_OK
                   : hn_fail(s->ctx, HNAS_E_TRUNCATED,
                             "%.300s: the gzip data end too early", s->path);
    }
    s->between = 0;
    code = inflate(&s->z, Z_NO_FLUSH);
    if (code == Z_STREAM_END) { /* another member may follow */
        s->between = 1;
        inflateReset(&s->z);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return fail_inflate(s, code);
    }
    return HNAS_OK;
}

static hnas_status read_gzip(struct hn_stream *s, void *dst, size_t bytes,
                             size_t *got)
{
    unsigned char *p = dst;
    hnas_status st = HNAS_OK;
    int end = 0;

    while (*got < bytes && !end && st == HNAS_OK) {
        const size_t left = bytes - *got;

        s->z.next_out = p + *got;
        s->z.avail_out = left < INT_MAX ? (unsigned)left : INT_MAX;
        st = inflate_some(s, &end);
        *got = (size_t)(s->z.next_out - p);
    }
    return st;
}

static hnas_status read_plain(struct hn_stream *s, void *dst, size_t bytes,
                              size_t *got)
{
    const size_t kept = s->z.avail_in < bytes ? s->z.avail_in : bytes;
    int64_t n;

    memcpy(dst, s->z.next_in, kept);
    s->z.next_in += kept;
    s->z.avail_in -= (unsigned)kept;
    n = hn_file_read(s->fd, (char *)dst + kept, bytes - kept);
    if (n < 0)
        return hn_fail_errno(s->ctx, s->path, "can't read", errno);
    *got = kept + (size_t)n;
    return HNAS_OK;
}

hnas_status hn_stream_read(struct hn_stream *stream, void *dst, size_t bytes,
                           size_t *got)
{
    *got = 0;
    return stream->is_gzip ? read_gzip(stream, dst, bytes, got)
                           : read_plain(stream, dst, bytes, got);
}

int64_t hn_stream_file_bytes(const struct hn_stream *stream)
{
    return stream->file_bytes;
}

int hn_stream_is_gzip(const struct hn_stream *stream)
{
    return stream->is_gzip;
}

int hn_stream_take_fd(struct hn_stream *stream)
{
    const int fd = stream->fd;

    stream->fd = -1;
    return fd;
}
