/* SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L
#include "io/safetensors.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/json.h"

/* Larger files than this were not written by us. */
static const int64_t largest_bytes = INT64_C(16) << 30;
enum { LENGTH_BYTES = 8 };

/* An entry and the stretch of the buffer it says it has. */
struct stretch {
    size_t begin, end;
    const char *name;
};

struct hn_st_file {
    struct hnas_context *ctx;
    char *path;
    unsigned char *bytes;
    size_t size, header_bytes; /* of all; of the JSON and its padding */
    struct hn_json *json;
    const struct hn_json_value *meta;
    int64_t n_entries;
    struct hn_st_entry *entries; /* by name */
};

static hnas_status fail_entry(const struct hn_st_file *f, const char *name,
                              const char *what)
{
    return hn_fail(f->ctx, HNAS_E_FORMAT, "%.200s: array \"%.100s\": %s",
                   f->path, name, what);
}

/* The header's length, before memory is spent on a file of another kind. */
static hnas_status read_length(struct hn_st_file *f, int fd)
{
    unsigned char bytes[LENGTH_BYTES];
    uint64_t length = 0;
    const int64_t got = hn_file_read(fd, bytes, sizeof bytes);

    if (got < 0)
        return hn_fail_errno(f->ctx, f->path, "can't read", errno);
    if (got < LENGTH_BYTES)
        return hn_fail(f->ctx, HNAS_E_TRUNCATED,
                       "%.300s: %lld bytes, too few for a header", f->path,
                       (long long)got);
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)bytes[i] << 8 * i;
    if (length > HN_JSON_MAX_BYTES || length % 8)
        return hn_fail(f->ctx, HNAS_E_FORMAT,
                       "%.300s: not a safetensors file: it would have a header "
                       "of %llu bytes, want a multiple of 8 up to %d",
                       f->path, (unsigned long long)length,
                       (int)HN_JSON_MAX_BYTES);
    if (length > f->size - LENGTH_BYTES)
        return hn_fail(f->ctx, HNAS_E_TRUNCATED,
                       "%.300s: cut off after %zu bytes, within its header of "
                       "%llu",
                       f->path, f->size, (unsigned long long)length);
    f->header_bytes = (size_t)length;
    f->bytes = hn_alloc(&f->ctx->alloc, f->size);
    if (!f->bytes)
        return hn_fail_nomem(f->ctx, f->path);
    memcpy(f->bytes, bytes, sizeof bytes);
    return HNAS_OK;
}

static hnas_status read_rest(struct hn_st_file *f, int fd)
{
    const size_t rest = f->size - LENGTH_BYTES;
    const int64_t got = hn_file_read(fd, f->bytes + LENGTH_BYTES, rest);

    if (got < 0)
        return hn_fail_errno(f->ctx, f->path, "can't read", errno);
    if ((size_t)got < rest)
        return hn_fail(f->ctx, HNAS_E_TRUNCATED,
                       "%.300s: became shorter while it was read", f->path);
    return hn_json_parse(&f->json, f->ctx, f->path,
                         (const char *)f->bytes + LENGTH_BYTES,
                         f->header_bytes);
}

static hnas_status read_file(struct hn_st_file *f)
{
    int64_t size;
    int fd;
    hnas_status st = hn_file_open(&fd, &size, f->ctx, f->path);

    if (st < 0)
        return st;
    f->size = (size_t)size;
    if (size > largest_bytes || (uint64_t)size > SIZE_MAX / 2)
        st = hn_fail(f->ctx, HNAS_E_LIMIT,
                     "%.300s: %lld bytes, want at most %lld", f->path,
                     (long long)size, (long long)largest_bytes);
    if (st == HNAS_OK)
        st = read_length(f, fd);
    if (st == HNAS_OK)
        st = read_rest(f, fd);
    close(fd);
    return st;
}

/* The checksum's digits in the raw file, or NULL. */
static const unsigned char *find_digits(const struct hn_st_file *f)
{
    const struct hn_json_value *v = hn_json_get(f->meta, "crc32");
    const unsigned char *p;

    if (!v || v->type != HN_JSON_STRING)
        return NULL;
    p = f->bytes + LENGTH_BYTES + hn_json_offset(f->json, v);
    if (f->bytes + f->size - p <= HN_ST_CRC_DIGITS ||
        p[HN_ST_CRC_DIGITS] != '"')
        return NULL;
    for (int i = 0; i < HN_ST_CRC_DIGITS; i++)
        if (!strchr("0123456789abcdef", p[i]) || !p[i])
            return NULL;
    return p;
}

static hnas_status check_crc(struct hn_st_file *f)
{
    const unsigned char *digits, *after;
    uint32_t crc, stated = 0;

    f->meta = hn_json_get(f->json->root, "__metadata__");
    digits = find_digits(f);
    if (!digits)
        return hn_fail(f->ctx, HNAS_E_FORMAT,
                       "%.300s: no checksum, want 8 hex digits under "
                       "__metadata__.crc32",
                       f->path);
    after = digits + HN_ST_CRC_DIGITS;
    crc = hn_st_crc(0, f->bytes, (size_t)(digits - f->bytes));
    crc = hn_st_crc(crc, "00000000", HN_ST_CRC_DIGITS);
    crc = hn_st_crc(crc, after, (size_t)(f->bytes + f->size - after));
    for (const unsigned char *p = digits; p < after; p++)
        stated = stated << 4 | (uint32_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    if (crc != stated)
        return hn_fail(f->ctx, HNAS_E_FORMAT,
                       "%.300s: damaged: checksum %08x, want %08x", f->path,
                       (unsigned)crc, (unsigned)stated);
    return HNAS_OK;
}

static hnas_status check_metadata(const struct hn_st_file *f)
{
    for (const struct hn_json_value *m = f->meta->first; m; m = m->next)
        if (m->type != HN_JSON_STRING)
            return hn_fail(f->ctx, HNAS_E_FORMAT,
                           "%.200s: metadata \"%.100s\": want a text", f->path,
                           m->key);
    return HNAS_OK;
}

/* Integers >= 0 of an array of at most `most`; their number, -1: it is not
 * such an array. */
static int read_integers(int64_t *out, const struct hn_json_value *array,
                         size_t most)
{
    int n = 0;

    if (!array || array->type != HN_JSON_ARRAY || array->count > most)
        return -1;
    for (const struct hn_json_value *v = array->first; v; v = v->next) {
        if (!v->is_integer || v->integer < 0)
            return -1;
        out[n++] = v->integer;
    }
    return n;
}

static hnas_status read_entry(struct hn_st_file *f, struct hn_st_entry *e,
                              struct stretch *s, const struct hn_json_value *v)
{
    const struct hn_json_value *type = hn_json_get(v, "dtype");
    const size_t buffer = LENGTH_BYTES + f->header_bytes;
    int64_t offsets[2];
    size_t bytes;

    e->name = s->name = v->key;
    if (v->type != HN_JSON_OBJECT || v->count != 3 || !type ||
        type->type != HN_JSON_STRING)
        return fail_entry(f, e->name, "want dtype, shape and data_offsets");
    e->dtype = hn_st_type(type->text);
    if (!e->dtype)
        return fail_entry(f, e->name, "dtype, want F32, F64, I32, I64 or U8");
    e->rank = read_integers(e->dims, hn_json_get(v, "shape"), HNAS_MAX_RANK);
    if (hn_st_entry_bytes(&bytes, e))
        return fail_entry(f, e->name, "shape, want at most 4 axes >= 1");
    if (read_integers(offsets, hn_json_get(v, "data_offsets"), 2) != 2)
        return fail_entry(f, e->name, "data_offsets, want two integers");
    if (offsets[0] > offsets[1] ||
        (uint64_t)(offsets[1] - offsets[0]) != bytes ||
        offsets[0] % (int64_t)hn_st_type_bytes(e->dtype))
        return fail_entry(f, e->name,
                          "data_offsets do not fit its shape or alignment");
    if ((uint64_t)offsets[1] > f->size - buffer)
        return fail_entry(f, e->name, "lies beyond the end of the file");
    s->begin = (size_t)offsets[0];
    s->end = (size_t)offsets[1];
    e->data = f->bytes + buffer + s->begin;
    return HNAS_OK;
}

/* Shell's sort by begin. */
static void sort_stretches(struct stretch *s, int64_t n)
{
    for (int64_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (int64_t i = gap; i < n; i++) {
            const struct stretch moved = s[i];
            int64_t j = i;

            for (; j >= gap && s[j - gap].begin > moved.begin; j -= gap)
                s[j] = s[j - gap];
            s[j] = moved;
        }
}

/* The arrays fill the buffer, each byte once. */
static hnas_status check_cover(const struct hn_st_file *f, struct stretch *s)
{
    size_t at = 0;

    sort_stretches(s, f->n_entries);
    for (int64_t i = 0; i < f->n_entries; i++) {
        if (s[i].begin != at)
            return fail_entry(f, s[i].name,
                              s[i].begin < at ? "overlaps another array"
                                              : "leaves a gap before it");
        at = s[i].end;
    }
    if (at != f->size - LENGTH_BYTES - f->header_bytes)
        return hn_fail(f->ctx, HNAS_E_FORMAT,
                       "%.300s: %zu bytes belong to no array", f->path,
                       f->size - LENGTH_BYTES - f->header_bytes - at);
    return HNAS_OK;
}

static hnas_status read_entries(struct hn_st_file *f)
{
    struct hn_allocator *alloc = &f->ctx->alloc;
    const size_t n = f->json->root->count - 1; /* without the metadata */
    struct stretch *s = hn_alloc_array(alloc, n, sizeof *s);
    hnas_status st = HNAS_OK;

    f->entries = hn_alloc_array(alloc, n, sizeof *f->entries);
    if (!s || !f->entries)
        st = hn_fail_nomem(f->ctx, f->path);
    for (const struct hn_json_value *v = f->json->root->first;
         v && st == HNAS_OK; v = v->next) {
        const int64_t i = f->n_entries;

        if (v == f->meta)
            continue;
        st = read_entry(f, &f->entries[i], &s[i], v);
        f->n_entries++;
    }
    if (st == HNAS_OK)
        st = check_cover(f, s);
    hn_free(alloc, s);
    return st;
}

hnas_status hn_st_open(struct hn_st_file **out, struct hnas_context *ctx,
                       const char *path)
{
    struct hn_st_file *f = hn_zalloc(&ctx->alloc, sizeof *f);
    hnas_status st;

    *out = NULL;
    if (!f)
        return hn_fail_nomem(ctx, path);
    f->ctx = ctx;
    f->path = hn_strdup(&ctx->alloc, path);
    st = f->path ? read_file(f) : hn_fail_nomem(ctx, path);
    if (st == HNAS_OK)
        st = check_crc(f);
    if (st == HNAS_OK)
        st = check_metadata(f);
    if (st == HNAS_OK)
        st = read_entries(f);
    if (st < 0)
        hn_st_close(f);
    else
        *out = f;
    return st;
}

void hn_st_close(struct hn_st_file *file)
{
    struct hn_allocator *alloc;

    if (!file)
        return;
    alloc = &file->ctx->alloc;
    hn_json_destroy(file->json);
    hn_free(alloc, file->entries);
    hn_free(alloc, file->bytes);
    hn_free(alloc, file->path);
    hn_free(alloc, file);
}

int64_t hn_st_count(const struct hn_st_file *file)
{
    return file->n_entries;
}

const struct hn_st_entry *hn_st_get(const struct hn_st_file *file, int64_t i)
{
    return &file->entries[i];
}

const struct hn_st_entry *hn_st_find(const struct hn_st_file *file,
                                     const char *name)
{
    int64_t lo = 0, hi = file->n_entries;

    while (lo < hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(name, file->entries[mid].name);

        if (order == 0)
            return &file->entries[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const char *hn_st_meta(const struct hn_st_file *file, const char *key)
{
    const struct hn_json_value *v = hn_json_get(file->meta, key);

    return v ? v->text : NULL;
}

const char *hn_st_path(const struct hn_st_file *file)
{
    return file->path;
}

hnas_status hn_st_load(struct hnas_tensor *tensor,
                       const struct hn_st_file *file, const char *name)
{
    const struct hn_st_entry *e = hn_st_find(file, name);

    if (!e)
        return hn_fail(file->ctx, HNAS_E_FORMAT,
                       "%.200s: array \"%.200s\": not in the file", file->path,
                       name);
    if (e->rank != tensor->rank || e->dtype == HN_ST_INT64 ||
        memcmp(e->dims, tensor->dim, (size_t)e->rank * sizeof e->dims[0]))
        return hn_fail(file->ctx, HNAS_E_MISMATCH,
                       "%.200s: array \"%.200s\": not of the shape wanted "
                       "here",
                       file->path, name);
    return hnas_tensor_set(tensor, e->dtype, e->data,
                           hnas_tensor_get_count(tensor));
}
