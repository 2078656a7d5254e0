/* SPDX-License-Identifier: BSD-3-Clause */
/* Two candidate operations of the host, searched with beside bundled ones.
 *
 *   bottleneck  composed of the library's funcs: ReLU, 1x1 convolution, batch
 *               norm.  Its gradient comes by itself.
 *   soft_sign   y = x / (1 + |x|), computed by the host, with its own
 *               backward: dx = dy / (1 + |x|)^2.  It has no weights.
 */
#include <hnas/hnas.h>

#include <math.h>
#include <stdio.h>

enum { N = 16, SIDE = 8, STEPS = 60 };

/* ---- bottleneck ---- */

struct bottleneck {
    hnas_tensor *weight; /* both borrowed: the builder's owner releases them */
    hnas_norm *norm;
    int64_t channels, stride;
};

static hnas_status bottleneck_create(void **state, hnas_op_builder *builder,
                                     const hnas_op_desc *desc)
{
    const int64_t dims[] = {desc->channels, desc->channels, 1, 1};
    struct bottleneck *b;
    void *memory;
    hnas_status st = hnas_op_builder_alloc(&memory, builder, sizeof *b);

    if (st < 0)
        return st;
    b = memory;
    b->channels = desc->channels;
    b->stride = desc->stride;
    *state = b;
    st = hnas_op_builder_weight(&b->weight, builder, "conv", dims);
    return st < 0
               ? st
               : hnas_op_builder_norm(&b->norm, builder, "bn", desc->channels);
}

static hnas_status bottleneck_apply(hnas_tensor **out, hnas_tape *tape,
                                    void *state, hnas_tensor *x)
{
    const struct bottleneck *b = state;
    hnas_tensor *y = NULL;
    hnas_conv_opts opts;
    hnas_status st;

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.stride[0] = opts.stride[1] = b->stride;
    opts.relu = 1;
    st = hnas_conv2d(&y, tape, x, b->weight, &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, y, b->norm);
    hnas_tensor_unref(y);
    return st;
}

static int64_t out_size(int64_t size, int64_t stride)
{
    return (size + stride - 1) / stride;
}

static void bottleneck_cost(const void *state, int64_t height, int64_t width,
                            hnas_cost *cost)
{
    const struct bottleneck *b = state;
    const int64_t area =
        out_size(height, b->stride) * out_size(width, b->stride);

    cost->params = b->channels * b->channels;
    cost->macs = cost->params * area;
    cost->bytes = 2 * 4 * b->channels * area; /* convolution and norm */
}

static const hnas_op_table bottleneck = {
    .size = sizeof(hnas_op_table),
    .name = "bottleneck",
    .version = 1,
    .create = bottleneck_create,
    .apply = bottleneck_apply,
    .cost = bottleneck_cost,
};

/* ---- soft_sign, at stride 2 of every second pixel ---- */

struct soft_sign {
    int64_t channels, stride;
};

/* Visit all outputs [N, C, H, W] with the offsets of x and y; the arrays may
 * have any strides. */
typedef void (*visit_fn)(float *x, float *y, float *dx, const float *dy);

static float *at(const hnas_array *a, const int64_t i[4], int64_t step)
{
    float *p = a->data;

    if (!p)
        return NULL;
    return p + i[0] * a->strides[0] + i[1] * a->strides[1] +
           i[2] * step * a->strides[2] + i[3] * step * a->strides[3];
}

static void visit(const hnas_array *x, const hnas_array *y,
                  const hnas_array *dx, const hnas_array *dy, int64_t step,
                  visit_fn each)
{
    int64_t i[4];

    for (i[0] = 0; i[0] < y->dims[0]; i[0]++)
        for (i[1] = 0; i[1] < y->dims[1]; i[1]++)
            for (i[2] = 0; i[2] < y->dims[2]; i[2]++)
                for (i[3] = 0; i[3] < y->dims[3]; i[3]++)
                    each(at(x, i, step), at(y, i, 1),
                         dx ? at(dx, i, step) : NULL, dy ? at(dy, i, 1) : NULL);
}

static void soft_sign_of(float *x, float *y, float *dx, const float *dy)
{
    (void)dx;
    (void)dy;
    *y = *x / (1 + fabsf(*x));
}

static void soft_sign_slope(float *x, float *y, float *dx, const float *dy)
{
    const float d = 1 + fabsf(*x);

    (void)y;
    if (dx) /* NULL: nobody wants this input's gradient */
        *dx += *dy / (d * d);
}

static hnas_status forward(void *user, const hnas_array *in, int32_t n_in,
                           const hnas_array *out)
{
    const struct soft_sign *s = user;

    (void)n_in;
    visit(&in[0], out, NULL, NULL, s->stride, soft_sign_of);
    return HNAS_OK;
}

static hnas_status backward(void *user, const hnas_array *in, int32_t n_in,
                            const hnas_array *out, const hnas_array *dout,
                            const hnas_array *din)
{
    const struct soft_sign *s = user;

    (void)n_in;
    visit(&in[0], out, &din[0], dout, s->stride, soft_sign_slope);
    return HNAS_OK;
}

static const hnas_func_table soft_sign_func = {
    sizeof(hnas_func_table), "soft_sign", forward, backward, NULL};

static hnas_status soft_sign_create(void **state, hnas_op_builder *builder,
                                    const hnas_op_desc *desc)
{
    struct soft_sign *s;
    hnas_status st = hnas_op_builder_alloc(state, builder, sizeof *s);

    if (st < 0)
        return st;
    s = *state;
    s->channels = desc->channels;
    s->stride = desc->stride;
    return HNAS_OK;
}

static hnas_status soft_sign_apply(hnas_tensor **out, hnas_tape *tape,
                                   void *state, hnas_tensor *x)
{
    const struct soft_sign *s = state;
    hnas_array a = {.size = sizeof a};
    hnas_shape shape = {.rank = 4};
    hnas_status st = hnas_tensor_get_array(x, &a);

    if (st < 0)
        return st;
    for (int i = 0; i < 4; i++)
        shape.dims[i] = i < 2 ? a.dims[i] : out_size(a.dims[i], s->stride);
    return hnas_func_apply(out, tape, &soft_sign_func, &x, 1, &shape, state);
}

static void soft_sign_cost(const void *state, int64_t height, int64_t width,
                           hnas_cost *cost)
{
    const struct soft_sign *s = state;

    cost->params = 0;
    cost->macs = 0;
    cost->bytes = 4 * s->channels * out_size(height, s->stride) *
                  out_size(width, s->stride);
}

static const hnas_op_table soft_sign = {
    .size = sizeof(hnas_op_table),
    .name = "soft_sign",
    .version = 1,
    .flags = HNAS_OP_SHARED, /* no weights: once a node is enough */
    .create = soft_sign_create,
    .apply = soft_sign_apply,
    .cost = soft_sign_cost,
};

/* ---- a short search among four operations ---- */

static hnas_status create_search(hnas_context *ctx, hnas_supernet **net,
                                 hnas_hyper **hyper, hnas_search **search)
{
    static const char *const ops[] = {"none", "skip_connect", "bottleneck",
                                      "soft_sign"};
    hnas_supernet_opts n;
    hnas_hyper_opts h;
    hnas_search_opts s;
    hnas_status st;

    hnas_supernet_opts_init(&n, sizeof n);
    n.image[1] = n.image[2] = SIDE;
    n.classes = 2;
    n.channels = 4;
    n.cells = 3;
    n.nodes = 2;
    n.n_ops = 4;
    n.ops = ops;
    st = hnas_supernet_create(net, ctx, &n);
    hnas_hyper_opts_init(&h, sizeof h);
    if (st == HNAS_OK) {
        hnas_supernet_fit_hyper(*net, &h);
        st = hnas_hyper_create(hyper, ctx, &h);
    }
    hnas_search_opts_init(&s, sizeof s);
    s.bilevel.total_steps = STEPS;
    return st == HNAS_OK ? hnas_search_create(search, *net, *hyper, &s) : st;
}

/* Images whose left or right half is brighter. */
static hnas_status create_batch(hnas_context *ctx, hnas_batch *batch)
{
    const int64_t dims[] = {N, 1, SIDE, SIDE};
    float pixels[N * SIDE * SIDE];
    int32_t labels[N];
    hnas_status st;

    for (int n = 0; n < N; n++) {
        labels[n] = n % 2;
        for (int i = 0; i < SIDE * SIDE; i++)
            pixels[n * SIDE * SIDE + i] =
                (float)((n * 31 + i * 17) % 23) / 23 - 0.5f +
                (i % SIDE / (SIDE / 2) == labels[n] ? 0.7f : 0);
    }
    st = hnas_tensor_create(&batch->images, ctx, HNAS_FLOAT32, 4, dims);
    if (st == HNAS_OK)
        st = hnas_tensor_set(batch->images, HNAS_FLOAT32, pixels,
                             N * SIDE * SIDE);
    if (st == HNAS_OK)
        st = hnas_tensor_create(&batch->labels, ctx, HNAS_INT32, 1, dims);
    return st == HNAS_OK ? hnas_tensor_set(batch->labels, HNAS_INT32, labels, N)
                         : st;
}

static hnas_status run(hnas_search *search, const hnas_batch *batch)
{
    hnas_step_info info = {0};
    const hnas_arch_edge *edge;
    hnas_arch *arch;
    hnas_status st = HNAS_OK;

    for (int i = 0; i < STEPS && st == HNAS_OK; i++)
        st = hnas_search_step(search, batch, batch, NULL, 0, &info);
    if (st == HNAS_OK)
        st = hnas_search_derive(&arch, search, 1e-2, HNAS_RULE_ARGMAX);
    if (st < 0)
        return st;
    printf("loss %.3f after %d steps; the normal cell at lambda 0.01:\n",
           info.train_loss, (int)info.step);
    edge = hnas_arch_get_edges(arch, HNAS_NORMAL);
    for (int i = 0; i < hnas_arch_get_edge_count(arch, HNAS_NORMAL); i++)
        printf("  %d -> %d  %s\n", (int)edge[i].from, (int)edge[i].to,
               edge[i].op_name);
    hnas_arch_destroy(arch);
    return HNAS_OK;
}

int main(void)
{
    hnas_context *ctx = NULL;
    hnas_supernet *net = NULL;
    hnas_hyper *hyper = NULL;
    hnas_search *search = NULL;
    hnas_batch batch = {NULL, NULL};
    hnas_status st = hnas_context_create(&ctx, NULL);

    if (st == HNAS_OK)
        st = hnas_op_register(ctx, &bottleneck);
    if (st == HNAS_OK)
        st = hnas_op_register(ctx, &soft_sign);
    if (st == HNAS_OK)
        st = create_search(ctx, &net, &hyper, &search);
    if (st == HNAS_OK)
        st = create_batch(ctx, &batch);
    if (st == HNAS_OK)
        st = run(search, &batch);
    if (st < 0)
        fprintf(stderr, "%s: %s\n", hnas_status_name(st),
                ctx ? hnas_context_message(ctx) : "");
    hnas_tensor_unref(batch.images);
    hnas_tensor_unref(batch.labels);
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
    hnas_context_destroy(ctx);
    return st < 0;
}
