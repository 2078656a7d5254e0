/* SPDX-License-Identifier: BSD-3-Clause */
/* Drop path: gates of an image, m / (1 - p) with m = 0 at chance p.  A draw is
 * a function of seed, step, cell, edge and image. */
#include "base/rng.h"
#include "model/model.h"

static int is_identity(const struct hnas_op *op)
{
    return op->table->flags & HNAS_OP_IDENTITY && op->desc.stride == 1;
}

void hn_model_forget_paths(struct hnas_model *m)
{
    for (int32_t i = 0; m->drop && i < m->opts.cells; i++)
        hnas_tensor_unref(m->drop[i]);
    hn_free(&m->ctx->alloc, m->drop);
    m->drop = NULL;
    m->drop_images = 0;
}

static hnas_status make_gates(struct hnas_model *m, int64_t n_images)
{
    hnas_status st = HNAS_OK;

    if (m->drop && m->drop_images == n_images)
        return HNAS_OK;
    hn_model_forget_paths(m);
    m->drop =
        hn_alloc_array(&m->ctx->alloc, (size_t)m->opts.cells, sizeof *m->drop);
    if (!m->drop)
        return hn_fail_nomem(m->ctx, "drop path");
    for (int32_t i = 0; i < m->opts.cells && st == HNAS_OK; i++) {
        const int64_t dims[3] = {n_images, m->net.cell[i].cell->n_edges, 1};

        if (dims[1])
            st = hn_tensor_new(&m->drop[i], m->ctx, HN_STRIDED, 3, dims);
    }
    if (st == HNAS_OK)
        m->drop_images = n_images;
    return st;
}

/* Elements are numbered so that 2^16 edges and 2^24 images have room. */
static void draw(hnas_tensor *gates, const struct hnas_cell *cell,
                 int64_t number, int64_t first, double chance,
                 const struct hn_rng *rng)
{
    const real kept = (real)(1 / (1 - chance));

    for (int64_t n = 0; n < gates->dim[0]; n++)
        for (int64_t e = 0; e < gates->dim[1]; e++) {
            const uint64_t i = ((uint64_t)number << 40) + ((uint64_t)e << 24) +
                               (uint64_t)(first + n);
            real *g = &hn_real(gates)[n * gates->dim[1] + e];

            *g = hn_random_uniform(rng, i) < chance ? 0 : kept;
            if (is_identity(cell->edge[e].op[0]))
                *g = 1;
        }
}

hnas_status hn_model_draw_paths(struct hnas_model *m, int64_t n_images,
                                int64_t first, double chance, int64_t step)
{
    const struct hn_rng rng = {m->seed, (uint64_t)step, HN_DRAW_DROP, 0};
    hnas_status st = make_gates(m, n_images);

    for (int32_t i = 0; i < m->opts.cells && st == HNAS_OK; i++)
        if (m->drop[i])
            draw(m->drop[i], m->net.cell[i].cell, i, first, chance, &rng);
    return st;
}
