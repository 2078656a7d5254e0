/* SPDX-License-Identifier: BSD-3-Clause */
/* A step of a tiny search, the same instructions on every run: one
 * thread, no BLIS, no kernels above a given level.
 *
 *     tiny_step c|avx2 first|second_fd|hard
 *
 * instructions.py counts what runs inside hnas_search_step.  Ends with 77 if
 * the CPU lacks the level. */
#include <hnas/hnas.h>

#include <stdio.h>
#include <string.h>

enum { N = 2, SIDE = 9, SKIPPED = 77 };

struct tiny {
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch batch;
    float pixels[N * SIDE * SIDE];
    int32_t labels[N];
};

static hnas_status create_net(struct tiny *t, const hnas_preset *preset)
{
    hnas_supernet_opts opts;

    hnas_supernet_opts_init(&opts, sizeof opts);
    opts.image[1] = opts.image[2] = SIDE;
    opts.channels = 16;
    opts.cells = 3;
    opts.nodes = 2;
    opts.n_ops = preset->n_ops;
    opts.ops = preset->ops;
    return hnas_supernet_create(&t->net, t->ctx, &opts);
}

static hnas_status create_hyper(struct tiny *t, hnas_hyper_opts *opts)
{
    static const char *const names[] = {"normal", "reduce"};

    opts->n_tables = HNAS_N_KINDS;
    for (int kind = 0; kind < HNAS_N_KINDS; kind++) {
        int32_t n_cells, n_edges, n_ops;

        hnas_supernet_get_kind(t->net, kind, &n_cells, &n_edges, &n_ops);
        opts->names[kind] = names[kind];
        opts->rows[kind] = n_edges;
        opts->cols[kind] = n_ops;
    }
    return hnas_hyper_create(&t->hyper, t->ctx, opts);
}

static hnas_status create_batch(struct tiny *t)
{
    hnas_array images = {.size = sizeof images,
                         .data = t->pixels,
                         .dtype = HNAS_FLOAT32,
                         .rank = 4,
                         .dims = {N, 1, SIDE, SIDE}};
    hnas_array labels = {.size = sizeof labels,
                         .data = t->labels,
                         .dtype = HNAS_INT32,
                         .rank = 1,
                         .dims = {N}};
    uint32_t state = 1;
    hnas_status st;

    for (int i = 0; i < N * SIDE * SIDE; i++) {
        state = state * 1664525u + 1013904223u;
        t->pixels[i] = (float)(state >> 8) / (float)(1 << 23) - 1;
    }
    for (int i = 0; i < N; i++)
        t->labels[i] = i % 10;
    st = hnas_tensor_wrap(&t->batch.images, t->ctx, &images);
    return st == HNAS_OK ? hnas_tensor_wrap(&t->batch.labels, t->ctx, &labels)
                         : st;
}

static hnas_status create(struct tiny *t, const char *what)
{
    const char *name = strcmp(what, "hard") ? "darts_cc" : "default";
    hnas_preset preset;
    hnas_status st = hnas_preset_find(&preset, sizeof preset, t->ctx, name);

    preset.search.bilevel.order =
        strcmp(what, "second_fd") ? HNAS_ORDER_FIRST : HNAS_ORDER_SECOND_FD;
    preset.search.bilevel.warmup = 0;
    if (st == HNAS_OK)
        st = create_net(t, &preset);
    if (st == HNAS_OK)
        st = create_hyper(t, &preset.hyper);
    if (st == HNAS_OK)
        st = hnas_search_create(&t->search, t->net, t->hyper, &preset.search);
    return st == HNAS_OK ? create_batch(t) : st;
}

static void destroy(struct tiny *t)
{
    hnas_tensor_unref(t->batch.images);
    hnas_tensor_unref(t->batch.labels);
    hnas_search_destroy(t->search);
    hnas_hyper_destroy(t->hyper);
    hnas_supernet_destroy(t->net);
    hnas_context_destroy(t->ctx);
}

static hnas_status run(struct tiny *t)
{
    hnas_step_info info;
    const hnas_status st =
        hnas_search_step(t->search, &t->batch, &t->batch, NULL, 0, &info);

    if (st == HNAS_OK)
        printf("loss %.9g\n", info.train_loss);
    return st;
}

int main(int argc, char **argv)
{
    static struct tiny t;
    hnas_context_opts opts;
    hnas_status st;

    if (argc != 3)
        return 2;
    hnas_context_opts_init(&opts, sizeof opts);
    opts.n_threads = 1;
    opts.gemm = HNAS_GEMM_BUILTIN;
    opts.cpu_mask = strcmp(argv[1], "c") ? HNAS_CPU_AVX2 : 0;
    st = hnas_context_create(&t.ctx, &opts);
    if (st == HNAS_OK && strcmp(hnas_context_get_kernels(t.ctx), argv[1])) {
        hnas_context_destroy(t.ctx);
        return SKIPPED;
    }
    if (st == HNAS_OK)
        st = create(&t, argv[2]);
    if (st == HNAS_OK)
        st = run(&t);
    if (st < 0)
        fprintf(stderr, "tiny_step: %s\n",
                t.ctx ? hnas_context_message(t.ctx) : hnas_status_name(st));
    destroy(&t);
    return st < 0;
}
