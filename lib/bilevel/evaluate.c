/* SPDX-License-Identifier: BSD-3-Clause */
/* A search looked at from outside: predictions of the relaxed supernet or of
 * a derived architecture with the supernet's weights. */
#include <string.h>

#include "base/fpmode.h"
#include "bilevel/search.h"
#include "net/supernet.h"

/* The row of an edge, or n_edges. */
static int32_t edge_of(const struct hn_space_kind *space,
                       const hnas_arch_edge *edge)
{
    int32_t e = 0;

    while (e < space->n_edges &&
           (space->from[e] != edge->from || space->to[e] != edge->to))
        e++;
    return e;
}

/* One-hot gates of an architecture. */
static hnas_status arch_gates(struct hnas_search *s, const hnas_arch *arch,
                              hnas_tensor *gates[2])
{
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        const struct hn_search_kind *kind = &s->kind[k];
        const struct hn_space_kind *space = &hn_supernet_space(s->net)->kind[k];
        const int64_t dims[2] = {kind->n_edges, kind->n_ops};
        const hnas_arch_edge *kept = hnas_arch_get_edges(arch, k);
        hnas_status st;

        if (kind->table < 0)
            continue;
        for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, k); i++)
            if (kept[i].op < 0 || kept[i].op >= kind->n_ops ||
                strcmp(kept[i].op_name,
                       hn_supernet_space(s->net)->op_names[kept[i].op]))
                return hn_fail(s->ctx, HNAS_E_MISMATCH,
                               "architecture: operation %s is not number %d "
                               "of this supernet",
                               kept[i].op_name, (int)kept[i].op);
        st = hn_tensor_new(&gates[k], s->ctx, HN_STRIDED, 2, dims);
        if (st < 0)
            return st;
        for (int32_t i = 0; i < hnas_arch_get_edge_count(arch, k); i++) {
            const int32_t e = edge_of(space, &kept[i]);

            if (e == space->n_edges)
                return hn_fail(s->ctx, HNAS_E_MISMATCH,
                               "architecture: edge %d -> %d is not in this "
                               "supernet",
                               (int)kept[i].from, (int)kept[i].to);
            hn_real(gates[k])[e * kind->n_ops + kept[i].op] = 1;
        }
    }
    return HNAS_OK;
}

hnas_status hn_search_logits(hnas_tensor **out, struct hnas_search *s,
                             hnas_tape *tape, hnas_tensor *images,
                             hnas_tensor *const gates[2], int32_t flags,
                             double lambda)
{
    hnas_supernet_pass pass;

    hnas_supernet_pass_init(&pass, sizeof pass);
    pass.gates[0] = gates[0];
    pass.gates[1] = gates[1];
    pass.flags = flags;
    pass.lambda = lambda;
    return hn_supernet_apply(
        out, tape, s->net, images, &pass,
        (const uint8_t *[2]){s->kind[0].left_out, s->kind[1].left_out});
}

static hnas_status forward(struct hnas_search *s, const hnas_arch *arch,
                           double lambda, hnas_tensor *images, int64_t draw,
                           int32_t mode, hnas_tensor **logits)
{
    hnas_tensor *alpha[2] = {NULL, NULL}, *gates[2] = {NULL, NULL};
    const uint64_t saved = hn_fp_enter();
    int32_t flags = 0;
    hnas_status st = hnas_tape_reset(s->tape, mode | HNAS_TAPE_NO_GRADIENT);

    if (arch || s->opts.relax == HNAS_RELAX_GUMBEL_HARD)
        flags = HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY;
    if (st == HNAS_OK)
        st = arch ? arch_gates(s, arch, gates)
                  : hn_search_gates(s, s->tape, lambda, draw, images->dim[0],
                                    alpha, gates);
    if (st == HNAS_OK)
        st = hn_search_logits(logits, s, s->tape, images, gates, flags, lambda);
    for (int k = 0; k < HNAS_N_KINDS; k++) {
        hnas_tensor_unref(alpha[k]);
        hnas_tensor_unref(gates[k]);
    }
    hn_fp_leave(saved);
    return st;
}

static hnas_status check(struct hnas_search *s, hnas_tensor *images,
                         int64_t draw)
{
    const hnas_status st = hn_expect_idle(s->ctx, "search");

    if (st < 0)
        return st;
    if (draw < 0)
        return hn_fail(s->ctx, HNAS_E_RANGE, "draw: %lld, want >= 0",
                       (long long)draw);
    return hn_expect(images, 4, "images [N, C, H, W]");
}

hnas_status hnas_search_predict(hnas_search *search, const hnas_arch *arch,
                                double lambda, hnas_tensor *images,
                                int64_t draw, float *logits, int64_t count)
{
    hnas_tensor *out = NULL;
    hnas_status st;

    if (!search || !images || !logits)
        return hn_fail_null(search ? search->ctx : NULL,
                            "search predict: images or logits");
    st = check(search, images, draw);
    if (st == HNAS_OK)
        st = forward(search, arch, lambda, images, draw,
                     HNAS_TAPE_RUNNING_STATS, &out);
    if (st == HNAS_OK)
        st = hnas_tensor_get(out, HNAS_FLOAT32, logits, count);
    hnas_tensor_unref(out);
    return st;
}

static void begin_calibration(hnas_search *s)
{
    if (!s->calibrating)
        hn_copies_keep(&s->own, s->buffer);
    s->calibrating = 1;
    hn_network_reset_norms(&s->net->network);
}

hnas_status hnas_search_calibrate(hnas_search *search, const hnas_arch *arch,
                                  double lambda, hnas_tensor *images,
                                  int64_t draw, int32_t first)
{
    hnas_tensor *out = NULL;
    uint64_t mode;
    hnas_status st;

    if (!search || !images)
        return hn_fail_null(search ? search->ctx : NULL,
                            "search calibrate: images");
    st = check(search, images, draw);
    if (st == HNAS_OK)
        st = forward(search, arch, lambda, images, draw, 0, &out);
    hnas_tensor_unref(out);
    if (st < 0)
        return st;
    if (first || !search->calibrating)
        begin_calibration(search);
    mode = hn_fp_enter();
    hn_network_calibrate_norms(&search->net->network);
    hn_fp_leave(mode);
    return HNAS_OK;
}

void hnas_search_restore_norms(hnas_search *search)
{
    if (search->calibrating)
        hn_copies_bring_back(&search->own, search->buffer);
    search->calibrating = 0;
}
