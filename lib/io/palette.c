/* SPDX-License-Identifier: BSD-3-Clause */
/* Contrast of each colour to the text in it and to its page is at least
 * 4.5:1 (WCAG 2, level AA). */
#include "io/palette.h"

#include <string.h>

static const char *const bundled[] = {
    "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3",
    "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3", "dil_conv_5x5",
    "conv_7x1_1x7", "none"};
enum { N_BUNDLED = sizeof bundled / sizeof *bundled };

const struct hn_colour hn_palette[HN_N_COLOURS] = {
    {"#23734a", "#6fd79a"},                         /* pools: green */
    {"#5a7116", "#b6d455"}, {"#5f6b7a", "#b4bfcc"}, /* identity: grey */
    {"#2166ac", "#7cbcf7"}, /* separable: blue to violet */
    {"#4338ca", "#a9a8ff"}, {"#7c22ce", "#d0a6ff"},
    {"#a8480a", "#f8b062"},                         /* dilated: orange, red */
    {"#b51d2a", "#ff8f8a"}, {"#a3157f", "#f79fe0"}, /* factorized: magenta */
    {"#6b7280", "#9aa3af"},                         /* none */
    {"#0f6e69", "#5fdccb"},                         /* a host's */
    {"#7a5200", "#e6c24a"}, {"#9d174d", "#f9a8c9"},
    {"#155e75", "#67dff0"},
};

int32_t hn_palette_find(const char *op_name)
{
    uint32_t hash = 0;

    for (int32_t i = 0; i < N_BUNDLED; i++)
        if (!strcmp(bundled[i], op_name))
            return i;
    for (const char *p = op_name; *p; p++)
        hash = hash * 31 + (unsigned char)*p;
    return N_BUNDLED + (int32_t)(hash % (HN_N_COLOURS - N_BUNDLED));
}

/* An architecture may name operations that its context does not know. */
static int is_zero(const struct hnas_context *ctx, const char *name)
{
    for (int64_t i = 0; i < hnas_op_get_count(ctx); i++)
        if (!strcmp(hnas_op_get(ctx, i)->name, name))
            return (hnas_op_get(ctx, i)->flags & HNAS_OP_ZERO) != 0;
    return !strcmp(name, "none");
}

hnas_status hn_drawing_init(struct hn_drawing *d, const hnas_arch *arch,
                            int32_t kind)
{
    struct hn_allocator *a = &arch->ctx->alloc;

    d->n_nodes = hnas_arch_get_node_count(arch, kind);
    d->n_edges = hnas_arch_get_edge_count(arch, kind);
    d->edge = hnas_arch_get_edges(arch, kind);
    d->state = hn_alloc_array(a, (size_t)d->n_edges, 1);
    d->alive = hn_alloc_array(a, (size_t)d->n_nodes + 2, 1);
    if (!d->state || !d->alive)
        return hn_fail_nomem(arch->ctx, "picture");
    d->alive[0] = d->alive[1] = 1;
    for (int32_t i = 0; i < d->n_edges; i++) { /* sources come first */
        const hnas_arch_edge *e = &d->edge[i];

        d->state[i] = HN_EDGE_LIVE;
        if (is_zero(arch->ctx, e->op_name))
            d->state[i] = HN_EDGE_ZERO;
        else if (!d->alive[e->from])
            d->state[i] = HN_EDGE_DEAD;
        else
            d->alive[e->to] = 1;
    }
    return HNAS_OK;
}

void hn_drawing_finish(struct hn_drawing *d, struct hnas_context *ctx)
{
    hn_free(&ctx->alloc, d->state);
    hn_free(&ctx->alloc, d->alive);
}
