/* SPDX-License-Identifier: BSD-3-Clause */
#define _XOPEN_SOURCE 700
#include "world.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static const char *const bundled[] = {"none", "skip_connect", "max_pool_3x3",
                                      "sep_conv_3x3"};
static const char *const *op_names = bundled;
static int32_t n_op_names = 4;

const char *fault_path(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    if (!folder[0]) {
        /* in memory where there is such a folder: thousands of files */
        const int is_memory = access("/dev/shm", W_OK) == 0;

        snprintf(folder, sizeof folder, "%s/hnas-faults-XXXXXX",
                 is_memory ? "/dev/shm" : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    snprintf(path, sizeof paths[0], "%s/%.150s", folder, name);
    return path;
}

static int each_file(int removes)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    while (dir && (e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (removes)
            remove(fault_path(e->d_name));
    }
    if (dir)
        closedir(dir);
    return n;
}

int fault_count_files(void)
{
    return each_file(0);
}

void fault_clean(void)
{
    each_file(1);
    if (folder[0])
        rmdir(folder);
    folder[0] = '\0';
}

void life_set_ops(const char *const *ops, int32_t n_ops)
{
    op_names = ops ? ops : bundled;
    n_op_names = ops ? n_ops : 4;
}

void life_opts(hnas_context_opts *o, struct life *l)
{
    countdown_opts(o, &l->hooks);
    o->seed = 3;
    o->gemm = HNAS_GEMM_BUILTIN;
}

hnas_status life_context(struct life *l)
{
    const struct countdown armed = l->hooks;
    hnas_context_opts o;

    life_opts(&o, l);
    l->hooks = armed;
    return hnas_context_create(&l->ctx, &o);
}

static void fill(float *pixels, int32_t *labels)
{
    uint32_t noise = 7;

    for (int i = 0; i < FAULT_IMAGES * FAULT_SIDE * FAULT_SIDE; i++) {
        noise = noise * 1664525u + 1013904223u;
        pixels[i] = (float)(noise >> 8) / (float)(1 << 23) - 1;
    }
    for (int i = 0; i < FAULT_IMAGES; i++)
        labels[i] = i % FAULT_CLASSES;
}

hnas_status life_batch(struct life *l)
{
    const int64_t dims[4] = {FAULT_IMAGES, 1, FAULT_SIDE, FAULT_SIDE};
    float pixels[FAULT_IMAGES * FAULT_SIDE * FAULT_SIDE];
    int32_t labels[FAULT_IMAGES];
    hnas_status st =
        hnas_tensor_create(&l->batch.images, l->ctx, HNAS_FLOAT32, 4, dims);

    if (st == HNAS_OK)
        st = hnas_tensor_create(&l->batch.labels, l->ctx, HNAS_INT32, 1, dims);
    fill(pixels, labels);
    if (st == HNAS_OK)
        st = hnas_tensor_set(l->batch.images, HNAS_FLOAT32, pixels,
                             FAULT_IMAGES * FAULT_SIDE * FAULT_SIDE);
    if (st == HNAS_OK)
        st = hnas_tensor_set(l->batch.labels, HNAS_INT32, labels, FAULT_IMAGES);
    if (st < 0) {
        hnas_tensor_unref(l->batch.images);
        hnas_tensor_unref(l->batch.labels);
        memset(&l->batch, 0, sizeof l->batch);
    }
    return st;
}

hnas_status life_net(struct life *l)
{
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = FAULT_SIDE;
    o.classes = FAULT_CLASSES;
    o.channels = 2;
    o.cells = 2;
    o.nodes = 1;
    o.stem_multiplier = 1;
    o.ops = op_names;
    o.n_ops = n_op_names;
    return hnas_supernet_create(&l->net, l->ctx, &o);
}

hnas_status life_hyper(struct life *l)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper_opts o;

    hnas_hyper_opts_init(&o, sizeof o);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(l->net, k, &n_cells, &n_edges, &n_ops);
        if (!n_cells)
            continue;
        o.names[o.n_tables] = names[k];
        o.rows[o.n_tables] = n_edges;
        o.cols[o.n_tables++] = n_ops;
    }
    return hnas_hyper_create(&l->hyper, l->ctx, &o);
}

hnas_status life_search(struct life *l)
{
    hnas_search_opts o;

    hnas_search_opts_init(&o, sizeof o);
    o.bilevel.total_steps = 60;
    o.bilevel.warmup = 0; /* alpha moves from the first step on */
    return hnas_search_create(&l->search, l->net, l->hyper, &o);
}

hnas_status life_step(struct life *l)
{
    return hnas_search_step(l->search, &l->batch, &l->batch, NULL, 0, NULL);
}

hnas_status life_model(struct life *l)
{
    hnas_model_opts o;
    hnas_status st;

    hnas_model_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = FAULT_SIDE;
    o.classes = FAULT_CLASSES;
    o.channels = 2;
    o.cells = 2;
    o.nodes = 1;
    o.stem_multiplier = 1;
    st = hnas_model_create(&l->model, l->ctx, l->arch, &o);
    ck_assert(!l->model == (st < 0));
    return st;
}

void life_open(struct life *l, int32_t n_threads)
{
    life_open_within(l, n_threads, 0);
}

void life_open_within(struct life *l, int32_t n_threads, size_t limit_bytes)
{
    hnas_context_opts o;

    memset(l, 0, sizeof *l);
    life_opts(&o, l);
    o.n_threads = n_threads;
    o.memory_limit = limit_bytes;
    ck_assert_int_eq(hnas_context_create(&l->ctx, &o), HNAS_OK);
    ck_assert_int_eq(life_batch(l), HNAS_OK);
    ck_assert_int_eq(life_net(l), HNAS_OK);
    ck_assert_int_eq(life_hyper(l), HNAS_OK);
    ck_assert_int_eq(life_search(l), HNAS_OK);
}

void life_close(struct life *l)
{
    hnas_predictor_destroy(l->predictor);
    hnas_set_destroy(l->set);
    hnas_model_destroy(l->model);
    hnas_path_destroy(l->path);
    hnas_arch_destroy(l->arch);
    hnas_search_destroy(l->search);
    hnas_hyper_destroy(l->hyper);
    hnas_supernet_destroy(l->net);
    hnas_tensor_unref(l->batch.images);
    hnas_tensor_unref(l->batch.labels);
    hnas_context_destroy(l->ctx);
    ck_assert_int_eq(l->hooks.n_live, 0);
    memset(l, 0, sizeof *l);
}

uint64_t params_sum(const hnas_params *params)
{
    uint64_t sum = 14695981039346656037u;

    for (int64_t i = 0; i < hnas_params_get_count(params); i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);
        const int64_t n = hnas_tensor_get_count(t);
        float *value = malloc((size_t)n * sizeof *value);

        ck_assert_ptr_nonnull(value);
        ck_assert_int_eq(hnas_tensor_get(t, HNAS_FLOAT32, value, n), HNAS_OK);
        for (size_t b = 0; b < (size_t)n * sizeof *value; b++)
            sum = (sum ^ ((unsigned char *)value)[b]) * 1099511628211u;
        free(value);
    }
    return sum;
}

uint64_t life_sum(const struct life *l)
{
    if (!l->search)
        return 0;
    return params_sum(
               hnas_supernet_get_params(hnas_search_get_net(l->search))) ^
           3 * params_sum(
                   hnas_hyper_get_params(hnas_search_get_hyper(l->search))) ^
           (uint64_t)hnas_search_get_steps(l->search);
}
