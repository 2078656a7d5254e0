/* SPDX-License-Identifier: BSD-3-Clause */
/* The explorer: the page of explorer.html with a path and a log in it. */
#include "io/explorer.h"

#include <string.h>

#include "arch/path.h"
#include "hnas/formats.h"
#include "io/arch_json.h"
#include "io/file.h"
#include "io/palette.h"

void hnas_explorer_opts_init(hnas_explorer_opts *opts, size_t size)
{
    hnas_explorer_opts o;

    memset(&o, 0, sizeof o);
    o.size = size < sizeof o ? size : sizeof o;
    o.scale = HNAS_SCALE_LOG;
    memcpy(opts, &o, o.size);
}

/* The colours of the space's operations, and which of them are zero. */
static void put_ops(struct hn_json_writer *w, const struct hn_space *space)
{
    hn_json_key(w, "colours");
    hn_json_open(w, '{');
    for (int32_t o = 0; o < space->n_ops; o++) {
        const struct hn_colour *c =
            &hn_palette[hn_palette_find(space->op_names[o])];

        hn_json_key(w, space->op_names[o]);
        hn_json_open(w, '[');
        hn_json_string(w, c->light);
        hn_json_string(w, c->dark);
        hn_json_close(w, ']');
    }
    hn_json_close(w, '}');
    hn_json_key(w, "zero");
    hn_json_open(w, '[');
    for (int32_t o = 0; o < space->n_ops; o++)
        if (space->op_flags[o] & HNAS_OP_ZERO)
            hn_json_string(w, space->op_names[o]);
    hn_json_close(w, ']');
}

static hnas_status put_data(struct hn_json_writer *w, const hnas_path *path,
                            const hnas_explorer_opts *o)
{
    hnas_status st;

    hn_json_open(w, '{');
    if (o->title) {
        hn_json_key(w, "title");
        hn_json_string(w, o->title);
    }
    hn_json_key(w, "scale");
    hn_json_string(w, o->scale == HNAS_SCALE_LOG ? "log" : "raw");
    put_ops(w, path->space);
    if (o->log) {
        hn_json_key(w, "log");
        hn_json_string(w, o->log);
    }
    hn_json_key(w, "path");
    st = hn_path_put(w, path);
    hn_json_close(w, '}');
    return st < 0 ? st : w->text.status;
}

/* Append JSON so that HTML sees no tag in it: '<' stands in strings alone. */
static void put_escaped(struct hn_text *t, const struct hn_text *json)
{
    for (size_t i = 0; i < json->length;) {
        const char *found = memchr(json->data + i, '<', json->length - i);
        const size_t n =
            found ? (size_t)(found - json->data) - i : json->length - i;

        hn_text_bytes(t, json->data + i, n);
        if (found)
            hn_text_put(t, "\\u003c");
        i += n + (found != NULL);
    }
}

static hnas_status put_page(struct hn_text *t, const struct hn_text *json)
{
    const char *page = (const char *)hn_explorer_page;
    const char *mark = strstr(page, HN_EXPLORER_MARK);
    const size_t before = (size_t)(mark - page);
    const size_t after = before + strlen(HN_EXPLORER_MARK);

    hn_text_bytes(t, page, before);
    put_escaped(t, json);
    hn_text_bytes(t, page + after, hn_explorer_bytes - after);
    return t->status;
}

hnas_status hnas_path_save_html(const hnas_path *path, const char *file,
                                const hnas_explorer_opts *opts)
{
    hnas_explorer_opts o;
    struct hn_json_writer w;
    struct hn_text page;
    hnas_status st;

    if (!path || !file)
        return hn_fail_null(path ? path->ctx : NULL, "path save html: file");
    hnas_explorer_opts_init(&o, sizeof o);
    st = hn_opts_merge(&o, sizeof o, opts);
    if (st < 0)
        return hn_fail(path->ctx, st, "explorer: opts.size is not set");
    if (o.scale != HNAS_SCALE_LOG && o.scale != HNAS_SCALE_RAW)
        return hn_fail(path->ctx, HNAS_E_RANGE,
                       "explorer: scale %d, want HNAS_SCALE_", (int)o.scale);
    hn_json_writer_init(&w, path->ctx);
    hn_text_init(&page, path->ctx);
    st = put_data(&w, path, &o);
    if (st == HNAS_OK)
        st = put_page(&page, &w.text);
    if (st == HNAS_OK) {
        const struct hn_part part = {page.data, page.length};

        st = hn_file_replace(path->ctx, file, &part, 1);
    }
    hn_text_finish(&page);
    hn_json_writer_finish(&w);
    return st;
}
