/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "program.h"

enum { MOST_BYTES = 1 << 20, MOST_OPS = 64 };

/* The whole file and a closing NUL, or NULL after a message. */
static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(MOST_BYTES + 1);

    if (!file || !text) {
        failure("--arch %s: %s", path, strerror(errno));
    } else {
        *length = fread(text, 1, MOST_BYTES + 1, file);
        if (!ferror(file) && *length <= MOST_BYTES) {
            text[*length] = '\0';
            fclose(file);
            return text;
        }
        failure("--arch %s: %s", path,
                ferror(file) ? strerror(errno) : "larger than 1 MiB");
    }
    if (file)
        fclose(file);
    free(text);
    return NULL;
}

/* The lists inside a list. */
static int32_t count_lists(const char *p)
{
    int32_t depth = 0, n = 0;

    for (; *p; p++) {
        n += *p == '[' && depth == 1;
        depth += (*p == '[') - (*p == ']');
    }
    return n;
}

static int32_t count_nodes(const char *text)
{
    static const char *const kinds[] = {"normal", "reduce"};
    char value[8192];
    int32_t n = 0;

    for (int k = 0; k < 2 && n == 0; k++)
        if (!json_member(text, kinds[k], value, sizeof value))
            n = count_lists(value);
    return n;
}

/* A net as small as can be, since only its edges and operations matter. */
static hnas_status make_net(hnas_supernet **out, hnas_context *ctx,
                            int32_t cells, int32_t nodes)
{
    const char *ops[MOST_OPS];
    hnas_supernet_opts o;

    hnas_supernet_opts_init(&o, sizeof o);
    o.image[1] = o.image[2] = 1;
    o.classes = 1;
    o.channels = 2;
    o.stem_multiplier = 1;
    o.cells = cells;
    o.nodes = nodes;
    o.ops = ops;
    o.n_ops = 0;
    for (int64_t i = 0; i < hnas_op_get_count(ctx) && o.n_ops < MOST_OPS; i++)
        ops[o.n_ops++] = hnas_op_get(ctx, i)->name;
    return hnas_supernet_create(out, ctx, &o);
}

int arch_open(hnas_arch **out, int32_t *nodes, hnas_context *ctx,
              const char *path, int32_t cells)
{
    hnas_supernet *net = NULL;
    size_t length;
    char *text = read_file(path, &length);
    hnas_status st;
    int rc = 0;

    *out = NULL;
    if (!text)
        return EXIT_FAILED;
    *nodes = count_nodes(text);
    if (*nodes < 1)
        rc = failure("--arch %s: want an object with \"normal\" and "
                     "\"reduce\", a list a node",
                     path);
    st = rc ? HNAS_OK : make_net(&net, ctx, cells, *nodes);
    if (!rc && st == HNAS_OK)
        st = hnas_arch_read_json(out, net, text, length);
    if (st < 0)
        rc = failure("--arch %s: %s", path, hnas_context_message(ctx));
    hnas_supernet_destroy(net);
    free(text);
    return rc;
}
