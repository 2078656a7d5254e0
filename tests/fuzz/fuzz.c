/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "support/memory.h"

enum { IMAGE_MOST = 1 << 16 };

static size_t allowed = 32 << 20, most = 32 << 20, taken;
static hnas_context *shared;
static size_t held_before;
static int files[2] = {-1, -1};

void fuzz_expect(int is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not as expected: %s\n", what);
    abort();
}

void fuzz_bound(size_t bytes)
{
    allowed = most = bytes;
}

static void *bounded_alloc(void *user, size_t bytes, size_t alignment)
{
    void *p;

    (void)user;
    if (bytes > most || taken + bytes > most)
        return NULL;
    p = aligned_alloc(alignment, bytes);
    taken += p ? bytes : 0;
    return p;
}

static void bounded_free(void *user, void *memory, size_t bytes)
{
    (void)user;
    taken -= bytes;
    free(memory);
}

void fuzz_context_opts(hnas_context_opts *o)
{
    hnas_context_opts_init(o, sizeof *o);
    o->alloc = bounded_alloc;
    o->free = bounded_free;
    o->cpu_mask = 0;
    o->gemm = HNAS_GEMM_BUILTIN;
    o->n_threads = 1; /* nets so small that waking another takes longest */
    o->seed = 5;
}

/* The context's tape for funcs without one stays from its first use on. */
static void use_own_tape(hnas_context *ctx)
{
    const int64_t one = 1;
    hnas_tensor *x = NULL, *y = NULL;

    fuzz_expect(hnas_tensor_create(&x, ctx, HNAS_FLOAT32, 1, &one) == HNAS_OK &&
                    hnas_sum(&y, NULL, x) == HNAS_OK,
                "a sum");
    hnas_tensor_unref(x);
    hnas_tensor_unref(y);
}

hnas_context *fuzz_context(void)
{
    hnas_context_opts o;

    if (shared)
        return shared;
    fuzz_context_opts(&o);
    fuzz_expect(hnas_context_create(&shared, &o) == HNAS_OK, "context");
    use_own_tape(shared);
    return shared;
}

void fuzz_check(hnas_status st, const void *object)
{
    const char *message = hnas_context_message(shared);

    fuzz_expect(!object == (st < 0), "an object or a failure");
    fuzz_expect(strcmp(hnas_status_name(st), "HNAS_UNKNOWN") != 0,
                "a known status");
    fuzz_expect(st >= 0 || message[0], "a message");
    fuzz_expect(!strchr(message, '\n'), "one line");
}

void fuzz_begin(void)
{
    held_before = held_bytes(fuzz_context());
    most = taken + allowed; /* what the context keeps does not count */
}

void fuzz_end(void)
{
    fuzz_expect(held_bytes(shared) == held_before, "nothing leaked");
}

const char *fuzz_file(int which, const void *data, size_t bytes)
{
    static char path[2][32];

    if (files[which] < 0)
        files[which] = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_expect(files[which] >= 0 && ftruncate(files[which], 0) == 0 &&
                    pwrite(files[which], data, bytes, 0) == (ssize_t)bytes,
                "a file in memory");
    snprintf(path[which], sizeof path[which], "/proc/self/fd/%d", files[which]);
    return path[which];
}

static uint64_t header_bytes(const uint8_t *file)
{
    uint64_t n = 0;

    for (int i = 7; i >= 0; i--)
        n = n << 8 | file[i];
    return n;
}

/* Leave a good file's header where run.sh asks for it. */
static void write_seed(const uint8_t *file)
{
    const char *path = getenv("HNAS_FUZZ_SEED");
    FILE *f = path ? fopen(path, "wb") : NULL;

    if (!f)
        return;
    fwrite(file + 8, 1, (size_t)header_bytes(file), f);
    fclose(f);
}

uint8_t *fuzz_saved(size_t *bytes, hnas_status (*save)(const char *, void *),
                    void *user)
{
    char folder[] = "/tmp/hnas-fuzz-XXXXXX", path[64];
    uint8_t *data;
    FILE *f;
    long n;

    fuzz_expect(mkdtemp(folder) != NULL, "a folder");
    snprintf(path, sizeof path, "%s/file", folder);
    fuzz_expect(save(path, user) == HNAS_OK, "saved");
    f = fopen(path, "rb");
    fuzz_expect(f && fseek(f, 0, SEEK_END) == 0, "a file");
    n = ftell(f);
    rewind(f);
    data = malloc((size_t)n);
    fuzz_expect(data && fread(data, 1, (size_t)n, f) == (size_t)n, "its bytes");
    fclose(f);
    remove(path);
    rmdir(folder);
    write_seed(data);
    *bytes = (size_t)n;
    return data;
}

hnas_supernet *fuzz_net(hnas_context *ctx)
{
    static const char *const ops[] = {"none", "skip_connect", "sep_conv_3x3"};
    hnas_supernet *net = NULL;
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 4;
    o.classes = 2;
    o.channels = o.stem_multiplier = 1;
    o.cells = 1;
    o.nodes = 2;
    o.ops = ops;
    o.n_ops = 3;
    fuzz_expect(hnas_supernet_create(&net, ctx, &o) == HNAS_OK, "a net");
    return net;
}

hnas_hyper *fuzz_hyper(hnas_supernet *net, hnas_context *ctx)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper *hyper = NULL;
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(net, k, &n_cells, &n_edges, &n_ops);
        if (!n_cells)
            continue;
        o.names[o.n_tables] = names[k];
        o.rows[o.n_tables] = n_edges;
        o.cols[o.n_tables++] = n_ops;
    }
    fuzz_expect(hnas_hyper_create(&hyper, ctx, &o) == HNAS_OK,
                "a hypernetwork");
    return hyper;
}

void fuzz_batch(hnas_batch *batch, hnas_context *ctx, const int64_t image[3],
                int64_t n, int64_t classes)
{
    const int64_t dims[4] = {n, image[0], image[1], image[2]};
    const int64_t count = n * image[0] * image[1] * image[2];
    static float pixel[IMAGE_MOST];
    int32_t label[8];

    memset(batch, 0, sizeof *batch);
    if (n > 8 || count > IMAGE_MOST)
        return;
    for (int64_t i = 0; i < count; i++)
        pixel[i] = (float)(i * 37 % 19) / 9 - 1;
    for (int64_t i = 0; i < n; i++)
        label[i] = (int32_t)(i % classes);
    if (hnas_tensor_create(&batch->images, ctx, HNAS_FLOAT32, 4, dims) < 0 ||
        hnas_tensor_create(&batch->labels, ctx, HNAS_INT32, 1, dims) < 0) {
        fuzz_batch_finish(batch);
        return;
    }
    hnas_tensor_set(batch->images, HNAS_FLOAT32, pixel, count);
    hnas_tensor_set(batch->labels, HNAS_INT32, label, n);
}

void fuzz_batch_finish(hnas_batch *batch)
{
    hnas_tensor_unref(batch->images);
    hnas_tensor_unref(batch->labels);
    memset(batch, 0, sizeof *batch);
}

void fuzz_seal(uint8_t *file, size_t bytes)
{
    static const char key[] = "\"crc32\": \"";
    uint8_t *digits = memmem(file, bytes, key, sizeof key - 1);
    char text[9];

    if (!digits || (size_t)(digits - file) + sizeof key + 8 > bytes)
        return;
    digits += sizeof key - 1;
    memcpy(digits, "00000000", 8);
    snprintf(text, sizeof text, "%08x",
             (unsigned)crc32_z(crc32_z(0, NULL, 0), file, bytes));
    memcpy(digits, text, 8);
}

const char *fuzz_forge(const uint8_t *data, size_t size, const uint8_t *good,
                       size_t n_good)
{
    const size_t skip = 8 + (size_t)header_bytes(good), n_tail = n_good - skip;
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    const size_t n_text = end ? (size_t)(end - data) : size;
    const size_t n_header = (n_text + 7) / 8 * 8;
    uint8_t *file = malloc(8 + n_header + n_tail);
    uint8_t *tail = file + 8 + n_header;
    const char *path;

    fuzz_expect(file != NULL, "memory");
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)n_header >> 8 * i);
    memset(file + 8, ' ', n_header);
    if (n_text)
        memcpy(file + 8, data, n_text);
    memcpy(tail, good + skip, n_tail);
    for (size_t i = n_text + 1; i + 3 <= size && n_tail; i += 3)
        tail[(size_t)(data[i] << 8 | data[i + 1]) % n_tail] = data[i + 2];
    fuzz_seal(file, 8 + n_header + n_tail);
    path = fuzz_file(0, file, 8 + n_header + n_tail);
    free(file);
    return path;
}
