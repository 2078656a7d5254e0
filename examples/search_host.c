/* SPDX-License-Identifier: BSD-3-Clause */
/* A search driven by its host, on the host's own arrays, step by step.
 *
 * The task: tell a bright horizontal bar from a vertical one in 8 x 8 images
 * with noise.  The library never sees a file; it reads the batches where
 * they lie in our memory. */
#include <hnas/hnas.h>

#include <stdio.h>

enum { N = 32, SIDE = 8, STEPS = 60 };

/* What a search is made of.  The context comes first and goes last. */
struct host {
    hnas_context *ctx;
    hnas_supernet *net;
    hnas_hyper *hyper;
    hnas_search *search;
    hnas_batch train, valid;
    float pixels[2][N * SIDE * SIDE]; /* training, validation */
    int32_t labels[2][N];
    uint32_t noise;
};

/* ---- the host's data ---- */

static float next_noise(struct host *h)
{
    h->noise = h->noise * 1664525u + 1013904223u;
    return (float)(h->noise >> 8) / (float)(1 << 24) - 0.5f;
}

static void fill(struct host *h, int which)
{
    for (int n = 0; n < N; n++) {
        float *image = h->pixels[which] + n * SIDE * SIDE;
        const int label = next_noise(h) > 0;
        const int at = (int)((next_noise(h) + 0.5f) * SIDE);

        for (int i = 0; i < SIDE * SIDE; i++)
            image[i] = next_noise(h);
        for (int i = 0; i < SIDE; i++)
            image[label ? i * SIDE + at : at * SIDE + i] += 1;
        h->labels[which][n] = label;
    }
}

/* Wrapped, not copied: what we write into the arrays later is what the next
 * step reads. */
static hnas_status wrap(struct host *h, int which, hnas_batch *batch)
{
    hnas_array images = {.size = sizeof images,
                         .data = h->pixels[which],
                         .dtype = HNAS_FLOAT32,
                         .rank = 4,
                         .dims = {N, 1, SIDE, SIDE}};
    hnas_array labels = {.size = sizeof labels,
                         .data = h->labels[which],
                         .dtype = HNAS_INT32,
                         .rank = 1,
                         .dims = {N}};
    hnas_status st = hnas_tensor_wrap(&batch->images, h->ctx, &images);

    return st == HNAS_OK ? hnas_tensor_wrap(&batch->labels, h->ctx, &labels)
                         : st;
}

/* ---- the parts of the search ---- */

static hnas_status create_net(struct host *h)
{
    hnas_supernet_opts opts;

    hnas_supernet_opts_init(&opts, sizeof opts);
    opts.image[1] = opts.image[2] = SIDE;
    opts.classes = 2;
    opts.channels = 4;
    opts.cells = 3;
    opts.nodes = 2;
    return hnas_supernet_create(&h->net, h->ctx, &opts);
}

/* One table of architecture parameters a kind of cell: edges x operations. */
static hnas_status create_hyper(struct host *h)
{
    hnas_hyper_opts opts;

    hnas_hyper_opts_init(&opts, sizeof opts);
    hnas_supernet_fit_hyper(h->net, &opts);
    return hnas_hyper_create(&h->hyper, h->ctx, &opts);
}

static hnas_status create(struct host *h)
{
    hnas_search_opts opts;
    hnas_status st = hnas_context_create(&h->ctx, NULL);

    hnas_search_opts_init(&opts, sizeof opts); /* the preset "default" */
    opts.bilevel.total_steps = STEPS;
    if (st == HNAS_OK)
        st = create_net(h);
    if (st == HNAS_OK)
        st = create_hyper(h);
    if (st == HNAS_OK)
        st = hnas_search_create(&h->search, h->net, h->hyper, &opts);
    if (st == HNAS_OK)
        st = wrap(h, 0, &h->train);
    return st == HNAS_OK ? wrap(h, 1, &h->valid) : st;
}

static void destroy(struct host *h)
{
    hnas_tensor_unref(h->train.images);
    hnas_tensor_unref(h->train.labels);
    hnas_tensor_unref(h->valid.images);
    hnas_tensor_unref(h->valid.labels);
    hnas_search_destroy(h->search);
    hnas_hyper_destroy(h->hyper);
    hnas_supernet_destroy(h->net);
    hnas_context_destroy(h->ctx);
}

/* ---- the host's loop ---- */

static hnas_status run(struct host *h)
{
    for (int i = 0; i < STEPS; i++) {
        hnas_step_info info;
        hnas_status st;

        fill(h, 0); /* a new batch for each step */
        fill(h, 1);
        st = hnas_search_step(h->search, &h->train, &h->valid, NULL, 0, &info);
        if (st < 0)
            return st;
        if (i % 20 == 19)
            printf("step %d: loss %.3f at lambda %.2g\n", (int)info.step,
                   info.train_loss, info.lambda);
    }
    return HNAS_OK;
}

/* The architecture at a lambda: no training, one evaluation of the lines. */
static hnas_status query(struct host *h, double lambda)
{
    const hnas_arch_edge *edge;
    hnas_cost total, fixed;
    hnas_arch *arch;
    hnas_status st =
        hnas_search_derive(&arch, h->search, lambda, HNAS_RULE_ARGMAX);

    if (st < 0)
        return st;
    hnas_arch_get_cost(arch, &total, &fixed);
    printf("lambda %g: %lld parameters; normal cell:", lambda,
           (long long)total.params);
    edge = hnas_arch_get_edges(arch, HNAS_NORMAL);
    for (int i = 0; i < hnas_arch_get_edge_count(arch, HNAS_NORMAL); i++)
        printf(" %d->%d %s", (int)edge[i].from, (int)edge[i].to,
               edge[i].op_name);
    printf("\n");
    hnas_arch_destroy(arch);
    return HNAS_OK;
}

int main(void)
{
    static struct host h;
    hnas_status st = create(&h);

    if (st == HNAS_OK)
        st = run(&h);
    if (st == HNAS_OK)
        st = query(&h, 1e-4);
    if (st == HNAS_OK)
        st = query(&h, 1e-1);
    if (st < 0)
        fprintf(stderr, "%s: %s\n", hnas_status_name(st),
                h.ctx ? hnas_context_message(h.ctx) : "");
    destroy(&h);
    return st < 0;
}
