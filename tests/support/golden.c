/* SPDX-License-Identifier: BSD-3-Clause */
#include "golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

struct golden {
    char *text;
    int n;
    struct golden_array array[MOST];
};

static void give_up(const char *name, const char *why)
{
    fprintf(stderr, "golden file %s: %s\n", name, why);
    exit(99);
}

static char *read_file(const char *name, size_t *size)
{
    const char *folder = getenv("HNAS_GOLDEN"); /* a live cross-check's */
    char path[1024];
    char *bytes;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder ? folder : TEST_DIR "/golden",
             name);
    f = fopen(path, "rb");
    if (!f)
        give_up(path, "can't be opened");
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*size + 1);
    if (!bytes || fread(bytes, 1, *size, f) != *size)
        give_up(path, "can't be read");
    fclose(f);
    return bytes;
}

/* One entry `"name":{"dtype":"F32","shape":[..],"data_offsets":[b,e]}`, after
 * the name; returns what follows. */
static char *read_entry(struct golden_array *a, char *p, const char *buffer)
{
    const int is_double =
        strstr(p, "\"F64\"") && strstr(p, "\"F64\"") < strchr(p, '}');
    char *q = strstr(p, "\"shape\"");
    const char *data;
    double *out;

    q = strchr(q, '[') + 1;
    for (a->count = 1; *q != ']';) {
        a->dims[a->rank] = strtoll(q, &q, 10);
        a->count *= a->dims[a->rank++];
        q += strspn(q, ", ");
    }
    q = strchr(strstr(q, "\"data_offsets\""), '[') + 1;
    data = buffer + strtoll(q, &q, 10);
    out = malloc((size_t)a->count * sizeof *out + 8);
    for (int64_t i = 0; i < a->count; i++) {
        float f;

        if (is_double) {
            memcpy(&out[i], data + 8 * i, 8);
        } else {
            memcpy(&f, data + 4 * i, 4);
            out[i] = f;
        }
    }
    a->data = out;
    return strchr(q, '}') + 1;
}

struct golden *golden_open(const char *name)
{
    struct golden *g = calloc(1, sizeof *g);
    uint64_t header;
    size_t size;
    char *p, *end, *buffer;

    g->text = read_file(name, &size);
    memcpy(&header, g->text, 8);
    if (size < 8 || header > size - 8)
        give_up(name, "is truncated");
    p = g->text + 8;
    end = p + header;
    buffer = malloc(size - 8 - header + 8);
    memcpy(buffer, end, size - 8 - header);
    *end = 0;
    while ((p = strchr(p, '"')) != NULL && g->n < MOST) {
        char *close = strchr(p + 1, '"');

        *close = 0;
        if (!strcmp(p + 1, "__metadata__")) {
            p = strchr(close + 1, '}') + 1;
            continue;
        }
        g->array[g->n].name = p + 1;
        p = read_entry(&g->array[g->n++], close + 1, buffer);
    }
    free(buffer);
    return g;
}

void golden_close(struct golden *g)
{
    for (int i = 0; i < g->n; i++)
        free((double *)g->array[i].data);
    free(g->text);
    free(g);
}

const struct golden_array *golden_find(const struct golden *g,
                                       const char *format, ...)
{
    char name[256];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    for (int i = 0; i < g->n; i++)
        if (!strcmp(g->array[i].name, name))
            return &g->array[i];
    return NULL;
}

double golden_distance(const double *a, const double *b, int64_t n)
{
    double d = 0, s = 0;

    for (int64_t i = 0; i < n; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        s += b[i] * b[i];
    }
    return s > 0 ? sqrt(d / s) : sqrt(d);
}
