/* SPDX-License-Identifier: BSD-3-Clause */
/* The auxiliary head, as in DARTS' published code: its average is a depthwise
 * convolution with equal weights, so ReLU, average and the first convolution
 * are one func. */
#include <math.h>

#include "model/model.h"

enum { WIDTH = 128, FEATURES = 768, WINDOW = 5 };

static hnas_status make_average(struct hn_auxiliary *aux,
                                struct hnas_context *ctx, int64_t channels)
{
    const int64_t k = aux->window, dims[4] = {channels, 1, k, k};
    hnas_status st = hn_tensor_new(&aux->average, ctx, HN_KERNEL, 4, dims);

    for (int64_t c = 0; c < channels && st == HNAS_OK; c++)
        for (int64_t i = 0; i < k * k; i++)
            hn_real(aux->average)[c * aux->average->stride[0] +
                                  i / k * aux->average->stride[2] +
                                  i % k * aux->average->stride[3]] =
                (real)(1.0 / (double)(k * k));
    return st;
}

static hnas_status make_convs(struct hn_auxiliary *aux, int64_t channels)
{
    const int64_t first[4] = {WIDTH, channels, 1, 1};
    const int64_t second[4] = {FEATURES, WIDTH, 2, 2};
    hnas_status st;

    st = hnas_op_builder_weight(&aux->conv[0], &aux->parts, "conv0.weight",
                                first);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&aux->bn[0], &aux->parts, "bn0", WIDTH);
    if (st == HNAS_OK)
        st = hnas_op_builder_weight(&aux->conv[1], &aux->parts, "conv1.weight",
                                    second);
    if (st == HNAS_OK)
        st = hnas_op_builder_norm(&aux->bn[1], &aux->parts, "bn1", FEATURES);
    return st;
}

static hnas_status make_linear(struct hnas_model *m)
{
    const int64_t dims[2] = {m->opts.classes, FEATURES};
    const double bound = 1 / sqrt((double)FEATURES);
    struct hn_auxiliary *aux = &m->aux;
    hnas_status st = hn_tensor_new(&aux->weight, m->ctx, HN_STRIDED, 2, dims);

    if (st == HNAS_OK)
        st = hn_tensor_new(&aux->bias, m->ctx, HN_STRIDED, 1, dims);
    if (st < 0)
        return st;
    hn_fill_uniform(aux->weight, bound, m->net.supply.stream++);
    hn_fill_uniform(aux->bias, bound, m->net.supply.stream++);
    aux->weight->wanted = aux->bias->wanted = 1;
    st = hn_params_add(&m->params, "auxiliary.", "weight", HNAS_PARAM_WEIGHT,
                       aux->weight);
    if (st == HNAS_OK)
        st = hn_params_add(&m->params, "auxiliary.", "bias", HNAS_PARAM_WEIGHT,
                           aux->bias);
    return st;
}

hnas_status hn_auxiliary_make(struct hnas_model *m)
{
    const struct hn_network_cell *c = &m->net.cell[m->net.macro.tap];
    const int64_t side = c->out_size[0], n = c->channels * m->opts.nodes;
    struct hn_auxiliary *aux = &m->aux;
    hnas_status st;

    if (side != c->out_size[1] || side < 2)
        return hn_fail(m->ctx, HNAS_E_UNSUPPORTED,
                       "auxiliary head: images of %lld x %lld behind cell %d, "
                       "want square ones of at least 2 x 2",
                       (long long)side, (long long)c->out_size[1],
                       (int)m->net.macro.tap);
    aux->window = side > WINDOW ? WINDOW : side - 1;
    aux->stride = side - aux->window; /* two windows a side */
    hn_builder_init(&aux->parts, m->ctx, 1, &m->net.supply);
    st = make_average(aux, m->ctx, n);
    if (st == HNAS_OK)
        st = make_convs(aux, n);
    if (st == HNAS_OK)
        st = hn_params_add_all(&m->params, "auxiliary.", &aux->parts.params);
    return st == HNAS_OK ? make_linear(m) : st;
}

void hn_auxiliary_finish(struct hn_auxiliary *aux)
{
    hn_builder_finish(&aux->parts);
    hnas_tensor_unref(aux->average);
    hnas_tensor_unref(aux->weight);
    hnas_tensor_unref(aux->bias);
}

/* The two convolutions, each behind ReLU and before batch-norm. */
static hnas_status apply_convs(hnas_tensor **out, hnas_tape *tape,
                               const struct hn_auxiliary *aux, hnas_tensor *x)
{
    hnas_tensor *z = NULL, *y = NULL, *z1 = NULL;
    hnas_conv_opts opts;
    hnas_status st;

    hnas_conv_opts_init(&opts, sizeof opts);
    opts.stride[0] = opts.stride[1] = aux->stride;
    st = hnas_separable_conv2d(&z, tape, x, aux->average, aux->conv[0], &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(&y, tape, z, aux->bn[0]);
    opts.stride[0] = opts.stride[1] = opts.relu = 1;
    if (st == HNAS_OK)
        st = hnas_conv2d(&z1, tape, y, aux->conv[1], &opts);
    if (st == HNAS_OK)
        st = hnas_batch_norm(out, tape, z1, aux->bn[1]);
    hnas_tensor_unref(z);
    hnas_tensor_unref(y);
    hnas_tensor_unref(z1);
    return st;
}

hnas_status hn_auxiliary_apply(hnas_tensor **out, hnas_tape *tape,
                               const struct hn_auxiliary *aux, hnas_tensor *x)
{
    hnas_tensor *y = NULL, *r = NULL, *pooled = NULL;
    hnas_status st = apply_convs(&y, tape, aux, x);

    if (st == HNAS_OK)
        st = hnas_relu(&r, tape, y);
    if (st == HNAS_OK) /* of one pixel: its channels alone */
        st = hnas_global_avg_pool(&pooled, tape, r);
    if (st == HNAS_OK)
        st = hnas_linear(out, tape, pooled, aux->weight, aux->bias);
    hnas_tensor_unref(y);
    hnas_tensor_unref(r);
    hnas_tensor_unref(pooled);
    return st;
}

void hn_auxiliary_clear_norms(const struct hn_auxiliary *aux)
{
    for (int i = 0; i < 2 && aux->bn[0]; i++)
        hn_norm_clear(aux->bn[i]);
}

hnas_status hn_auxiliary_check_norms(const struct hn_auxiliary *aux,
                                     double momentum, const char *who)
{
    for (int i = 0; i < 2 && aux->bn[0]; i++) {
        const struct hnas_tensor *bad = hn_norm_find_bad(aux->bn[i], momentum);

        if (bad)
            return hn_fail(bad->ctx, HNAS_E_NAN,
                           "%s: auxiliary.bn%d.%s would not be finite", who, i,
                           bad == aux->bn[i]->mean ? "running_mean"
                                                   : "running_var");
    }
    return HNAS_OK;
}

void hn_auxiliary_update_norms(const struct hn_auxiliary *aux, double momentum)
{
    for (int i = 0; i < 2 && aux->bn[0]; i++)
        hnas_norm_update(aux->bn[i], momentum);
}
