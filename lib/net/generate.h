/* SPDX-License-Identifier: BSD-3-Clause */
/* Weights that a network generates instead of storing them: parameters of a
 * hypernetwork stand for them in the list, and every pass records them anew. */
#ifndef HN_NET_GENERATE_H
#define HN_NET_GENERATE_H

#include "hnas/hyper.h"
#include "hnas/net.h"

/* What is generated, and over which range of lambda. */
struct hn_generation {
    int32_t head, kernels; /* HNAS_HEAD_, HNAS_KERNELS_ */
    int32_t knots, scale, embedding;
    double lambda_lo, lambda_hi;
};

struct hn_network;

/* HNAS_E_RANGE names the field that is out of range. */
hnas_status hn_generation_check(struct hnas_context *ctx,
                                const struct hn_generation *g);

/* Whether a pass of the network wants a lambda. */
int hn_network_wants_lambda(const struct hn_network *net);

/* Make the head [classes, head_channels] and [classes], stored or generated. */
hnas_status hn_network_make_head(struct hn_network *net);

/* Make what generates the kernels whose tiles were taken. */
hnas_status hn_network_make_kernels(struct hn_network *net);

/* Record the tiles of a pass at lambda, and forget them after it. */
hnas_status hn_network_begin(struct hn_network *net, hnas_tape *tape,
                             double lambda);
void hn_network_end(struct hn_network *net);

/* Give weight and bias of the head for a pass at lambda: new references. */
hnas_status hn_network_head(hnas_tensor *out[2], hnas_tape *tape,
                            const struct hn_network *net, double lambda);

/* Fill a list that hn_params_init made: what is stored, and what is generated
 * at lambda, under the names of a network that stores all. */
hnas_status hn_network_weights_at(struct hnas_params *list,
                                  struct hn_network *net, double lambda);

/* Count the parameters of generators, and the weights that they stand for. */
void hn_network_count_generated(const struct hn_network *net,
                                int64_t *n_parameters, int64_t *n_weights);

#endif
