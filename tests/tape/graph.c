/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph.h"

#include <check.h>
#include <string.h>

#include "support/gradcheck.h"

static hnas_tensor *leaf(hnas_context *ctx, int32_t rank, int64_t a, int64_t b,
                         int64_t c, int64_t d)
{
    static struct random r = {5};
    const struct grad_leaf l = {.kind = LEAF_PLAIN,
                                .rank = rank,
                                .dims = {a, b, c, d},
                                .lo = -1,
                                .hi = 1};
    double v[N_VALUES];

    return grad_leaf_make(ctx, &l, &r, v);
}

void net_make(struct net *net, hnas_context *ctx)
{
    const int32_t labels[N] = {0, 3, 1, 2, 0};
    const int64_t n = N;

    net->x = leaf(ctx, 4, N, C, H, W);
    net->stem = leaf(ctx, 4, C, C, 3, 3);
    net->depthwise = leaf(ctx, 4, C, 1, 3, 3);
    net->pointwise = leaf(ctx, 4, C, C, 1, 1);
    net->gates = leaf(ctx, 2, 1, 3, 1, 1);
    net->head = leaf(ctx, 2, K, C, 1, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(hnas_norm_create(&net->norm[i], ctx, C, 1), 0);
    ck_assert_int_eq(hnas_tensor_create(&net->labels, ctx, HNAS_INT32, 1, &n),
                     0);
    ck_assert_int_eq(hnas_tensor_set(net->labels, HNAS_INT32, labels, N), 0);
}

enum { N_LEAVES = 6 };

static void list_leaves(hnas_tensor *list[N_LEAVES], const struct net *net)
{
    list[0] = net->x;
    list[1] = net->stem;
    list[2] = net->depthwise;
    list[3] = net->pointwise;
    list[4] = net->gates;
    list[5] = net->head;
}

void net_drop(struct net *net)
{
    hnas_tensor *list[N_LEAVES];

    list_leaves(list, net);
    for (int i = 0; i < N_LEAVES; i++)
        hnas_tensor_unref(list[i]);
    hnas_tensor_unref(net->labels);
    hnas_norm_destroy(net->norm[0]);
    hnas_norm_destroy(net->norm[1]);
}

void net_clear_gradients(struct net *net)
{
    hnas_tensor *list[N_LEAVES];

    list_leaves(list, net);
    for (int i = 0; i < N_LEAVES; i++)
        hnas_tensor_clear_gradient(list[i]);
}

void net_read_gradients(struct net *net, struct outcome *o)
{
    hnas_tensor *list[N_LEAVES];
    double *at = o->gradient;

    list_leaves(list, net);
    for (int i = 0; i < N_LEAVES; i++) {
        const int64_t n = hnas_tensor_get_count(list[i]);

        ck_assert_int_eq(hnas_tensor_get_gradient(list[i], HNAS_FLOAT64, at, n),
                         0);
        at += n;
    }
}

static hnas_status mix(struct graph *g, hnas_tape *t, struct net *net)
{
    static const int64_t index[3] = {0, 1, 2};
    hnas_tensor *in[3] = {g->u, g->pool, g->u};

    return hnas_mix(&g->y, t, in, 3, net->gates, index);
}

hnas_status graph_step(struct graph *g, int i, hnas_tape *t, struct net *net)
{
    hnas_conv_opts o;

    hnas_conv_opts_init(&o, sizeof o);
    o.pad[0] = o.pad[1] = 1;
    switch (i) {
    case 0:
        return hnas_conv2d(&g->z, t, net->x, net->stem, &o);
    case 1:
        return hnas_batch_norm(&g->v, t, g->z, net->norm[0]);
    case 2:
        return hnas_separable_conv2d(&g->s, t, g->v, net->depthwise,
                                     net->pointwise, &o);
    case 3:
        return hnas_batch_norm(&g->u, t, g->s, net->norm[1]);
    case 4:
        return hnas_max_pool_3x3(&g->pool, t, g->s, 1);
    case 5:
        return mix(g, t, net);
    case 6:
        return hnas_global_avg_pool(&g->flat, t, g->y);
    case 7:
        return hnas_linear(&g->logits, t, g->flat, net->head, NULL);
    default:
        return hnas_cross_entropy(&g->loss, t, g->logits, net->labels);
    }
}

hnas_status graph_record(struct graph *g, hnas_tape *t, struct net *net)
{
    hnas_status st = HNAS_OK;

    memset(g, 0, sizeof *g);
    for (int i = 0; i < N_STEPS && st == HNAS_OK; i++)
        st = graph_step(g, i, t, net);
    return st;
}

void graph_drop(struct graph *g)
{
    hnas_tensor_unref(g->z);
    hnas_tensor_unref(g->v);
    hnas_tensor_unref(g->s);
    hnas_tensor_unref(g->u);
    hnas_tensor_unref(g->pool);
    hnas_tensor_unref(g->y);
    hnas_tensor_unref(g->flat);
    hnas_tensor_unref(g->logits);
    hnas_tensor_unref(g->loss);
    memset(g, 0, sizeof *g);
}
