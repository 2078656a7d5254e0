/* SPDX-License-Identifier: BSD-3-Clause */
/* A small network of every manner of gradient: two branches of batch-norm,
 * one read by a rectifier, both mixed; a pool; a head. */
#ifndef HN_TESTS_TAPE_GRAPH_H
#define HN_TESTS_TAPE_GRAPH_H

#include "hnas/hnas.h"

enum { N = 5, C = 3, H = 6, W = 7, K = 4, N_VALUES = N * C * H * W };

/* Its leaves. */
struct net {
    hnas_tensor *x, *labels, *stem, *depthwise, *pointwise, *gates, *head;
    hnas_norm *norm[2];
};

/* What is recorded of it. */
struct graph {
    hnas_tensor *z, *v, *s, *u, *pool, *y, *flat, *logits, *loss;
};

/* The loss and all gradients of one run. */
enum { N_GRADIENTS = N_VALUES + C * C * 9 + C * 9 + C * C + 3 + K * C };
struct outcome {
    double loss, gradient[N_GRADIENTS];
};

void net_make(struct net *net, hnas_context *ctx);
void net_drop(struct net *net);
void net_clear_gradients(struct net *net);
void net_read_gradients(struct net *net, struct outcome *o);

/* Record step i of the graph, 0 .. N_STEPS - 1. */
enum { N_STEPS = 9 };
hnas_status graph_step(struct graph *g, int i, hnas_tape *t, struct net *net);

/* All steps, up to the first that fails. */
hnas_status graph_record(struct graph *g, hnas_tape *t, struct net *net);
void graph_drop(struct graph *g);

#endif
