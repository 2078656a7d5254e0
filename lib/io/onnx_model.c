/* SPDX-License-Identifier: BSD-3-Clause */
/* A discrete network as an ONNX file, for inference: what nothing reads and
 * the auxiliary head are left out. */
#include <stdio.h>
#include <string.h>

#include "base/fpmode.h"

#include "hnas/formats.h"
#include "hnas/version.h"
#include "io/file.h"
#include "io/onnx.h"
#include "model/model.h"

/* Numbers of fields in onnx.proto. */
enum {
    MODEL_IR = 1,
    MODEL_PRODUCER = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14,
    OPSET_VERSION = 2,
    GRAPH_NAME = 2,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    KEY = 1, /* of an entry of metadata */
    VALUE = 2,
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    TYPE_TENSOR = 1,
    TENSOR_ELEMENT = 1,
    TENSOR_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_NAME = 2,
    ELEMENT_FLOAT = 1
};

enum { MOST_TERMS = 2 + HN_MOST_CELL_NODES, MOST_BYTES = 2047 << 20 };

/* The values of a cell, by name; an empty one: zeros. */
struct walk {
    struct hn_onnx *o;
    const struct hn_network_cell *cell;
    int32_t index;
    char value[MOST_TERMS][HN_ONNX_NAME];
    uint8_t rectified[MOST_TERMS];
};

/* ---- parts of a cell ---- */

static void put_preprocess(struct walk *w, int k, const char *input)
{
    const struct hn_preprocess *p = &w->cell->preprocess[k];
    const struct hn_onnx_window window = {{0, 0}, {1, 1}, {1, 1}, 1};
    char relu[HN_ONNX_NAME], name[3][64];
    const char *const conv[2] = {name[0], name[1]};

    snprintf(w->value[k], HN_ONNX_NAME, "cells.%d.preprocess%d", (int)w->index,
             k);
    snprintf(relu, sizeof relu, "%.180s.in", w->value[k]);
    snprintf(name[0], sizeof name[0], "preprocess%d.conv%s.weight", k,
             p->w[1] ? "0" : "");
    snprintf(name[1], sizeof name[1], "preprocess%d.conv1.weight", k);
    snprintf(name[2], sizeof name[2], "preprocess%d.bn", k);
    hn_onnx_unary(w->o, "Relu", input, relu);
    if (p->w[1])
        hn_onnx_reduce(w->o, &w->cell->parts.params, conv, name[2], p->in_size,
                       relu, w->value[k]);
    else
        hn_onnx_conv(w->o, &w->cell->parts.params, name[0], name[2], 0, &window,
                     relu, w->value[k]);
}

/* The number of images, as a list of one. */
static void put_batch(struct hn_onnx *o)
{
    static const int64_t zero = 0, one = 1;
    const char *const slice[3] = {"batch.shape", "batch.start", "batch.end"};

    if (o->has_batch)
        return;
    o->has_batch = 1;
    hn_onnx_unary(o, "Shape", "images", slice[0]);
    hn_onnx_integers(o, slice[1], &zero, 1);
    hn_onnx_integers(o, slice[2], &one, 1);
    hn_onnx_node(o, "Slice", slice, 3, "batch", NULL, 0);
}

/* Zeros of the shape of the cell's nodes, once. */
static void put_zeros(struct walk *w, char name[HN_ONNX_NAME])
{
    const int64_t dims[3] = {w->cell->channels, w->cell->out_size[0],
                             w->cell->out_size[1]};
    const struct hn_onnx_attr axis = {"axis", -1, {0}, 0};
    char rest[HN_ONNX_NAME], shape[HN_ONNX_NAME];
    const char *const parts[2] = {"batch", rest};

    put_batch(w->o);
    snprintf(name, HN_ONNX_NAME, "cells.%d.zeros", (int)w->index);
    snprintf(rest, sizeof rest, "%.170s.dims", name);
    snprintf(shape, sizeof shape, "%.170s.shape", name);
    hn_onnx_integers(w->o, rest, dims, 3);
    hn_onnx_node(w->o, "Concat", parts, 2, shape, &axis, 1);
    hn_onnx_unary(w->o, "ConstantOfShape", shape, name); /* float zeros */
}

/* What an edge delivers; edges of one node may share an operation, and then
 * its result, which `done` [edges] tells. */
static hnas_status put_edge(struct walk *w, int32_t e,
                            char (*done)[HN_ONNX_NAME])
{
    const struct hnas_cell *cell = w->cell->cell;
    const struct hn_cell_edge *edge = &cell->edge[e];
    const int64_t *size = edge->from < 2 ? w->cell->in_size : w->cell->out_size;
    char prefix[HN_ONNX_NAME], relu[HN_ONNX_NAME];
    const struct hn_onnx_edge about = {edge->op[0],
                                       {size[0], size[1]},
                                       prefix,
                                       relu,
                                       &w->rectified[edge->from]};

    for (int32_t d = 0; d < e; d++)
        if (cell->edge[d].op[0] == edge->op[0]) {
            memcpy(done[e], done[d], HN_ONNX_NAME);
            return HNAS_OK;
        }
    snprintf(prefix, sizeof prefix, "cells.%d.edges.%d_%d.%.64s", (int)w->index,
             (int)edge->from, (int)edge->to, edge->op[0]->table->name);
    snprintf(relu, sizeof relu, "cells.%d.relu%d", (int)w->index,
             (int)edge->from);
    memcpy(done[e], w->value[edge->from], HN_ONNX_NAME);
    return hn_onnx_op(w->o, &about, done[e]);
}

/* The sum of what enters a node. */
static hnas_status put_node(struct walk *w, int32_t node,
                            char (*done)[HN_ONNX_NAME])
{
    const struct hnas_cell *cell = w->cell->cell;
    const char *terms[MOST_TERMS];
    int32_t n = 0;

    w->value[node][0] = '\0';
    for (int32_t e = 0; e < cell->n_edges; e++) {
        hnas_status st = HNAS_OK;

        if (cell->edge[e].to == node) {
            st = put_edge(w, e, done);
            terms[n++] = done[e];
        }
        if (st < 0)
            return st;
    }
    if (n == 1)
        memcpy(w->value[node], terms[0], HN_ONNX_NAME);
    if (n < 2)
        return HNAS_OK;
    snprintf(w->value[node], HN_ONNX_NAME, "cells.%d.node%d", (int)w->index,
             (int)node);
    hn_onnx_node(w->o, "Sum", terms, n, w->value[node], NULL, 0);
    return HNAS_OK;
}

/* ---- the network ---- */

static hnas_status put_nodes(struct walk *w)
{
    const struct hnas_cell *cell = w->cell->cell;
    const int32_t end =
        cell->n_nodes < MOST_TERMS - 2 ? 2 + cell->n_nodes : MOST_TERMS;
    struct hn_allocator *a = &w->o->ctx->alloc;
    char(*done)[HN_ONNX_NAME] =
        hn_alloc_array(a, (size_t)cell->n_edges, sizeof *done);
    hnas_status st = done ? HNAS_OK : hn_fail_nomem(w->o->ctx, "ONNX");

    for (int32_t v = 2; v < end && st == HNAS_OK; v++)
        st = put_node(w, v, done);
    hn_free(a, done);
    return st;
}

static void put_output(struct walk *w, char out[HN_ONNX_NAME])
{
    const struct hnas_cell *cell = w->cell->cell;
    const struct hn_onnx_attr axis = {"axis", -1, {1}, 0};
    const char *parts[MOST_TERMS];
    char zeros[HN_ONNX_NAME] = "";

    for (int32_t i = 0; i < cell->n_outputs; i++) {
        parts[i] = w->value[cell->output[i]];
        if (*parts[i])
            continue;
        if (!*zeros)
            put_zeros(w, zeros);
        parts[i] = zeros;
    }
    snprintf(out, HN_ONNX_NAME, "cells.%d", (int)w->index);
    hn_onnx_node(w->o, "Concat", parts, cell->n_outputs, out, &axis, 1);
}

/* From the outputs s of the two cells before it. */
static hnas_status put_cell(struct walk *w, char s[3][HN_ONNX_NAME])
{
    hnas_status st;

    memset(w->rectified, 0, sizeof w->rectified);
    for (int k = 0; k < 2; k++) {
        w->value[k][0] = '\0';
        if (w->cell->reads[k])
            put_preprocess(w, k, s[k]);
    }
    st = put_nodes(w);
    if (st == HNAS_OK)
        put_output(w, s[2]);
    return st;
}

/* Which cells the head needs; [0] is the stem, [1 + i] cell i.  A cell that
 * is read by the auxiliary head alone is not. */
static void find_needed(uint8_t *needed, const struct hn_network *net)
{
    const int32_t n = net->macro.cells;

    needed[n] = 1;
    for (int32_t i = n - 1; i >= 0; i--)
        for (int k = 0; k < 2 && needed[1 + i]; k++)
            if (net->cell[i].reads[k])
                needed[i - 1 + k < 0 ? 0 : i - 1 + k] = 1;
}

static void put_head(struct hn_onnx *o, const struct hn_network *net,
                     const char *input)
{
    const struct hn_onnx_attr flat = {"axis", -1, {1}, 0};
    const struct hn_onnx_attr trans = {"transB", -1, {1}, 0};
    const char *const gemm[3] = {"head.flat", "head.weight", "head.bias"};
    const char *const pooled = "head.pool";

    hn_onnx_unary(o, "GlobalAveragePool", input, pooled);
    hn_onnx_node(o, "Flatten", &pooled, 1, gemm[0], &flat, 1);
    hn_onnx_tensor(o, gemm[1], net->head[0]);
    hn_onnx_tensor(o, gemm[2], net->head[1]);
    hn_onnx_node(o, "Gemm", gemm, 3, "logits", &trans, 1);
}

static hnas_status put_network(struct hn_onnx *o, const struct hn_network *net)
{
    const struct hn_onnx_window window = {{1, 1}, {1, 1}, {1, 1}, 1};
    struct hn_allocator *a = &o->ctx->alloc;
    struct walk *w = hn_zalloc(a, sizeof *w);
    uint8_t *needed = hn_alloc_array(a, (size_t)net->macro.cells + 1, 1);
    char s[3][HN_ONNX_NAME] = {"stem", "stem", ""};
    hnas_status st = HNAS_OK;

    if (!w || !needed) {
        hn_free(a, w);
        hn_free(a, needed);
        return hn_fail_nomem(o->ctx, "ONNX");
    }
    find_needed(needed, net);
    if (needed[0])
        hn_onnx_conv(o, &net->stem.params, "conv.weight", "bn", 0, &window,
                     "images", "stem");
    w->o = o;
    for (int32_t i = 0; i < net->macro.cells && st == HNAS_OK; i++) {
        w->index = i;
        w->cell = &net->cell[i];
        s[2][0] = '\0';
        if (needed[1 + i])
            st = put_cell(w, s);
        memmove(s[0], s[1], sizeof s[0]);
        memmove(s[1], s[2], sizeof s[1]);
    }
    if (st == HNAS_OK)
        put_head(o, net, s[1]);
    hn_free(a, w);
    hn_free(a, needed);
    return st;
}

/* ---- the file ---- */

/* An input or output of floats, N by the dims. */
static void put_value(struct hn_text *t, int field, const char *name,
                      const int64_t *dims, int n)
{
    const size_t value = hn_pb_begin(t);
    size_t type, tensor, shape;

    hn_pb_string(t, VALUE_NAME, name);
    type = hn_pb_begin(t);
    tensor = hn_pb_begin(t);
    hn_pb_integer(t, TENSOR_ELEMENT, ELEMENT_FLOAT);
    shape = hn_pb_begin(t);
    for (int i = -1; i < n; i++) {
        const size_t dim = hn_pb_begin(t);

        if (i < 0)
            hn_pb_string(t, DIM_NAME, "N");
        else
            hn_pb_integer(t, DIM_VALUE, dims[i]);
        hn_pb_end(t, SHAPE_DIM, dim);
    }
    hn_pb_end(t, TENSOR_SHAPE, shape);
    hn_pb_end(t, TYPE_TENSOR, tensor);
    hn_pb_end(t, VALUE_TYPE, type);
    hn_pb_end(t, field, value);
}

/* What stands before the graph, and the graph's head; after it. */
static void put_head_of_file(struct hn_text *t, size_t graph_bytes)
{
    hn_pb_integer(t, MODEL_IR, HN_ONNX_IR);
    hn_pb_string(t, MODEL_PRODUCER, "libhnas");
    hn_pb_string(t, MODEL_PRODUCER_VERSION, hnas_version());
    hn_pb_head(t, MODEL_GRAPH, graph_bytes);
}

static void put_tail_of_file(struct hn_text *t, const hnas_model *model)
{
    size_t begin = hn_pb_begin(t);

    hn_pb_integer(t, OPSET_VERSION, HN_ONNX_OPSET);
    hn_pb_end(t, MODEL_OPSET, begin);
    if (!*hnas_model_get_text(model))
        return;
    begin = hn_pb_begin(t);
    hn_pb_string(t, KEY, "hnas");
    hn_pb_string(t, VALUE, hnas_model_get_text(model));
    hn_pb_end(t, MODEL_METADATA, begin);
}

static hnas_status save(struct hn_onnx *o, const hnas_model *model,
                        const char *path)
{
    const struct hn_macro *m = &model->net.macro;
    const size_t bytes = o->nodes.length + o->tensors.length;
    struct hn_text head, ends, tail;
    hnas_status st;

    hn_text_init(&head, o->ctx);
    hn_text_init(&ends, o->ctx);
    hn_text_init(&tail, o->ctx);
    hn_pb_string(&ends, GRAPH_NAME, "network");
    put_value(&ends, GRAPH_INPUT, "images", m->image, 3);
    put_value(&ends, GRAPH_OUTPUT, "logits", &m->classes, 1);
    put_head_of_file(&head, bytes + ends.length);
    put_tail_of_file(&tail, model);
    st = o->nodes.status < 0     ? o->nodes.status
         : o->tensors.status < 0 ? o->tensors.status
         : head.status < 0       ? head.status
         : ends.status < 0       ? ends.status
                                 : tail.status;
    if (st == HNAS_OK && bytes > MOST_BYTES)
        st = hn_fail(o->ctx, HNAS_E_LIMIT,
                     "%.200s: %zu bytes, but ONNX files end at 2 GiB", path,
                     bytes);
    if (st == HNAS_OK) {
        const struct hn_part parts[] = {{head.data, head.length},
                                        {o->nodes.data, o->nodes.length},
                                        {o->tensors.data, o->tensors.length},
                                        {ends.data, ends.length},
                                        {tail.data, tail.length}};

        st = hn_file_replace(o->ctx, path, parts, 5);
    }
    hn_text_finish(&head);
    hn_text_finish(&ends);
    hn_text_finish(&tail);
    return st;
}

hnas_status hnas_model_save_onnx(const hnas_model *model, const char *path)
{
    struct hn_onnx o;
    uint64_t mode;
    hnas_status st;

    if (!model || !path)
        return hn_fail_null(model ? model->ctx : NULL, "model save onnx: path");
    memset(&o, 0, sizeof o);
    o.ctx = model->ctx;
    hn_text_init(&o.nodes, model->ctx);
    hn_text_init(&o.tensors, model->ctx);
    mode = hn_fp_enter();
    st = put_network(&o, &model->net);
    hn_fp_leave(mode);
    if (st == HNAS_OK)
        st = save(&o, model, path);
    hn_text_finish(&o.nodes);
    hn_text_finish(&o.tensors);
    return st;
}
