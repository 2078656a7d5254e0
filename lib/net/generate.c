/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of a network, stored or piecewise in s (DARTS-CC). */
#include "net/generate.h"

#include <math.h>

#include "net/network.h"

static const char *const head_names[2] = {"weight", "bias"};

hnas_status hn_generation_check(struct hnas_context *ctx,
                                const struct hn_generation *g)
{
    if (g->head != HNAS_HEAD_PLAIN && g->head != HNAS_HEAD_GENERATED)
        return hn_fail(ctx, HNAS_E_RANGE, "network: head %d, want HNAS_HEAD_",
                       (int)g->head);
    return HNAS_OK;
}

int hn_network_wants_lambda(const struct hn_network *net)
{
    return net->head_hyper != NULL;
}

/* ---- the head ---- */

static hnas_status store_head(struct hn_network *net, double bound)
{
    const int64_t dims[2] = {net->macro.classes, net->head_channels};
    hnas_status st = HNAS_OK;

    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        st = hn_tensor_new(&net->head[i], net->ctx, HN_STRIDED, 2 - i, dims);
        if (st < 0)
            break;
        hn_fill_uniform(net->head[i], bound, net->stream++);
        net->head[i]->wanted = 1;
        st = hn_params_add(&net->params, "head.", head_names[i],
                           HNAS_PARAM_WEIGHT, net->head[i]);
    }
    return st;
}

/* Every knot starts as a stored head does. */
static hnas_status generate_head(struct hn_network *net, double bound)
{
    const struct hn_generation *g = &net->macro.generation;
    const hnas_params *params;
    hnas_hyper_opts o;
    hnas_status st;

    hnas_hyper_opts_init(&o, sizeof o);
    o.kind = HNAS_HYPER_PIECEWISE;
    o.weights = 1;
    o.knots = g->knots;
    o.scale = g->scale;
    o.lambda_lo = g->lambda_lo;
    o.lambda_hi = g->lambda_hi;
    o.init_std = 0;
    o.n_tables = 2;
    o.names[0] = "head.weight";
    o.names[1] = "head.bias";
    o.rows[0] = net->macro.classes;
    o.rows[1] = 0;
    o.cols[0] = net->head_channels;
    o.cols[1] = net->macro.classes;
    st = hnas_hyper_create(&net->head_hyper, net->ctx, &o);
    if (st < 0)
        return st;
    params = hnas_hyper_get_params(net->head_hyper);
    for (int64_t i = 0; i < params->n; i++)
        hn_fill_uniform(params->entry[i].tensor, bound, net->stream++);
    return hn_params_add_all(&net->params, "", params);
}

hnas_status hn_network_make_head(struct hn_network *net)
{
    const double bound = 1 / sqrt((double)net->head_channels);

    return net->macro.generation.head == HNAS_HEAD_GENERATED
               ? generate_head(net, bound)
               : store_head(net, bound);
}

hnas_status hn_network_head(hnas_tensor *out[2], hnas_tape *tape,
                            const struct hn_network *net, double lambda)
{
    hnas_status st = HNAS_OK;

    out[0] = out[1] = NULL;
    for (int i = 0; i < 2 && st == HNAS_OK; i++) {
        if (net->head_hyper)
            st = hnas_hyper_apply(&out[i], tape, net->head_hyper, i, lambda);
        else
            out[i] = hnas_tensor_ref(net->head[i]);
    }
    return st;
}

/* ---- all weights at a lambda ---- */

static int is_in(const hnas_params *params, const struct hnas_tensor *t)
{
    for (int64_t i = 0; params && i < params->n; i++)
        if (params->entry[i].tensor == t)
            return 1;
    return 0;
}

static hnas_status add_head_at(struct hnas_params *list,
                               const struct hn_network *net, double lambda)
{
    hnas_tensor *head[2];
    hnas_status st = hn_network_head(head, NULL, net, lambda);

    for (int i = 0; i < 2 && st == HNAS_OK; i++)
        st = hn_params_add(list, "head.", head_names[i], HNAS_PARAM_WEIGHT,
                           head[i]);
    hnas_tensor_unref(head[0]);
    hnas_tensor_unref(head[1]);
    return st;
}

hnas_status hn_network_weights_at(struct hnas_params *list,
                                  const struct hn_network *net, double lambda)
{
    const hnas_params *head =
        net->head_hyper ? hnas_hyper_get_params(net->head_hyper) : NULL;
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < net->params.n && st == HNAS_OK; i++) {
        const struct hn_param *e = &net->params.entry[i];

        if (!is_in(head, e->tensor))
            st = hn_params_add(list, "", e->name, e->kind, e->tensor);
    }
    if (st == HNAS_OK && head)
        st = add_head_at(list, net, lambda);
    return st;
}

void hn_network_count_generated(const struct hn_network *net,
                                int64_t *n_parameters, int64_t *n_weights)
{
    *n_parameters = *n_weights = 0;
    if (!net->head_hyper)
        return;
    *n_parameters = hnas_params_get_elements(
        hnas_hyper_get_params(net->head_hyper), HNAS_PARAM_WEIGHT);
    *n_weights = (net->head_channels + 1) * net->macro.classes;
}
