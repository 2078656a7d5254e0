/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON reader: what it takes, its writer writes so that it is read again
 * to the same text. */
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "fuzz.h"
#include "io/json.h"

/* "-0" is the integer 0, and a number with a sign. */
static int is_plain_integer(const struct hn_json_value *v)
{
    return v->is_integer && (v->integer || !signbit(v->number));
}

static void put(struct hn_json_writer *w, const struct hn_json_value *v)
{
    if (v->key)
        hn_json_key(w, v->key);
    if (v->type == HN_JSON_STRING)
        hn_json_string(w, v->text);
    else if (v->type == HN_JSON_NUMBER && is_plain_integer(v))
        hn_json_integer(w, v->integer);
    else if (v->type == HN_JSON_NUMBER)
        hn_json_number(w, v->number);
    else if (v->type == HN_JSON_ARRAY || v->type == HN_JSON_OBJECT) {
        const int is_array = v->type == HN_JSON_ARRAY;

        hn_json_open(w, is_array ? '[' : '{');
        for (const struct hn_json_value *m = v->first; m; m = m->next)
            put(w, m);
        hn_json_close(w, is_array ? ']' : '}');
    } else
        hn_json_null(w);
}

/* Write a value and give the text, to be finished. */
static void write_text(struct hn_json_writer *w, const struct hn_json *json)
{
    hn_json_writer_init(w, json->ctx);
    put(w, json->root);
    fuzz_expect(w->text.status == HNAS_OK, "what was read can be written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    struct hn_json_writer first, second;
    struct hn_json *json, *again;
    hnas_status st;

    fuzz_begin();
    st = hn_json_parse(&json, ctx, "fuzz", (const char *)data, size);
    fuzz_check(st, json);
    if (st == HNAS_OK) {
        write_text(&first, json);
        st = hn_json_parse(&again, ctx, "again", first.text.data,
                           first.text.length);
        fuzz_expect(st == HNAS_OK, "what was written can be read");
        write_text(&second, again);
        fuzz_expect(
            first.text.length == second.text.length &&
                !memcmp(first.text.data, second.text.data, first.text.length),
            "the same text again");
        hn_json_writer_finish(&first);
        hn_json_writer_finish(&second);
        hn_json_destroy(again);
        hn_json_destroy(json);
    }
    fuzz_end();
    return 0;
}
