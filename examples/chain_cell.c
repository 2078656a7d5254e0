/* SPDX-License-Identifier: BSD-3-Clause */
/* A cell is any directed acyclic graph.  Here: a chain of three nodes, with a
 * choice of operations on each edge and other choices on the last one.
 *
 *     input 0 --> node 1 --> node 2 --> node 3 --> output
 *
 * The gates say how much of each operation an edge takes.  We compute the
 * cell's output for equal gates, and how the sum of its squares depends on
 * every gate. */
#include <hnas/hnas.h>

#include <stdio.h>

enum { N = 2, C = 4, H = 8, W = 8, EDGES = 3, OPS = 3 };

static hnas_context *ctx;

/* Stop the example at the first failure. */
static int check(hnas_status status, const char *what)
{
    if (status >= 0)
        return 0;
    fprintf(stderr, "%s: %s: %s\n", what, hnas_status_name(status),
            hnas_context_message(ctx));
    return 1;
}

static hnas_status create_cell(hnas_cell **cell)
{
    static const char *const wide[] = {"skip_connect", "sep_conv_3x3",
                                       "max_pool_3x3"};
    static const char *const narrow[] = {"none", "skip_connect"};
    static const int32_t outputs[] = {3};
    /* from, to, stride, number of operations, their names; ordered by `to` */
    const hnas_edge edges[EDGES] = {
        {0, 1, 1, 3, wide}, {1, 2, 1, 3, wide}, {2, 3, 1, 2, narrow}};
    const hnas_cell_desc desc = {sizeof desc, 1,     3, C,
                                 EDGES,       edges, 1, outputs};

    return hnas_cell_create(cell, ctx, &desc);
}

/* gates [E, O]: a row an edge; O is the longest list of operations, and what
 * a shorter row holds beyond its own is ignored. */
static hnas_status create_gates(hnas_tensor **gates)
{
    static const float value[EDGES * OPS] = {
        1.f / 3, 1.f / 3, 1.f / 3, 1.f / 3, 1.f / 3, 1.f / 3, 0.5f, 0.5f, 0};
    const int64_t dims[] = {EDGES, OPS};
    hnas_status st = hnas_tensor_create(gates, ctx, HNAS_FLOAT32, 2, dims);

    if (st == HNAS_OK)
        st = hnas_tensor_set(*gates, HNAS_FLOAT32, value, EDGES * OPS);
    return st == HNAS_OK ? hnas_tensor_set_wanted(*gates, 1) : st;
}

static hnas_status create_input(hnas_tensor **x)
{
    const int64_t dims[] = {N, C, H, W};
    float pixels[N * C * H * W];
    hnas_status st = hnas_tensor_create(x, ctx, HNAS_FLOAT32, 4, dims);

    for (int i = 0; i < N * C * H * W; i++)
        pixels[i] = (float)(i * 37 % 101) / 50 - 1;
    return st == HNAS_OK
               ? hnas_tensor_set(*x, HNAS_FLOAT32, pixels, N * C * H * W)
               : st;
}

/* loss = sum of squares of the cell's output */
static hnas_status compute(hnas_tape *tape, hnas_cell *cell, hnas_tensor *x,
                           hnas_tensor *gates, hnas_tensor **loss)
{
    hnas_tensor *out = NULL, *squares = NULL;
    hnas_status st = hnas_cell_apply(&out, tape, cell, &x, gates, 0);

    if (st == HNAS_OK)
        st = hnas_mul(&squares, tape, out, out);
    if (st == HNAS_OK)
        st = hnas_sum(loss, tape, squares);
    if (st == HNAS_OK)
        st = hnas_tape_backward(tape, *loss);
    hnas_tensor_unref(out);
    hnas_tensor_unref(squares);
    return st;
}

static int print(hnas_tensor *loss, hnas_tensor *gates)
{
    float value, slope[EDGES * OPS];

    if (check(hnas_tensor_get(loss, HNAS_FLOAT32, &value, 1), "loss") ||
        check(hnas_tensor_get_gradient(gates, HNAS_FLOAT32, slope, EDGES * OPS),
              "gradient"))
        return 1;
    printf("loss %.4f\n", value);
    for (int e = 0; e < EDGES; e++)
        printf("edge %d -> %d: slopes %9.3f %9.3f %9.3f\n", e, e + 1,
               slope[e * OPS], slope[e * OPS + 1], slope[e * OPS + 2]);
    return !(value > 0);
}

int main(void)
{
    hnas_cell *cell = NULL;
    hnas_tape *tape = NULL;
    hnas_tensor *gates = NULL, *x = NULL, *loss = NULL;
    int bad = check(hnas_context_create(&ctx, NULL), "context") ||
              check(create_cell(&cell), "cell") ||
              check(create_gates(&gates), "gates") ||
              check(create_input(&x), "input") ||
              check(hnas_tape_create(&tape, ctx), "tape") ||
              check(compute(tape, cell, x, gates, &loss), "loss") ||
              print(loss, gates);

    hnas_tensor_unref(loss);
    hnas_tape_destroy(tape);
    hnas_tensor_unref(x);
    hnas_tensor_unref(gates);
    hnas_cell_destroy(cell);
    hnas_context_destroy(ctx);
    return bad;
}
