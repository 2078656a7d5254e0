/* SPDX-License-Identifier: BSD-3-Clause */
/* A pointwise kernel laid out of tiles of a matrix, T rows by B columns each:
 *
 *     out[o, i] = x[(first + (i / T) ceil(O / B) + o / B) T + i % T, o % B],
 *
 * what hangs over is left out;  dx += dout where it was read. */
#include "func/func.h"
#include "tape/image.h"

struct tiles {
    int64_t first, rows;
};

/* Where column block `block` of input channel i begins in x. */
static int64_t begin_of(const struct hn_node *node, int64_t i, int64_t block)
{
    const struct tiles *t = node->aux;
    const int64_t width = node->in[0]->dim[1];
    const int64_t n_blocks = (node->out->dim[0] + width - 1) / width;
    const int64_t tile = t->first + i / t->rows * n_blocks + block;

    return (tile * t->rows + i % t->rows) * width;
}

static int64_t width_at(const struct hn_node *node, int64_t o)
{
    const int64_t width = node->in[0]->dim[1], left = node->out->dim[0] - o;

    return left < width ? left : width;
}

static hnas_status forward(struct hn_node *node)
{
    struct hnas_tensor *y = node->out;
    const real *x = hn_real(node->in[0]);
    const int64_t width = node->in[0]->dim[1];

    for (int64_t i = 0; i < y->dim[1]; i++) {
        real *row = hn_real(y) + i * y->stride[1];

        for (int64_t o = 0; o < y->dim[0]; o += width) {
            const real *from = x + begin_of(node, i, o / width);

            for (int64_t c = 0; c < width_at(node, o); c++)
                row[o + c] = from[c];
        }
        for (int64_t o = y->dim[0]; o < y->cp; o++)
            row[o] = 0;
    }
    return HNAS_OK;
}

static hnas_status backward(struct hn_node *node)
{
    const struct hnas_tensor *y = node->out;
    const int64_t width = node->in[0]->dim[1];
    const real *g = hn_out_grad(node);
    real *dx = hn_grad_whole(node->in[0]);

    if (!dx || !g)
        return hn_fail_nomem(node->ctx, "gradient of tile");
    for (int64_t i = 0; i < y->dim[1]; i++)
        for (int64_t o = 0; o < y->dim[0]; o += width) {
            real *to = dx + begin_of(node, i, o / width);

            for (int64_t c = 0; c < width_at(node, o); c++)
                to[c] += g[i * y->stride[1] + o + c];
        }
    return HNAS_OK;
}

static hnas_status tangent(struct hnas_tensor **out, struct hn_node *node)
{
    const struct tiles *t = node->aux;

    return hn_tile(out, node->tape, node->in[0]->tangent, t->first, t->rows,
                   node->out->dim[0], node->out->dim[1]);
}

static const struct hn_rule rule = {
    .name = "tile",
    .forward_join = forward,
    .backward_join = backward,
    .tangent = tangent,
};

hnas_status hn_tile(struct hnas_tensor **out, struct hnas_tape *tape,
                    struct hnas_tensor *x, int64_t first, int64_t rows,
                    int64_t n_out, int64_t n_in)
{
    const int64_t dims[4] = {n_out, n_in, 1, 1};
    struct hnas_tensor *in = NULL;
    struct hn_node *node;
    hnas_status st = hn_expect(x, 2, "tile: x [rows, columns]");

    *out = NULL;
    if (st == HNAS_OK)
        st = hn_as_dense(&in, tape, x);
    if (st == HNAS_OK) {
        const struct hn_make make = {
            .rule = &rule,
            .in = &in,
            .n_in = 1,
            .aux_bytes = sizeof(struct tiles),
            .layout = HN_KERNEL,
            .rank = 4,
            .dims = dims,
        };

        st = hn_append(&node, tape, &make);
    }
    if (st == HNAS_OK) {
        *(struct tiles *)node->aux = (struct tiles){first, rows};
        st = hn_finish(out, node);
    }
    hnas_tensor_unref(in);
    return st;
}
