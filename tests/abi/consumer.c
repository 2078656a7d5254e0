/* SPDX-License-Identifier: BSD-3-Clause */
/* A program outside the tree: one forward pass of a small supernet. */
#include <hnas/hnas.h>
#include <stdio.h>
#include <string.h>

enum { N = 2, SIDE = 8, CLASSES = 3 };

static int failed(hnas_context *ctx, const char *what, hnas_status st)
{
    if (st >= 0)
        return 0;
    fprintf(stderr, "%s: %s: %s\n", what, hnas_status_name(st),
            hnas_context_message(ctx));
    return 1;
}

/* Gates of a kind, all 1 / O; NULL for a kind without cell. */
static hnas_status make_gates(hnas_tensor **out, hnas_context *ctx,
                              const hnas_supernet *net, int32_t kind)
{
    static float value[4096];
    int32_t n_cells, n_edges, n_ops;
    int64_t dims[2];
    hnas_status st;

    *out = NULL;
    hnas_supernet_get_kind(net, kind, &n_cells, &n_edges, &n_ops);
    if (n_cells == 0)
        return HNAS_OK;
    dims[0] = n_edges;
    dims[1] = n_ops;
    for (int32_t i = 0; i < n_edges * n_ops; i++)
        value[i] = 1.0f / (float)n_ops;
    st = hnas_tensor_create(out, ctx, HNAS_FLOAT32, 2, dims);
    return st < 0
               ? st
               : hnas_tensor_set(*out, HNAS_FLOAT32, value, dims[0] * dims[1]);
}

static int run(hnas_context *ctx, hnas_supernet *net, hnas_tape *tape,
               double *sum)
{
    const int64_t dims[4] = {N, 1, SIDE, SIDE};
    hnas_tensor *x = NULL, *y = NULL, *gates[2] = {NULL, NULL};
    float pixels[N * SIDE * SIDE], logits[N * CLASSES];
    hnas_status st = hnas_tensor_create(&x, ctx, HNAS_FLOAT32, 4, dims);

    for (int i = 0; i < N * SIDE * SIDE; i++)
        pixels[i] = (float)(i % 7) - 3.0f;
    if (st >= 0)
        st = hnas_tensor_set(x, HNAS_FLOAT32, pixels, N * SIDE * SIDE);
    for (int32_t k = 0; k < HNAS_N_KINDS && st >= 0; k++)
        st = make_gates(&gates[k], ctx, net, k);
    if (st >= 0)
        st = hnas_supernet_apply(&y, tape, net, x, gates, 0);
    if (st >= 0)
        st = hnas_tensor_get(y, HNAS_FLOAT32, logits, N * CLASSES);
    for (int i = 0; i < N * CLASSES && st >= 0; i++)
        *sum += logits[i];
    hnas_tensor_unref(y);
    hnas_tensor_unref(x);
    hnas_tensor_unref(gates[0]);
    hnas_tensor_unref(gates[1]);
    return failed(ctx, "forward", st);
}

int main(void)
{
    hnas_context *ctx = NULL;
    hnas_supernet *net = NULL;
    hnas_tape *tape = NULL;
    hnas_supernet_opts opts;
    double sum = 0;
    int bad;

    if (hnas_abi() != HNAS_ABI || hnas_context_create(&ctx, NULL) < 0)
        return 1;
    hnas_supernet_opts_init(&opts, sizeof opts);
    opts.image[1] = opts.image[2] = SIDE;
    opts.classes = CLASSES;
    opts.channels = 4;
    opts.cells = 3;
    opts.nodes = 2;
    bad = failed(ctx, "net", hnas_supernet_create(&net, ctx, &opts)) ||
          failed(ctx, "tape", hnas_tape_create(&tape, ctx)) ||
          run(ctx, net, tape, &sum);
    hnas_tape_destroy(tape);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
    if (!bad)
        printf("%s %.4f\n", hnas_version(), sum);
    return bad;
}
