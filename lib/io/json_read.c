/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/json.h"

#include <math.h>
#include <string.h>

enum { LONGEST_NUMBER = 128 };

struct parser {
    struct hn_json *json;
    const char *name;
    char *p, *end;
    int depth;
    size_t n_values;
};

static hnas_status fail(struct parser *p, hnas_status status, const char *what)
{
    return hn_fail(p->json->ctx, status, "%.200s: byte %zu: %s", p->name,
                   (size_t)(p->p - p->json->text), what);
}

static void skip_space(struct parser *p)
{
    while (p->p < p->end &&
           (*p->p == ' ' || *p->p == '\n' || *p->p == '\r' || *p->p == '\t'))
        p->p++;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Four hex digits, or -1. */
static int32_t four_digits(struct parser *p)
{
    int32_t code = 0;

    if (p->end - p->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const int d = hex_digit(p->p[i]);

        if (d < 0)
            return -1;
        code = code << 4 | d;
    }
    p->p += 4;
    return code;
}

/* What follows \u, surrogate pairs joined; -1: not a character. */
static int32_t unicode_escape(struct parser *p)
{
    int32_t code = four_digits(p), low;

    if (code < 0xd800 || code > 0xdfff)
        return code == 0 ? -1 : code;
    if (code > 0xdbff || p->end - p->p < 6 || p->p[0] != '\\' || p->p[1] != 'u')
        return -1;
    p->p += 2;
    low = four_digits(p);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* After a backslash: write the character, return where the next one goes, or
 * NULL. */
static char *unescape(struct parser *p, char *to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found;
    int32_t code;

    if (p->p == p->end)
        return NULL;
    if (*p->p == 'u') {
        p->p++;
        code = unicode_escape(p);
        return code < 0 ? NULL : put_utf8(to, (uint32_t)code);
    }
    found = *p->p ? strchr(names, *p->p) : NULL;
    if (!found)
        return NULL;
    p->p++;
    *to++ = values[found - names];
    return to;
}

/* A string, decoded in place: what an escape means is never longer. */
static hnas_status parse_string(struct parser *p, const char **out)
{
    char *to = ++p->p;

    *out = to;
    while (p->p < p->end && *p->p != '"') {
        if (*p->p == '\\') {
            p->p++;
            to = unescape(p, to);
            if (!to)
                return fail(p, HNAS_E_FORMAT,
                            "bad escape, want one of JSON's and not \\u0000");
        } else {
            const int n = hn_utf8_length(p->p, p->end);

            if (n == 0 || (unsigned char)*p->p < 0x20)
                return fail(p, HNAS_E_FORMAT,
                            "bad byte in a string, want UTF-8 without "
                            "control characters");
            memmove(to, p->p, (size_t)n);
            to += n;
            p->p += n;
        }
    }
    if (p->p == p->end)
        return fail(p, HNAS_E_FORMAT, "the text ends inside a string");
    p->p++;
    *to = '\0';
    return HNAS_OK;
}

static int skip_digits(struct parser *p)
{
    const char *start = p->p;

    while (p->p < p->end && is_digit(*p->p))
        p->p++;
    return p->p > start;
}

/* Pass a number by JSON's grammar; 0: it is none. */
static int skip_number(struct parser *p, int *is_integer)
{
    *is_integer = 1;
    if (*p->p == '-')
        p->p++;
    if (p->p < p->end && *p->p == '0')
        p->p++;
    else if (!skip_digits(p))
        return 0;
    if (p->p < p->end && *p->p == '.') {
        *is_integer = 0;
        p->p++;
        if (!skip_digits(p))
            return 0;
    }
    if (p->p < p->end && (*p->p == 'e' || *p->p == 'E')) {
        *is_integer = 0;
        p->p++;
        if (p->p < p->end && (*p->p == '+' || *p->p == '-'))
            p->p++;
        return skip_digits(p);
    }
    return 1;
}

/* The value of an integer text; 0: it does not fit. */
static int read_integer(int64_t *out, const char *text)
{
    const int negative = *text == '-';
    int64_t v = 0;

    for (text += negative; *text; text++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, *text - '0', &v))
            return 0;
    if (!negative && v == INT64_MIN)
        return 0;
    *out = negative ? v : -v;
    return 1;
}

static hnas_status parse_number(struct parser *p, struct hn_json_value *v)
{
    char text[LONGEST_NUMBER + 1];
    const char *start = p->p;
    size_t bytes;

    if (!skip_number(p, &v->is_integer))
        return fail(p, HNAS_E_FORMAT, "bad number or unknown word");
    bytes = (size_t)(p->p - start);
    if (bytes > LONGEST_NUMBER)
        return fail(p, HNAS_E_RANGE, "number of more than 128 characters");
    memcpy(text, start, bytes);
    text[bytes] = '\0';
    v->type = HN_JSON_NUMBER;
    if (hn_number_parse(&v->number, text) != 0)
        return hn_fail_nomem(p->json->ctx, p->name);
    if (!isfinite(v->number))
        return fail(p, HNAS_E_RANGE, "number too large for a double");
    if (v->is_integer)
        v->is_integer = read_integer(&v->integer, text);
    return HNAS_OK;
}

static hnas_status parse_value(struct parser *p, struct hn_json_value **out);

static hnas_status parse_key(struct parser *p, const char **key)
{
    hnas_status st;

    skip_space(p);
    if (p->p == p->end || *p->p != '"')
        return fail(p, HNAS_E_FORMAT, "want a key in quotes");
    st = parse_string(p, key);
    if (st < 0)
        return st;
    skip_space(p);
    if (p->p == p->end || *p->p != ':')
        return fail(p, HNAS_E_FORMAT, "want ':' after a key");
    p->p++;
    return HNAS_OK;
}

static struct hn_json_value *merge(struct hn_json_value *a,
                                   struct hn_json_value *b)
{
    struct hn_json_value *list = NULL, **tail = &list;

    while (a && b) {
        struct hn_json_value **least = strcmp(a->key, b->key) <= 0 ? &a : &b;

        *tail = *least;
        tail = &(*least)->next;
        *least = (*least)->next;
    }
    *tail = a ? a : b;
    return list;
}

/* Take n >= 1 members off a list and sort them by key. */
static struct hn_json_value *sort_members(struct hn_json_value **list, size_t n)
{
    struct hn_json_value *a, *b;

    if (n == 1) {
        a = *list;
        *list = a->next;
        a->next = NULL;
        return a;
    }
    a = sort_members(list, n / 2);
    b = sort_members(list, n - n / 2);
    return merge(a, b);
}

static hnas_status finish_object(struct parser *p, struct hn_json_value *v)
{
    if (v->count == 0)
        return HNAS_OK;
    v->first = sort_members(&v->first, v->count);
    for (const struct hn_json_value *m = v->first; m->next; m = m->next)
        if (!strcmp(m->key, m->next->key))
            return hn_fail(p->json->ctx, HNAS_E_FORMAT,
                           "%.200s: key \"%.60s\" twice in one object", p->name,
                           m->key);
    return HNAS_OK;
}

/* The elements after the bracket, up to and with the closing one. */
static hnas_status parse_elements(struct parser *p, struct hn_json_value *v,
                                  char closing)
{
    struct hn_json_value **tail = &v->first;
    hnas_status st = HNAS_OK;

    p->p++;
    skip_space(p);
    if (p->p < p->end && *p->p == closing) {
        p->p++;
        return HNAS_OK;
    }
    for (;;) {
        const char *key = NULL;

        if (closing == '}')
            st = parse_key(p, &key);
        if (st == HNAS_OK)
            st = parse_value(p, tail);
        if (st < 0)
            return st;
        (*tail)->key = key;
        tail = &(*tail)->next;
        v->count++;
        skip_space(p);
        if (p->p < p->end && *p->p == closing)
            break;
        if (p->p == p->end || *p->p != ',')
            return fail(p, HNAS_E_FORMAT,
                        closing == '}' ? "want ',' or '}'" : "want ',' or ']'");
        p->p++;
    }
    p->p++;
    return HNAS_OK;
}

static hnas_status parse_nested(struct parser *p, struct hn_json_value *v)
{
    const int is_object = *p->p == '{';
    hnas_status st;

    v->type = is_object ? HN_JSON_OBJECT : HN_JSON_ARRAY;
    if (++p->depth > HN_JSON_MAX_DEPTH)
        return fail(p, HNAS_E_LIMIT, "nested more than 64 levels deep");
    st = parse_elements(p, v, is_object ? '}' : ']');
    p->depth--;
    return st == HNAS_OK && is_object ? finish_object(p, v) : st;
}

/* true, false or null; 0: it is none of them. */
static int parse_word(struct parser *p, struct hn_json_value *v)
{
    static const struct {
        const char *word;
        int32_t type, integer;
    } words[] = {{"true", HN_JSON_BOOL, 1},
                 {"false", HN_JSON_BOOL, 0},
                 {"null", HN_JSON_NULL, 0}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i].word);

        if ((size_t)(p->end - p->p) < n || memcmp(p->p, words[i].word, n) != 0)
            continue;
        v->type = words[i].type;
        v->integer = words[i].integer;
        p->p += n;
        return 1;
    }
    return 0;
}

static hnas_status parse_value(struct parser *p, struct hn_json_value **out)
{
    struct hn_json_value *v;

    skip_space(p);
    if (p->p == p->end)
        return fail(p, HNAS_E_FORMAT, "the text ends, want a value");
    if (++p->n_values > HN_JSON_MAX_VALUES)
        return fail(p, HNAS_E_LIMIT, "more than 1048576 values");
    v = hn_arena_take_zero(&p->json->arena, sizeof *v);
    if (!v)
        return hn_fail_nomem(p->json->ctx, p->name);
    *out = v;
    if (*p->p == '{' || *p->p == '[')
        return parse_nested(p, v);
    if (*p->p == '"') {
        v->type = HN_JSON_STRING;
        return parse_string(p, &v->text);
    }
    return parse_word(p, v) ? HNAS_OK : parse_number(p, v);
}

hnas_status hn_json_parse(struct hn_json **out, struct hnas_context *ctx,
                          const char *name, const char *text, size_t length)
{
    struct parser p = {.name = name};
    struct hn_json *json;
    hnas_status st;

    *out = NULL;
    if (length > HN_JSON_MAX_BYTES)
        return hn_fail(ctx, HNAS_E_LIMIT,
                       "%.200s: %zu bytes of JSON, want at most %d", name,
                       length, (int)HN_JSON_MAX_BYTES);
    json = hn_zalloc(&ctx->alloc, sizeof *json);
    if (!json)
        return hn_fail_nomem(ctx, name);
    json->ctx = ctx;
    json->length = length;
    hn_arena_init(&json->arena, &ctx->alloc);
    json->text = hn_alloc_array(&ctx->alloc, length + 1, 1);
    st = json->text ? HNAS_OK : hn_fail_nomem(ctx, name);
    if (st == HNAS_OK) {
        memcpy(json->text, text, length);
        json->text[length] = '\0';
        p.json = json;
        p.p = json->text;
        p.end = json->text + length;
        st = parse_value(&p, &json->root);
    }
    if (st == HNAS_OK) {
        skip_space(&p);
        if (p.p < p.end)
            st = fail(&p, HNAS_E_FORMAT, "want nothing after the value");
    }
    if (st < 0)
        hn_json_destroy(json);
    else
        *out = json;
    return st;
}

void hn_json_destroy(struct hn_json *json)
{
    if (!json)
        return;
    hn_arena_finish(&json->arena);
    hn_free(&json->ctx->alloc, json->text);
    hn_free(&json->ctx->alloc, json);
}

const struct hn_json_value *hn_json_get(const struct hn_json_value *object,
                                        const char *key)
{
    if (!object || object->type != HN_JSON_OBJECT)
        return NULL;
    for (const struct hn_json_value *m = object->first; m; m = m->next)
        if (!strcmp(m->key, key))
            return m;
    return NULL;
}

size_t hn_json_offset(const struct hn_json *json,
                      const struct hn_json_value *string)
{
    return (size_t)(string->text - json->text);
}
