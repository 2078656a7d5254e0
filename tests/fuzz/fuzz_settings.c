/* SPDX-License-Identifier: BSD-3-Clause */
/* A search's settings as JSON, and the net, hypernetwork and search that they
 * describe, in bounded memory. */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "fuzz.h"
#include "io/search_file.h"

static void build(const struct hn_settings *s)
{
    hnas_supernet *net;
    hnas_hyper *hyper = NULL;
    hnas_search *search = NULL;
    hnas_status st = hnas_supernet_create(&net, s->ctx, &s->net);

    fuzz_check(st, net);
    if (st == HNAS_OK) {
        st = hnas_hyper_create(&hyper, s->ctx, &s->hyper);
        fuzz_check(st, hyper);
    }
    if (st == HNAS_OK) {
        st = hnas_search_create(&search, net, hyper, &s->search);
        fuzz_check(st, search);
    }
    hnas_search_destroy(search);
    hnas_hyper_destroy(hyper);
    hnas_supernet_destroy(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hnas_context *ctx = fuzz_context();
    char *text = malloc(size + 1);
    struct hn_settings s;

    fuzz_expect(text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = '\0';
    fuzz_begin();
    if (hn_settings_read(&s, ctx, "fuzz", text) == HNAS_OK)
        build(&s);
    hn_settings_finish(&s);
    fuzz_end();
    free(text);
    return 0;
}
