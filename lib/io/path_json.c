/* SPDX-License-Identifier: BSD-3-Clause */
/* A path as the object that hnas-query --path prints. */
#include "arch/path.h"
#include "io/arch_json.h"

static void put_pair(struct hn_json_writer *w, double lo, double hi)
{
    hn_json_open(w, '[');
    hn_json_number(w, lo);
    hn_json_number(w, hi);
    hn_json_close(w, ']');
}

static hnas_status put_change(struct hn_json_writer *w, const hnas_path *path,
                              int32_t index)
{
    struct hn_allocator *a = &path->ctx->alloc;
    size_t length;
    char *text;
    hnas_status st = hnas_path_write_change(path, index, NULL, 0, &length);

    if (st < 0)
        return st;
    text = hn_alloc_array(a, length + 1, 1);
    if (!text)
        return hn_fail_nomem(path->ctx, "path");
    hnas_path_write_change(path, index, text, length + 1, &length);
    hn_json_key(w, "change");
    hn_json_string(w, text);
    hn_free(a, text);
    return HNAS_OK;
}

static hnas_status put_piece(struct hn_json_writer *w, const hnas_path *path,
                             int32_t index)
{
    hnas_path_piece piece;
    hnas_arch *arch;
    hnas_status st = hnas_path_get_arch(&arch, path, index);

    if (st < 0)
        return st;
    hnas_path_get_piece(path, index, &piece);
    hn_json_open(w, '{');
    hn_json_key(w, "interval");
    put_pair(w, piece.lo, piece.hi);
    hn_json_key(w, "s");
    hn_json_number(w, piece.s_lo);
    hn_arch_put_cost(w, arch);
    hn_arch_put_cells(w, arch);
    st = put_change(w, path, index);
    hn_json_close(w, '}');
    hnas_arch_destroy(arch);
    return st;
}

hnas_status hn_path_put(struct hn_json_writer *w, const hnas_path *path)
{
    hnas_status st = HNAS_OK;

    hn_json_open(w, '{');
    hn_json_key(w, "rule");
    hn_json_string(w, path->rule->name);
    hn_json_key(w, "range");
    put_pair(w, path->lo, path->hi);
    if (path->is_sampled) {
        hn_json_key(w, "sampled");
        hn_json_integer(w, 1);
    }
    hn_json_key(w, "pieces");
    hn_json_open(w, '[');
    for (int32_t i = 0; i < path->n && st == HNAS_OK; i++)
        st = put_piece(w, path, i);
    hn_json_close(w, ']');
    hn_json_close(w, '}');
    return st;
}

hnas_status hnas_path_write_json(const hnas_path *path, char *buffer,
                                 size_t capacity, size_t *length)
{
    struct hn_json_writer w;
    hnas_status st;

    if (length)
        *length = 0;
    if (!path || !length || (!buffer && capacity > 0))
        return hn_fail_null(path ? path->ctx : NULL,
                            "path json: length or buffer");
    hn_json_writer_init(&w, path->ctx);
    st = hn_path_put(&w, path);
    if (st == HNAS_OK)
        st = hn_text_copy(buffer, capacity, length, &w.text);
    hn_json_writer_finish(&w);
    return st;
}
