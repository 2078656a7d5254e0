/* SPDX-License-Identifier: BSD-3-Clause */
/* A cell on the tape, source node by source node: all that reads a node is
 * recorded together, so that the tape runs it while the node is in cache. */
#include <string.h>

#include "func/func.h"
#include "net/cell.h"

struct pass {
    struct hnas_cell *cell;
    struct hnas_tape *tape;
    struct hnas_tensor *gates;
    int32_t flags;
    const uint8_t *left_out;    /* [edges * ops], or NULL */
    struct hnas_tensor **value; /* [nodes]; NULL: known to be zeros */
    struct hnas_tensor **term;  /* [edges * ops]: what edges deliver */
    int64_t shape[4];           /* of intermediate nodes, from the first */
};

/* A hard gate's constant value; soft gates count as on. */
static int is_on(const struct pass *p, int32_t e, int32_t o)
{
    const struct hnas_tensor *g = p->gates;

    if (!(p->flags & HNAS_CELL_HARD))
        return 1;
    return hn_real(g)[e * g->stride[0] + o * g->stride[1]] != 0;
}

/* What this operation gave for an earlier edge from the same node. */
static struct hnas_tensor *find_done(const struct pass *p, int32_t e,
                                     const struct hnas_op *op)
{
    const struct hnas_cell *cell = p->cell;

    for (int32_t d = 0; d < e; d++)
        for (int32_t o = 0; o < cell->edge[d].n_ops; o++)
            if (cell->edge[d].op[o] == op && p->term[d * cell->n_ops + o])
                return p->term[d * cell->n_ops + o];
    return NULL;
}

static hnas_status apply_edge(struct pass *p, int32_t e)
{
    const struct hn_cell_edge *edge = &p->cell->edge[e];
    struct hnas_tensor *x = p->value[edge->from];
    hnas_status st = HNAS_OK;

    for (int32_t o = 0; o < edge->n_ops && st == HNAS_OK; o++) {
        struct hnas_op *op = edge->op[o];
        struct hnas_tensor **term = &p->term[e * p->cell->n_ops + o];

        if (op->table->flags & HNAS_OP_ZERO)
            continue;
        if ((p->flags & HNAS_CELL_DRAWN_ONLY) && !is_on(p, e, o))
            continue;
        if (p->left_out && p->left_out[e * p->cell->n_ops + o])
            continue;
        *term = hnas_tensor_ref(find_done(p, e, op));
        if (!*term)
            st = hnas_op_apply(term, p->tape, op, x);
    }
    return st;
}

/* Where the caller does not say it: intermediate nodes are as large as an
 * edge's stride leaves its source. */
static void set_shape(struct pass *p, const struct hn_cell_edge *edge)
{
    const struct hnas_tensor *x = p->value[edge->from];
    const int64_t s = edge->op[0]->desc.stride;

    p->shape[0] = x->dim[0];
    p->shape[1] = x->dim[1];
    p->shape[2] = (x->dim[2] + s - 1) / s;
    p->shape[3] = (x->dim[3] + s - 1) / s;
}

static hnas_status apply_node(struct pass *p, int32_t node)
{
    const struct hnas_cell *cell = p->cell;
    const size_t most = (size_t)(cell->n_edges * cell->n_ops);
    struct hnas_tensor **x = hn_tape_take(p->tape, most * sizeof *x);
    int64_t *index = hn_tape_take(p->tape, most * sizeof *index), n = 0;
    uint8_t *idle = hn_tape_take(p->tape, most);
    hnas_status st = HNAS_OK;

    if (!x || !index || !idle)
        st = hn_fail_nomem(cell->ctx, "cell");
    for (int32_t e = 0; e < cell->n_edges && st == HNAS_OK; e++)
        for (int32_t o = 0; o < cell->edge[e].n_ops; o++) {
            if (cell->edge[e].to != node || !p->term[e * cell->n_ops + o])
                continue;
            x[n] = p->term[e * cell->n_ops + o];
            index[n] = e * cell->n_ops + o;
            idle[n] = (uint8_t)!is_on(p, e, o);
            n++;
        }
    if (n && st == HNAS_OK)
        st = hn_mix(&p->value[node], p->tape, x, n, p->gates, index, idle);
    return st;
}

/* All edges that leave a node. */
static hnas_status apply_edges(struct pass *p, int32_t node)
{
    const struct hnas_cell *cell = p->cell;
    hnas_status st = HNAS_OK;

    hn_group_begin(p->tape);
    for (int32_t e = 0; e < cell->n_edges && st == HNAS_OK; e++) {
        if (cell->edge[e].from != node)
            continue;
        if (!p->shape[0])
            set_shape(p, &cell->edge[e]);
        st = apply_edge(p, e);
    }
    hn_group_end(p->tape);
    return st;
}

static hnas_status run(struct pass *p)
{
    const struct hnas_cell *cell = p->cell;
    hnas_status st = HNAS_OK;

    for (int32_t v = 0; v < cell->n_inputs + cell->n_nodes; v++) {
        if (v >= cell->n_inputs)
            st = apply_node(p, v);
        if (st < 0)
            return st;
        if (p->value[v])
            st = apply_edges(p, v);
        if (st < 0)
            return st;
    }
    return st;
}

static hnas_status concatenate(struct hnas_tensor **out, struct pass *p)
{
    const struct hnas_cell *cell = p->cell;
    struct hnas_tensor **x =
        hn_tape_take(p->tape, (size_t)cell->n_outputs * sizeof *x);
    hnas_status st = x ? HNAS_OK : hn_fail_nomem(cell->ctx, "cell");

    for (int32_t i = 0; i < cell->n_outputs && st == HNAS_OK; i++) {
        struct hnas_tensor **v = &p->value[cell->output[i]];

        if (!*v) /* a node without input is zeros */
            st = hn_zeros(v, cell->ctx, p->tape, p->shape);
        x[i] = *v;
    }
    if (st == HNAS_OK)
        st = hnas_concat(out, p->tape, x, cell->n_outputs);
    return st;
}

static hnas_status check(const struct hnas_cell *cell,
                         hnas_tensor *const *inputs, hnas_tensor *gates,
                         int32_t flags, int has_shape)
{
    const int32_t known = HNAS_CELL_HARD | HNAS_CELL_DRAWN_ONLY;
    const int32_t per_image = gates && gates->rank == 3;
    hnas_status st = HNAS_OK;

    if (flags & ~known)
        return hn_fail(cell->ctx, HNAS_E_RANGE,
                       "cell: flags 0x%x, want HNAS_CELL_", (unsigned)flags);
    for (int32_t i = 0; i < cell->n_inputs && st == HNAS_OK; i++)
        if (inputs[i] || !has_shape)
            st = hn_expect(inputs[i], 4, "cell: input [N, C, H, W]");
    if (!cell->n_edges)
        return st;
    if (st == HNAS_OK)
        st = hn_expect(gates, per_image ? 3 : 2, "cell: gates [E, O]");
    if (st < 0)
        return st;
    if (gates->dim[per_image] != cell->n_edges ||
        gates->dim[1 + per_image] != cell->n_ops)
        return hn_fail(cell->ctx, HNAS_E_SHAPE,
                       "cell: gates of %lld x %lld, want %d x %d",
                       (long long)gates->dim[per_image],
                       (long long)gates->dim[1 + per_image], (int)cell->n_edges,
                       (int)cell->n_ops);
    if ((flags & HNAS_CELL_HARD) && per_image)
        return hn_fail(cell->ctx, HNAS_E_UNSUPPORTED,
                       "cell: hard gates an image; draw them a step");
    return HNAS_OK;
}

static hnas_status prepare(struct pass *p, hnas_tensor *const *inputs)
{
    const struct hnas_cell *cell = p->cell;
    const struct hnas_tensor *g = p->gates;
    const size_t n_terms = (size_t)(cell->n_edges * cell->n_ops);
    const size_t n = (size_t)(cell->n_inputs + cell->n_nodes);

    p->value = hn_tape_take(p->tape, n * sizeof *p->value);
    p->term = hn_tape_take(p->tape, n_terms * sizeof *p->term);
    if (!p->value || !p->term)
        return hn_fail_nomem(cell->ctx, "cell");
    for (int32_t i = 0; i < cell->n_inputs; i++)
        p->value[i] = hnas_tensor_ref(inputs[i]);
    /* hard gates decide what is recorded, so they must be known */
    if ((p->flags & HNAS_CELL_HARD) && g && g->record && !g->record->node->done)
        return hn_tape_compute(p->tape);
    return HNAS_OK;
}

static void finish(struct pass *p)
{
    const struct hnas_cell *cell = p->cell;

    for (int32_t v = 0; p->value && v < cell->n_inputs + cell->n_nodes; v++)
        hnas_tensor_unref(p->value[v]);
    for (int32_t i = 0; p->term && i < cell->n_edges * cell->n_ops; i++)
        hnas_tensor_unref(p->term[i]);
}

hnas_status hn_cell_apply(hnas_tensor **out, hnas_tape *tape, hnas_cell *cell,
                          hnas_tensor *const *inputs, hnas_tensor *gates,
                          int32_t flags, const uint8_t *left_out,
                          const int64_t shape[4])
{
    struct pass p = {cell,     tape, gates, flags,
                     left_out, NULL, NULL,  {0, 0, 0, 0}};
    hnas_status st = check(cell, inputs, gates, flags, shape != NULL);

    if (shape)
        memcpy(p.shape, shape, sizeof p.shape);
    if (st == HNAS_OK)
        st = prepare(&p, inputs);
    if (st == HNAS_OK)
        st = run(&p);
    if (st == HNAS_OK)
        st = concatenate(out, &p);
    finish(&p);
    return st;
}

hnas_status hnas_cell_apply(hnas_tensor **out, hnas_tape *tape, hnas_cell *cell,
                            hnas_tensor *const *inputs, hnas_tensor *gates,
                            int32_t flags)
{
    if (out)
        *out = NULL;
    if (!out || !tape || !cell || !inputs || !gates)
        return hn_fail_null(cell ? cell->ctx : NULL,
                            "cell apply: out, tape, inputs or gates");
    return hn_cell_apply(out, tape, cell, inputs, gates, flags, NULL, NULL);
}
