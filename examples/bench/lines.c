/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/lines.h"

#include <stdlib.h>
#include <string.h>

/* Uniform in [-1, 1): xorshift64*. */
static float next_number(struct lines *l)
{
    l->state ^= l->state >> 12;
    l->state ^= l->state << 25;
    l->state ^= l->state >> 27;
    return (float)((l->state * 2685821657736338717u) >> 40) / 8388608.0f - 1;
}

hnas_status lines_fill(struct lines *l)
{
    const hnas_params *params = hnas_hyper_get_params(l->hyper);
    hnas_status st = HNAS_OK;

    for (int64_t i = 0; i < hnas_params_get_count(params) && st >= 0; i++) {
        hnas_tensor *t = hnas_params_get_tensor(params, i);
        const int64_t n = hnas_tensor_get_count(t);
        float *value = malloc((size_t)n * sizeof *value);

        for (int64_t j = 0; j < n && value; j++)
            value[j] = next_number(l);
        st = value ? hnas_tensor_set(t, HNAS_FLOAT32, value, n) : HNAS_E_NOMEM;
        free(value);
    }
    return st;
}

hnas_status lines_create(struct lines *l, const struct bench *b,
                         hnas_path_opts *path)
{
    hnas_preset preset;
    hnas_hyper_opts *h = &preset.hyper;
    hnas_supernet_opts o;
    hnas_status st =
        hnas_preset_find(&preset, sizeof preset, l->ctx, b->preset);

    if (st < 0)
        return st;
    bench_take_range(&preset, b);
    hnas_path_opts_init(path, sizeof *path);
    path->rule = b->rule >= 0 ? b->rule : preset.search.rule;
    path->theta = 0.55; /* sigmoids of [-1, 1] */
    l->state = (uint64_t)b->seed * 2 + 88172645463325252u;
    hnas_supernet_opts_init(&o, sizeof o);
    memcpy(o.image, b->dims, sizeof o.image);
    o.classes = b->classes;
    o.channels = b->channels;
    o.cells = (int32_t)b->cells;
    o.nodes = (int32_t)b->nodes;
    o.n_ops = preset.n_ops;
    o.ops = preset.ops;
    st = hnas_supernet_create(&l->net, l->ctx, &o);
    if (st < 0)
        return st;
    hnas_supernet_fit_hyper(l->net, h);
    st = hnas_hyper_create(&l->hyper, l->ctx, h);
    return st < 0 ? st : lines_fill(l);
}

void lines_destroy(struct lines *l)
{
    hnas_hyper_destroy(l->hyper);
    hnas_supernet_destroy(l->net);
    hnas_context_destroy(l->ctx);
}
