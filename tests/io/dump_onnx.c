/* SPDX-License-Identifier: BSD-3-Clause */
/* A network of an architecture file, as ONNX, with what it answers to random
 * images:  dump_onnx ARCH PREFIX C H W CELLS CHANNELS AFFINE IMAGES  writes
 * PREFIX.onnx and, as float32, PREFIX.images and PREFIX.logits. */
#include <hnas/hnas.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, BATCH = 50, MOST_TEXT = 1 << 16 };

static hnas_context *ctx;

static void check(hnas_status status)
{
    if (status == HNAS_OK)
        return;
    fprintf(stderr, "dump_onnx: %s\n", hnas_context_message(ctx));
    exit(1);
}

/* Uniform in -1..1. */
static float noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 40) / (1 << 23) - 1);
}

static hnas_arch *read_arch(const char *path)
{
    static char text[MOST_TEXT];
    FILE *f = fopen(path, "rb");
    hnas_arch *arch;

    if (!f)
        exit(1);
    check(hnas_arch_read(&arch, ctx, text, fread(text, 1, MOST_TEXT, f)));
    fclose(f);
    return arch;
}

/* Batch-norm as after a training: every number its own, no variance 0. */
static void stir(const hnas_model *model)
{
    const hnas_params *p = hnas_model_get_params(model);
    uint64_t state = 7;

    for (int64_t i = 0; i < hnas_params_get_count(p); i++) {
        const char *name = hnas_params_get_name(p, i);
        hnas_tensor *t = hnas_params_get_tensor(p, i);
        const int64_t n = hnas_tensor_get_count(t);
        float *v = malloc((size_t)n * sizeof *v);

        if (!v)
            exit(1);
        check(hnas_tensor_get(t, HNAS_FLOAT32, v, n));
        for (int64_t k = 0; k < n && strstr(name, "bn"); k++)
            v[k] += strstr(name, "var") ? 0.1f * (2 + noise(&state))
                                        : 0.3f * noise(&state);
        check(hnas_tensor_set(t, HNAS_FLOAT32, v, n));
        free(v);
    }
}

static hnas_tensor *wrap(float *images, const hnas_model_opts *o)
{
    const int64_t dims[4] = {BATCH, o->image[0], o->image[1], o->image[2]};
    hnas_tensor *t;

    check(hnas_tensor_create(&t, ctx, HNAS_FLOAT32, 4, dims));
    check(hnas_tensor_set(t, HNAS_FLOAT32, images, hnas_tensor_get_count(t)));
    return t;
}

static void write_floats(const char *prefix, const char *suffix,
                         const float *data, size_t n)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof path, "%.900s.%s", prefix, suffix);
    f = fopen(path, "wb");
    if (!f || fwrite(data, sizeof *data, n, f) != n || fclose(f))
        exit(1);
}

/* n images in batches. */
static void answer(hnas_model *model, const hnas_model_opts *o, float *images,
                   float *logits, int64_t n)
{
    const int64_t size = o->image[0] * o->image[1] * o->image[2];

    for (int64_t i = 0; i < n; i += BATCH) {
        hnas_tensor *t = wrap(images + i * size, o);

        if (i == 0) {
            check(hnas_model_calibrate(model, t, 1));
            stir(model);
        }
        check(hnas_model_predict(model, t, logits + i * CLASSES,
                                 BATCH * CLASSES));
        hnas_tensor_unref(t);
    }
}

int main(int argc, char **argv)
{
    hnas_model_opts o;
    hnas_model *model;
    hnas_arch *arch;
    float *images, *logits;
    uint64_t state = 1;
    char path[1024];
    size_t size, n;

    if (argc != 10 || hnas_context_create(&ctx, NULL) < 0)
        return 1;
    arch = read_arch(argv[1]);
    hnas_model_opts_init(&o, sizeof o);
    for (int a = 0; a < 3; a++)
        o.image[a] = atoi(argv[3 + a]);
    o.cells = atoi(argv[6]);
    o.channels = atoi(argv[7]);
    o.affine = atoi(argv[8]);
    o.auxiliary = o.affine && o.image[1] == o.image[2] && o.image[1] > 8;
    o.nodes = hnas_arch_get_node_count(arch, HNAS_REDUCE);
    n = (size_t)atoi(argv[9]);
    size = (size_t)(o.image[0] * o.image[1] * o.image[2]);
    check(hnas_model_create(&model, ctx, arch, &o));
    images = malloc(n * size * sizeof *images);
    logits = malloc(n * CLASSES * sizeof *logits);
    if (!images || !logits || n % BATCH)
        return 1;
    for (size_t i = 0; i < n * size; i++)
        images[i] = noise(&state);
    answer(model, &o, images, logits, (int64_t)n);
    snprintf(path, sizeof path, "%.900s.onnx", argv[2]);
    check(hnas_model_save_onnx(model, path));
    write_floats(argv[2], "images", images, n * size);
    write_floats(argv[2], "logits", logits, n * CLASSES);
    free(images);
    free(logits);
    hnas_model_destroy(model);
    hnas_arch_destroy(arch);
    hnas_context_destroy(ctx);
    return 0;
}
