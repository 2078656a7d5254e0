/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

enum { MOST_BYTES = 1 << 20 };

/* The whole file, or NULL after a message. */
static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(MOST_BYTES + 1);

    if (!file || !text) {
        failure("--arch %s: %s", path, strerror(errno));
    } else {
        *length = fread(text, 1, MOST_BYTES + 1, file);
        if (!ferror(file) && *length <= MOST_BYTES) {
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

int arch_open(hnas_arch **out, hnas_context *ctx, const char *path)
{
    size_t length;
    char *text = read_file(path, &length);
    hnas_status st;

    *out = NULL;
    if (!text)
        return EXIT_FAILED;
    st = hnas_arch_read(out, ctx, text, length);
    free(text);
    if (st < 0)
        return failure("--arch %s: %s", path, hnas_context_message(ctx));
    if (arch_nodes(*out))
        return 0;
    hnas_arch_destroy(*out);
    *out = NULL;
    return failure("--arch %s: no cells, want a normal or a reduction one",
                   path);
}

int32_t arch_nodes(const hnas_arch *arch)
{
    const int32_t n = hnas_arch_get_node_count(arch, HNAS_NORMAL);

    return n ? n : hnas_arch_get_node_count(arch, HNAS_REDUCE);
}

hnas_status arch_derive(hnas_arch **out, hnas_search *search, double lambda,
                        int32_t rule, double theta)
{
    if (rule == HNAS_RULE_THRESHOLD)
        return hnas_arch_derive_threshold(out, hnas_search_get_net(search),
                                          hnas_search_get_hyper(search), lambda,
                                          theta);
    return hnas_search_derive(out, search, lambda, rule);
}

void arch_note_range(hnas_status status, double lambda)
{
    if (status == HNAS_EXTRAPOLATED)
        note("--lambda %g: outside the range of the search", lambda);
}
